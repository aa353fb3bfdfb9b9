"""What the tensors of a view say of a setting, and facts made of it.

Enters: shapes, axis by axis. Leaves: `Said`, a size with the tensor that says so; `Fact`s of one
size or of a list. Where tensors disagree the most of them decide, and the fact is assumed and no
longer observed. No size is believed that no layer can have.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from ckptscope.facts.architecture import Evidence, Fact, FactValue
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.facts.tensors import Kind, Origin, TensorInfo
from ckptscope.families.ballots import Ballot
from ckptscope.families.base import Configuration
from ckptscope.families.settings import MOST
from ckptscope.families.view import NetworkView

C = TypeVar("C", bound=Configuration)

#: Origins that rest on the file alone; only these can contradict what somebody says.
FROM_THE_FILE = frozenset({Origin.OBSERVED, Origin.DERIVED})


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One size.

    Attributes:
        size: It.
        evidence: A tensor that says so; None where none does.
        assumption: What else it needs, in words; empty if it is observed.
    """

    size: int
    evidence: Evidence | None = None
    assumption: str = ""


def hear(ballot: Ballot[int], tensor: TensorInfo, axis: int) -> None:
    """Let a tensor vote; one without that axis, or of an impossible size there, says nothing."""
    if axis < len(tensor.shape):
        size = tensor.shape[axis]
        if 0 < size <= MOST:
            ballot.add(size, tensor, axis)


def settle(ballot: Ballot[int]) -> Said | None:
    """Return what most tensors say, the first of them as evidence; None if none spoke."""
    size = ballot.value
    if size is None:
        return None
    (evidence,) = ballot.evidence()
    return Said(size=size, evidence=evidence, assumption=ballot.dissent() or "")


def size_fact(name: str, said: Said) -> Fact:
    """Make a fact of one size."""
    listed = list_fact(name, (said,))
    return msgspec.structs.replace(listed, value=said.size)


def list_fact(name: str, items: Sequence[Said]) -> Fact:
    """Make a fact of a list of sizes; it is as weak as its weakest item."""
    assumptions = tuple(item.assumption for item in items if item.assumption)
    return Fact(
        name=name,
        value=tuple(item.size for item in items),
        origin=Origin.ASSUMED if assumptions else Origin.OBSERVED,
        evidence=tuple(item.evidence for item in items if item.evidence is not None),
        assumptions=assumptions,
    )


def extent(numbers: Collection[int]) -> int:
    """Return how many numbered things there are, 0 to n - 1, though some may be lost.

    It is the greatest n of which more than half are there: a stray number far beyond the others
    does not count.
    """
    most = 0
    for index, number in enumerate(sorted(numbers)):
        if 2 * (index + 1) > number + 1:
            most = number + 1
    return most


def follow(
    name: str, value: FactValue, text: str, grounds: Iterable[Fact], *conventions: str
) -> Fact:
    """Make a fact that follows from others, and is as weak as the weakest of them.

    Args:
        name: Of the fact.
        value: What follows.
        text: How.
        grounds: What it follows from.
        conventions: What else it needs; with any it is assumed.
    """
    grounds = tuple(grounds)
    assumptions = [text for fact in grounds for text in fact.assumptions]
    origins = {fact.origin for fact in grounds}
    origin = Origin.DERIVED
    if Origin.STATED in origins:
        origin = Origin.STATED
    if Origin.ASSUMED in origins or conventions:
        origin = Origin.ASSUMED
    return Fact(
        name=name,
        value=value,
        origin=origin,
        evidence=(Evidence(text=text),),
        assumptions=tuple(dict.fromkeys((*assumptions, *conventions))),
    )


def hold_stated(
    facts: dict[str, Fact], stated: Mapping[str, FactValue], configuration: Configuration
) -> list[str]:
    """Let stated settings replace those that do not rest on the file.

    Args:
        facts: By the settings' names; changed in place.
        stated: What the user said, by the fields of the configuration.
        configuration: The same, checked, in the fields' own types.

    Returns:
        What the file contradicts, in words.
    """
    contradicted: list[str] = []
    for name in stated:
        value: FactValue = getattr(configuration, name)
        fact = facts.get(name)
        if fact is None or fact.origin not in FROM_THE_FILE:
            facts[name] = Fact(
                name=name,
                value=value,
                origin=Origin.STATED,
                evidence=(Evidence(text="stated by the user"),),
            )
        elif fact.value != value:
            proof = fact.evidence[0] if fact.evidence else None
            where = "" if proof is None else f" ({proof.text})"
            if proof is not None and proof.key is not None:
                where = f" ({proof.text}; {proof.key!r})"
            contradicted.append(
                f"{name} is {say(value)} as stated, and {say(fact.value)} in the file{where}"
            )
    return contradicted


def say(value: FactValue) -> str:
    """Return a value as it is written in a sentence."""
    if isinstance(value, tuple):
        return str(list(value))
    return "none" if value is None else str(value)


def sum_facts(
    view: NetworkView, table: Iterable[ExpectedTensor], counts: Counts | None
) -> tuple[Fact, ...]:
    """Add up the tensors of the file that a table explains: parameters, elements, by parts.

    Args:
        view: The network.
        table: Its keys; what is parameter and what buffer, and the parts, are the table's.
        counts: What the settings add up to, to be compared; None without settings.
    """
    parts: dict[str, list[int]] = {}
    for expected in table:
        sums = parts.setdefault(expected.part, [0, 0, 0])
        found = view.tensors.get(expected.key)
        if found is not None:
            sums[0] += 1
            sums[1 if expected.kind is Kind.PARAMETER else 2] += found.elements
    tensors, parameters, buffers = (sum(column) for column in zip(*parts.values(), strict=True))
    without = f", less {buffers:,} elements of BatchNorm's buffers" if buffers else ""

    def fact(name: str, value: int, wanted: int | None, text: str) -> Fact:
        if wanted is not None and wanted != value:
            text += f"; the settings add up to {wanted:,}"
        evidence = (Evidence(text=text),)
        return Fact(name=name, value=value, origin=Origin.DERIVED, evidence=evidence)

    return (
        fact(
            "parameters",
            parameters,
            None if counts is None else counts.parameters,
            f"sum over {tensors:,} tensors{without}",
        ),
        fact(
            "state_elements",
            parameters + buffers,
            None if counts is None else counts.elements,
            f"sum over {tensors:,} tensors",
        ),
        *(
            fact(
                f"{part}_parameters",
                sums[1],
                None if counts is None else counts.part(part).parameters,
                f"sum over the {sums[0]:,} tensors of the {part}, without buffers",
            )
            for part, sums in parts.items()
        ),
    )
