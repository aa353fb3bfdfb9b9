"""The ConvNeXt trunk: stem, four stages of blocks with downsampling between them, a last norm.

Enters: sizes and a layout of names. Leaves: expected tensors, multiply-accumulates, and the name
under which the sizes are known. Defined by Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022, and
S. Woo et al., "ConvNeXt V2", CVPR 2023; sizes below Tiny as in the code of the second.

| key (layout `original`) | shape |
|---|---|
| `downsample_layers.0.0.weight` | [dims[0], 3, stem_kernel, stem_kernel] |
| `downsample_layers.{i}.1.weight` | [dims[i], dims[i-1], 2, 2] |
| `stages.{i}.{j}.dwconv.weight` | [dims[i], 1, kernel_size, kernel_size], j < depths[i] |
| `stages.{i}.{j}.pwconv1.weight` | [expansion × dims[i], dims[i]], 1×1 as convolution |
| `stages.{i}.{j}.gamma` | [dims[i]], where there is layer scale |
| `stages.{i}.{j}.grn.gamma` | [1, 1, 1, expansion × dims[i]], where there is GRN |
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.layers import (
    ONE,
    Place,
    Width,
    batch_norm,
    convolution,
    layer_norm,
    parameter,
    square,
)

#: Dims and depths by name: configurations of both papers; Femto-L is the name that the ConvNeXtPose
#: paper gives to Femto's widths with Tiny's depths.
NAMED_SIZES: Final[dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "Atto": ((40, 80, 160, 320), (2, 2, 6, 2)),
    "Femto": ((48, 96, 192, 384), (2, 2, 6, 2)),
    "Femto-L": ((48, 96, 192, 384), (3, 3, 9, 3)),
    "Pico": ((64, 128, 256, 512), (2, 2, 6, 2)),
    "Nano": ((80, 160, 320, 640), (2, 2, 8, 2)),
    "Tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "Small": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "Base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
    "Large": ((192, 384, 768, 1536), (3, 3, 27, 3)),
    "XLarge": ((256, 512, 1024, 2048), (3, 3, 27, 3)),
    "Huge": ((352, 704, 1408, 2816), (3, 3, 27, 3)),
}

#: Stem and downsampling convolutions step by their own kernels: 4 and 2.
DOWNSAMPLE_KERNEL: Final = 2
#: Colours of the input.
INPUT_CHANNELS: Final = 3

BATCH_NORM: Final = "BatchNorm2d"
LAYER_NORM: Final = "LayerNorm"


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a trunk.

    Attributes:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        kernel_size: Side of the depthwise kernels.
        expansion: Inner width of a block, in widths of the block.
        norm: BatchNorm2d or LayerNorm.
        stem_kernel: Side and step of the first convolution.
        layer_scale: Whether blocks scale their output by `gamma`.
        grn: Whether blocks hold global response normalization.
        pointwise_convolutions: Whether the two inner layers are 1×1 convolutions and not linear.
        final_norm: Whether a norm follows the last stage under the trunk's own name.
    """

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    kernel_size: int = 7
    expansion: int = 4
    norm: str = LAYER_NORM
    stem_kernel: int = 4
    layer_scale: bool = False
    grn: bool = False
    pointwise_convolutions: bool = False
    final_norm: bool = True


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a code base names the layers of a trunk; `{i}` is the stage, `{j}` the block.

    Attributes:
        name: original, timm, torchvision, hugging face.
        stem: Names of the stem's convolution and norm.
        downsample: Names of the norm and the convolution before stage `{i}`, from 1 on.
        block: Name of a block.
        parts: Names within a block: depthwise, norm, first and second pointwise layer.
        scale: Name of the layer scale within a block, and the axes of 1 behind its width.
        response: Names of GRN's two parameters within a block.
        norm: Name of the last norm.
        stages_first: Whether a stage's downsampling is listed with the stage, and not with the
            stem before all stages.
    """

    name: str
    stem: tuple[str, str]
    downsample: tuple[str, str]
    block: str
    parts: tuple[str, str, str, str]
    scale: tuple[str, int]
    response: tuple[str, str]
    norm: str
    stages_first: bool = False


ORIGINAL: Final = Layout(
    name="original",
    stem=("downsample_layers.0.0", "downsample_layers.0.1"),
    downsample=("downsample_layers.{i}.0", "downsample_layers.{i}.1"),
    block="stages.{i}.{j}",
    parts=("dwconv", "norm", "pwconv1", "pwconv2"),
    scale=("gamma", 0),
    response=("grn.gamma", "grn.beta"),
    norm="norm",
)


def trunk_name(dims: tuple[int, ...], depths: tuple[int, ...]) -> str | None:
    """Return the name under which these sizes are known, or None for none of the named ones."""
    for name, sizes in NAMED_SIZES.items():
        if sizes == (dims, depths):
            return name
    return None


def trunk_keys(
    trunk: Trunk, layout: Layout = ORIGINAL, *, prefix: str = "", part: str = "backbone"
) -> Iterator[ExpectedTensor]:
    """List a trunk in the order of torch.

    Args:
        trunk: Its sizes.
        layout: Names of its layers.
        prefix: What stands before every key: `backbone.`.
        part: Part of the network that it counts for.
    """
    place = Place(part)
    width = Width(trunk.dims[0], ("dims[0]",))
    kernel = square(trunk.stem_kernel, "stem_kernel")
    stem, stem_norm = (prefix + name for name in layout.stem)
    yield from convolution(stem, width, Width(INPUT_CHANNELS), kernel, place)
    yield from _norm(stem_norm, width, place, trunk)
    if not layout.stages_first:
        for i in range(1, len(trunk.dims)):
            yield from _downsampling(trunk, layout, i, prefix, place)
    for i in range(len(trunk.dims)):
        if layout.stages_first and i:
            yield from _downsampling(trunk, layout, i, prefix, place)
        for j in range(trunk.depths[i]):
            yield from _block(trunk, layout, i, j, prefix, part)
    if trunk.final_norm:
        last = len(trunk.dims) - 1
        yield from _norm(
            prefix + layout.norm, Width(trunk.dims[last], (f"dims[{last}]",)), place, trunk
        )


def trunk_macs(trunk: Trunk, input_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Return the multiply-accumulates of a trunk's convolutions and linear layers, and its plane.

    Args:
        trunk: Its sizes.
        input_size: Height and width of the input, in pixels.
    """
    height, width = (side // trunk.stem_kernel for side in input_size)
    total = trunk.dims[0] * INPUT_CHANNELS * trunk.stem_kernel**2 * height * width
    for i, (dim, depth) in enumerate(zip(trunk.dims, trunk.depths, strict=True)):
        if i:
            height, width = height // DOWNSAMPLE_KERNEL, width // DOWNSAMPLE_KERNEL
            total += trunk.dims[i - 1] * dim * DOWNSAMPLE_KERNEL**2 * height * width
        block = dim * trunk.kernel_size**2 + 2 * trunk.expansion * dim**2
        total += depth * block * height * width
    return total, (height, width)


def trunk_counts(trunk: Trunk) -> tuple[int, int, int]:
    """Return tensors, parameters and buffer elements of a trunk in closed form."""
    is_batch = trunk.norm == BATCH_NORM
    tensors = 2 + _norm_tensors(is_batch=is_batch)
    parameters = trunk.dims[0] * (INPUT_CHANNELS * trunk.stem_kernel**2 + 1)
    normed = [trunk.dims[0], *trunk.dims[:-1]]
    for i, (dim, depth) in enumerate(zip(trunk.dims, trunk.depths, strict=True)):
        if i:
            parameters += dim * (trunk.dims[i - 1] * DOWNSAMPLE_KERNEL**2 + 1)
            tensors += 2 + _norm_tensors(is_batch=is_batch)
        inner = trunk.expansion * dim
        block = dim * (trunk.kernel_size**2 + 1) + inner * (dim + 1) + dim * (inner + 1)
        block += dim * trunk.layer_scale + 2 * inner * trunk.grn
        parameters += depth * block
        extras = int(trunk.layer_scale) + 2 * int(trunk.grn)
        tensors += depth * (6 + extras + _norm_tensors(is_batch=is_batch))
        normed += [dim] * depth
    if trunk.final_norm:
        normed.append(trunk.dims[-1])
        tensors += _norm_tensors(is_batch=is_batch)
    parameters += 2 * sum(normed)
    buffers = 2 * sum(normed) + len(normed) if is_batch else 0
    return tensors, parameters, buffers


def _norm_tensors(*, is_batch: bool) -> int:
    return 5 if is_batch else 2


def _norm(key: str, width: Width, place: Place, trunk: Trunk) -> Iterator[ExpectedTensor]:
    return (batch_norm if trunk.norm == BATCH_NORM else layer_norm)(key, width, place)


def _downsampling(
    trunk: Trunk, layout: Layout, i: int, prefix: str, place: Place
) -> Iterator[ExpectedTensor]:
    norm, reduction = (prefix + name.format(i=i) for name in layout.downsample)
    before = Width(trunk.dims[i - 1], (f"dims[{i - 1}]",))
    after = Width(trunk.dims[i], (f"dims[{i}]",))
    yield from _norm(norm, before, place, trunk)
    yield from convolution(reduction, after, before, square(DOWNSAMPLE_KERNEL), place)


def _block(
    trunk: Trunk, layout: Layout, i: int, j: int, prefix: str, part: str
) -> Iterator[ExpectedTensor]:
    block = f"{prefix}{layout.block.format(i=i, j=j)}."
    depthwise, norm, first, second = (block + name for name in layout.parts)
    place = Place(part, (f"depths[{i}]",))
    width = Width(trunk.dims[i], (f"dims[{i}]",))
    inner = Width(trunk.expansion * trunk.dims[i], ("expansion", f"dims[{i}]"))
    kernel = square(trunk.kernel_size, "kernel_size")
    pointwise = square(1) if trunk.pointwise_convolutions else None
    if trunk.layer_scale:
        name, ones = layout.scale
        scale = Place(part, (*place.presence, "layer_scale"))
        yield parameter(block + name, (width, *[ONE] * ones), scale)
    yield from convolution(depthwise, width, ONE, kernel, place)
    yield from _norm(norm, width, place, trunk)
    yield from convolution(first, inner, width, pointwise, place)
    if trunk.grn:
        for name in layout.response:
            response = Place(part, (*place.presence, "grn"))
            yield parameter(block + name, (ONE, ONE, ONE, inner), response)
    yield from convolution(second, width, inner, pointwise, place)
