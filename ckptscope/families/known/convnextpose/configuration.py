"""ConvNeXtPose: what it is built from, its keys, and what they add up to.

Enters: settings. Leaves: a configuration, its table of keys in each dialect, counts in closed form.
Defined by H. S. Nguyen et al., "ConvNeXtPose", IEEE Access 11 (2023), 117393-117402, and the
authors' code (medialab-ku/ConvNeXtPose).

| key (dialect `named`) | shape |
|---|---|
| `backbone.*` | the trunk of `families.trunks.convnext`, BatchNorm, 1×1 convolutions |
| `head.deconv_layers_{k}.dwconv.weight` | [incoming channels, 1, head_kernels[k-1], ...] |
| `head.deconv_layers_{k}.norm.weight` | [incoming channels] |
| `head.deconv_layers_{k}.pwconv.weight` | [head_out_channels[k-1], incoming channels, 1, 1] |
| `head.final_layer.weight` | [joints × depth_bins, outgoing channels of the last layer, 1, 1] |

Incoming channels of layer 1 are dims[-1], of the others head_out_channels of the layer before.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import Counts, ExpectedTensor, PartCount
from ckptscope.families.base import Configuration
from ckptscope.families.layers import (
    ONE,
    Place,
    Width,
    batch_norm,
    convolution,
    layer_norm,
    square,
)
from ckptscope.families.trunks.convnext import (
    BATCH_NORM,
    INPUT_CHANNELS,
    Trunk,
    trunk_counts,
    trunk_keys,
    trunk_macs,
    trunk_name,
)

NAMED: Final = "named"
INDEXED: Final = "indexed"
LIST: Final = "list"
DIALECTS: Final = (NAMED, INDEXED, LIST)

#: Name of head layer k, counted from 1, and of its three parts, in each dialect.
_LAYER_NAMES: Final = {
    NAMED: ("head.deconv_layers_{k}", ("dwconv", "norm", "pwconv")),
    INDEXED: ("head.deconv_layers_{k}", ("0", "1", "2")),
    LIST: ("head.deconv_layers.{k0}", ("dwconv", "norm", "pwconv")),
}
FINAL_LAYER: Final = "head.final_layer"

#: Joints by data set: the authors' data code, and at last COCO's own number.
JOINT_SETS: Final = {18: "Human3.6M", 16: "MPII", 19: "MS COCO", 21: "MuCo/MuPoTS", 17: "COCO"}
#: Input of the paper and of the authors' configuration, in pixels.
INPUT_SIZE: Final = (256, 256)


class ConvNeXtPoseConfiguration(Configuration, frozen=True, kw_only=True):
    """What a ConvNeXtPose is built from.

    Attributes:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        head_out_channels: Channels that leave each layer of the head.
        joints: Joints of the output; None where it is not known how the outputs divide.
        depth_bins: Depth bins of each joint; None likewise.
        undivided: Channels of the output where they are not divided into joints and depth bins.
        upsampling: Whether each layer of the head doubles the plane; no tensor depends on it. None
            where it is not known.
        input_size: Height and width of the input, in pixels; no tensor depends on it.
        kernel_size: Side of the blocks' depthwise kernels.
        expansion: Inner width of a block, in widths of the block.
        norm: BatchNorm2d or LayerNorm.
        stem_kernel: Side and step of the first convolution.
        layer_scale: Whether blocks hold a layer scale; the authors' have none.
        grn: Whether blocks hold global response normalization; the authors' have none.
        head_kernels: Sides of the head's depthwise kernels.
        input_channels: Channels of the input; 3 are colours.
    """

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    head_out_channels: tuple[int, ...]
    joints: int | None = None
    depth_bins: int | None = None
    undivided: int | None = None
    upsampling: tuple[bool, ...] | None = None
    input_size: tuple[int, int] = INPUT_SIZE
    kernel_size: int = 7
    expansion: int = 4
    norm: str = BATCH_NORM
    stem_kernel: int = 4
    layer_scale: bool = False
    grn: bool = False
    head_kernels: tuple[int, ...] = ()
    input_channels: int = INPUT_CHANNELS

    @property
    def kernels(self) -> tuple[int, ...]:
        """Sides of the head's kernels; 3 where none are given, as in the paper."""
        return self.head_kernels or (3,) * len(self.head_out_channels)

    @property
    def head_in_channels(self) -> tuple[int, ...]:
        """Channels that enter each layer of the head."""
        return (self.dims[-1], *self.head_out_channels)[: len(self.head_out_channels)]

    @property
    def final_in_channels(self) -> int:
        """Channels that enter the final layer."""
        return (self.dims[-1], *self.head_out_channels)[-1]

    @property
    def final_channels(self) -> int:
        """Channels that leave the network: joints × depth bins; 0 where nothing says it."""
        if self.joints is None or self.depth_bins is None:
            return self.undivided or 0
        return self.joints * self.depth_bins

    @property
    def trunk(self) -> Trunk:
        """Sizes of the backbone."""
        return Trunk(
            dims=self.dims,
            depths=self.depths,
            kernel_size=self.kernel_size,
            expansion=self.expansion,
            norm=self.norm,
            stem_kernel=self.stem_kernel,
            layer_scale=self.layer_scale,
            grn=self.grn,
            pointwise_convolutions=True,
            input_channels=self.input_channels,
        )

    @property
    def head_input(self) -> tuple[int, int]:
        """Height and width that enter the head."""
        height, width = self.input_size
        # A kernel of 0 stands in no network, but a damaged file may say so.
        stem, halvings = max(1, self.stem_kernel), len(self.dims) - 1
        return height // stem >> halvings, width // stem >> halvings

    @property
    def heatmap(self) -> tuple[int, int] | None:
        """Height and width that leave the head; None where upsampling is not known."""
        if self.upsampling is None:
            return None
        height, width = self.head_input
        factor = 2 ** sum(self.upsampling)
        return height * factor, width * factor


def configuration_keys(
    configuration: ConvNeXtPoseConfiguration, dialect: str | Sequence[tuple[str, str, str]] = NAMED
) -> Iterator[ExpectedTensor]:
    """List the state_dict in its order.

    Args:
        configuration: What it is built from.
        dialect: How the head's layers are named; or how each of their three parts is, by layer.
    """
    yield from trunk_keys(configuration.trunk, prefix="backbone.")
    norm = batch_norm if configuration.norm == BATCH_NORM else layer_norm
    into = _last_dim(configuration)
    for index, out in enumerate(configuration.head_out_channels):
        place = Place("head", ("head_layers",))
        dialects = (dialect,) * 3 if isinstance(dialect, str) else dialect[index]
        depthwise, normed, pointwise = (
            layer_names(index + 1, name)[part] for part, name in enumerate(dialects)
        )
        kernel = square(configuration.kernels[index], f"head_kernels[{index}]")
        yield from convolution(depthwise, into, ONE, kernel, place)
        yield from norm(normed, into, place)
        after = Width(out, (f"head_out_channels[{index}]",))
        yield from convolution(pointwise, after, into, square(1), place)
        into = after
    terms = ("joints", "depth_bins") if configuration.undivided is None else ("final_channels",)
    outputs = Width(configuration.final_channels, terms)
    yield from convolution(FINAL_LAYER, outputs, into, square(1), Place("head"))


def layer_names(number: int, dialect: str) -> tuple[str, str, str]:
    """Return the names of a head layer's depthwise convolution, norm and pointwise convolution.

    Args:
        number: Of the layer, from 1.
        dialect: One of `DIALECTS`.
    """
    layer, parts = _LAYER_NAMES[dialect]
    name = layer.format(k=number, k0=number - 1)
    return f"{name}.{parts[0]}", f"{name}.{parts[1]}", f"{name}.{parts[2]}"


def _last_dim(configuration: ConvNeXtPoseConfiguration) -> Width:
    return Width(configuration.dims[-1], (f"dims[{len(configuration.dims) - 1}]",))


def count_configuration(configuration: ConvNeXtPoseConfiguration) -> Counts:
    """Add a network up in closed form."""
    tensors, parameters, buffers = trunk_counts(configuration.trunk)
    macs, _ = trunk_macs(configuration.trunk, configuration.input_size)
    backbone = PartCount(
        part="backbone", tensors=tensors, parameters=parameters, buffers=buffers, macs=macs
    )
    return Counts(parts=(backbone, _count_head(configuration)))


def _count_head(configuration: ConvNeXtPoseConfiguration) -> PartCount:
    is_batch = configuration.norm == BATCH_NORM
    tensors = parameters = buffers = 0
    for into, out, kernel in head_layers(configuration):
        tensors += 9 if is_batch else 6
        parameters += into * (kernel**2 + 1) + 2 * into + out * (into + 1)
        buffers += 2 * into + 1 if is_batch else 0
    pattern = configuration.upsampling
    return PartCount(
        part="head",
        tensors=tensors + 2,
        parameters=parameters
        + configuration.final_channels * (configuration.final_in_channels + 1),
        buffers=buffers,
        macs=None if pattern is None else head_macs(configuration, pattern),
    )


def head_layers(configuration: ConvNeXtPoseConfiguration) -> Iterator[tuple[int, int, int]]:
    """Yield incoming channels, outgoing channels and kernel of each layer of the head."""
    return zip(
        configuration.head_in_channels,
        configuration.head_out_channels,
        configuration.kernels,
        strict=False,
    )


def head_macs(configuration: ConvNeXtPoseConfiguration, pattern: Sequence[bool]) -> int:
    """Return the multiply-accumulates of the head.

    Args:
        configuration: Everything but the pattern.
        pattern: Whether each layer of the head doubles the plane.
    """
    height, width = configuration.head_input
    places, macs = height * width, 0
    for (into, out, kernel), is_doubled in zip(head_layers(configuration), pattern, strict=False):
        macs += (into * kernel**2 + into * out) * places
        places *= 4 if is_doubled else 1
    return macs + configuration.final_in_channels * configuration.final_channels * places


def configuration_attributes(configuration: ConvNeXtPoseConfiguration) -> dict[str, FactValue]:
    """Return what follows from a configuration, by the facts' names."""
    counts = count_configuration(configuration)
    backbone, head = counts.parts
    widths = set(configuration.head_out_channels)
    return {
        "dims": configuration.dims,
        "depths": configuration.depths,
        "backbone": trunk_name(configuration.dims, configuration.depths),
        "stem": stem_text(configuration),
        "stem_kernel": configuration.stem_kernel,
        "kernel_size": configuration.kernel_size,
        "expansion": configuration.expansion,
        "norm": configuration.norm,
        "layer_scale": configuration.layer_scale,
        "grn": configuration.grn,
        "head_layers": len(configuration.head_out_channels),
        "head_in_channels": configuration.head_in_channels,
        "head_out_channels": configuration.head_out_channels,
        "head_width": widths.pop() if len(widths) == 1 else None,
        "head_kernels": configuration.kernels,
        "final_channels": configuration.final_channels,
        "joints": configuration.joints,
        "depth_bins": configuration.depth_bins,
        "upsampling": configuration.upsampling,
        "upsamplings": None if configuration.upsampling is None else sum(configuration.upsampling),
        "input_size": configuration.input_size,
        "input_channels": configuration.input_channels,
        "head_input": configuration.head_input,
        "heatmap": configuration.heatmap,
        "tensors": counts.tensors,
        "parameters": counts.parameters,
        "buffers": counts.buffers,
        "state_elements": counts.elements,
        "backbone_parameters": backbone.parameters,
        "backbone_elements": backbone.elements,
        "head_parameters": head.parameters,
        "head_elements": head.elements,
        "macs": counts.macs,
    }


def stem_text(configuration: ConvNeXtPoseConfiguration) -> str:
    """Return the stem in words: `Conv2d 3→48 4×4, BatchNorm2d`."""
    side = configuration.stem_kernel
    channels = f"{configuration.input_channels}→{configuration.dims[0]}"
    return f"Conv2d {channels} {side}×{side}, {configuration.norm}"
