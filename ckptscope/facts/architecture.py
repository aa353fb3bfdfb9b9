"""Which network a state_dict is, as facts with their evidence.

Enters: a `StateDict`, recognised by a family. Leaves: an `Architecture`: facts, each with its
origin; rankings where shapes leave several answers; what does not fit; what no weight can tell.
"""

from typing import TypeAlias

import msgspec

from ckptscope.facts.differences import KeyDifferences
from ckptscope.facts.expected import Counts
from ckptscope.facts.tensors import Origin

#: One item of a list: a size, a kernel [kh, kw], a truth value, a name.
FactItem: TypeAlias = bool | int | float | str | tuple[int, ...]
#: A fact's value; None where it is undetermined. Lists are tuples.
FactValue: TypeAlias = bool | int | float | str | tuple[FactItem, ...] | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a fact rests on, to be checked by hand.

    Attributes:
        text: A sentence or a formula: `48 of [48, 3, 4, 4]`, `1152 = 18 × 64`.
        key: Name of the tensor as saved, where it is about one.
        axis: Dimension of that tensor that is meant.
        shape: Its shape.
    """

    text: str
    key: str | None = None
    axis: int | None = None
    shape: tuple[int, ...] | None = None


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """Another value that the same tensors allow.

    Attributes:
        value: It.
        speaks_for: What would be explained by it.
        speaks_against: What would have to be explained away.
    """

    value: FactValue
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about a network.

    Attributes:
        name: dims, depths, joints, ...
        value: What is said; None where nothing can be.
        origin: What it rests on, at its weakest.
        evidence: The shapes and formulas.
        assumptions: Every convention that it needs, in words; empty unless the origin is assumed.
        alternatives: What else it could be, the likeliest first.
        decided_by: What could decide, where it is assumed or undetermined; in words.
    """

    name: str
    value: FactValue
    origin: Origin
    evidence: tuple[Evidence, ...] = ()
    assumptions: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    decided_by: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One answer among several.

    Attributes:
        values: Settings that it fixes: `{"joints": 18, "depth_bins": 64}`.
        speaks_for: Reasons.
        speaks_against: Objections.
        macs: Multiply-accumulates that would follow, where that differs between candidates.
    """

    values: dict[str, FactValue]
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()
    macs: int | None = None


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What the shapes leave open, answered by rank.

    Attributes:
        question: In words: "joints × depth bins of 1152 final channels".
        settings: Names that every candidate fixes.
        candidates: The likeliest first. Those behind the first that nothing tells apart from it
            are counted by `ties`.
        ties: How many candidates rank as high as the first, itself not counted.
        left_out: How many candidates are not shown.
    """

    question: str
    settings: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    ties: int = 0
    left_out: int = 0


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """Code that loads the file.

    Attributes:
        title: Whose code it is for.
        language: python.
        code: Lines, without a newline at the end. Names of the file stand in it as literals.
        cautions: Weightless settings that could not be read from the file, and what else the
            reader must check.
    """

    title: str
    language: str
    code: str
    cautions: tuple[str, ...] = ()


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """What a family says of one network.

    Attributes:
        family: Name of the family: convnextpose.
        title: The same for people: ConvNeXtPose.
        state_dict: Path of the state_dict in the checkpoint's tree.
        prefix: What stands before every key of this network.
        reasons: Why this family.
        coverage: Share of the state_dict's tensors that the family explains, 0 to 1.
        facts: In the order in which they are told.
        settings: What the network would be built from, assumed values included; None where it
            cannot be built (a needed setting is undetermined).
        dialect: How its keys are named; the one that fits most of them.
        counts: What the settings add up to; None without settings.
        rankings: Questions that the shapes leave open.
        differences: Between the state_dict and the table of these settings.
        misfits: What does not fit, in words, the gravest first; empty for a clean file.
        blind_spots: What no weight of this family can tell.
        snippets: Code that loads it; made only on request.
        rivals: Families that explain part of the same tensors, and how much: `(name, coverage)`.
    """

    family: str
    title: str
    state_dict: str
    prefix: str
    reasons: tuple[str, ...]
    coverage: float
    facts: tuple[Fact, ...]
    settings: dict[str, FactValue] | None
    dialect: str
    counts: Counts | None
    rankings: tuple[Ranking, ...] = ()
    differences: KeyDifferences = KeyDifferences()
    misfits: tuple[str, ...] = ()
    blind_spots: tuple[str, ...] = ()
    snippets: tuple[Snippet, ...] = ()
    rivals: tuple[tuple[str, float], ...] = ()

    def fact(self, name: str) -> Fact | None:
        """Return a fact by its name, or None."""
        for found in self.facts:
            if found.name == name:
                return found
        return None
