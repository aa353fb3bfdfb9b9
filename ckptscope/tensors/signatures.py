"""Channels of two tensors, told apart by what is in them and not by where it stands.

Enters: the bits of two tensors of one shape. Leaves: which channel of the one may be which of the
other. A signature is a sum, modulo 2**64, of scrambled elements, and so the same in any order; the
scrambling is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", 2014). Where signatures leave several channels alike, they are taken again with
the signatures of the other axis in them, as colours are refined to tell graphs apart (Weisfeiler
and Leman, 1968).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: Unsigned integers, or truth about them.
Bits = npt.NDArray[Any]
#: Index on the left for each index on the right.
Order = npt.NDArray[np.int64]
Signatures = npt.NDArray[np.uint64]
Known = Callable[[int], Iterator[Order]]

#: Elements that are scrambled at once, as integers of eight bytes.
_BLOCK: Final = 1 << 17
#: Rounds of refinement: each one tells apart what differs in one more step from row to column.
_ROUNDS: Final = 3
#: SplitMix64: the golden ratio, ...
_STEP: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
#: ... and the shifts and multipliers of its finalizer.
_MIXES: Final = (
    (np.uint64(30), np.uint64(0xBF58_476D_1CE4_E5B9)),
    (np.uint64(27), np.uint64(0x94D0_49BB_1331_11EB)),
)
_LAST_SHIFT: Final = np.uint64(31)


class Channels:
    """The channels of two tensors of one shape.

    Args:
        ours: Bits of the left one.
        theirs: Bits of the right one.
        axes: How many of the first axes are of channels: one or two.
    """

    def __init__(self, ours: Bits, theirs: Bits, axes: int) -> None:
        shape = (*ours.shape[:axes], -1) if axes == 2 else (ours.shape[0], 1, -1)
        self._sides = ours.reshape(shape), theirs.reshape(shape)
        self._plain = [_sign(side, None, None) for side in self._sides]

    def may_be_permuted(self) -> bool:
        """Whether the signatures of all channels are the same on both sides, in any order."""
        return all(
            np.array_equal(np.sort(self._plain[0][axis]), np.sort(self._plain[1][axis]))
            for axis in (0, 1)
        )

    def match(self, moved: tuple[int, ...], known: Known) -> dict[int, Order] | None:
        """Bring the channels of some axes together; None where that cannot be.

        Args:
            moved: Axes whose order is asked for; that of the other one is as it was.
            known: Orders of as many channels that other tensors have, for those that are alike.
        """
        if len(moved) == 1:
            axis = moved[0]
            # The place along the other axis is told, as nothing moves there.
            places: list[Signatures | None] = [None, None]
            places[1 - axis] = _scramble(np.arange(self._sides[0].shape[1 - axis], dtype="u8"))
            ours, theirs = (_sign(side, *places)[axis] for side in self._sides)
            order = _bring_together(ours, theirs, known)
            return None if order is None else {axis: order}
        found = list(self._plain)
        for _ in range(_ROUNDS):
            if all(np.unique(found[0][axis]).size == found[0][axis].size for axis in (0, 1)):
                break
            found = [
                _sign(side, *colours) for side, colours in zip(self._sides, found, strict=True)
            ]
        orders = {axis: _bring_together(found[0][axis], found[1][axis], known) for axis in (0, 1)}
        matched = {axis: order for axis, order in orders.items() if order is not None}
        return matched if len(matched) == len(orders) else None

    def is_explained(self, orders: Mapping[int, Order]) -> bool:
        """Whether the left side in these orders is the right one, bit for bit."""
        ours, theirs = self._sides
        rows = orders.get(0, np.arange(ours.shape[0]))
        columns = orders.get(1)
        together = max(_BLOCK // max(ours[:1].size, 1), 1)
        for start in range(0, rows.size, together):
            picked = ours[rows[start : start + together]]
            if columns is not None:
                picked = picked[:, columns]
            if not np.array_equal(picked, theirs[start : start + together]):
                return False
        return True


def _sign(
    bits: Bits, rows: Signatures | None, columns: Signatures | None
) -> tuple[Signatures, Signatures]:
    """Return the signatures of the rows, and of the columns, of `[rows, columns, rest]`.

    Args:
        bits: The elements.
        rows: Colours of the rows, for the signatures of the columns.
        columns: Colours of the columns, for those of the rows.
    """
    # What a channel was told by before, it still is.
    of_rows = np.zeros(bits.shape[0], np.uint64) if rows is None else _scramble(rows)
    of_columns = np.zeros(bits.shape[1], np.uint64) if columns is None else _scramble(columns)
    for row, column, rest in _tiles(bits.shape):
        mixed = bits[row, column, rest].astype(np.uint64)
        mixed += np.arange(rest.start, rest.start + mixed.shape[2], dtype=np.uint64) * _STEP
        mixed = _scramble(mixed)
        told = mixed if columns is None else _scramble(mixed + columns[column, None])
        of_rows[row] += told.sum(axis=(1, 2), dtype=np.uint64)
        told = mixed if rows is None else _scramble(mixed + rows[row, None, None])
        of_columns[column] += told.sum(axis=(0, 2), dtype=np.uint64)
    return of_rows, of_columns


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice, slice]]:
    """Part `[rows, columns, rest]` into what is scrambled at once."""
    steps: list[int] = []
    left = _BLOCK
    for count in reversed(shape):
        steps.insert(0, min(left, count))
        left = max(left // count, 1)
    starts = (range(0, count, step) for count, step in zip(shape, steps, strict=True))
    for row, column, rest in itertools.product(*starts):
        yield (
            slice(row, row + steps[0]),
            slice(column, column + steps[1]),
            slice(rest, rest + steps[2]),
        )


def _scramble(values: Signatures) -> Signatures:
    """Return integers that tell nothing of those that they stand for."""
    values = values + _STEP
    for shift, multiplier in _MIXES:
        values ^= values >> shift
        values *= multiplier
    values ^= values >> _LAST_SHIFT
    return values


def _bring_together(ours: Signatures, theirs: Signatures, known: Known) -> Order | None:
    """Return where each signature of the right stands on the left; None if one has no place.

    Of equal ones, those that may stay where they are do.
    """
    stays = ours == theirs
    if not stays.all():
        for order in known(ours.size):
            if np.array_equal(ours[order], theirs):
                return order
    moved = np.flatnonzero(~stays)
    sources = moved[np.argsort(ours[moved], kind="stable")]
    targets = moved[np.argsort(theirs[moved], kind="stable")]
    if not np.array_equal(ours[sources], theirs[targets]):
        return None
    order = np.arange(ours.size)
    order[targets] = sources
    return order
