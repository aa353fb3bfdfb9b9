"""An identified network → the types of its JSON.

Enters: an `Identified`. Leaves: an `ArchitectureOut`, the value of `architecture` in a file's
object: facts by name, counts with their sums, the variant beside the standing that it follows from.
"""

import msgspec

from ckptscope.facts.architecture import (
    Alternative,
    Architecture,
    Evidence,
    Fact,
    FactValue,
    Ranking,
    Snippet,
)
from ckptscope.facts.differences import KeyDifferences
from ckptscope.facts.expected import Counts, PartCount
from ckptscope.facts.standing import Identified, Standing
from ckptscope.facts.tensors import Origin


class FactOut(msgspec.Struct, frozen=True, kw_only=True):
    """A fact; its name is its key."""

    value: FactValue
    origin: Origin
    evidence: tuple[Evidence, ...]
    assumptions: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    decided_by: str


class PartOut(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the network in numbers; its name is its key."""

    tensors: int
    parameters: int
    buffers: int
    elements: int
    macs: int | None


class CountsOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings add up to, and what each part has of it."""

    tensors: int
    parameters: int
    buffers: int
    elements: int
    macs: int | None
    parts: dict[str, PartOut]


class RivalOut(msgspec.Struct, frozen=True, kw_only=True):
    """Another family that explains part of the same tensors."""

    family: str
    coverage: float


class ArchitectureOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a network is; see `facts.architecture` and `facts.standing` for the parts."""

    family: str
    title: str
    variant: str | None
    runner_up: str | None
    state_dict: str
    copies: tuple[str, ...]
    prefix: str
    dialect: str
    reasons: tuple[str, ...]
    coverage: float
    facts: dict[str, FactOut]
    settings: dict[str, FactValue] | None
    counts: CountsOut | None
    rankings: tuple[Ranking, ...]
    differences: KeyDifferences
    misfits: tuple[str, ...]
    blind_spots: tuple[str, ...]
    standing: Standing | None
    rivals: tuple[RivalOut, ...]
    snippets: tuple[Snippet, ...]
    unread: str | None


def architecture_out(one: Identified) -> ArchitectureOut:
    """Return a network as the JSON shows it."""
    found, standing = one.architecture, one.standing
    return ArchitectureOut(
        family=found.family,
        title=found.title,
        variant=standing.variant if standing is not None else None,
        runner_up=standing.runner_up if standing is not None else None,
        state_dict=found.state_dict,
        copies=one.copies,
        prefix=found.prefix,
        dialect=found.dialect,
        reasons=found.reasons,
        coverage=found.coverage,
        facts=_facts(found),
        settings=found.settings,
        counts=_counts(found.counts) if found.counts is not None else None,
        rankings=found.rankings,
        differences=found.differences,
        misfits=found.misfits,
        blind_spots=found.blind_spots,
        standing=standing,
        rivals=tuple(
            RivalOut(family=family, coverage=coverage) for family, coverage in found.rivals
        ),
        snippets=found.snippets,
        unread=one.unread or None,
    )


def _facts(found: Architecture) -> dict[str, FactOut]:
    return {fact.name: _fact(fact) for fact in found.facts}


def _fact(fact: Fact) -> FactOut:
    return FactOut(
        value=fact.value,
        origin=fact.origin,
        evidence=fact.evidence,
        assumptions=fact.assumptions,
        alternatives=fact.alternatives,
        decided_by=fact.decided_by,
    )


def _counts(counts: Counts) -> CountsOut:
    return CountsOut(
        tensors=counts.tensors,
        parameters=counts.parameters,
        buffers=counts.buffers,
        elements=counts.elements,
        macs=counts.macs,
        parts={part.part: _part(part) for part in counts.parts},
    )


def _part(part: PartCount) -> PartOut:
    return PartOut(
        tensors=part.tensors,
        parameters=part.parameters,
        buffers=part.buffers,
        elements=part.elements,
        macs=part.macs,
    )
