"""Lines of an error whose network no family knows → what recurs in them.

Enters: `KeyDifferences` without a table. Leaves: a `Diagnosis`: prefixes, other names of the same
layers, layers that only one side has, norms of another kind, another number of classes or colours,
widths that differ by one factor, sizes that recur. What recurs in nothing stays unexplained.
"""

from collections.abc import Iterable

import msgspec

from ckptscope.differences.diagnosing import part_spellings
from ckptscope.differences.grounds import Spelling
from ckptscope.differences.landmarks import landmark_causes
from ckptscope.differences.pairing import pair_names
from ckptscope.differences.recurring import recurring_causes
from ckptscope.differences.renaming import common_prefix_of
from ckptscope.differences.repeats import repeat_causes
from ckptscope.facts.differences import Cause, CauseKind, Diagnosis, KeyDifferences
from ckptscope.facts.tensors import Origin


def factor_lines(differences: KeyDifferences) -> Diagnosis:
    """Find what recurs in lines, whatever network they are of."""
    spelling = Spelling()
    prefixes = common_prefix_of(differences.missing, differences.unexpected)
    if prefixes is not None:
        spelling = Spelling(found_prefix=prefixes[0], expected_prefix=prefixes[1])
    causes, rest = part_spellings(differences, spelling)
    found = [*causes]
    for make in (
        landmark_causes,
        repeat_causes,
        lambda left: recurring_causes(left.mismatched),
        _names_causes,
    ):
        further = list(make(rest))
        rest = without(rest, further)
        found += further
    found.sort(key=lambda cause: (cause.kind is not CauseKind.PREFIX, -cause.count))
    return Diagnosis(differences=differences, causes=tuple(found), unexplained=rest)


def _names_causes(differences: KeyDifferences) -> Iterable[Cause]:
    """Say that tensors may bear other names; whether they are the same no traceback tells."""
    names = pair_names(differences.missing, differences.unexpected)
    causes, _ = part_spellings(differences, Spelling(names=names))
    for cause in causes:
        yield msgspec.structs.replace(
            cause,
            text=f"{len(cause.missing):,} tensors may have other names in the file than in the "
            "network",
            origin=Origin.ASSUMED,
            assumptions=("keys that end alike, in the same order, are the same tensors",),
        )


def without(differences: KeyDifferences, causes: Iterable[Cause]) -> KeyDifferences:
    """Return the lines that no cause explains."""
    missing: set[str] = set()
    unexpected: set[str] = set()
    mismatched: set[str] = set()
    for cause in causes:
        missing.update(cause.missing)
        unexpected.update(cause.unexpected)
        mismatched.update(cause.mismatched)
    return msgspec.structs.replace(
        differences,
        missing=tuple(key for key in differences.missing if key not in missing),
        unexpected=tuple(key for key in differences.unexpected if key not in unexpected),
        mismatched=tuple(line for line in differences.mismatched if line.key not in mismatched),
    )
