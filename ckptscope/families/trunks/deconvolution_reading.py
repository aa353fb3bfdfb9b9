"""Trunk and transposed convolutions, read from names and shapes.

Enters: a view of a state_dict. Leaves: a `BaseReading`: facts for the settings of both. Keys may be
missing, stray or oddly shaped, in any order. Which tensor says what is in the tables of
`families.trunks.resnet` and `families.trunks.deconvolutions`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.facts.architecture import Evidence, Fact
from ckptscope.facts.tensors import Origin
from ckptscope.families.ballots import Ballot
from ckptscope.families.readings import (
    Said,
    extent,
    follow,
    hear,
    list_fact,
    settle,
)
from ckptscope.families.trunks.deconvolution_settings import (
    BACKBONE,
    INPUT_SIZE,
    StackConfiguration,
)
from ckptscope.families.trunks.deconvolutions import DOUBLING, KERNEL, MOST_LAYERS, STEP, WIDTH
from ckptscope.families.trunks.resnet import STRIDES
from ckptscope.families.trunks.resnet_reading import TrunkReading, read_trunk
from ckptscope.families.trunks.resnet_settings import assumed_input_size, trunk_facts
from ckptscope.families.view import NetworkView, read_number

_NORM_NAMES: Final = ("weight", "bias", "running_mean", "running_var")
_DIMENSIONS: Final = 4


class StackReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors say of a stack.

    Attributes:
        settings: Facts head_out_channels, head_kernels, upsampling; empty lists if there is no
            layer.
        described: Facts head_layers and head_in_channels.
        into: Channels that enter the first layer; None if no tensor tells.
        out: The tensors' votes on the channels that leave the last.
        convolutions: How many transposed convolutions are there.
    """

    settings: dict[str, Fact]
    described: dict[str, Fact]
    into: Said | None
    out: Ballot[int]
    convolutions: int


def read_stack(view: NetworkView, *, prefix: str, after: tuple[str, ...] = ()) -> StackReading:
    """Read a stack.

    Args:
        view: The tensors.
        prefix: What stands before the stack's keys within the view: `head.`.
        after: Weights of 1×1 convolutions whose input the stack is.
    """
    layers = _layers(view, prefix)
    count = extent(layers)
    flow: list[Ballot[int]] = [Ballot("head_in_channels[0]")]
    flow += [Ballot(f"head_out_channels[{i}]") for i in range(count)]
    kernels: list[Ballot[int]] = [Ballot(f"head_kernels[{i}]") for i in range(count)]
    convolutions = 0
    for index in range(count):
        key = f"{prefix}deconv_layers.{STEP * index}"
        tensor = view.tensors.get(f"{key}.weight")
        if tensor is not None and len(tensor.shape) == _DIMENSIONS:
            convolutions += 1
            hear(flow[index], tensor, 0)
            hear(flow[index + 1], tensor, 1)
            hear(kernels[index], tensor, 2)
        for name in _NORM_NAMES:
            tensor = view.tensors.get(f"{prefix}deconv_layers.{STEP * index + 1}.{name}")
            if tensor is not None:
                hear(flow[index + 1], tensor, 0)
    for key in after:
        tensor = view.tensors.get(key)
        if tensor is not None and len(tensor.shape) == _DIMENSIONS:
            hear(flow[-1], tensor, 1)
    out = [settle(ballot) or _assumed(ballot.name, WIDTH) for ballot in flow[1:]]
    into = settle(flow[0])
    lost = count - len([index for index in layers if index < count])
    evidence = Evidence(text=f"{count - lost} of {count} layers '{prefix}deconv_layers'")
    return StackReading(
        settings={
            "head_out_channels": list_fact("head_out_channels", out),
            "head_kernels": list_fact(
                "head_kernels",
                [settle(ballot) or _assumed(ballot.name, KERNEL) for ballot in kernels],
            ),
            "upsampling": _upsampling(count),
        },
        described={
            "head_layers": Fact(
                name="head_layers",
                value=count,
                origin=Origin.ASSUMED if lost else Origin.OBSERVED,
                evidence=(evidence,),
                assumptions=(f"{lost} of {count} layers of the head are lost",) if lost else (),
            ),
            "head_in_channels": list_fact(
                "head_in_channels", [one for one in (into, *out) if one is not None][:count]
            ),
        },
        into=into,
        out=flow[-1],
        convolutions=convolutions,
    )


def _layers(view: NetworkView, prefix: str) -> set[int]:
    """Return the layers of which any tensor is there."""
    start = f"{prefix}deconv_layers."
    numbers = {
        read_number(key[len(start) :].partition(".")[0]) for key in view if key.startswith(start)
    }
    layers = {number // STEP for number in numbers if number is not None}
    return {layer for layer in layers if layer < MOST_LAYERS}


def _assumed(name: str, size: int) -> Said:
    text = f"{name} is {size}, as in the authors' code: no tensor tells it"
    return Said(size=size, assumption=text)


def _upsampling(count: int) -> Fact:
    """Say that every layer doubles the plane, which no shape says."""
    return Fact(
        name="upsampling",
        value=(True,) * count,
        origin=Origin.ASSUMED,
        evidence=(Evidence(text="a kernel's size does not tell its stride"),),
        assumptions=(DOUBLING,),
        decided_by="the code that the network was built by",
    )


class BaseReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors say of trunk and transposed convolutions.

    Attributes:
        trunk: The trunk.
        stack: The transposed convolutions.
        settings: A fact for each field of a `StackConfiguration`.
        reasons: What was found, in words.
    """

    trunk: TrunkReading
    stack: StackReading
    settings: dict[str, Fact]
    reasons: tuple[str, ...]


def read_base(view: NetworkView, *, prefix: str, after: tuple[str, ...] = ()) -> BaseReading | None:
    """Read trunk and transposed convolutions; None if there is no trunk.

    Args:
        view: The tensors.
        prefix: What stands before the keys of the head: `head.`.
        after: Weights of 1×1 convolutions behind the transposed ones.
    """
    trunk = read_trunk(view, prefix=BACKBONE)
    if trunk is None or not trunk.convolutions:
        return None
    stack = read_stack(view, prefix=prefix, after=after)
    count = len(trunk.trunk.depths)
    return BaseReading(
        trunk=trunk,
        stack=stack,
        settings={
            **trunk.settings,
            **stack.settings,
            "input_size": assumed_input_size(
                INPUT_SIZE, "the input is 256×256, as in the authors' configuration"
            ),
        },
        reasons=(
            f"a ResNet trunk {BACKBONE!r} of {count} stages of {trunk.trunk.block}s",
            f"{stack.convolutions} transposed convolutions '{prefix}deconv_layers'",
        ),
    )


def base_facts(
    configuration: StackConfiguration, settings: Mapping[str, Fact], reading: BaseReading
) -> tuple[Fact, ...]:
    """Return the facts of trunk and transposed convolutions, in the order in which they are told.

    Args:
        configuration: The network's.
        settings: Facts by setting, stated ones included.
        reading: What the tensors said.
    """
    return (
        *trunk_facts(configuration, settings, reading.trunk),
        reading.stack.described["head_layers"],
        reading.stack.described["head_in_channels"],
        settings["head_out_channels"],
        settings["head_kernels"],
    )


def plane_facts(
    configuration: StackConfiguration, settings: Mapping[str, Fact]
) -> tuple[Fact, ...]:
    """Return the facts on which no tensor depends: upsampling, input_size, heatmap.

    Args:
        configuration: The network's.
        settings: Facts by setting, stated ones included.
    """
    height, width = configuration.head_input
    grounds = (settings["upsampling"], settings["input_size"])
    doublings = sum(configuration.upsampling)
    text = f"{height}×{width} behind the trunk, doubled {doublings} times"
    return (
        settings["upsampling"],
        settings["input_size"],
        follow("heatmap", configuration.heatmap, text, grounds, STRIDES),
    )
