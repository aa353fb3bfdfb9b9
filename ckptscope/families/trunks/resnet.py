"""The ResNet trunk: a stem, and stages of residual blocks.

Enters: sizes. Leaves: expected tensors, multiply-accumulates, counts, and the name under which the
sizes are known. Defined by K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016;
names, the place of the strides and the wide and grouped forms as in torchvision.models.resnet.

| key | shape |
|---|---|
| `conv1.weight` | [stem_width, input_channels, stem_kernel, stem_kernel] |
| `layer{i+1}.{j}.conv1.weight` | BasicBlock: [inner, incoming, 3, 3]; Bottleneck: 1×1 |
| `layer{i+1}.{j}.conv2.weight` | BasicBlock: [dims[i], group_dims[i], 3, 3]; Bottleneck: inner |
| `layer{i+1}.{j}.conv3.weight` | Bottleneck: [dims[i], inner, 1, 1] |
| `layer{i+1}.0.downsample.0.weight` | [dims[i], incoming, 1, 1] |

j < depths[i]; inner is groups × group_dims[i]; what comes in is stem_width, or dims of the stage or
the block before. The first stage has a downsample only if stem_width is not dims[0].
A BatchNorm2d follows each convolution: `bn1`, `bn2`, `bn3`, `downsample.1`. No convolution has a
bias.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.layers import Place, Width, batch_norm, convolution, square

BASIC: Final = "BasicBlock"
BOTTLENECK: Final = "Bottleneck"
BLOCKS: Final = (BASIC, BOTTLENECK)

#: Channels that leave a Bottleneck, in widths of its 3×3 convolution (torchvision: `expansion`).
EXPANSION: Final = 4
#: The stem of every named size: 64 channels from 3 colours by 7×7.
STEM_WIDTH: Final = 64
STEM_KERNEL: Final = 7
INPUT_CHANNELS: Final = 3


#: What no weight tells, and counting operations needs.
STRIDES: Final = "the strides are those of torchvision's code, which no weight depends on"


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a trunk.

    Attributes:
        block: BasicBlock or Bottleneck.
        depths: Blocks of each stage.
        dims: Channels that leave each stage.
        group_dims: Channels of one group of the inner 3×3 convolution, for each stage.
        groups: Groups of that convolution; 1 in a BasicBlock.
        stem_width: Channels that leave the stem.
        stem_kernel: Side of the first convolution.
        input_channels: Channels of the input.
    """

    block: str
    depths: tuple[int, ...]
    dims: tuple[int, ...]
    group_dims: tuple[int, ...]
    groups: int = 1
    stem_width: int = STEM_WIDTH
    stem_kernel: int = STEM_KERNEL
    input_channels: int = INPUT_CHANNELS

    def incoming(self, stage: int) -> int:
        """Return the channels that enter a stage."""
        return self.dims[stage - 1] if stage else self.stem_width

    def has_downsample(self, stage: int) -> bool:
        """Whether the first block of a stage has a convolution in its shortcut.

        torchvision's rule: where the block steps by two, or its channels change.
        """
        return stage > 0 or self.stem_width != self.dims[0]


_BASIC_DIMS: Final = (64, 128, 256, 512)
_BOTTLENECK_DIMS: Final = (256, 512, 1024, 2048)


def _named(block: str, depths: tuple[int, ...], groups: int = 1, base_width: int = 64) -> Trunk:
    """Return a trunk of torchvision's: planes of 64 to 512, widened by `width_per_group`."""
    dims = _BASIC_DIMS if block == BASIC else _BOTTLENECK_DIMS
    return Trunk(
        block=block,
        depths=depths,
        dims=dims,
        group_dims=group_dims_of(block, dims, base_width),
        groups=groups,
    )


def group_dims_of(block: str, dims: tuple[int, ...], base_width: int = 64) -> tuple[int, ...]:
    """Return the group widths that torchvision derives from `width_per_group`.

    Args:
        block: BasicBlock or Bottleneck.
        dims: Channels that leave each stage.
        base_width: `width_per_group`: channels of a group in a stage of 64 planes.
    """
    expansion = 1 if block == BASIC else EXPANSION
    return tuple(dim // expansion * base_width // 64 for dim in dims)


#: Names that torchvision and its documentation give, and their sizes.
NAMED_TRUNKS: Final[dict[str, Trunk]] = {
    "ResNet-18": _named(BASIC, (2, 2, 2, 2)),
    "ResNet-34": _named(BASIC, (3, 4, 6, 3)),
    "ResNet-50": _named(BOTTLENECK, (3, 4, 6, 3)),
    "ResNet-101": _named(BOTTLENECK, (3, 4, 23, 3)),
    "ResNet-152": _named(BOTTLENECK, (3, 8, 36, 3)),
    "ResNeXt-50 32x4d": _named(BOTTLENECK, (3, 4, 6, 3), 32, 4),
    "ResNeXt-101 32x8d": _named(BOTTLENECK, (3, 4, 23, 3), 32, 8),
    "ResNeXt-101 64x4d": _named(BOTTLENECK, (3, 4, 23, 3), 64, 4),
    "Wide ResNet-50-2": _named(BOTTLENECK, (3, 4, 6, 3), 1, 128),
    "Wide ResNet-101-2": _named(BOTTLENECK, (3, 4, 23, 3), 1, 128),
}


def trunk_name(trunk: Trunk) -> str | None:
    """Return the name under which a trunk's blocks are known, or None for none of the named ones.

    The colours of the input do not count: a ResNet-50 for grey images is a ResNet-50.
    """
    for name, sizes in NAMED_TRUNKS.items():
        if msgspec.structs.replace(sizes, input_channels=trunk.input_channels) == trunk:
            return name
    return None


def stem_text(trunk: Trunk) -> str:
    """Return the stem in words: `Conv2d 3→64 7×7, BatchNorm2d`."""
    side = trunk.stem_kernel
    return f"Conv2d {trunk.input_channels}→{trunk.stem_width} {side}×{side}, BatchNorm2d"


def trunk_keys(
    trunk: Trunk, *, prefix: str = "", part: str = "backbone"
) -> Iterator[ExpectedTensor]:
    """List a trunk in the order of torch.

    Args:
        trunk: Its sizes.
        prefix: What stands before every key: `backbone.`.
        part: Part of the network that it counts for.
    """
    place = Place(part)
    width = Width(trunk.stem_width, ("stem_width",))
    colours = Width(trunk.input_channels, ("input_channels",))
    kernel = square(trunk.stem_kernel, "stem_kernel")
    yield from convolution(f"{prefix}conv1", width, colours, kernel, place, bias=False)
    yield from batch_norm(f"{prefix}bn1", width, place)
    for i, depth in enumerate(trunk.depths):
        out = Width(trunk.dims[i], (f"dims[{i}]",))
        for j in range(depth):
            into = out if j else width
            yield from _block_keys(trunk, i, f"{prefix}layer{i + 1}.{j}", into, part)
            if not j and trunk.has_downsample(i):
                # In the first stage it comes and goes with the two widths, too.
                settings = (f"depths[{i}]",) if i else ("depths[0]", "stem_width", "dims[0]")
                shortcut = Place(part, settings)
                key = f"{prefix}layer{i + 1}.0.downsample"
                yield from convolution(f"{key}.0", out, into, square(1), shortcut, bias=False)
                yield from batch_norm(f"{key}.1", out, shortcut)
        width = out


def _block_keys(trunk: Trunk, i: int, key: str, into: Width, part: str) -> Iterator[ExpectedTensor]:
    out = Width(trunk.dims[i], (f"dims[{i}]",))
    group = Width(trunk.group_dims[i], (f"group_dims[{i}]",))
    inner = Width(trunk.groups * trunk.group_dims[i], ("groups", f"group_dims[{i}]"))
    place = Place(part, (f"depths[{i}]",))
    is_basic = trunk.block == BASIC
    side = square(3 if is_basic else 1)
    yield from convolution(f"{key}.conv1", inner, into, side, place, bias=False)
    yield from batch_norm(f"{key}.bn1", inner, place)
    second = out if is_basic else inner
    yield from convolution(f"{key}.conv2", second, group, square(3), place, bias=False)
    yield from batch_norm(f"{key}.bn2", second, place)
    if not is_basic:
        third = Place(part, (f"depths[{i}]", "block"))
        yield from convolution(f"{key}.conv3", out, inner, square(1), third, bias=False)
        yield from batch_norm(f"{key}.bn3", out, third)


def _stage_weights(trunk: Trunk, stage: int) -> tuple[list[int], int, int]:
    """Return the convolutions' elements of a stage's first block up to and behind its step.

    Returns:
        Elements of each convolution of the first block, in order; of a further block together; of
        the shortcut's convolution.
    """
    out, group = trunk.dims[stage], trunk.group_dims[stage]
    inner, into = trunk.groups * group, trunk.incoming(stage)
    if trunk.block == BASIC:
        first = [inner * into * 9, out * group * 9]
        further = inner * out * 9 + out * group * 9
    else:
        first = [inner * into, inner * group * 9, out * inner]
        further = inner * out + inner * group * 9 + out * inner
    return first, further, out * into if trunk.has_downsample(stage) else 0


def trunk_counts(trunk: Trunk) -> tuple[int, int, int]:
    """Return tensors, parameters and buffer elements of a trunk in closed form."""
    tensors, normed, norms = 6, trunk.stem_width, 1
    parameters = trunk.stem_width * trunk.input_channels * trunk.stem_kernel**2
    for i, depth in enumerate(trunk.depths):
        out, inner = trunk.dims[i], trunk.groups * trunk.group_dims[i]
        first, further, shortcut = _stage_weights(trunk, i)
        parameters += sum(first) + (depth - 1) * further + shortcut
        # Each convolution's own BatchNorm: the last is as wide as the stage, the others as inside.
        block_norms = len(first)
        normed += depth * ((block_norms - 1) * inner + out) + (out if shortcut else 0)
        added = depth * block_norms + (1 if shortcut else 0)
        norms += added
        tensors += 6 * added
    return tensors, parameters + 2 * normed, 2 * normed + norms


def trunk_macs(trunk: Trunk, input_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Return the multiply-accumulates of a trunk's convolutions, and the plane that leaves it.

    The strides are torchvision's: the stem, its pooling and every stage but the first halve, a
    stage in the first 3×3 convolution.

    Args:
        trunk: Its sizes.
        input_size: Height and width of the input, in pixels.
    """
    # Padded by half its side, an even kernel gives one place more than half.
    padding = 2 * (trunk.stem_kernel // 2) - trunk.stem_kernel
    stem = [(side + padding) // 2 + 1 for side in input_size]
    weights = trunk.stem_width * trunk.input_channels * trunk.stem_kernel**2
    total = weights * stem[0] * stem[1]
    height, width = _halved(stem[0]), _halved(stem[1])
    for i, depth in enumerate(trunk.depths):
        before = height * width
        if i:
            height, width = _halved(height), _halved(width)
        after = height * width
        first, further, shortcut = _stage_weights(trunk, i)
        stepping = 0 if trunk.block == BASIC else 1
        total += sum(first[:stepping]) * before + sum(first[stepping:]) * after
        total += ((depth - 1) * further + shortcut) * after
    return total, (height, width)


def _halved(side: int) -> int:
    """A 3×3 kernel with a padding of 1, or a 1×1 without, that steps by two."""
    return (side + 1) // 2
