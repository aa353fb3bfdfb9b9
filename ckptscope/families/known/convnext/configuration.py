"""ConvNeXt classifiers: what they are built from, their keys, and what they add up to.

Enters: settings. Leaves: a configuration, its table of keys in each dialect, counts in closed form.
Defined by Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022 (version 1: layer scale), and
S. Woo et al., "ConvNeXt V2", CVPR 2023 (version 2: global response normalization instead).

| key (dialect `original`) | shape |
|---|---|
| `downsample_layers.*`, `stages.*`, `norm.*` | the trunk of `families.trunks.convnext` |
| `head.weight` | [classes, dims[-1]] |
| `head.bias` | [classes] |

The last norm counts for the backbone, whatever a code base calls it: so the parts add up to the
same in every dialect.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import Counts, ExpectedTensor, PartCount
from ckptscope.families.base import Configuration
from ckptscope.families.known.convnext.layouts import DIALECTS, Dialect
from ckptscope.families.layers import Place, Width, convolution
from ckptscope.families.trunks.convnext import (
    INPUT_CHANNELS,
    LAYER_NORM,
    NAMED_SIZES,
    ORIGINAL,
    Trunk,
    trunk_counts,
    trunk_keys,
    trunk_macs,
    trunk_name,
)

T = TypeVar("T")

#: Input for which both papers print their multiply-accumulates, in pixels.
INPUT_SIZE: Final = (224, 224)
#: Classes of ImageNet-1K; both papers count parameters with as many.
IMAGENET_CLASSES: Final = 1000
#: Classes of ImageNet-22K, as both papers' released models have them.
IMAGENET_22K_CLASSES: Final = 21_841

VERSION_1: Final = "v1"
VERSION_2: Final = "v2"
#: Layer scale and GRN by version.
VERSIONS: Final = {VERSION_1: (True, False), VERSION_2: (False, True)}

PATCH: Final = "patch"
OVERLAP: Final = "overlap"
OVERLAP_TIERED: Final = "overlap_tiered"
OVERLAP_ACT: Final = "overlap_act"
#: Stems by the names of timm.
STEM_TYPES: Final = (PATCH, OVERLAP, OVERLAP_TIERED, OVERLAP_ACT)
#: Side of the kernels of overlapping stems in timm.
OVERLAPPING_KERNEL: Final = 3


class ConvNeXtConfiguration(Configuration, frozen=True, kw_only=True):
    """What a ConvNeXt classifier is built from.

    Attributes:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        classes: Outputs of the classifier; None for a trunk without one.
        layer_scale: Whether blocks scale their output, as in version 1.
        grn: Whether blocks hold global response normalization, as in version 2.
        kernel_size: Side of the blocks' depthwise kernels.
        expansion: Inner width of a block, in widths of the block.
        norm: LayerNorm, RMSNorm or BatchNorm2d.
        stem_kernel: Side of the first convolution; its step, too, unless the stem overlaps.
        stem_channels: Channels between the two convolutions of an overlapping stem; None for a stem
            of one convolution.
        stem_activation: Whether an activation stands between the two.
        input_channels: Channels of the input.
        pointwise_convolutions: Whether the inner layers of a block are 1×1 convolutions and not
            linear; the numbers are the same.
        final_norm: Whether a norm follows the last stage.
        head_norm_first: Whether it stands before pooling, under another name (timm's `hnf`).
        head_hidden: Width of a hidden layer before the classes (timm's `large_mlp`), or None.
        input_size: Height and width of the input, in pixels; no tensor depends on it.
    """

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    classes: int | None = IMAGENET_CLASSES
    layer_scale: bool = True
    grn: bool = False
    kernel_size: int = 7
    expansion: int = 4
    norm: str = LAYER_NORM
    stem_kernel: int = 4
    stem_channels: int | None = None
    stem_activation: bool = False
    input_channels: int = INPUT_CHANNELS
    pointwise_convolutions: bool = False
    final_norm: bool = True
    head_norm_first: bool = False
    head_hidden: int | None = None
    input_size: tuple[int, int] = INPUT_SIZE

    @property
    def trunk(self) -> Trunk:
        """Sizes of the trunk."""
        return Trunk(
            dims=self.dims,
            depths=self.depths,
            kernel_size=self.kernel_size,
            expansion=self.expansion,
            norm=self.norm,
            stem_kernel=self.stem_kernel,
            layer_scale=self.layer_scale,
            grn=self.grn,
            pointwise_convolutions=self.pointwise_convolutions,
            final_norm=self.final_norm,
            stem_channels=self.stem_channels,
            stem_activation=self.stem_activation,
            input_channels=self.input_channels,
        )

    @property
    def version(self) -> str | None:
        """Which paper's block it is; None for neither's."""
        for name, traits in VERSIONS.items():
            if traits == (self.layer_scale, self.grn):
                return name
        return None

    @property
    def stem_type(self) -> str:
        """The stem by timm's name."""
        if self.stem_channels is None:
            return PATCH
        if self.stem_activation:
            return OVERLAP_ACT
        return OVERLAP if self.stem_channels == self.dims[0] else OVERLAP_TIERED


def spell_out(settings: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Replace settings that say several at once by the fields that they mean.

    Raises:
        UsageError: One names what there is not.
    """
    spelled = dict(settings)
    name = spelled.pop("backbone", None)
    if name is not None:
        dims, depths = _one_of("backbone", name, NAMED_SIZES)
        spelled.setdefault("dims", dims)
        spelled.setdefault("depths", depths)
    version = spelled.pop("version", None)
    if version is not None:
        layer_scale, grn = _one_of("version", version, VERSIONS)
        spelled.setdefault("layer_scale", layer_scale)
        spelled.setdefault("grn", grn)
    _spell_out_stem(spelled)
    if spelled.get("classes") == 0:
        spelled["classes"] = None
    return spelled


def _spell_out_stem(settings: dict[str, FactValue]) -> None:
    """Replace timm's name of a stem by its sizes."""
    name = settings.pop("stem_type", None)
    if name is None:
        return
    if name not in STEM_TYPES:
        raise UsageError(f"no stem_type {name!r} of convnext; there are: {', '.join(STEM_TYPES)}")
    dims = settings.get("dims")
    if name == PATCH or not isinstance(dims, tuple) or not dims or not isinstance(dims[0], int):
        return
    settings.setdefault(
        "stem_channels", tiered_channels(dims[0]) if name == OVERLAP_TIERED else dims[0]
    )
    settings.setdefault("stem_kernel", OVERLAPPING_KERNEL)
    settings.setdefault("stem_activation", name == OVERLAP_ACT)


def _one_of(setting: str, name: FactValue, known: Mapping[str, T]) -> T:
    found = known.get(str(name))
    if found is None:
        raise UsageError(f"no {setting} {name!r} of convnext; there are: {', '.join(known)}")
    return found


def tiered_channels(width: int) -> int:
    """Return the channels within timm's tiered stem: half the width, in steps of 8.

    Args:
        width: Channels behind the stem.
    """
    half = width // 2
    rounded = max(8, (half + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * half else rounded


def require_buildable(configuration: ConvNeXtConfiguration, dialect: str) -> None:
    """Refuse what a code base has no names for.

    Raises:
        UsageError: The dialect is unknown, or its code cannot build this configuration.
    """
    names = DIALECTS.get(dialect)
    if names is None:
        raise UsageError(f"no dialect {dialect!r} of convnext; there are: {', '.join(DIALECTS)}")
    lacking = (
        (configuration.grn and names.layout.response is None, "grn"),
        (
            configuration.stem_channels is not None and names.layout.overlapping_stem is None,
            "stem_channels",
        ),
        (configuration.head_norm_first and names.norm_first is None, "head_norm_first"),
        (configuration.head_hidden is not None and names.hidden is None, "head_hidden"),
    )
    for is_lacking, setting in lacking:
        if is_lacking:
            raise UsageError(
                f"the code behind the dialect {dialect!r} cannot build a convnext with {setting!r}"
            )


def configuration_keys(
    configuration: ConvNeXtConfiguration,
    dialect: str = ORIGINAL.name,
    *,
    wrapper: str | None = None,
) -> Iterator[ExpectedTensor]:
    """List the state_dict in its order.

    Args:
        configuration: One that the dialect's code can build.
        dialect: One of `DIALECTS`.
        wrapper: What stands before the trunk's keys, if it is not what the code base writes.
    """
    names = DIALECTS[dialect]
    if wrapper is None:
        wrapper = usual_wrapper(configuration, dialect)
    layout = names.norm_first_layout if configuration.head_norm_first else names.layout
    yield from trunk_keys(configuration.trunk, layout, prefix=wrapper)
    yield from _head(configuration, names)


def usual_wrapper(configuration: ConvNeXtConfiguration, dialect: str) -> str:
    """Return what the code base writes before the trunk's keys."""
    if configuration.classes is None:
        return ""
    return DIALECTS[dialect].wrappers[1 if configuration.grn else 0]


def _head(configuration: ConvNeXtConfiguration, names: Dialect) -> Iterator[ExpectedTensor]:
    last = len(configuration.dims) - 1
    into = Width(configuration.dims[-1], (f"dims[{last}]",))
    if configuration.head_hidden is not None and names.hidden is not None:
        hidden = Width(configuration.head_hidden, ("head_hidden",))
        yield from convolution(names.hidden, hidden, into, None, Place("head", ("head_hidden",)))
        into = hidden
    if configuration.classes is not None:
        classes = Width(configuration.classes, ("classes",))
        yield from convolution(names.classifier, classes, into, None, Place("head", ("classes",)))


def count_configuration(configuration: ConvNeXtConfiguration) -> Counts:
    """Add a network up in closed form."""
    tensors, parameters, buffers = trunk_counts(configuration.trunk)
    macs, _ = trunk_macs(configuration.trunk, configuration.input_size)
    backbone = PartCount(
        part="backbone", tensors=tensors, parameters=parameters, buffers=buffers, macs=macs
    )
    head = _count_head(configuration)
    return Counts(parts=(backbone, head) if head.tensors else (backbone,))


def _count_head(configuration: ConvNeXtConfiguration) -> PartCount:
    widths = [configuration.dims[-1], configuration.head_hidden, configuration.classes]
    chain = [width for width in widths if width is not None]
    pairs = list(itertools.pairwise(chain))
    return PartCount(
        part="head",
        tensors=2 * len(pairs),
        parameters=sum(out * (into + 1) for into, out in pairs),
        buffers=0,
        macs=sum(out * into for into, out in pairs),
    )


def tensor_count(configuration: ConvNeXtConfiguration) -> int:
    """Return how many entries the state_dict has, whatever the sizes."""
    return trunk_counts(configuration.trunk)[0] + _count_head(configuration).tensors


def classifier_parameters(configuration: ConvNeXtConfiguration) -> int:
    """Return the parameters of the plain classifier of 1000 classes on this trunk.

    It is the number that papers print, also for a file whose classifier was replaced or left out.
    """
    plain = msgspec.structs.replace(
        configuration, final_norm=True, head_hidden=None, classes=IMAGENET_CLASSES
    )
    return count_configuration(plain).parameters


def configuration_attributes(configuration: ConvNeXtConfiguration) -> dict[str, FactValue]:
    """Return what follows from a configuration, by the facts' names."""
    counts = count_configuration(configuration)
    backbone, head = counts.part("backbone"), counts.part("head")
    return {
        "version": configuration.version,
        "dims": configuration.dims,
        "depths": configuration.depths,
        "backbone": trunk_name(configuration.dims, configuration.depths),
        "stem": stem_text(configuration),
        "stem_type": configuration.stem_type,
        "stem_kernel": configuration.stem_kernel,
        "stem_channels": configuration.stem_channels,
        "stem_activation": configuration.stem_activation,
        "input_channels": configuration.input_channels,
        "kernel_size": configuration.kernel_size,
        "expansion": configuration.expansion,
        "norm": configuration.norm,
        "layer_scale": configuration.layer_scale,
        "grn": configuration.grn,
        "pointwise_convolutions": configuration.pointwise_convolutions,
        "final_norm": configuration.final_norm,
        "head_norm_first": configuration.head_norm_first,
        "head_hidden": configuration.head_hidden,
        "classes": configuration.classes or 0,
        "input_size": configuration.input_size,
        "tensors": counts.tensors,
        "parameters": counts.parameters,
        "buffers": counts.buffers,
        "state_elements": counts.elements,
        "backbone_parameters": backbone.parameters,
        "backbone_elements": backbone.elements,
        "head_parameters": head.parameters,
        "head_elements": head.elements,
        "classifier_parameters": classifier_parameters(configuration),
        "macs": counts.macs,
    }


def stem_text(configuration: ConvNeXtConfiguration) -> str:
    """Return the stem in words: `Conv2d 3→96 4×4, LayerNorm`."""
    side, norm = configuration.stem_kernel, configuration.norm
    into, out = configuration.input_channels, configuration.dims[0]
    if configuration.stem_channels is None:
        return f"Conv2d {into}→{out} {side}×{side}, {norm}"
    between = configuration.stem_channels
    activation = ", activation" if configuration.stem_activation else ""
    first, second = f"Conv2d {into}→{between}", f"Conv2d {between}→{out}"
    return f"{first} {side}×{side}{activation}, {second} {side}×{side}, {norm}"
