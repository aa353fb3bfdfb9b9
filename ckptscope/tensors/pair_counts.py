"""What pairs of tensors are asked for beyond sums: different numbers, and cosines of rows.

Enters: the numbers of one block after the other. Leaves: counts.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: As many numbers as eight bits can hold, and one: who has more was not quantized to eight bits.
MOST_LEVELS: Final = 257
#: Of fewer elements, few different numbers tell nothing.
_LEAST_ELEMENTS: Final = 1 << 10
#: So many elements are looked at first: nearly always they have more than 256 numbers.
_FIRST: Final = 1 << 9

Wide = npt.NDArray[np.float64]


class Levels:
    """Counts different numbers; NaN is none, 0 and -0 are one.

    Args:
        elements: How many elements there will be.
    """

    def __init__(self, elements: int) -> None:
        self._known: npt.NDArray[Any] | None = None
        #: Whether no more need to be counted.
        self.is_full = elements < _LEAST_ELEMENTS

    @property
    def count(self) -> int:
        """How many there are, up to 257; 0 where they were not counted."""
        return 0 if self._known is None else min(self._known.size, MOST_LEVELS)

    def add(self, numbers: npt.NDArray[Any]) -> None:
        """Take in a block."""
        for part in (numbers[:_FIRST], numbers[_FIRST:]):
            if not self.is_full and part.size:
                found = np.unique(part)
                found = found[~np.isnan(found)] if found.dtype.kind in "fc" else found
                known = self._known
                self._known = found if known is None else np.union1d(known, found)
                self.is_full = self._known.size >= MOST_LEVELS


class RowCosines:
    """The least cosine between rows of two tensors, which come block by block.

    A row that is 0 on one side alone is at a right angle to the other; of one that is 0 on both, or
    that float64 has no sum for, nothing is said. A tensor of one dimension or none is one row.

    Args:
        shape: Of both.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._length = math.prod(shape[1:] if len(shape) > 1 else shape)
        self._filled = 0
        self._open: Wide = np.zeros(3)
        self.least: float | None = None

    def add(self, left: Wide, right: Wide) -> None:
        """Take in as many numbers of both; of those that are not finite, none."""
        is_finite = np.isfinite(left) & np.isfinite(right)
        if not is_finite.all():
            left, right = np.where(is_finite, left, 0), np.where(is_finite, right, 0)
        starts = np.arange(-self._filled, left.size, self._length)
        starts[0] = 0
        products = (left * left, right * right, left * right)
        sums = np.array([np.add.reduceat(one, starts) for one in products])
        sums[:, 0] += self._open
        rows, self._filled = divmod(self._filled + left.size, self._length)
        self._open = sums[:, rows] if rows < starts.size else np.zeros(3)
        self._judge(sums[:, :rows])

    def _judge(self, sums: Wide) -> None:
        norms = np.sqrt(sums[0]) * np.sqrt(sums[1])
        has_angle = norms > 0
        cosines = np.where(has_angle, sums[2] / np.where(has_angle, norms, 1), 0)
        cosines = cosines[((sums[0] > 0) | (sums[1] > 0)) & np.isfinite(cosines)]
        if cosines.size:
            least = max(-1.0, min(1.0, float(cosines.min())))
            self.least = least if self.least is None else min(self.least, least)
