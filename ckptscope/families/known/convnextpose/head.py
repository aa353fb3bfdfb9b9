"""The head of a ConvNeXtPose, read from names and shapes.

Enters: a view of a state_dict. Leaves: a `HeadReading`: layers with their dialects, widths and
kernels, the final layer, what says so, and what does not fit. Layers are counted from 1, as in the
names of the authors' code; keys and shapes are those of the table in `configuration`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.facts.architecture import Evidence
from ckptscope.facts.tensors import Origin, TensorInfo
from ckptscope.families.ballots import Ballot, numbered
from ckptscope.families.known.convnextpose.configuration import DIALECTS, INDEXED, LIST, NAMED
from ckptscope.families.trunks.convnext import BATCH_NORM, LAYER_NORM
from ckptscope.families.trunks.convnext_names import (
    AFFINE,
    NORM,
    STATISTICS,
    Leaves,
    dense_count,
    group_layers,
    only,
)
from ckptscope.families.trunks.convnext_reading import Reading
from ckptscope.families.view import NetworkView, read_number

#: Parts of a layer, in order: depthwise convolution, norm, pointwise convolution.
DEPTHWISE, NORMED, POINTWISE = range(3)
_NAMES: Final = {"dwconv": DEPTHWISE, "norm": NORMED, "pwconv": POINTWISE}
_INDICES: Final = {"0": DEPTHWISE, "1": NORMED, "2": POINTWISE}
_LEAVES: Final = {DEPTHWISE: AFFINE, NORMED: NORM, POINTWISE: AFFINE}
#: Side of the authors' kernels.
_USUAL_KERNEL: Final = 3

_Parts = dict[int, Leaves]


class HeadLayer:
    """What the tensors of one layer say.

    Attributes:
        number: From 1.
        dialect: How most of its tensors are named; empty if none is there.
        others: Dialects in which tensors of the same layer are named beside.
        repeated: Whether a part is there under two names.
        parts: Its tensors by part.
        part_dialects: How each part is named that is there.
        into: Incoming channels.
        out: Outgoing channels.
        kernel: Side of the depthwise kernel.
        norm: Kind of its norm.
    """

    def __init__(self, number: int, dialects: dict[str, _Parts]) -> None:
        self.number = number
        sizes = {name: sum(map(len, parts.values())) for name, parts in dialects.items()}
        order = sorted(sizes, key=lambda name: (-sizes[name], DIALECTS.index(name)))
        self.dialect, self.others = (order[0] if order else ""), tuple(order[1:])
        self.parts: _Parts = {}
        self.part_dialects: dict[int, str] = {}
        for name in order:
            for part, leaves in dialects[name].items():
                if part not in self.parts:
                    self.parts[part], self.part_dialects[part] = leaves, name
        self.repeated = len(self.parts) < sum(map(len, dialects.values()))
        self.into = Ballot[int](f"head_in_channels[{number - 1}]")
        self.out = Ballot[int](f"head_out_channels[{number - 1}]")
        self.kernel = Ballot[int](f"head_kernels[{number - 1}]")
        self.norm = Ballot[str](f"the norm of head layer {number}")
        self._read_depthwise(self.parts.get(DEPTHWISE, {}))
        self._read_norm(self.parts.get(NORMED, {}))
        self._read_pointwise(self.parts.get(POINTWISE, {}))

    def tensors(self) -> Iterator[TensorInfo]:
        """Yield its tensors."""
        for leaves in self.parts.values():
            yield from leaves.values()

    def weights(self) -> Iterator[TensorInfo]:
        """Yield the weights of its convolutions and its norm."""
        for part in (DEPTHWISE, NORMED, POINTWISE):
            weight = self.parts.get(part, {}).get("weight")
            if weight is not None:
                yield weight

    def _read_depthwise(self, leaves: Leaves) -> None:
        for leaf, tensor in leaves.items():
            if len(tensor.shape) == (4 if leaf == "weight" else 1):
                self.into.add(tensor.shape[0], tensor, 0)
        weight = leaves.get("weight")
        if weight is not None and len(weight.shape) == 4 and weight.shape[2] == weight.shape[3]:
            self.kernel.add(weight.shape[2], weight, 2)

    def _read_norm(self, leaves: Leaves) -> None:
        for tensor in leaves.values():
            if len(tensor.shape) == 1:
                self.into.add(tensor.shape[0], tensor, 0)
        statistics = [leaves[leaf] for leaf in STATISTICS if leaf in leaves]
        if statistics:
            self.norm.add(BATCH_NORM, statistics[0])
        elif leaves:
            self.norm.add(LAYER_NORM, next(iter(leaves.values())))

    def _read_pointwise(self, leaves: Leaves) -> None:
        weight, bias = leaves.get("weight"), leaves.get("bias")
        if weight is not None and len(weight.shape) == 4:
            self.out.add(weight.shape[0], weight, 0)
            self.into.add(weight.shape[1], weight, 1)
        if bias is not None and len(bias.shape) == 1:
            self.out.add(bias.shape[0], bias, 0)


class HeadReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors say of the head.

    Attributes:
        layers: By their numbers; one that is missing between others is there without tensors.
        readings: `head_layers`, `head_in_channels`, `head_out_channels`, `head_kernels`,
            `final_channels`, and what says so.
        dialect: Of most layers; empty if there is none.
        explained: Keys of the view that belong to the head.
        notes: What does not fit, in words, the gravest first.
    """

    layers: tuple[HeadLayer, ...]
    readings: dict[str, Reading]
    dialect: str
    explained: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def dialects(self) -> tuple[tuple[str, str, str], ...]:
        """How each part of each layer is named; as most are, where it is not there."""
        return tuple(
            (
                layer.part_dialects.get(DEPTHWISE, layer.dialect or self.dialect),
                layer.part_dialects.get(NORMED, layer.dialect or self.dialect),
                layer.part_dialects.get(POINTWISE, layer.dialect or self.dialect),
            )
            for layer in self.layers
        )


def read_head(view: NetworkView, trunk_width: int | None, trunk_norm: str) -> HeadReading:
    """Read the head; without any of its tensors there are no layers.

    Args:
        view: The tensors.
        trunk_width: Channels that leave the backbone, if they are known.
        trunk_norm: Kind of norm in the backbone.
    """
    found, final = _find_layers(view)
    count = dense_count(found)
    layers = tuple(HeadLayer(i + 1, found.get(i, {})) for i in range(count))
    final_into, final_out = (
        Ballot[int]("channels into the final layer"),
        Ballot[int]("final_channels"),
    )
    weight, bias = final.get("weight"), final.get("bias")
    if weight is not None and len(weight.shape) == 4:
        final_out.add(weight.shape[0], weight, 0)
        final_into.add(weight.shape[1], weight, 1)
    if bias is not None and len(bias.shape) == 1:
        final_out.add(bias.shape[0], bias, 0)
    dialects = Counter(layer.dialect for layer in layers if layer.dialect)
    dialect = dialects.most_common(1)[0][0] if dialects else ""
    cut = len(view.prefix)
    tensors = [tensor for layer in layers for tensor in layer.tensors()]
    return HeadReading(
        layers=layers,
        readings=_readings(layers, final_into, final_out, trunk_width),
        dialect=dialect,
        explained=tuple(tensor.key[cut:] for tensor in (*tensors, *final.values())),
        notes=(
            *_absent(layers, found, final_out, final_into.value, trunk_width),
            *_dialect_notes(layers, dialect),
            *_chain_notes(layers, final_into, trunk_width),
            *_dissents(layers, final_out, trunk_norm),
        ),
    )


def _find_layers(view: NetworkView) -> tuple[dict[int, dict[str, _Parts]], Leaves]:
    """Return parts by layer (from 0) and dialect, and the final layer."""
    found: dict[int, dict[str, _Parts]] = {}
    final: Leaves = {}
    for name, leaves in group_layers(view.tensors, "head.").items():
        if name == "final_layer":
            final = only(leaves, AFFINE)
            continue
        place = place_of(name)
        if place is not None:
            index, dialect, part = place
            kept = only(leaves, _LEAVES[part])
            if kept:
                found.setdefault(index, {}).setdefault(dialect, {})[part] = kept
    return found, final


def place_of(name: str) -> tuple[int, str, int] | None:
    """Return layer (from 0), dialect and part of a module of the head; None for any other."""
    tokens = name.split(".")
    if len(tokens) == 3 and tokens[0] == "deconv_layers":
        index, part = read_number(tokens[1]), _NAMES.get(tokens[2])
        return None if index is None or part is None else (index, LIST, part)
    if len(tokens) != 2 or not tokens[0].startswith("deconv_layers_"):
        return None
    number = read_number(tokens[0].removeprefix("deconv_layers_"))
    if not number:
        return None
    if tokens[1] in _NAMES:
        return number - 1, NAMED, _NAMES[tokens[1]]
    return (number - 1, INDEXED, _INDICES[tokens[1]]) if tokens[1] in _INDICES else None


def _readings(
    layers: tuple[HeadLayer, ...],
    final_into: Ballot[int],
    final_out: Ballot[int],
    trunk_width: int | None,
) -> dict[str, Reading]:
    before = [trunk_width, *(layer.out.value for layer in layers)]
    behind = [*(layer.into.value for layer in layers[1:]), final_into.value]
    first = [next(layer.tensors()) for layer in layers if layer.parts]
    return {
        "head_layers": Reading(
            value=len(layers),
            origin=Origin.OBSERVED,
            evidence=tuple(
                Evidence(text=f"{len(layers)} layers", key=tensor.key, shape=tensor.shape)
                for tensor in first[-1:]
            )
            or (Evidence(text="there is no head.deconv_layers"),),
        ),
        "head_in_channels": _chain([layer.into for layer in layers], before, "before"),
        "head_out_channels": _chain([layer.out for layer in layers], behind, "behind"),
        "head_kernels": _kernels(layers),
        "final_channels": _one(final_out),
    }


def _one(ballot: Ballot[int]) -> Reading:
    doubts = ballot.assumptions()
    known = Origin.ASSUMED if doubts else Origin.OBSERVED
    return Reading(
        value=ballot.value,
        origin=Origin.UNDETERMINED if ballot.value is None else known,
        evidence=ballot.evidence(),
        assumptions=doubts,
    )


def _chain(ballots: list[Ballot[int]], beside: Sequence[int | None], where: str) -> Reading:
    """Read one width of each layer; where a layer does not tell it, what stands beside it does."""
    values: list[int] = []
    evidence: list[Evidence] = []
    assumptions: list[str] = []
    origin = Origin.OBSERVED
    for ballot, neighbour in zip(ballots, beside, strict=False):
        value = ballot.value if ballot.value is not None else neighbour
        if value is None:
            return Reading(value=None, origin=Origin.UNDETERMINED, evidence=tuple(evidence))
        values.append(value)
        evidence += ballot.evidence()
        assumptions += ballot.assumptions()
        if ballot.value is None:
            origin = Origin.DERIVED
            evidence.append(Evidence(text=f"{ballot.name} = {value}, as the layer {where} it says"))
    return Reading(
        value=tuple(values),
        origin=Origin.ASSUMED if assumptions else origin,
        evidence=tuple(evidence),
        assumptions=tuple(assumptions),
    )


def _kernels(layers: tuple[HeadLayer, ...]) -> Reading:
    lost = [layer.number for layer in layers if layer.kernel.value is None]
    assumptions: tuple[str, ...] = ()
    if lost:
        side = f"{_USUAL_KERNEL}×{_USUAL_KERNEL}"
        assumptions = (f"the kernel of {numbered('layer', lost)} is {side}, as in the paper",)
    return Reading(
        value=tuple(
            _USUAL_KERNEL if layer.kernel.value is None else layer.kernel.value for layer in layers
        ),
        origin=Origin.ASSUMED if lost else Origin.OBSERVED,
        evidence=tuple(one for layer in layers for one in layer.kernel.evidence()),
        assumptions=assumptions,
    )


def _absent(
    layers: tuple[HeadLayer, ...],
    found: dict[int, dict[str, _Parts]],
    final: Ballot[int],
    into: int | None,
    trunk_width: int | None,
) -> Iterator[str]:
    if final.value is None:
        yield "the final layer is missing: joints and depth bins cannot be told"
    if not layers and (into is None or into != trunk_width):
        yield "no layer of the head is there"
    missing = [layer.number for layer in layers if not layer.dialect]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        yield (
            f"the head has {len(layers)} layers by their numbers, but "
            f"{numbered('layer', missing)} {verb} missing"
        )
    apart = [index + 1 for index in found if index >= len(layers)]
    if apart:
        verb = "stands" if len(apart) == 1 else "stand"
        where = numbered("layer", apart)
        yield f"{where} of the head {verb} apart from its {len(layers)} layers"


def _dialect_notes(layers: tuple[HeadLayer, ...], dialect: str) -> Iterator[str]:
    named: dict[str, list[int]] = {}
    for layer in layers:
        if layer.dialect:
            named.setdefault(layer.dialect, []).append(layer.number)
    if len(named) > 1:
        shares = ", ".join(
            f"{numbered('layer', numbers)} {name}" for name, numbers in named.items()
        )
        others = [
            number for name, numbers in named.items() if name != dialect for number in numbers
        ]
        yield (
            f"the head mixes dialects: {shares}; load_state_dict takes one, so rename "
            f"{numbered('layer', others)} to {dialect}"
        )
    beside: dict[tuple[str, str, bool], list[int]] = {}
    for layer in layers:
        if layer.others:
            key = (layer.dialect, " and ".join(layer.others), layer.repeated)
            beside.setdefault(key, []).append(layer.number)
    for (own, added, repeated), numbers in beside.items():
        how = "some parts are there again as" if repeated else "other parts are"
        verb = "is" if len(numbers) == 1 else "are"
        yield f"{numbered('head layer', numbers)} {verb} {own}, and {how} {added}"


def _chain_notes(
    layers: tuple[HeadLayer, ...], final_into: Ballot[int], trunk_width: int | None
) -> Iterator[str]:
    """Say where the channels that leave one layer are not those that enter the next."""
    out, giver = trunk_width, "the backbone"
    for layer in layers:
        into = layer.into.value
        if out is not None and into is not None and out != into:
            yield f"{giver} gives {out} channels, head layer {layer.number} takes {into}"
        out, giver = layer.out.value, f"head layer {layer.number}"
    into = final_into.value
    if out is not None and into is not None and out != into:
        yield f"{giver} gives {out} channels, the final layer takes {into}"


def _dissents(
    layers: tuple[HeadLayer, ...], final_out: Ballot[int], trunk_norm: str
) -> Iterator[str]:
    for ballot in (final_out, *(one for layer in layers for one in (layer.into, layer.out))):
        text = ballot.dissent()
        if text is not None:
            yield text
    others = [layer.number for layer in layers if layer.norm.value not in (None, trunk_norm)]
    if others:
        where = numbered("head layer", others)
        yield f"the norm of {where} is no {trunk_norm}, unlike the backbone's"
