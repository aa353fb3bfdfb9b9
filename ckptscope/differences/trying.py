"""Settings that nothing measures, found by trying them.

Enters: two configurations, and the lines that they should differ in. Leaves: the same with settings
changed one at a time, as long as that gives more of the lines: a norm of another kind, blocks with
or without a layer scale.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from ckptscope.differences.configuring import Settings
from ckptscope.differences.grounds import table_of
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.differences import KeyDifferences
from ckptscope.families.comparing import compare_keys
from ckptscope.families.registry import AnyFamily

_MOST_ROUNDS = 3
_MOST_TRIALS = 64


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """How two configurations and the lines that they should differ in disagree.

    Attributes:
        lacking: Lines that the two do not give.
        beyond: Lines that they give and that are not there.
    """

    lacking: int
    beyond: int

    @property
    def count(self) -> int:
        """Both."""
        return self.lacking + self.beyond


Sides: TypeAlias = tuple[Settings, Settings]


def improve(
    family: AnyFamily,
    lines: KeyDifferences,
    dialect: str,
    sides: Sides,
    choices: Mapping[str, Sequence[FactValue]],
) -> tuple[Settings, Settings, Wrong]:
    """Change settings of either side while that gives more of the lines.

    Args:
        family: Whose settings they are.
        lines: What the two should differ in.
        dialect: Names of the lines.
        sides: Settings of the file's network, and of the other.
        choices: Values that a setting may have.

    Returns:
        Both sides, and which lines they still give wrongly.
    """
    wrong = wrong_lines(family, lines, dialect, sides)
    for _ in range(_MOST_ROUNDS):
        best, least = sides, wrong
        for trial in _trials(sides, choices) if wrong.lacking else ():
            left = wrong_lines(family, lines, dialect, trial)
            if left.count < least.count:
                best, least = trial, left
        if least is wrong:
            break
        sides, wrong = best, least
    return sides[0], sides[1], wrong


def _trials(sides: Sides, choices: Mapping[str, Sequence[FactValue]]) -> Iterator[Sides]:
    count = 0
    for name, values in choices.items():
        for value in values:
            for side in (0, 1):
                if sides[side].get(name, value) == value:
                    continue
                count += 1
                if count > _MOST_TRIALS:
                    return
                changed = {**sides[side], name: value}
                yield (changed, sides[1]) if side == 0 else (sides[0], changed)


def wrong_lines(
    family: AnyFamily,
    lines: KeyDifferences,
    dialect: str,
    sides: tuple[Mapping[str, FactValue], Mapping[str, FactValue]],
) -> Wrong:
    """Count the lines that two configurations do not give, and those that they give beyond.

    Counters do not count: whether torch misses one depends on the file's `_metadata`.
    """
    found, expected = (table_of(family, side, dialect) for side in sides)
    if found is None or expected is None:
        return Wrong(lacking=lines.count, beyond=0)
    shapes = {key: tensor.shape for key, tensor in found.items()}
    given = compare_keys(expected.values(), shapes)
    have, want = _plain(given), _plain(lines)
    return Wrong(lacking=len(want - have), beyond=len(have - want))


def _plain(lines: KeyDifferences) -> set[tuple[object, ...]]:
    """Return lines to be compared, without those about counters."""
    plain: set[tuple[object, ...]] = set()
    for kind, keys in (("missing", lines.missing), ("unexpected", lines.unexpected)):
        plain.update((kind, key) for key in keys if not key.endswith("num_batches_tracked"))
    plain.update((line.key, line.found, line.expected) for line in lines.mismatched)
    return plain
