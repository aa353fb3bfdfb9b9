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

timm's overlapping stems (`ols`) are two convolutions of step 2 in a row, with `stem_channels`
channels between them: `stem.0`, `stem.1` and the norm `stem.2`.
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
#: Step of each convolution of an overlapping stem.
OVERLAPPING_STEP: Final = 2
#: Colours of the input.
INPUT_CHANNELS: Final = 3

BATCH_NORM: Final = "BatchNorm2d"
LAYER_NORM: Final = "LayerNorm"
#: A norm with a weight and no bias, as timm's small `rms` models have.
RMS_NORM: Final = "RMSNorm"


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a trunk.

    Attributes:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        kernel_size: Side of the depthwise kernels.
        expansion: Inner width of a block, in widths of the block.
        norm: BatchNorm2d, LayerNorm or RMSNorm.
        stem_kernel: Side of the first convolution; its step, too, unless the stem overlaps.
        layer_scale: Whether blocks scale their output by `gamma`.
        grn: Whether blocks hold global response normalization.
        pointwise_convolutions: Whether the two inner layers are 1×1 convolutions and not linear.
        final_norm: Whether a norm follows the last stage under the trunk's own name.
        stem_channels: Channels between the two convolutions of an overlapping stem; None for a stem
            of one convolution.
        stem_activation: Whether an activation stands between the two; it has no weights, but it
            counts in the names.
        input_channels: Channels of the input; 3 are colours.
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
    stem_channels: int | None = None
    stem_activation: bool = False
    input_channels: int = INPUT_CHANNELS


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a code base names the layers of a trunk.

    In the names of stages and blocks `{i}` is the stage and `{j}` the block, from 0; `{even}` is
    2 × i and `{odd}` 2 × i + 1, for a list in which stages and downsampling take turns. Names are
    filled in by `downsample_names` and `block_name`.

    Attributes:
        name: original, timm, torchvision, hugging face.
        stem: Names of the stem's convolution and norm.
        downsample: Names of the norm and the convolution before stage `{i}`, from 1 on.
        block: Name of a block.
        parts: Names within a block: depthwise, norm, first and second pointwise layer.
        scale: Name of the layer scale within a block, and the axes of 1 behind its width.
        response: Names of GRN's two parameters within a block; None where the code has no GRN.
        response_axes: Axes of 1 before their width.
        norm: Name of the last norm.
        stages_first: Whether a stage's downsampling is listed with the stage, and not with the
            stem before all stages.
        overlapping_stem: Name of item `{n}` of an overlapping stem; None where the code has none.
    """

    name: str
    stem: tuple[str, str]
    downsample: tuple[str, str]
    block: str
    parts: tuple[str, str, str, str]
    scale: tuple[str, int]
    response: tuple[str, str] | None
    norm: str
    response_axes: int = 3
    stages_first: bool = False
    overlapping_stem: str | None = None

    def downsample_names(self, i: int) -> tuple[str, str]:
        """Return the names of the norm and the convolution before stage `i`, from 1 on."""
        norm, reduction = self.downsample
        return norm.format(i=i, even=2 * i), reduction.format(i=i, even=2 * i)

    def block_name(self, i: int, j: int) -> str:
        """Return the name of block `j` of stage `i`, both from 0."""
        return self.block.format(i=i, j=j, odd=2 * i + 1)

    def overlapping_names(self, *, has_activation: bool) -> tuple[str, str, str]:
        """Return the names of an overlapping stem's two convolutions and of its norm.

        Raises:
            ValueError: The code base has no such stem.
        """
        if self.overlapping_stem is None:
            raise ValueError(f"the layout {self.name} has no overlapping stem")
        second = 2 if has_activation else 1
        first, then, norm = (self.overlapping_stem.format(n=n) for n in (0, second, second + 1))
        return first, then, norm


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
#: timm.models.convnext (1.0): the last norm belongs to the classifier.
TIMM: Final = Layout(
    name="timm",
    stem=("stem.0", "stem.1"),
    downsample=("stages.{i}.downsample.0", "stages.{i}.downsample.1"),
    block="stages.{i}.blocks.{j}",
    parts=("conv_dw", "norm", "mlp.fc1", "mlp.fc2"),
    scale=("gamma", 0),
    response=("mlp.grn.weight", "mlp.grn.bias"),
    response_axes=0,
    norm="head.norm",
    stages_first=True,
    overlapping_stem="stem.{n}",
)
#: torchvision.models.convnext (0.12 and later): version 1 alone.
TORCHVISION: Final = Layout(
    name="torchvision",
    stem=("features.0.0", "features.0.1"),
    downsample=("features.{even}.0", "features.{even}.1"),
    block="features.{odd}.{j}",
    parts=("block.0", "block.2", "block.3", "block.5"),
    scale=("layer_scale", 2),
    response=None,
    norm="classifier.0",
    stages_first=True,
)
#: transformers, ConvNextModel and ConvNextV2Model.
HUGGING_FACE: Final = Layout(
    name="hugging face",
    stem=("embeddings.patch_embeddings", "embeddings.layernorm"),
    downsample=(
        "encoder.stages.{i}.downsampling_layer.0",
        "encoder.stages.{i}.downsampling_layer.1",
    ),
    block="encoder.stages.{i}.layers.{j}",
    parts=("dwconv", "layernorm", "pwconv1", "pwconv2"),
    scale=("layer_scale_parameter", 0),
    response=("grn.weight", "grn.bias"),
    norm="layernorm",
    stages_first=True,
)


#: Entries of the state_dict and elements for each channel of parameters, by norm.
_NORM_SIZES: Final = {BATCH_NORM: (5, 2), LAYER_NORM: (2, 2), RMS_NORM: (1, 1)}


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
    yield from _stem(trunk, layout, prefix, place)
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
    total, (height, width) = _stem_macs(trunk, input_size)
    for i, (dim, depth) in enumerate(zip(trunk.dims, trunk.depths, strict=True)):
        if i:
            height, width = height // DOWNSAMPLE_KERNEL, width // DOWNSAMPLE_KERNEL
            total += trunk.dims[i - 1] * dim * DOWNSAMPLE_KERNEL**2 * height * width
        block = dim * trunk.kernel_size**2 + 2 * trunk.expansion * dim**2
        total += depth * block * height * width
    return total, (height, width)


def trunk_counts(trunk: Trunk) -> tuple[int, int, int]:
    """Return tensors, parameters and buffer elements of a trunk in closed form."""
    norm_tensors, norm_parameters = _NORM_SIZES.get(trunk.norm, _NORM_SIZES[LAYER_NORM])
    tensors = 2 + norm_tensors
    side, channels = trunk.stem_kernel, trunk.input_channels
    if trunk.stem_channels is None:
        parameters = trunk.dims[0] * (channels * side**2 + 1)
    else:
        tensors += 2
        parameters = trunk.stem_channels * (channels * side**2 + 1)
        parameters += trunk.dims[0] * (trunk.stem_channels * side**2 + 1)
    normed = [trunk.dims[0], *trunk.dims[:-1]]
    for i, (dim, depth) in enumerate(zip(trunk.dims, trunk.depths, strict=True)):
        if i:
            parameters += dim * (trunk.dims[i - 1] * DOWNSAMPLE_KERNEL**2 + 1)
            tensors += 2 + norm_tensors
        inner = trunk.expansion * dim
        block = dim * (trunk.kernel_size**2 + 1) + inner * (dim + 1) + dim * (inner + 1)
        block += dim * trunk.layer_scale + 2 * inner * trunk.grn
        parameters += depth * block
        extras = int(trunk.layer_scale) + 2 * int(trunk.grn)
        tensors += depth * (6 + extras + norm_tensors)
        normed += [dim] * depth
    if trunk.final_norm:
        normed.append(trunk.dims[-1])
        tensors += norm_tensors
    parameters += norm_parameters * sum(normed)
    buffers = 2 * sum(normed) + len(normed) if trunk.norm == BATCH_NORM else 0
    return tensors, parameters, buffers


def _norm(key: str, width: Width, place: Place, trunk: Trunk) -> Iterator[ExpectedTensor]:
    if trunk.norm == BATCH_NORM:
        return batch_norm(key, width, place)
    if trunk.norm == RMS_NORM:
        return iter((parameter(f"{key}.weight", (width,), place),))
    return layer_norm(key, width, place)


def _stem(trunk: Trunk, layout: Layout, prefix: str, place: Place) -> Iterator[ExpectedTensor]:
    width = Width(trunk.dims[0], ("dims[0]",))
    into = Width(trunk.input_channels, ("input_channels",))
    kernel = square(trunk.stem_kernel, "stem_kernel")
    if trunk.stem_channels is None:
        convolved, normed = layout.stem
    else:
        first, convolved, normed = layout.overlapping_names(has_activation=trunk.stem_activation)
        between = Width(trunk.stem_channels, ("stem_channels",))
        yield from convolution(prefix + first, between, into, kernel, place)
        into = between
    yield from convolution(prefix + convolved, width, into, kernel, place)
    yield from _norm(prefix + normed, width, place, trunk)


def _stem_macs(trunk: Trunk, input_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    side, dim = trunk.stem_kernel, trunk.dims[0]
    if trunk.stem_channels is None:
        height, width = (pixels // side for pixels in input_size)
        return dim * trunk.input_channels * side**2 * height * width, (height, width)
    # Padded by half the kernel: every second pixel, the first one included.
    between = [-(-pixels // OVERLAPPING_STEP) for pixels in input_size]
    height, width = (-(-pixels // OVERLAPPING_STEP) for pixels in between)
    first = trunk.stem_channels * trunk.input_channels * side**2 * between[0] * between[1]
    second = dim * trunk.stem_channels * side**2 * height * width
    return first + second, (height, width)


def _downsampling(
    trunk: Trunk, layout: Layout, i: int, prefix: str, place: Place
) -> Iterator[ExpectedTensor]:
    norm, reduction = (prefix + name for name in layout.downsample_names(i))
    before = Width(trunk.dims[i - 1], (f"dims[{i - 1}]",))
    after = Width(trunk.dims[i], (f"dims[{i}]",))
    yield from _norm(norm, before, place, trunk)
    yield from convolution(reduction, after, before, square(DOWNSAMPLE_KERNEL), place)


def _block(
    trunk: Trunk, layout: Layout, i: int, j: int, prefix: str, part: str
) -> Iterator[ExpectedTensor]:
    block = f"{prefix}{layout.block_name(i, j)}."
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
    if trunk.grn and layout.response is not None:
        axes = (ONE,) * layout.response_axes
        for name in layout.response:
            yield parameter(block + name, (*axes, inner), Place(part, (*place.presence, "grn")))
    yield from convolution(second, width, inner, pointwise, place)
