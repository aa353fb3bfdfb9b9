"""Sizes that differ again and again, where the network is not known.

Enters: mismatched shapes. Leaves: causes by ratio: 48 against 40, 96 against 80 and 192 against 160
are one difference, 6 to 5. A single tensor that differs is no pattern and stays unexplained.
"""

import math
from collections.abc import Iterator, Sequence

from ckptscope.differences.patterns import patterns_text
from ckptscope.facts.differences import Cause, CauseKind, ShapeMismatch
from ckptscope.facts.tensors import Origin

_LEAST_LINES = 2
_MOST_SIZES = 6
#: Ratios that are told; more of them are no pattern.
_MOST_RATIOS = 8

Ratio = tuple[int, int]


def recurring_causes(lines: Sequence[ShapeMismatch]) -> Iterator[Cause]:
    """Yield a cause for each ratio of sizes that more than one tensor has."""
    plain = [line for line in lines if line.axes]
    counts: dict[Ratio, int] = {}
    for line in plain:
        for ratio in _ratios(line):
            counts[ratio] = counts.get(ratio, 0) + 1
    owned: dict[Ratio, list[ShapeMismatch]] = {ratio: [] for ratio in counts}
    shared: dict[Ratio, list[str]] = {ratio: [] for ratio in counts}
    for line in plain:
        ratios = _ratios(line)
        best = max(ratios, key=lambda ratio: counts[ratio])
        owned[best].append(line)
        for ratio in ratios:
            if ratio != best:
                shared[ratio].append(line.key)
    ranked = sorted(owned, key=lambda ratio: -len(owned[ratio]))
    for ratio in ranked[:_MOST_RATIOS]:
        if len(owned[ratio]) >= _LEAST_LINES:
            yield _cause(ratio, owned[ratio], shared[ratio])


def _ratios(line: ShapeMismatch) -> list[Ratio]:
    return list(dict.fromkeys(_ratio(axis.found, axis.expected) for axis in line.axes))


def _ratio(found: int, expected: int) -> Ratio:
    divisor = math.gcd(found, expected) or 1
    return found // divisor, expected // divisor


def _cause(ratio: Ratio, lines: Sequence[ShapeMismatch], shared: Sequence[str]) -> Cause:
    pairs = sorted(
        {
            (axis.found, axis.expected)
            for line in lines
            for axis in line.axes
            if _ratio(axis.found, axis.expected) == ratio
        }
    )
    found, expected = (
        ", ".join(str(pair[side]) for pair in pairs[:_MOST_SIZES])
        + (", ..." if len(pairs) > _MOST_SIZES else "")
        for side in (0, 1)
    )
    if len(pairs) == 1:
        text = f"a size is {found} in the file, {expected} in the network"
        advice = f"find the setting of the network that gives {expected}, and make it give {found}"
    else:
        text = f"sizes are {found} in the file, {expected} in the network: {ratio[0]} to {ratio[1]}"
        advice = "find the width or multiplier of the network that all of them follow from"
    return Cause(
        text=text,
        kind=CauseKind.SIZES,
        found=found,
        expected=expected,
        mismatched=tuple(line.key for line in lines),
        shared=tuple(shared),
        evidence=(patterns_text([line.key for line in lines]),),
        origin=Origin.DERIVED,
        advice=advice,
    )
