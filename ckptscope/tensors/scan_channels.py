"""The slices of a tensor along its first dimension: which are zero, which are equal.

Enters: the blocks of a tensor, with the row at which each begins. Leaves: `Channels`. Rows are told
apart by 64 bits of a weighted sum over their words; where a few agree in it they are read once more
and must agree in another sum, too.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ckptscope.facts.values import Channels
from ckptscope.tensors.scan_elements import Array
from ckptscope.tensors.scan_statistics import Scratch

#: Rows up to which they are looked at, some sixty bytes for each while they are compared. More have
#: only embeddings of huge vocabularies, whose rows are no filters.
MOST_ROWS: Final = 1 << 18
#: Indexes that are named.
MOST_NAMED: Final = 256
#: Odd, so that no bits are lost where the pieces of a row are put together (the golden ratio).
_STEP: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
#: Weights that are made at once; most rows need fewer.
_LEAST_TABLE: Final = 1 << 12
#: By how much the words of a row are folded over themselves, in the first sum and in the second.
#: What differs in the highest bits alone, as signs do, would be lost in sums modulo 2^64; folded it
#: differs further down, too, and two rows agree by chance once in four billion times.
_FOLDS: Final = (np.uint64(31), np.uint64(47))
#: Where a larger share of the rows agrees it is no chance, and they are not read again.
_CHANCE_SHARE: Final = 0.125
_WORDS: Final[tuple[np.dtype[np.generic], ...]] = tuple(map(np.dtype, ("u4", "u2", "u1")))
_Sums = npt.NDArray[np.uint64]
_Indexes = npt.NDArray[np.int64]
_NONE: Final[_Indexes] = np.empty(0, np.int64)
_NO_SUMS: Final[_Sums] = np.empty(0, np.uint64)
#: Says of a first row and a count whether any of these rows is to be read.
Wanted = Callable[[int, int], bool]
#: Yields the blocks that hold such rows once more, with the row at which each begins.
ReadAgain = Callable[[Wanted], Iterable[tuple[int, Array]]]


class Rows:
    """What the blocks of one tensor told of its rows so far.

    Args:
        count: How many rows it has.
        compares: Whether equal rows are looked for.
        scratch: Room to calculate in.
    """

    def __init__(self, count: int, *, compares: bool, scratch: Scratch) -> None:
        self._count = count
        self._compares = compares
        self._scratch = scratch
        self._sums: _Sums = np.zeros(count, np.uint64) if compares else _NO_SUMS
        self._is_any = np.zeros(count, np.bool_)
        self._may_be_zero = False

    def add(self, first: int, block: Array, numbers: Array, zeros: int) -> None:
        """Take in a block.

        Args:
            first: Row at which it begins.
            block: Its elements, contiguous: rows, and what stands in each.
            numbers: The same, as numbers to calculate with.
            zeros: How many elements are zero.
        """
        rows, width = block.shape
        if zeros < width:
            self._is_any[first : first + rows] = True
        else:
            self._may_be_zero = True
            if zeros < block.size:
                is_any = np.logical_or.reduce(numbers.reshape(rows, -1), axis=1)
                self._is_any[first : first + rows] |= is_any
        if self._compares:
            sums = self._sums[first : first + rows]
            sums *= _STEP
            sums += _sum_rows(block, 0, self._scratch)

    def channels(self, read_again: ReadAgain) -> Channels:
        """Return what was found.

        Args:
            read_again: Used where a few rows agree in their first sum.
        """
        repeated, first = self._repeated(read_again) if self._compares else (_NONE, _NONE)
        if not self._may_be_zero and not repeated.size:
            return Channels(count=self._count)
        zero = np.flatnonzero(~self._is_any)
        return Channels(
            count=self._count,
            zero=zero.size,
            zero_first=tuple(zero[:MOST_NAMED].tolist()),
            repeated=repeated.size,
            repeated_first=tuple(
                zip(repeated[:MOST_NAMED].tolist(), first[:MOST_NAMED].tolist(), strict=True)
            ),
        )

    def _repeated(self, read_again: ReadAgain) -> tuple[_Indexes, _Indexes]:
        """Return the rows that are equal to an earlier one, and the first like each."""
        ordered = self._sums.copy()
        ordered.sort()
        if not np.count_nonzero(ordered[1:] == ordered[:-1]):
            return _NONE, _NONE
        rows = np.flatnonzero(self._is_any)
        _, inverse, counts = np.unique(self._sums[rows], return_inverse=True, return_counts=True)
        is_candidate = counts[inverse] > 1
        rows, groups = rows[is_candidate], inverse[is_candidate]
        if 0 < rows.size <= _CHANCE_SHARE * self._count:
            both = np.stack((self._sums[rows], self._sum_again(rows, read_again)), axis=1)
            groups = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
        _, firsts, groups = np.unique(groups, return_index=True, return_inverse=True)
        like = rows[firsts[groups]]
        is_repeated = like != rows
        return rows[is_repeated], like[is_repeated]

    def _sum_again(self, rows: _Indexes, read_again: ReadAgain) -> _Sums:
        """Return another sum of some rows, given in order."""

        def is_wanted(first: int, count: int) -> bool:
            low, high = np.searchsorted(rows, (first, first + count))
            return bool(low < high)

        again = np.zeros(rows.size, np.uint64)
        for first, block in read_again(is_wanted):
            low, high = np.searchsorted(rows, (first, first + block.shape[0]))
            found = again[low:high]
            found *= _STEP
            found += _sum_rows(block[rows[low:high] - first], 1, self._scratch)
        return again


def _sum_rows(block: Array, seed: int, scratch: Scratch) -> _Sums:
    """Return 64 bits for each row of a contiguous block."""
    words = _words(block)
    folded = scratch.words(words.size, words.dtype).reshape(words.shape)
    np.right_shift(words, _FOLDS[seed], out=folded)
    np.bitwise_xor(folded, words, out=folded)
    sums: _Sums = np.einsum("ij,j->i", folded, _weights(words.shape[1], seed))
    return sums


def _words(block: Array) -> _Sums:
    """Return the bytes of each row as integers: as wide ones as its length allows."""
    width = block.shape[1] * block.dtype.itemsize
    if width % 8 == 0:
        return block.view(np.uint64)
    word = next(word for word in _WORDS if width % word.itemsize == 0)
    return block.view(np.uint8).view(word).astype(np.uint64)


def _weights(count: int, seed: int) -> _Sums:
    """Return odd numbers, always the same for a place and a seed."""
    return _table(max(count - 1, _LEAST_TABLE - 1).bit_length(), seed)[:count]


@lru_cache(maxsize=16)
def _table(bits: int, seed: int) -> _Sums:
    """Return two to the power of `bits` odd numbers.

    Source: SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
    2014). numpy.random would take longer to be imported than most files to be gone over.
    """
    numbers = np.arange(1 + (seed << 32), 1 + (seed << 32) + (1 << bits), dtype=np.uint64)
    numbers *= _STEP
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= np.uint64(factor)
    numbers ^= numbers >> np.uint64(31)
    return numbers | np.uint64(1)


def rows_of(block: Array, axis: int | None) -> Array:
    """Return a block contiguous, and of two dimensions: rows, and what stands in each.

    Args:
        block: Shaped as its dimensions are.
        axis: Which of them are the rows; None where it lies within a single one.
    """
    if axis:
        block = np.moveaxis(block, axis, 0)
    if not block.flags.c_contiguous:
        block = np.ascontiguousarray(block)
    return block.reshape(1 if axis is None else block.shape[0], -1)
