"""Pairs of tensors that differ → a table, one row a pair.

Enters: a `Comparison`. Leaves: every pair of other names, shapes, dtypes or values, and every one
that could not be read, in the order of the left file.
"""

from collections.abc import Iterator
from typing import Final

from ckptscope.facts.comparison import Comparison, Pairing, Rearrangement, TensorPair
from ckptscope.reports.blocks import Block, Words, section
from ckptscope.reports.compared_phrases import (
    changed_text,
    cosine_text,
    count_of,
    distance_text,
    letter,
)
from ckptscope.reports.numerals import shape_text
from ckptscope.reports.tables import Column, Table, name, number

#: How a pair was found, where the name does not say it.
_PAIRINGS: Final = {
    Pairing.DIALECT: "by dialect",
    Pairing.VALUES: "by values",
    Pairing.SHAPE: "by shape",
}


def list_pairs(comparison: Comparison, *, is_alone: bool = True) -> Iterator[Block]:
    """List every pair that differs; of several comparisons only those in which any does."""
    differing = [pair for pair in comparison.pairs if _differs(pair)]
    if not differing and not is_alone:
        return
    left, right = letter(comparison.left), letter(comparison.right)
    alike = len(comparison.pairs) - len(differing)
    what = "name, shape, dtype or value" if comparison.values_compared else "name, shape or dtype"
    differ = "1 differs" if len(differing) == 1 else f"{len(differing):,} differ"
    title = f": {differ} in {what}, {count_of(alike, 'other')} not"
    yield section(f"tensors in {left} and {right}", Words(title))
    if differing:
        yield Table(
            columns=(
                name(f"in {left}"),
                name(f"in {right}", least=8),
                number("changed"),
                number("relative L2"),
                number("cosine", drop=2),
                number("largest", drop=3),
                Column(flexible=True, wraps=True, least=16),
            ),
            rows=[_row(pair) for pair in differing],
            may_tighten=True,
        )


def _differs(pair: TensorPair) -> bool:
    if pair.left.key != pair.right.key or pair.unread or pair.rearrangement is not None:
        return True
    if pair.left.shape != pair.right.shape or pair.left.dtype != pair.right.dtype:
        return True
    return pair.difference is not None and pair.difference.changed > 0


def _row(pair: TensorPair) -> tuple[str, ...]:
    found = pair.difference
    other = pair.right.key if pair.right.key != pair.left.key else ""
    if found is None:
        return pair.left.key, other, "", "", "", "", _remarks(pair)
    return (
        pair.left.key,
        other,
        changed_text(found.changed, found.elements),
        distance_text(found.relative_l2),
        cosine_text(found.cosine),
        distance_text(found.largest),
        _remarks(pair),
    )


def _remarks(pair: TensorPair) -> str:
    left, right = pair.left, pair.right
    told = []
    if left.shape != right.shape:
        told.append(f"{shape_text(left.shape)} → {shape_text(right.shape)}")
    if left.dtype != right.dtype:
        told.append(f"{left.dtype} → {right.dtype}")
    if pair.pairing in _PAIRINGS:
        told.append(_PAIRINGS[pair.pairing])
    if pair.rearrangement is not None:
        told.append(rearrangement_text(pair.rearrangement))
    if pair.difference is not None and pair.difference.not_finite:
        told.append(f"{pair.difference.not_finite:,} not finite")
    if pair.unread:
        told.append(f"not read: {pair.unread}")
    return "; ".join(told)


def rearrangement_text(found: Rearrangement) -> str:
    """Return which axes and which channels are elsewhere."""
    told = []
    if found.axes:
        told.append(f"axes {', '.join(map(str, found.axes))}")
    told += [f"{moved:,} moved on axis {axis}" for axis, moved in found.channels]
    return "; ".join(told) or "rearranged"
