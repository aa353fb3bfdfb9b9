"""The verdicts on two networks.

Enters: a `Subject`. Leaves: the conclusions that fit, at least one.
"""

from collections.abc import Iterator
from typing import Final

from ckptscope.comparisons.changes import conclude_changes
from ckptscope.comparisons.phrases import counted, names
from ckptscope.comparisons.sameness import conclude_order, conclude_same
from ckptscope.comparisons.subject import Subject
from ckptscope.facts.comparison import Conclusion, Relation, Structure

_OPTIMIZER: Final = "optimizer"


def conclude(subject: Subject) -> tuple[Conclusion, ...]:
    """Say what two networks are to each other, by values."""
    same = tuple(conclude_same(subject))
    if same:
        return same
    found = list(_changes(subject))
    if subject.unread:
        unread = Conclusion(
            relation=Relation.UNDECIDED,
            sentence=f"{counted(len(subject.unread), 'tensor')} could not be compared by values",
            evidence=(
                names(pair.left.key for pair in subject.unread),
                f"{subject.unread[0].unread:.200}",
            ),
        )
        is_open = not subject.unequal and subject.is_whole
        found = [unread, *found] if is_open else [*found, unread]
    if not found:
        found.append(
            Conclusion(
                relation=Relation.UNDECIDED,
                sentence="not the same, and nothing that a common operation leaves behind",
                evidence=(_differing(subject),),
            )
        )
    return tuple(found)


def _changes(subject: Subject) -> Iterator[Conclusion]:
    structure = subject.structure
    if _is_empty(subject):
        yield _nothing(structure)
        return
    if not subject.pairs:
        yield Conclusion(
            relation=Relation.OTHER_STRUCTURE,
            sentence="no tensor of one has a counterpart in the other",
            evidence=(_sides(structure),),
        )
        return
    if _OPTIMIZER in subject.roles:
        yield Conclusion(
            relation=Relation.UNDECIDED,
            sentence="states of an optimizer that are not the same; verdicts are of weights",
            evidence=(_differing(subject),),
        )
        return
    if subject.compared or subject.reshaped:
        yield from conclude_order(subject) if subject.rearranged else ()
        yield from conclude_changes(subject)


def _is_empty(subject: Subject) -> bool:
    structure = subject.structure
    return not (subject.pairs or structure.only_left or structure.only_right)


def _nothing(structure: Structure) -> Conclusion:
    """Return the verdict on nothing; that nothing differs is no sameness of weights."""
    ignored = f"{counted(structure.ignored, 'tensor')} left out on request"
    return Conclusion(
        relation=Relation.UNDECIDED,
        sentence="nothing to compare: neither side has a tensor",
        evidence=(ignored,) if structure.ignored else (),
    )


def conclude_structure(subject: Subject) -> tuple[Conclusion, ...]:
    """Say whether names, shapes and dtypes are the same; values were not compared."""
    structure = subject.structure
    if _is_empty(subject):
        return (_nothing(structure),)
    if structure.is_same:
        return (
            Conclusion(
                relation=Relation.SAME_STRUCTURE,
                sentence="the same names, shapes and dtypes; values were not compared",
                evidence=(f"{counted(len(subject.pairs), 'tensor')} on each side",),
            ),
        )
    return (
        Conclusion(
            relation=Relation.OTHER_STRUCTURE,
            sentence="not the same names, shapes and dtypes; values were not compared",
            evidence=(_sides(structure),),
        ),
    )


def _sides(structure: Structure) -> str:
    parts = (
        (structure.only_left, "only on the left"),
        (structure.only_right, "only on the right"),
        (structure.reshaped, "of another shape"),
        (structure.retyped, "of another dtype"),
        (structure.rules, "rules of renaming"),
    )
    return ", ".join(f"{len(found):,} {words}" for found, words in parts if found)


def _differing(subject: Subject) -> str:
    sums = subject.all
    no_numbers = f"; {sums.not_finite:,} are NaN or infinite on either side"
    return (
        f"{sums.changed:,} of {sums.elements:,} elements differ, in "
        f"{counted(len(subject.unequal), 'tensor')}: "
        f"{names(pair.left.key for pair in subject.unequal)}"
        f"{no_numbers if sums.not_finite else ''}"
    )
