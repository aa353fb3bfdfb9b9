"""How the final channels of a PoseNet divide into joints and depth bins.

Enters: their number, the heatmap's side, what is stated and claimed. Leaves: a `Ranking` of every
division, and the facts joints and depth_bins. A product has many factors, so nothing here is more
than assumed: divisions rank by how many reasons speak for them, less those claims that speak
against.
"""

import math
from collections.abc import Sequence
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
from ckptscope.families.readings import say

#: Joint sets of the authors' data code, the likeliest first, and what they are of.
JOINT_SETS: Final = {
    18: "Human3.6M (17 and a thorax)",
    21: "MuCo-3DHP and MuPoTS-3D",
    19: "MS COCO (17, a thorax and a pelvis)",
    16: "MPII",
    17: "Human3.6M without the added thorax, or MuPoTS-3D's own",
}
JOINT_SETS_TEXT: Final = (
    "joint sets of the authors' data code: Human3.6M 18, MuCo and MuPoTS 21, MS COCO 19, MPII 16; "
    "and Human3.6M's own 17"
)
#: Candidates that a ranking shows, and alternatives that a fact shows.
_SHOWN: Final = 8
_ALTERNATIVES: Final = 3
_DECIDED_BY: Final = "the configuration that it was trained with: the joint set and depth_dim"


class _Division(msgspec.Struct, frozen=True):
    """One division, with its reasons."""

    joints: int
    bins: int
    score: int
    order: tuple[bool, int, bool, float]
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]


class Divided(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of the division.

    Attributes:
        joints: Fact.
        bins: Fact.
        ranking: None where there is nothing to rank.
        contradicted: Stated numbers that the file contradicts, in words.
    """

    joints: Fact
    bins: Fact
    ranking: Ranking | None = None
    contradicted: tuple[str, ...] = ()


def divide_channels(
    final: Fact, side: int, stated: dict[str, int], claims: Sequence[Claim]
) -> Divided:
    """Say how final channels divide.

    Args:
        final: Fact final_channels; its value is a number, or None if nothing says it.
        side: Width of the heatmap, in places.
        stated: What the user said of joints and depth_bins.
        claims: What names and tables say.
    """
    if not isinstance(final.value, int):
        return Divided(joints=_unknown("joints", stated), bins=_unknown("depth_bins", stated))
    count = final.value
    divisions = _rank(count, side, claims)
    agreeing = [one for one in divisions if _agrees(one, stated)]
    contradicted: tuple[str, ...] = ()
    if not agreeing:
        product = " × ".join(f"{name} {value}" for name, value in stated.items())
        where = final.evidence[0].key if final.evidence else None
        contradicted = (
            f"{product}, as stated, does not divide the {count} final channels in the file "
            f"({where!r})",
        )
        agreeing, stated = divisions, {}
    shown = agreeing[:_SHOWN]
    first = shown[0]
    ranking = Ranking(
        question=f"joints × depth bins of {count} final channels",
        settings=("joints", "depth_bins"),
        candidates=tuple(
            Candidate(
                values={"joints": one.joints, "depth_bins": one.bins},
                speaks_for=one.speaks_for,
                speaks_against=one.speaks_against,
            )
            for one in shown
        ),
        ties=sum(one.score == first.score for one in agreeing) - 1,
        left_out=len(agreeing) - len(shown),
    )
    proof = final.evidence[0] if final.evidence else Evidence(text="")
    return Divided(
        joints=_fact("joints", agreeing, count, proof, stated),
        bins=_fact("depth_bins", agreeing, count, proof, stated),
        ranking=ranking,
        contradicted=contradicted,
    )


def _rank(count: int, side: int, claims: Sequence[Claim]) -> list[_Division]:
    """Return every division, the likeliest first.

    Of equals the one that keeps the cube rule comes first, then the commoner joint set, then the
    one whose depth bins are a power of two and near the heatmap's width.
    """
    joint_orders = list(JOINT_SETS)
    divisions: list[_Division] = []
    for joints in _divisors(count):
        bins = count // joints
        speaks_for, speaks_against = _reasons(joints, bins, side)
        score = len(speaks_for)
        for claim in claims:
            value = {"joints": joints, "depth_bins": bins}.get(claim.rule.fact)
            if value is None:
                continue
            text = f"{claim.rule.attribute} {say(claim.value)} of {claim.subject}"
            text += f" ({claim.source})" if claim.source else ""
            is_met = claim.admits(value)
            (speaks_for if is_met else speaks_against).append(text)
            score += 1 if is_met else -1
        known = joint_orders.index(joints) if joints in JOINT_SETS else len(joint_orders)
        divisions.append(
            _Division(
                joints,
                bins,
                score,
                (bins != side, known, bins & (bins - 1) != 0, abs(math.log2(bins / side))),
                tuple(speaks_for),
                tuple(speaks_against),
            )
        )
    return sorted(divisions, key=lambda one: (-one.score, one.order, one.joints))


def _reasons(joints: int, bins: int, side: int) -> tuple[list[str], list[str]]:
    speaks_for: list[str] = []
    speaks_against: list[str] = []
    if bins == side:
        speaks_for.append(f"cube rule: {bins} depth bins, as many as the heatmap is wide")
    else:
        speaks_against.append(f"cube rule: the heatmap is {side} wide, not {bins}")
    if joints in JOINT_SETS:
        speaks_for.append(f"known joint set: {joints} of {JOINT_SETS[joints]}")
    else:
        speaks_against.append(f"no joint set of the authors' data code has {joints}")
    return speaks_for, speaks_against


def _divisors(count: int) -> list[int]:
    """Return the divisors of a number of channels; sizes are below a million."""
    small = [factor for factor in range(1, int(count**0.5) + 1) if count % factor == 0]
    return sorted({*small, *(count // factor for factor in small)})


def _agrees(one: _Division, stated: dict[str, int]) -> bool:
    return (
        stated.get("joints", one.joints) == one.joints
        and stated.get("depth_bins", one.bins) == one.bins
    )


def _fact(
    name: str, divisions: list[_Division], count: int, proof: Evidence, stated: dict[str, int]
) -> Fact:
    """Make the fact of one factor of the first division."""
    first = divisions[0]
    evidence = msgspec.structs.replace(proof, text=f"{count} = {first.joints} × {first.bins}")
    if stated:
        text = ", ".join(f"{one} {value} stated by the user" for one, value in stated.items())
        return Fact(
            name=name,
            value=_factor(first, name),
            origin=Origin.STATED,
            evidence=(evidence, Evidence(text=text)),
        )
    is_backed = bool(first.speaks_for)
    alternatives = divisions[1 if is_backed else 0 :][:_ALTERNATIVES]
    return Fact(
        name=name,
        value=_factor(first, name) if is_backed else None,
        origin=Origin.ASSUMED if is_backed else Origin.UNDETERMINED,
        evidence=(evidence,) if is_backed else (proof,),
        assumptions=first.speaks_for if is_backed else (),
        alternatives=tuple(
            Alternative(
                value=_factor(one, name),
                speaks_for=one.speaks_for,
                speaks_against=one.speaks_against,
            )
            for one in alternatives
        ),
        decided_by=_DECIDED_BY,
    )


def _factor(one: _Division, name: str) -> int:
    return one.joints if name == "joints" else one.bins


def _unknown(name: str, stated: dict[str, int]) -> Fact:
    """Make the fact where there is no final layer."""
    value: FactValue = stated.get(name)
    text = "no 'head.final_layer' in the file" if value is None else "stated by the user"
    return Fact(
        name=name,
        value=value,
        origin=Origin.UNDETERMINED if value is None else Origin.STATED,
        evidence=(Evidence(text=text),),
        decided_by=_DECIDED_BY if value is None else "",
    )
