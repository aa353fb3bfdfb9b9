"""Facts that no shape of a ConvNeXtPose decides: joints, depth bins, upsampling, planes, cost.

Enters: a configuration with everything that was read, what the user states, claims. Leaves:
`OpenFacts`: facts that are assumed, stated or undetermined, the rankings behind them, and the
configuration with the winners filled in.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ckptscope.facts.architecture import (
    Alternative,
    Candidate,
    Evidence,
    Fact,
    FactValue,
    Ranking,
)
from ckptscope.facts.claims import Claim
from ckptscope.facts.tensors import Origin
from ckptscope.families.known.convnextpose.configuration import (
    INPUT_SIZE,
    ConvNeXtPoseConfiguration,
)
from ckptscope.families.known.convnextpose.ranking import (
    CUBE,
    Choice,
    choose_upsampling,
    divide_channels,
)
from ckptscope.families.known.convnextpose.weighing import Weighing

_STATED: Final = (Evidence(text="stated by the user"),)
_DECIDES_DIVISION: Final = (
    "the joint set of the data that it was trained on, or depth_dim of its configuration"
)
_DECIDES_UPSAMPLING: Final = (
    "the code or configuration that comes with the file; a table that says what the network costs"
)
_DECIDES_INPUT: Final = "input_shape of its configuration"


class OpenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is not in the file, as far as it can be told.

    Attributes:
        facts: By name.
        configuration: With joints, depth bins, upsampling and input size, where they are known.
        rankings: Questions that are open.
        notes: What is stated and cannot be, in words.
    """

    facts: dict[str, Fact]
    configuration: ConvNeXtPoseConfiguration
    rankings: tuple[Ranking, ...]
    notes: tuple[str, ...]


def find_open_facts(
    configuration: ConvNeXtPoseConfiguration,
    final: Fact,
    stated: Mapping[str, FactValue],
    claims: Iterable[Claim],
    *,
    is_whole: bool,
) -> OpenFacts:
    """Decide what shapes leave open.

    Args:
        configuration: Everything that was read.
        final: The fact of the final channels; its value is None where the final layer is missing.
        stated: What the user says, by the names of fields.
        claims: What tables and names say.
        is_whole: Whether every size is known and possible; else nothing can be said of costs.
    """
    size, pattern = stated.get("input_size", INPUT_SIZE), stated.get("upsampling")
    changes = {"input_size": size, "upsampling": pattern}
    configuration = msgspec.structs.replace(configuration, **changes)
    input_fact = _input_fact(configuration, is_stated="input_size" in stated)
    weighing = Weighing(configuration, claims, is_whole=is_whole)
    joints, bins, ranking, notes = _division(weighing, final, stated, input_fact)
    rankings = [] if ranking is None else [ranking]
    if pattern is None:
        known_bins = bins.value if isinstance(bins.value, int) else None
        is_there = weighing.layers or final.value is not None
        choice = choose_upsampling(weighing, known_bins) if is_there else Choice()
        grounds = (bins, input_fact) if _is_cube(choice) else ()
        upsampling = _upsampling(choice, grounds)
        rankings += [] if choice.ranking is None else [choice.ranking]
    else:
        choice = Choice()
        upsampling = _stated("upsampling", pattern)
    changes = {"upsampling": upsampling.value}
    if joints.value is not None and bins.value is not None and not notes:
        changes |= {"joints": joints.value, "depth_bins": bins.value, "undivided": None}
    configuration = msgspec.structs.replace(configuration, **changes)
    facts = [joints, bins, upsampling, input_fact]
    facts += _planes(weighing, upsampling, input_fact, choice.ranking)
    return OpenFacts(
        facts={fact.name: fact for fact in facts},
        configuration=configuration,
        rankings=tuple(rankings),
        notes=tuple(notes),
    )


def _is_cube(choice: Choice) -> bool:
    return CUBE in choice.assumptions


def _input_fact(configuration: ConvNeXtPoseConfiguration, *, is_stated: bool) -> Fact:
    size = configuration.input_size
    if is_stated:
        return _stated("input_size", size)
    return Fact(
        name="input_size",
        value=size,
        origin=Origin.ASSUMED,
        evidence=(Evidence(text="no tensor depends on it"),),
        assumptions=(f"an input of {size[0]}×{size[1]}, that of the paper and the authors' code",),
        decided_by=_DECIDES_INPUT,
    )


def _division(
    weighing: Weighing, final: Fact, stated: Mapping[str, FactValue], input_fact: Fact
) -> tuple[Fact, Fact, Ranking | None, list[str]]:
    """Return the facts of joints and depth bins, the ranking behind them, and what cannot be."""
    channels = final.value if isinstance(final.value, int) else None
    choice = Choice() if channels is None else divide_channels(weighing, channels)
    said = {name: stated[name] for name in ("joints", "depth_bins") if name in stated}
    if not said:
        joints, bins = (
            _divided(name, choice, final, input_fact) for name in ("joints", "depth_bins")
        )
        return joints, bins, choice.ranking, []
    facts = {name: _stated(name, value) for name, value in said.items()}
    notes: list[str] = []
    if len(said) == 2:
        notes += _product_note(said, channels)
    else:
        (name, value), other = next(iter(said.items())), "depth_bins"
        if name == "depth_bins":
            other = "joints"
        facts[other] = Fact(
            name=other,
            value=None,
            origin=Origin.UNDETERMINED,
            decided_by=_DECIDES_DIVISION,
        )
        if channels is not None and isinstance(value, int):
            if channels % value:
                what = name.replace("_", " ")
                notes.append(f"{value} {what} do not divide {channels:,} final channels")
                return facts["joints"], facts["depth_bins"], choice.ranking, notes
            else:
                formula = f"{channels} = {value} × {channels // value}"
                facts[other] = Fact(
                    name=other,
                    value=channels // value,
                    origin=Origin.STATED,
                    evidence=(*_point(final, formula), *_STATED),
                )
    return facts["joints"], facts["depth_bins"], None, notes


def _product_note(said: Mapping[str, FactValue], channels: int | None) -> list[str]:
    joints, bins = said["joints"], said["depth_bins"]
    if not (isinstance(joints, int) and isinstance(bins, int)):
        return []
    product = joints * bins
    if channels is None or product == channels:
        return []
    return [
        f"{joints} joints × {bins} depth bins are {product:,} final channels, the file has "
        f"{channels:,}"
    ]


def _divided(name: str, choice: Choice, final: Fact, input_fact: Fact) -> Fact:
    ranked = choice.ranking.candidates if choice.ranking is not None else ()
    options = [
        Alternative(
            value=one.values[name], speaks_for=one.speaks_for, speaks_against=one.speaks_against
        )
        for one in ranked
    ]
    if not choice.values:
        tied = options if choice.ranking is None else options[: choice.ranking.ties + 1]
        return Fact(
            name=name,
            value=None,
            origin=Origin.UNDETERMINED,
            evidence=final.evidence,
            alternatives=tuple(tied),
            decided_by=_DECIDES_DIVISION,
        )
    joints, bins = choice.values["joints"], choice.values["depth_bins"]
    assumptions = [*choice.assumptions]
    if _is_cube(choice):
        assumptions += input_fact.assumptions
    return Fact(
        name=name,
        value=choice.values[name],
        origin=Origin.ASSUMED,
        evidence=_point(final, f"{final.value} = {joints} × {bins}"),
        assumptions=tuple(assumptions),
        alternatives=tuple(options[1:]),
        decided_by=_DECIDES_DIVISION,
    )


def _point(fact: Fact, text: str) -> tuple[Evidence, ...]:
    """Return a formula, and the tensor that a fact rests on."""
    if not fact.evidence:
        return (Evidence(text=text),)
    return (msgspec.structs.replace(fact.evidence[0], text=text),)


def _upsampling(choice: Choice, grounds: Sequence[Fact]) -> Fact:
    options = tuple(
        Alternative(
            value=one.values["upsampling"],
            speaks_for=one.speaks_for,
            speaks_against=one.speaks_against,
        )
        for one in (choice.ranking.candidates if choice.ranking is not None else ())
    )
    if "upsampling" not in choice.values:
        return Fact(
            name="upsampling",
            value=None,
            origin=Origin.UNDETERMINED,
            evidence=(Evidence(text="upsampling has no weights"),),
            alternatives=options,
            decided_by=_DECIDES_UPSAMPLING,
        )
    assumptions = [*choice.assumptions]
    for ground in grounds:
        assumptions += ground.assumptions
    if not choice.values["upsampling"]:
        evidence = Evidence(text="there is no layer that could upsample")
        return Fact(name="upsampling", value=(), origin=Origin.OBSERVED, evidence=(evidence,))
    return Fact(
        name="upsampling",
        value=choice.values["upsampling"],
        origin=Origin.ASSUMED,
        evidence=(Evidence(text="upsampling has no weights"),),
        assumptions=tuple(dict.fromkeys(assumptions)),
        alternatives=options[1:],
        decided_by=_DECIDES_UPSAMPLING,
    )


def _planes(
    weighing: Weighing, upsampling: Fact, input_fact: Fact, ranking: Ranking | None
) -> list[Fact]:
    """Return what follows from upsampling and input: planes and multiply-accumulates."""
    entering = _following("head_input", weighing.plane(0), (input_fact,), _stride_text(weighing))
    others = ranking.candidates if ranking is not None else ()
    pattern = upsampling.value
    if not isinstance(pattern, tuple):
        options = {
            "upsamplings": (),
            "heatmap": _distinct(one.values["heatmap"] for one in others),
            "macs": _distinct(one.macs for one in others if one.macs is not None),
        }
        return [entering, *(_undetermined(name, found) for name, found in options.items())]
    is_doubled = tuple(bool(item) for item in pattern)
    follows, count = weighing.follow(is_doubled), sum(is_doubled)
    height, width = weighing.plane(0)
    upsamplings = _following(
        "upsamplings", count, (upsampling,), f"{count} of {len(is_doubled)} layers"
    )
    heatmap = _following(
        "heatmap", follows["heatmap"], (upsampling, input_fact), f"{height}×{width} · 2^{count}"
    )
    macs = _following(
        "macs",
        follows["macs"],
        (upsampling, input_fact),
        weighing.cost_text(is_doubled),
    )
    other_planes = (one.values["heatmap"] for one in others)
    return [
        entering,
        upsamplings,
        msgspec.structs.replace(
            heatmap,
            alternatives=_distinct(one for one in other_planes if one != heatmap.value),
        ),
        msgspec.structs.replace(macs, alternatives=tuple(map(_other_cost, others[1:]))),
    ]


def _undetermined(name: str, alternatives: tuple[Alternative, ...]) -> Fact:
    return Fact(
        name=name,
        value=None,
        origin=Origin.UNDETERMINED,
        alternatives=alternatives,
        decided_by=_DECIDES_UPSAMPLING,
    )


def _other_cost(candidate: Candidate) -> Alternative:
    pattern = candidate.values["upsampling"]
    items = pattern if isinstance(pattern, tuple) else ()
    words = "upsampling: " + ", ".join("yes" if item else "no" for item in items)
    return Alternative(
        value=candidate.macs,
        speaks_for=(words, *candidate.speaks_for),
        speaks_against=candidate.speaks_against,
    )


def _following(name: str, value: FactValue, grounds: Sequence[Fact], text: str) -> Fact:
    """Make a fact that follows from others, as weak as the weakest of them."""
    assumptions = dict.fromkeys(text for ground in grounds for text in ground.assumptions)
    origins = [ground.origin for ground in grounds]
    origin = Origin.ASSUMED if Origin.ASSUMED in origins else Origin.STATED
    return Fact(
        name=name,
        value=value,
        origin=origin,
        evidence=(Evidence(text=text),),
        assumptions=tuple(assumptions),
        decided_by="; ".join(
            dict.fromkeys(ground.decided_by for ground in grounds if ground.decided_by)
        ),
    )


def _distinct(values: Iterable[FactValue]) -> tuple[Alternative, ...]:
    return tuple(Alternative(value=value) for value in dict.fromkeys(values))


def _stride_text(weighing: Weighing) -> str:
    configuration = weighing.configuration
    height, width = configuration.input_size
    halvings = len(configuration.dims) - 1
    step = configuration.stem_kernel
    return f"{height}×{width}, a stem of step {step}, then halved {halvings} times"


def _stated(name: str, value: FactValue) -> Fact:
    return Fact(name=name, value=value, origin=Origin.STATED, evidence=_STATED)
