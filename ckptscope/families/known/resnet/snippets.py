"""Code that loads a ResNet with torchvision.

Enters: an `Architecture`. Leaves: `Snippet`s.
"""

from typing import Final

from ckptscope.facts.architecture import Architecture, Snippet
from ckptscope.families.known.resnet.configuration import ResNetConfiguration, configure
from ckptscope.families.loading_code import loading_cautions, loading_lines
from ckptscope.families.trunks.resnet import (
    BASIC,
    EXPANSION,
    INPUT_CHANNELS,
    STEM_KERNEL,
    STEM_WIDTH,
    STRIDES,
    Trunk,
    group_dims_of,
    trunk_name,
)

#: torchvision's functions.
_FUNCTIONS: Final = {
    "ResNet-18": "resnet18",
    "ResNet-34": "resnet34",
    "ResNet-50": "resnet50",
    "ResNet-101": "resnet101",
    "ResNet-152": "resnet152",
    "ResNeXt-50 32x4d": "resnext50_32x4d",
    "ResNeXt-101 32x8d": "resnext101_32x8d",
    "ResNeXt-101 64x4d": "resnext101_64x4d",
    "Wide ResNet-50-2": "wide_resnet50_2",
    "Wide ResNet-101-2": "wide_resnet101_2",
}
#: Planes of torchvision's four stages, which its class fixes.
_PLANES: Final = (64, 128, 256, 512)


def write_snippets(architecture: Architecture) -> tuple[Snippet, ...]:
    """Write code for torchvision; nothing if it cannot build these sizes."""
    if architecture.settings is None:
        return ()
    configuration = configure(architecture.settings)
    built = _built_lines(configuration)
    if built is None:
        return ()
    lines = [*built, "", *loading_lines(architecture), "model.load_state_dict(state_dict)"]
    cautions = [*loading_cautions(architecture, ("input_size",)), STRIDES]
    if configuration.stem_kernel != STEM_KERNEL:
        cautions.append(
            f"a stem of {configuration.stem_kernel}×{configuration.stem_kernel} is not "
            f"torchvision's; whether it steps, and whether pooling follows, is in no weight"
        )
    return (
        Snippet(
            title="torchvision",
            language="python",
            code="\n".join((*lines, "model.eval()")),
            cautions=tuple(cautions),
        ),
    )


def _built_lines(configuration: ResNetConfiguration) -> list[str] | None:
    """Return lines that build the network; None where torchvision has no way to."""
    trunk = configuration.trunk
    classes = f"num_classes={configuration.classes}" if configuration.classes else ""
    # The stem is replaced below where it is another.
    plain = Trunk(
        block=trunk.block,
        depths=trunk.depths,
        dims=trunk.dims,
        group_dims=trunk.group_dims,
        groups=trunk.groups,
    )
    function = _FUNCTIONS.get(trunk_name(plain) or "")
    if trunk.stem_width != STEM_WIDTH:
        return None
    if function is not None:
        lines = ["import torch", f"from torchvision.models import {function}", ""]
        lines.append(f"model = {function}({classes})")
    else:
        sizes = _class_arguments(trunk)
        if sizes is None:
            return None
        arguments = ", ".join(filter(None, (sizes, classes)))
        lines = ["import torch", f"from torchvision.models.resnet import {trunk.block}, ResNet", ""]
        lines.append(f"model = ResNet({arguments})")
    if (trunk.input_channels, trunk.stem_kernel) != (INPUT_CHANNELS, STEM_KERNEL):
        side = trunk.stem_kernel
        lines.append(
            f"model.conv1 = torch.nn.Conv2d({trunk.input_channels}, {STEM_WIDTH}, {side}, "
            f"stride=2, padding={side // 2}, bias=False)"
        )
    if configuration.classes is None:
        lines.append("model.fc = torch.nn.Identity()")
    return lines


def _class_arguments(trunk: Trunk) -> str | None:
    """Return the arguments of torchvision's class that give these sizes, or None."""
    expansion = 1 if trunk.block == BASIC else EXPANSION
    if trunk.dims != tuple(planes * expansion for planes in _PLANES):
        return None
    base = trunk.group_dims[0]
    if trunk.group_dims != group_dims_of(trunk.block, trunk.dims, base):
        return None
    if trunk.block == BASIC and (trunk.groups, base) != (1, _PLANES[0]):
        return None
    arguments = f"{trunk.block}, {list(trunk.depths)}"
    if trunk.groups != 1:
        arguments += f", groups={trunk.groups}"
    if base != _PLANES[0]:
        arguments += f", width_per_group={base}"
    return arguments
