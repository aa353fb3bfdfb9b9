"""Code that loads a ConvNeXt, for the code base whose names it bears.

Enters: an `Architecture`. Leaves: `Snippet`s: the class with its arguments, the way to the
state_dict; and in words what that code cannot build, and what no weight says.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.facts.architecture import Architecture, Snippet
from ckptscope.families.known.convnext.configuration import (
    OVERLAP_TIERED,
    PATCH,
    ConvNeXtConfiguration,
    tiered_channels,
)
from ckptscope.families.loading_code import loading_cautions, loading_lines
from ckptscope.families.trunks.convnext import (
    BATCH_NORM,
    HUGGING_FACE,
    INPUT_CHANNELS,
    LAYER_NORM,
    ORIGINAL,
    OVERLAPPING_STEP,
    RMS_NORM,
    TIMM,
    TORCHVISION,
)

#: Stages of both papers' networks.
_STAGES: Final = 4
_IDENTITY: Final = "torch.nn.Identity()"
#: timm's name for each norm of the trunk.
_TIMM_NORMS: Final = {RMS_NORM: "rmsnorm", BATCH_NORM: "batchnorm2d"}


class _Code(msgspec.Struct, frozen=True, kw_only=True):
    """What is different for each code base.

    Attributes:
        title: Whose code it is.
        imports: Lines.
        built: Lines that build `model`.
        fixed: Settings that the code base fixes, with the value; others it cannot build.
        has_four_stages: Whether it builds no other number of them.
    """

    title: str
    imports: tuple[str, ...]
    built: tuple[str, ...]
    fixed: dict[str, object]
    has_four_stages: bool = False


def write_snippets(architecture: Architecture) -> tuple[Snippet, ...]:
    """Write the code for the layout of the file; none for a network that cannot be built."""
    if architecture.settings is None:
        return ()
    configuration = msgspec.convert(architecture.settings, ConvNeXtConfiguration)
    code = _WRITERS[architecture.dialect](configuration)
    lines = (
        "import torch",
        *code.imports,
        "",
        *code.built,
        *loading_lines(architecture),
        "model.load_state_dict(state_dict)",
        "model.eval()",
    )
    return (
        Snippet(
            title=code.title,
            language="python",
            code="\n".join(lines),
            cautions=(
                *loading_cautions(architecture, ("input_size",)),
                *_cautions(configuration, code),
            ),
        ),
    )


def _cautions(configuration: ConvNeXtConfiguration, code: _Code) -> Iterator[str]:
    for name, value in code.fixed.items():
        found = getattr(configuration, name)
        if found != value:
            yield f"{name} is {found!r} in the file, and {code.title} builds it with {value!r}"
    stages = len(configuration.dims)
    if stages != _STAGES and code.has_four_stages:
        yield f"it has {stages} stages, and {code.title} builds {_STAGES}"
    yield (
        "how images were normalised, the rate of stochastic depth and the epsilon of norms are not "
        "in the file: the code's defaults may be others"
    )
    if configuration.norm == RMS_NORM:
        yield "a norm with a weight and no bias is RMSNorm here; timm's SimpleNorm looks the same"


def _original(c: ConvNeXtConfiguration) -> _Code:
    kind, module = ("ConvNeXtV2", "convnextv2") if c.grn else ("ConvNeXt", "convnext")
    arguments = _common(c, "in_chans", "num_classes")
    if not c.grn and not c.layer_scale:
        arguments.append("layer_scale_init_value=0")
    built = [*_call(kind, arguments), *_without(c, norm="norm", classifier="head")]
    title = f"facebookresearch/{'ConvNeXt-V2' if c.grn else 'ConvNeXt'}"
    return _Code(
        title=title,
        imports=(f"from models.{module} import {kind}",),
        built=tuple(built),
        fixed={**_FIXED, **({"layer_scale": False} if c.grn else {})},
        has_four_stages=True,
    )


def _timm(c: ConvNeXtConfiguration) -> _Code:
    arguments = _common(c, "in_chans", "num_classes")
    optional = (
        (c.classes is None, "num_classes=0"),
        (c.kernel_size != 7, f"kernel_sizes={c.kernel_size}"),
        (c.stem_type != PATCH, f"stem_type={c.stem_type!r}"),
        (c.stem_type == PATCH and c.stem_kernel != 4, f"patch_size={c.stem_kernel}"),
        (c.pointwise_convolutions, "conv_mlp=True"),
        (c.grn, "use_grn=True"),
        (not c.layer_scale, "ls_init_value=None"),
        (c.norm in _TIMM_NORMS, f"norm_layer={_TIMM_NORMS.get(c.norm)!r}"),
        (c.head_norm_first, "head_norm_first=True"),
        (c.head_hidden is not None, f"head_hidden_size={c.head_hidden}"),
    )
    arguments += [text for is_needed, text in optional if is_needed]
    fixed: dict[str, object] = {"expansion": 4}
    if c.stem_type != PATCH:
        fixed["stem_kernel"] = 3
    elif c.stem_kernel == OVERLAPPING_STEP:
        # Behind a stem of step 2 timm puts a downsampling before the first stage.
        fixed["stem_kernel"] = 4
    if c.stem_type == OVERLAP_TIERED:
        fixed["stem_channels"] = tiered_channels(c.dims[0])
    return _Code(
        title="timm",
        imports=("from timm.models.convnext import ConvNeXt",),
        built=(*_call("ConvNeXt", arguments), *_without(c, norm="head.norm")),
        fixed=fixed,
        has_four_stages=True,
    )


def _torchvision(c: ConvNeXtConfiguration) -> _Code:
    following = (*c.dims[1:], None)
    blocks = [
        f"    CNBlockConfig({dim}, {after}, {depth}),"
        for dim, after, depth in zip(c.dims, following, c.depths, strict=True)
    ]
    arguments = ["block_setting"]
    if c.classes is not None:
        arguments.append(f"num_classes={c.classes}")
    return _Code(
        title="torchvision",
        imports=("from torchvision.models.convnext import CNBlockConfig, ConvNeXt",),
        built=(
            "block_setting = [",
            *blocks,
            "]",
            *_call("ConvNeXt", arguments),
            *_without(c, norm="classifier[0]", classifier="classifier[2]"),
        ),
        fixed={**_FIXED, "input_channels": INPUT_CHANNELS, "layer_scale": True},
    )


def _hugging_face(c: ConvNeXtConfiguration) -> _Code:
    name = "ConvNextV2" if c.grn else "ConvNext"
    kind = f"{name}Model" if c.classes is None else f"{name}ForImageClassification"
    arguments = [f"depths={list(c.depths)}", f"hidden_sizes={list(c.dims)}"]
    optional = (
        (len(c.dims) != 4, f"num_stages={len(c.dims)}"),
        (c.input_channels != INPUT_CHANNELS, f"num_channels={c.input_channels}"),
        (c.stem_kernel != 4, f"patch_size={c.stem_kernel}"),
        (c.classes is not None, f"num_labels={c.classes}"),
        (not c.grn and not c.layer_scale, "layer_scale_init_value=0.0"),
    )
    arguments += [text for is_needed, text in optional if is_needed]
    config = [line.replace("model =", "config =", 1) for line in _call(f"{name}Config", arguments)]
    fixed = {name: value for name, value in _FIXED.items() if name != "stem_kernel"}
    return _Code(
        title="transformers",
        imports=(f"from transformers import {name}Config, {kind}",),
        built=(*config, f"model = {kind}(config)", *_without(c, norm="layernorm")),
        fixed={**fixed, **({"layer_scale": False} if c.grn else {})},
    )


_WRITERS: Final = {
    ORIGINAL.name: _original,
    TIMM.name: _timm,
    TORCHVISION.name: _torchvision,
    HUGGING_FACE.name: _hugging_face,
}
#: What the papers' code does not leave to its caller.
_FIXED: Final[dict[str, object]] = {
    "kernel_size": 7,
    "expansion": 4,
    "stem_kernel": 4,
    "norm": LAYER_NORM,
    "pointwise_convolutions": False,
}


def _common(c: ConvNeXtConfiguration, channels: str, classes: str) -> list[str]:
    arguments = [f"depths={list(c.depths)}", f"dims={list(c.dims)}"]
    if c.input_channels != INPUT_CHANNELS:
        arguments.append(f"{channels}={c.input_channels}")
    if c.classes is not None:
        arguments.append(f"{classes}={c.classes}")
    return arguments


def _call(kind: str, arguments: Sequence[str]) -> list[str]:
    return [f"model = {kind}(", *(f"    {argument}," for argument in arguments), ")"]


def _without(c: ConvNeXtConfiguration, *, norm: str, classifier: str = "") -> Iterator[str]:
    """Take out what the file does not have."""
    if c.classes is None and classifier:
        yield f"model.{classifier} = {_IDENTITY}"
    if not c.final_norm:
        yield f"model.{norm} = {_IDENTITY}"
