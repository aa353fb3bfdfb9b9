"""Convolutions, and what looks like them: [out, in / groups, k...] and [in, out / groups, k...].

Enters: a `Layer` with a weight of three to five dimensions. Leaves: a `Guess`.

Nothing in a weight says which of its first two dimensions enters. A bias does, unless it fits both;
else the layers before and after may, or a name. Groups are never stored: [48, 1, 7, 7] is a
depthwise convolution of 48 channels, or one from a single channel.

Source: `torch/nn/modules/conv.py`, `linear.py` (Bilinear).
"""

import re

import msgspec

from ckptscope.facts.modules import Reading
from ckptscope.facts.tensors import Origin
from ckptscope.tensors.module_layers import (
    ARROW,
    Guess,
    Layer,
    Shape,
    Surroundings,
    flow_text,
    sizes_text,
    words,
)

#: Names that are given to transposed convolutions.
_TRANSPOSED = re.compile(r"deconv|transpos|conv_?t(?![a-z])|tconv|up_?conv|unconv")
#: Groups below which a width that is a multiple of another is no sign of a grouped convolution.
_LEAST_GROUPS = 4
#: Kernels beyond are no kernels of a Conv1d, but the second input of a Bilinear.
_LARGEST_KERNEL = 64
_CHANNELS_OF_AN_IMAGE = 3
_WIDTHS_FIT = "the widths of the layers beside it fit only that"


class _Weight(msgspec.Struct, frozen=True):
    """A weight [first, second, *kernel], the outputs that a bias tells, the flow if declared."""

    first: int
    second: int
    kernel: Shape
    bias: int | None
    entering: int
    leaving: int

    @property
    def is_pointwise(self) -> bool:
        return all(size == 1 for size in self.kernel)

    @property
    def has_even_kernel(self) -> bool:
        return all(size % 2 == 0 for size in self.kernel)

    @property
    def dimensions(self) -> str:
        return f"{len(self.kernel)}d"


class _Verdict(msgspec.Struct, frozen=True):
    """Transposed, not, or None for undecided; and what says so."""

    transposed: bool | None
    origin: Origin
    reason: str


def recognise_convolution(layer: Layer, around: Surroundings) -> Guess | None:
    """Conv1d to Conv3d, their transposed kin, Bilinear."""
    weight = _read(layer)
    if weight is None:
        return None
    verdict = _judge(weight, layer, around)
    straight, further = _straight(weight, layer, around)
    turned = _turned(weight)
    if verdict.transposed and turned is not None:
        chosen, others = turned, [straight]
    else:
        chosen, others = straight, [*([turned] if turned is not None else []), *further]
    if verdict.origin is Origin.OBSERVED:
        others = further if not verdict.transposed else []
    bilinear = _bilinear(weight)
    if bilinear is not None:
        return _with_bilinear(weight, layer, bilinear, verdict, [chosen, *others])
    return _guess(layer, verdict, [chosen, *others])


def _read(layer: Layer) -> _Weight | None:
    shape = layer.weight
    if not 3 <= len(shape) <= 5 or 0 in shape:
        return None
    bias = layer.shapes.get("bias")
    if bias is not None and len(bias) != 1:
        return None
    declared = layer.settings
    weight = _Weight(
        first=shape[0],
        second=shape[1],
        kernel=shape[2:],
        bias=bias[0] if bias else None,
        entering=declared.get("in_channels", 0),
        leaving=declared.get("out_channels", 0),
    )
    if weight.bias not in (None, weight.first) and _turned(weight) is None:
        return None
    return weight


def _guess(layer: Layer, verdict: _Verdict, readings: list[Reading]) -> Guess:
    return Guess(
        kind=readings[0].kind,
        detail=readings[0].detail,
        origin=verdict.origin,
        reason=verdict.reason,
        alternatives=tuple(readings[1:]),
        claims=layer.claim("weight", "bias"),
    )


def _straight(weight: _Weight, layer: Layer, around: Surroundings) -> tuple[Reading, list[Reading]]:
    """The weight read as that of a Conv, and with other groups where these are a guess."""
    declared = _declared_groups(weight.entering, weight.second, weight.first)
    if declared is not None:
        return _conv(weight, declared), []
    groups = _groups(weight, layer, around)
    other = 1 if groups > 1 else weight.first
    unsure = groups > 1 or (weight.second == 1 and weight.first > 1)
    return _conv(weight, groups), [_conv(weight, other)] if unsure else []


def _declared_groups(whole: int, part: int, divided: int) -> int | None:
    """Return the groups that a declared number of channels makes, if it makes any."""
    groups, rest = divmod(whole, part)
    return None if rest or not groups > 0 or divided % groups else groups


def _conv(weight: _Weight, groups: int) -> Reading:
    detail = _detail(weight.second * groups, weight.first, weight.kernel, groups)
    return Reading(kind=f"Conv{weight.dimensions}", detail=detail)


def _turned(weight: _Weight) -> Reading | None:
    """The weight read as that of a ConvTranspose, if one can have its bias."""
    leaving = weight.second if weight.bias is None else weight.bias
    if weight.bias is None and weight.entering == weight.first:
        leaving = weight.leaving or leaving
    groups = _declared_groups(leaving, weight.second, weight.first)
    if groups is None:
        return None
    detail = _detail(weight.first, weight.second * groups, weight.kernel, groups)
    return Reading(kind=f"ConvTranspose{weight.dimensions}", detail=detail)


def _detail(entering: int, leaving: int, kernel: Shape, groups: int) -> str:
    size = sizes_text(kernel) if len(kernel) > 1 else f"k{kernel[0]}"
    if groups > 1 and groups == entering:
        flow = str(leaving) if entering == leaving else flow_text(entering, leaving)
        return f"{flow} {size} depthwise"
    more = f", {groups} groups" if groups > 1 else ""
    return f"{flow_text(entering, leaving)} {size}{more}"


def _groups(weight: _Weight, layer: Layer, around: Surroundings) -> int:
    """Guess the groups of a Conv: depthwise from one channel in, others between equal widths."""
    first, second = weight.first, weight.second
    if second == 1 and first > 1:
        return first if layer.position > around.first_convolution else 1
    groups, rest = divmod(first, second)
    if rest or groups < _LEAST_GROUPS or weight.is_pointwise:
        return 1
    before, behind = around.step(layer, -1), around.step(layer, 1)
    if before is None or behind is None:
        return 1
    return groups if before.norm_width == first == behind.norm_width else 1


def _judge(weight: _Weight, layer: Layer, around: Surroundings) -> _Verdict:
    """Decide between a Conv and its transposed kin."""
    if weight.bias is not None:
        if weight.bias != weight.first:
            return _Verdict(True, Origin.OBSERVED, "its bias is not as long as its first dimension")
        groups, rest = divmod(weight.first, weight.second)
        if rest:
            return _Verdict(False, Origin.OBSERVED, "its bias is as long as its first dimension")
        if 1 < groups < weight.first:
            reason = "its bias fits; a transposed one would need groups for that"
            return _Verdict(False, Origin.ASSUMED, reason)
    elif weight.first != weight.second:
        told = _told_by_neighbours(weight, layer, around)
        if told is not None:
            return told
    return _told_by_name(weight, layer, is_first=layer.position <= around.first_convolution)


def _told_by_neighbours(weight: _Weight, layer: Layer, around: Surroundings) -> _Verdict | None:
    """Compare both readings with the widths before and after."""
    votes: set[bool | None] = set()
    behind, before = around.sibling(layer, 1), around.sibling(layer, -1)
    first, second = weight.first, weight.second
    if behind is not None and behind.norm_width is not None:
        votes.add(_vote(behind.norm_width == first, behind.norm_width == second))
    if layer.is_numbered:
        if before is not None and before.norm_width is not None:
            votes.add(_vote(_enters(before.norm_width, weight), before.norm_width == first))
        if behind is not None and len(behind.weight) == len(layer.weight):
            entering, leaving = behind.weight[1], behind.weight[0]
            votes.add(_vote(first == entering, second == leaving))
        if before is not None and len(before.weight) == len(layer.weight):
            votes.add(_vote(before.weight[0] == second, before.weight[1] == first))
    votes.discard(None)
    if len(votes) == 2:
        return _Verdict(None, Origin.UNDETERMINED, "the layers beside it disagree")
    if votes == {False}:
        return _Verdict(False, Origin.ASSUMED, _WIDTHS_FIT)
    if votes == {True}:
        if layer.is_numbered or _has_transposed_name(layer):
            return _Verdict(True, Origin.ASSUMED, _WIDTHS_FIT)
        reason = "the layer that follows in the file fits a transposed one, its name does not"
        return _Verdict(None, Origin.UNDETERMINED, reason)
    return None


def _vote(straight: bool, turned: bool) -> bool | None:
    """Whether a neighbour speaks for a transposed reading; None if for neither alone."""
    return turned if straight != turned else None


def _enters(width: int, weight: _Weight) -> bool:
    groups, rest = divmod(width, weight.second)
    return not rest and groups > 0 and weight.first % groups == 0


def _has_transposed_name(layer: Layer) -> bool:
    return _TRANSPOSED.search(layer.name.lower()) is not None


def _told_by_name(weight: _Weight, layer: Layer, *, is_first: bool) -> _Verdict:
    if weight.is_pointwise:
        return _Verdict(False, Origin.ASSUMED, "a transposed one of kernel 1 is hardly met")
    if _has_transposed_name(layer):
        return _Verdict(True, Origin.ASSUMED, "its name; a Conv looks the same")
    if is_first and weight.second == _CHANNELS_OF_AN_IMAGE:
        return _Verdict(False, Origin.ASSUMED, "the first convolution, and images have 3 channels")
    if weight.second == 1:
        return _Verdict(False, Origin.ASSUMED, "a transposed one that looks the same is rare")
    if layer.is_numbered and _TRANSPOSED.search(layer.parent.rpartition(".")[2].lower()):
        if weight.has_even_kernel:
            return _Verdict(True, Origin.ASSUMED, "the name above it; a Conv looks the same")
        return _Verdict(None, Origin.UNDETERMINED, "only the name above it speaks for transposed")
    if weight.has_even_kernel and "conv" not in layer.name.lower():
        reason = "even kernels serve both, and no bias or neighbour tells"
        return _Verdict(None, Origin.UNDETERMINED, reason)
    return _Verdict(False, Origin.ASSUMED, "a transposed one looks the same but is rarer")


def _bilinear(weight: _Weight) -> Reading | None:
    """The weight read as [out, in1, in2]."""
    if len(weight.kernel) != 1 or weight.bias not in (None, weight.first):
        return None
    detail = f"({weight.second}, {weight.kernel[0]}){ARROW}{weight.first}"
    return Reading(kind="Bilinear", detail=detail)


def _with_bilinear(
    weight: _Weight, layer: Layer, bilinear: Reading, verdict: _Verdict, readings: list[Reading]
) -> Guess:
    """A weight of three dimensions may be that of a Bilinear."""
    if "bilinear" in words(layer.name):
        told = _Verdict(None, Origin.ASSUMED, "its name; a Conv1d looks the same")
        return _guess(layer, told, [bilinear, *readings])
    long = weight.kernel[0] > _LARGEST_KERNEL and weight.kernel[0] >= weight.second
    if long and "conv" not in layer.name.lower():
        told = _Verdict(None, Origin.UNDETERMINED, "its kernel would be very long")
        return _guess(layer, told, [*readings[:1], bilinear, *readings[1:]])
    if verdict.origin is Origin.OBSERVED:
        told = _Verdict(verdict.transposed, Origin.ASSUMED, "a Bilinear of these sizes is rare")
        return _guess(layer, told, [*readings, bilinear])
    return _guess(layer, verdict, [*readings, bilinear])
