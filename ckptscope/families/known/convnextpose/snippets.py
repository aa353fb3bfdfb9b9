"""Code that loads a ConvNeXtPose.

Enters: an `Architecture`. Leaves: `Snippet`s: for the authors' code (medialab-ku/ConvNeXtPose),
whose head takes one width, and for a fork of it whose head takes a list (head_cfg); each where that
code can build the network. Names of the head's layers are translated where the file has others.
Layers that upsample against the code's own habit are set after building: they have no weights.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.architecture import Architecture, FactValue, Snippet
from ckptscope.facts.differences import KeyDifferences
from ckptscope.families.known.convnextpose.configuration import (
    LIST,
    NAMED,
    ConvNeXtPoseConfiguration,
    layer_names,
)
from ckptscope.families.known.convnextpose.head import place_of
from ckptscope.families.known.convnextpose.spelling import spell_out
from ckptscope.families.loading_code import literal, loading_cautions, loading_lines
from ckptscope.families.trunks.convnext import BATCH_NORM

#: Stages that both code bases build, and what else they fix.
_STAGES: Final = 4
_FIXED: Final[dict[str, FactValue]] = {
    "kernel_size": 7,
    "expansion": 4,
    "norm": BATCH_NORM,
    "stem_kernel": 4,
    "layer_scale": False,
    "grn": False,
    "input_channels": 3,
}
#: Which layers of the authors' head upsample.
_AUTHORS_PATTERN: Final = (True, True, False)
_AUTHORS_KERNELS: Final = (3, 3, 3)
#: Kernels that the fork knows a padding for.
_FORKS_KERNELS: Final = frozenset({3, 5, 7})

_AUTHORS: Final = "the authors' code, medialab-ku/ConvNeXtPose"
_FORK: Final = "a fork of the authors' code whose head takes head_cfg"


class _Code(msgspec.Struct, frozen=True, kw_only=True):
    """What is different between the code bases.

    Attributes:
        title: Whose it is.
        dialect: How it names the head's layers.
        settings: Lines that set the configuration of the head.
        pattern: Which layers upsample, as it builds them.
        layer: How a layer of the head is reached; `{k}` counts from 1, `{k0}` from 0.
    """

    title: str
    dialect: str
    settings: tuple[str, ...]
    pattern: tuple[bool, ...]
    layer: str


def write_snippets(architecture: Architecture) -> tuple[Snippet, ...]:
    """Write the code; none for a network that cannot be built.

    Where neither code base can build the network, the code gets its tensors out of the file, and
    the cautions say what neither builds.
    """
    if architecture.settings is None:
        return ()
    configuration = msgspec.convert(spell_out(architecture.settings), ConvNeXtPoseConfiguration)
    cautions = tuple(_cautions(architecture, configuration))
    hindrances = list(_hindrances(configuration))
    codes = [] if hindrances else list(_codes(configuration))
    if not codes:
        hindrances = hindrances or list(_head_hindrances(configuration))
        return (
            Snippet(
                title="the tensors alone",
                language="python",
                code="\n".join(("import torch", "", *loading_lines(architecture))),
                cautions=(*hindrances, *cautions),
            ),
        )
    return tuple(
        Snippet(
            title=code.title,
            language="python",
            code="\n".join(_lines(architecture, configuration, code)),
            cautions=(*_pattern_cautions(configuration, code), *cautions),
        )
        for code in codes
    )


def _codes(configuration: ConvNeXtPoseConfiguration) -> Iterator[_Code]:
    """Yield the code bases that can build the head."""
    widths, kernels = configuration.head_out_channels, configuration.kernels
    layers = len(widths)
    if layers == len(_AUTHORS_PATTERN) and len(set(widths)) == 1 and kernels == _AUTHORS_KERNELS:
        yield _Code(
            title=_AUTHORS,
            dialect=NAMED,
            settings=(f"cfg.depth = {widths[0]}",),
            pattern=_AUTHORS_PATTERN,
            layer="model.head.deconv_layers_{k}",
        )
    if layers and _FORKS_KERNELS.issuperset(kernels):
        yield _Code(
            title=_FORK,
            dialect=LIST,
            settings=(
                "cfg.head_cfg = {",
                f'    "num_deconv_layers": {layers},',
                f'    "deconv_channels": {list(widths)},  # outgoing channels',
                f'    "deconv_kernels": {list(kernels)},',
                "}",
            ),
            pattern=(True,) * layers,
            layer="model.head.deconv_layers[{k0}]",
        )


def _lines(
    architecture: Architecture, configuration: ConvNeXtPoseConfiguration, code: _Code
) -> Iterator[str]:
    yield from ("import torch", "from config import cfg", "from model import get_pose_net", "")
    yield f"cfg.backbone_cfg = ({list(configuration.depths)}, {list(configuration.dims)})"
    yield from code.settings
    joints, bins = configuration.joints, configuration.depth_bins
    if joints is None or bins is None:
        joints, bins = configuration.final_channels, 1
    yield f"cfg.depth_dim = {bins}"
    yield f"cfg.input_shape = {configuration.input_size}"
    heatmap = configuration.heatmap
    if heatmap is not None:
        yield f"cfg.output_shape = {heatmap}"
    yield ""
    yield from loading_lines(architecture)
    yield from _renaming_lines(architecture, configuration, code.dialect)
    yield ""
    yield f"model = get_pose_net(cfg, False, joint_num={joints})"
    yield from _upsampling_lines(configuration, code)
    yield "model.load_state_dict(state_dict, strict=True)"
    yield "model.eval()"


def _renaming_lines(
    architecture: Architecture, configuration: ConvNeXtPoseConfiguration, target: str
) -> Iterator[str]:
    renamed = _renamed(architecture, configuration, target)
    if not renamed:
        return
    yield "renamed = {"
    for old, new in renamed.items():
        yield f"    {literal(old)}: {literal(new)},"
    yield "}"
    yield "for old, new in renamed.items():"
    yield "    state_dict = {"
    yield "        new + key[len(old):] if key.startswith(old) else key: tensor"
    yield "        for key, tensor in state_dict.items()"
    yield "    }"


def _renamed(
    architecture: Architecture, configuration: ConvNeXtPoseConfiguration, target: str
) -> dict[str, str]:
    """Return the parts of the head that the code names otherwise than the file."""
    layers = range(1, len(configuration.head_out_channels) + 1)
    places = [(number, architecture.dialect, part) for number in layers for part in range(3)]
    missing = set(_head_parts(architecture, architecture.differences.missing).values())
    for key, place in _head_parts(architecture, architecture.differences.unexpected).items():
        # A part that is there under two names is not renamed onto itself.
        dialect = _dialect_of(architecture, key)
        if place in missing and dialect:
            places.append((place[0], dialect, place[1]))
    return {
        f"{layer_names(number, dialect)[part]}.": f"{layer_names(number, target)[part]}."
        for number, dialect, part in places
        if dialect != target
    }


def _head_parts(architecture: Architecture, keys: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return layer (from 1) and part of those keys that belong to a layer of the head."""
    start = f"{architecture.prefix}head."
    found: dict[str, tuple[int, int]] = {}
    for key in keys:
        place = place_of(key[len(start) :].rpartition(".")[0]) if key.startswith(start) else None
        if place is not None:
            found[key] = (place[0] + 1, place[2])
    return found


def _dialect_of(architecture: Architecture, key: str) -> str:
    place = place_of(key[len(architecture.prefix) + len("head.") :].rpartition(".")[0])
    return "" if place is None else place[1]


def _upsampling_lines(configuration: ConvNeXtPoseConfiguration, code: _Code) -> Iterator[str]:
    """Set the layers that upsample against the code's own habit."""
    for index, is_doubled in enumerate(configuration.upsampling or code.pattern):
        if is_doubled != code.pattern[index]:
            layer = code.layer.format(k=index + 1, k0=index)
            made = "UpsamplingBilinear2d(scale_factor=2)" if is_doubled else "Identity()"
            yield f"{layer}.upsample1 = torch.nn.{made}"


def _pattern_cautions(configuration: ConvNeXtPoseConfiguration, code: _Code) -> Iterator[str]:
    pattern = configuration.upsampling
    if pattern is None:
        yield (
            "which layers upsample cannot be told: the code's own habit is left as it is, "
            f"{_words(code.pattern)}, and output_shape must fit it"
        )
    elif pattern != code.pattern:
        yield (
            f"the code upsamples {_words(code.pattern)} by itself; {_words(pattern)} is set after "
            "building"
        )


def _cautions(
    architecture: Architecture, configuration: ConvNeXtPoseConfiguration
) -> Iterator[str]:
    joints, bins = architecture.fact("joints"), architecture.fact("depth_bins")
    if configuration.joints is None:
        yield (
            f"how {configuration.final_channels:,} final channels divide into joints × depth bins "
            "cannot be told: the weights load as they are, and coordinates mean nothing until "
            "joint_num and depth_dim are right"
        )
    elif joints is not None and bins is not None and joints.assumptions:
        yield (
            f"{joints.value} joints × {bins.value} depth bins are assumed: "
            f"{'; '.join(joints.assumptions)}"
        )
    left = msgspec.structs.replace(architecture, differences=_remaining(architecture))
    yield from loading_cautions(left, ("upsampling", "input_size"))
    yield (
        "torch.load reads a file of torch.save alone: take it out of a tar or zip first, pack an "
        "unpacked folder again, read safetensors with safetensors.torch.load_file; weights_only "
        "refuses files of PyTorch 0.1"
    )


def _remaining(architecture: Architecture) -> KeyDifferences:
    """Return the differences that are left when the code has cut off the prefix and renamed."""
    differences = architecture.differences
    missing = _head_parts(architecture, differences.missing)
    unexpected = _head_parts(architecture, differences.unexpected)
    renamed = set(missing.values()) & set(unexpected.values())
    return msgspec.structs.replace(
        differences,
        missing=tuple(key for key in differences.missing if missing.get(key) not in renamed),
        unexpected=tuple(
            key
            for key in differences.unexpected
            if key.startswith(architecture.prefix) and unexpected.get(key) not in renamed
        ),
    )


def _hindrances(configuration: ConvNeXtPoseConfiguration) -> Iterator[str]:
    """Say what of the backbone neither code base builds."""
    for name, value in _FIXED.items():
        found = getattr(configuration, name)
        if found != value:
            yield f"{name} is {found!r} in the file; the authors' code builds {value!r} alone"
    stages = len(configuration.dims)
    if stages != _STAGES:
        yield f"the file has {stages} stages; the authors' code builds {_STAGES} alone"


def _head_hindrances(configuration: ConvNeXtPoseConfiguration) -> Iterator[str]:
    yield (
        f"the head has layers of {list(configuration.head_out_channels)} channels and kernels "
        f"{list(configuration.kernels)}; no code is known that builds it"
    )


def _words(pattern: tuple[bool, ...]) -> str:
    return ", ".join("yes" if item else "no" for item in pattern)
