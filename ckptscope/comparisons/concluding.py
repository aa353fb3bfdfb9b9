"""The verdicts on two networks.

Enters: a `Subject`. Leaves: the conclusions that fit, at least one.
"""

from collections.abc import Iterator

from ckptscope.comparisons.changes import conclude_changes
from ckptscope.comparisons.phrases import counted, names
from ckptscope.comparisons.sameness import conclude_order, conclude_same
from ckptscope.comparisons.subject import Subject
from ckptscope.facts.comparison import Conclusion, Relation, Structure


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
    if not subject.pairs:
        yield Conclusion(
            relation=Relation.OTHER_STRUCTURE,
            sentence="no tensor of one has a counterpart in the other",
            evidence=(_sides(subject.structure),),
        )
        return
    if subject.compared or subject.reshaped:
        yield from conclude_order(subject) if subject.rearranged else ()
        yield from conclude_changes(subject)


def conclude_structure(subject: Subject) -> tuple[Conclusion, ...]:
    """Say whether names, shapes and dtypes are the same; values were not compared."""
    structure = subject.structure
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
    return (
        f"{sums.changed:,} of {sums.elements:,} elements differ, in "
        f"{counted(len(subject.unequal), 'tensor')}: "
        f"{names(pair.left.key for pair in subject.unequal)}"
    )
