"""Statistics that grow block by block.

Enters: the numbers of one block after the other. Leaves: what all of them together tell. Sums are
of float64: squared deviations from a block's own mean are summed, and blocks are merged as Chan,
Golub and LeVeque do ("Updating formulae and a pairwise algorithm for computing sample variances",
1979), so that the order of magnitude of the mean costs no digits.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ckptscope.tensors.scan_elements import Array, Elements, FloatBits

#: Bins of a histogram: as many as a sparkline of a narrow column can show, and twice.
BINS: Final = 24
#: Elements from which a histogram is made at most: each bin is right to 1.6 % of the whole (two
#: standard errors of a share are at most 1 / sqrt(4,096)), about what a sparkline can show.
MOST_SAMPLED: Final = 1 << 12
#: Squared deviations are the difference of two sums unless that is less than a thousandth of them:
#: it costs ten of the fifty-three bits of a float64 at most then, and saves three passes.
_LEAST_DIFFERENCE: Final = 1e-3

# The methods of arrays cost twice as much to call; the largest part of all tensors are small.
_least = np.minimum.reduce
_greatest = np.maximum.reduce
_sum = np.add.reduce


class Scratch:
    """Arrays of one thread that are used again for every block."""

    def __init__(self, elements: int) -> None:
        self._wide = np.empty(elements, np.float64)
        self._words = np.empty(elements, np.uint64)

    def wide(self, count: int) -> npt.NDArray[np.float64]:
        """Return room for so many numbers."""
        if count > self._wide.size:
            self._wide = np.empty(count, np.float64)
        return self._wide[:count]

    def words(self, count: int, word: np.dtype[np.generic]) -> Array:
        """Return room for so many integers."""
        if count > self._words.size:
            self._words = np.empty(count, np.uint64)
        return self._words.view(word)[:count]


class Statistics:
    """What the blocks of one tensor told so far.

    Args:
        elements: How its elements are calculated with.
        count: How many stored elements there will be.
        scratch: Room to calculate in.
    """

    def __init__(self, elements: Elements, count: int, scratch: Scratch) -> None:
        self._elements = elements
        self._scratch = scratch
        self._parts = 2 if elements.stored.kind == "c" else 1
        self._every = -(-count * self._parts // MOST_SAMPLED) or 1
        self._seen = 0
        self._samples: list[Array] = []
        self._finite = 0
        self._mean = 0.0
        self._squares = 0.0
        self._least = math.inf
        self._greatest = -math.inf
        self.nan = self.positive_infinite = self.negative_infinite = 0
        self.zeros = self.denormals = self.near_largest = 0

    @property
    def least(self) -> float | None:
        """Smallest finite element."""
        return self._least if self._finite else None

    @property
    def greatest(self) -> float | None:
        """Largest finite element."""
        return self._greatest if self._finite else None

    @property
    def mean(self) -> float | None:
        """Mean of the finite elements."""
        return self._mean if self._finite and math.isfinite(self._mean) else None

    @property
    def std(self) -> float | None:
        """Standard deviation of the finite elements."""
        if not self._finite or not math.isfinite(self._squares):
            return None
        return math.sqrt(self._squares / self._finite)

    def add(self, block: Array) -> Array:
        """Take in a block, whose elements lie one behind the other; return its numbers."""
        numbers = self._elements.numbers(block)
        self._sample(numbers)
        bits = self._elements.bits
        if self._parts == 2:
            self._count_complex(block.reshape(-1))
        if bits is None:
            self._add_integers(numbers)
            return numbers
        least, greatest = float(_least(numbers)), float(_greatest(numbers))
        if math.isfinite(least) and math.isfinite(greatest):
            self._add_finite(numbers, bits, least, greatest)
            return numbers
        if self._parts == 1:
            self.nan += int(np.count_nonzero(np.isnan(numbers)))
            self.positive_infinite += int(np.count_nonzero(np.isposinf(numbers)))
            self.negative_infinite += int(np.count_nonzero(np.isneginf(numbers)))
        finite = numbers[np.isfinite(numbers)]
        if finite.size:
            self._add_finite(finite, bits, float(_least(finite)), float(_greatest(finite)))
        return numbers

    def histogram(self) -> tuple[int, ...]:
        """Return how many elements of the sample stand in each bin; empty without a width."""
        if not self._samples or not self._greatest > self._least:
            return ()
        first, *more = self._samples
        sample = (np.concatenate(self._samples) if more else first).astype(np.float64)
        if self._finite != self._seen:
            sample = sample[np.isfinite(sample)]
        low, high = self._least, self._greatest
        if math.isinf(high - low):
            # Only of float64: the width itself is beyond it.
            sample, low, high = sample / 4, low / 4, high / 4
        sample -= low
        # Not times a quotient, which is infinite if the width is denormal.
        sample /= high - low
        sample *= BINS
        *bins, beyond = np.bincount(sample.astype(np.int64), minlength=BINS + 1).tolist()
        # The greatest stands at the end of the last bin.
        bins[-1] += beyond
        return tuple(bins)

    def _sample(self, numbers: Array) -> None:
        if self._every == 1:
            self._samples.append(numbers)
        else:
            picked = numbers[-self._seen % self._every :: self._every]
            if picked.size:
                self._samples.append(picked.copy())
        self._seen += numbers.size

    def _count_complex(self, values: Array) -> None:
        """Count what a complex number is as a whole."""
        self.zeros += values.size - int(np.count_nonzero(values))
        is_nan = np.isnan(values)
        self.nan += int(np.count_nonzero(is_nan))
        self.positive_infinite += int(np.count_nonzero(np.isinf(values) & ~is_nan))

    def _add_integers(self, numbers: Array) -> None:
        self.zeros += numbers.size - int(np.count_nonzero(numbers))
        self._merge(numbers, float(_least(numbers)), float(_greatest(numbers)))

    def _add_finite(self, numbers: Array, bits: FloatBits, least: float, greatest: float) -> None:
        """Take in finite numbers; what is rare is counted only where there is some of it."""
        normal = bits.smallest_normal_value
        are_small = (
            least < normal and greatest > -normal and bits.smallest(numbers) < bits.smallest_normal
        )
        are_large = max(-least, greatest) > bits.half_largest_value
        if are_small or are_large:
            sizes = self._scratch.words(numbers.size, bits.word)
            np.bitwise_and(numbers.view(bits.word), bits.magnitude, out=sizes)
        if are_small:
            zeros = numbers.size - int(np.count_nonzero(sizes))
            small = int(np.count_nonzero(sizes < bits.smallest_normal))
            self.denormals += small - zeros
            self.zeros += zeros if self._parts == 1 else 0
        if are_large:
            self.near_largest += int(np.count_nonzero(sizes > bits.half_largest))
        self._merge(numbers, least, greatest)

    def _merge(self, numbers: Array, least: float, greatest: float) -> None:
        self._least = min(self._least, least)
        self._greatest = max(self._greatest, greatest)
        count = numbers.size
        wide = self._scratch.wide(count)
        np.copyto(wide, numbers, casting="unsafe")
        mean = float(_sum(wide)) / count
        # No product of vectors: a matrix library would start threads of its own for it.
        squares = float(_sum(np.square(wide, out=wide)))
        from_mean = count * mean * mean
        if squares - from_mean > squares * _LEAST_DIFFERENCE:
            squares -= from_mean
        else:
            np.copyto(wide, numbers, casting="unsafe")
            np.subtract(wide, mean, out=wide)
            squares = float(_sum(np.square(wide, out=wide)))
        total = self._finite + count
        step = mean - self._mean
        self._squares += squares + step * step * (self._finite * count / total)
        self._mean += step * count / total
        self._finite = total
