"""Two tensors of one shape, element by element, in one pass over both and in bounded memory.

Enters: two manifests' builds and a tensor of each. Leaves: a `Difference`, whose docs say what is
counted. Numbers are calculated with as float64 (integers of 64 bits are rounded to it, though
they are compared exactly); a complex number counts as one element, and its parts go into the sums.
A sum that float64 cannot hold, which elements of float64 alone can give, is its largest number.
"""

import math
import sys
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.comparison import Difference
from ckptscope.facts.tensors import TensorInfo
from ckptscope.tensors.canonical import canonical_pieces
from ckptscope.tensors.casts import Array, is_cast_of, keeps_numbers
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.pair_counts import Levels, RowCosines
from ckptscope.tensors.scan_elements import elements_of
from ckptscope.tensors.values import NUMPY_DTYPES

Wide = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Elements that are gone over at once: as float64, with their difference, they fill three quarters
#: of a second-level cache of a megabyte.
_BLOCK: Final = 1 << 15
#: Beyond it float64 does not tell two integers apart.
_EXACT: Final = float(1 << 53)
#: Matrix libraries start threads of their own for longer dot products (OpenBLAS: 10,000 elements).
_DOT: Final = 1 << 13
_LARGEST: Final = sys.float_info.max
#: The largest numbers of float64 (2**1024) are multiplied as this much smaller ones: the sum over
#: a block (2**15) stays below 2**1024.
_SCALE: Final = 540

# The methods of arrays cost twice as much to call; the largest part of all tensors are small.
_greatest = np.maximum.reduce
_least = np.minimum.reduce


def compare_tensors(
    left: ManifestBuild,
    one: TensorInfo,
    right: ManifestBuild,
    other: TensorInfo,
    *,
    atol: float = 0.0,
    rtol: float = 0.0,
    progress: Callable[[int], None] | None = None,
) -> Difference:
    """Compare a tensor with its counterpart; of quantized ones, the stored integers.

    Args:
        left: The manifest that the first tensor is of.
        one: The first tensor.
        right: The manifest that the second is of.
        other: The second, of the same shape.
        atol: How far two elements may be apart.
        rtol: How much further, in magnitudes of the second one.
        progress: Told how many bytes more of the first tensor have been compared.

    Raises:
        TensorLayoutError: One of them has no elements (meta, sparse), a dtype that numpy does not
            have, or leaves its storage.
        ArtifactError: A storage cannot be read.
        ValueError: The shapes are not the same.
    """
    if one.shape != other.shape:
        raise ValueError(f"expected two tensors of one shape, found {one.shape} and {other.shape}")
    running = _Running(one, other, atol, rtol)
    pieces = (canonical_pieces(left, one), canonical_pieces(right, other))
    with np.errstate(all="ignore"):
        for ours, theirs in aligned_blocks(*pieces, running.dtypes):
            running.add(ours, theirs)
            if progress is not None:
                progress(ours.nbytes)
    return running.difference()


def aligned_blocks(
    ours: Iterator[bytes], theirs: Iterator[bytes], dtypes: tuple[np.dtype[np.generic], ...]
) -> Iterator[tuple[Array, Array]]:
    """Cut the pieces of both sides anew, into as many elements of each, few at once."""
    sides = [np.empty(0, dtype) for dtype in dtypes]
    while True:
        for index, pieces in enumerate((ours, theirs)):
            if not sides[index].size:
                piece = next(pieces, None)
                if piece is None:
                    return
                sides[index] = np.frombuffer(piece, dtypes[index])
        together = min(sides[0].size, sides[1].size)
        for start in range(0, together, _BLOCK):
            end = min(start + _BLOCK, together)
            yield sides[0][start:end], sides[1][start:end]
        sides = [side[together:] for side in sides]


def dtype_of(tensor: TensorInfo) -> np.dtype[np.generic]:
    """Return numpy's dtype of a tensor's elements.

    Raises:
        TensorLayoutError: It has none for them.
    """
    if tensor.dtype not in NUMPY_DTYPES:
        raise TensorLayoutError(f"{tensor.key!r:.200}: numpy has no {tensor.dtype}")
    return np.dtype(NUMPY_DTYPES[tensor.dtype])


class _Side:
    """How one side's elements become numbers, and what is counted of them alone.

    Args:
        tensor: The tensor.
        dtype: Its elements.
        parts: Numbers of an element: two where either side is complex.
    """

    def __init__(self, tensor: TensorInfo, dtype: np.dtype[np.generic], parts: int) -> None:
        self.squares = 0.0
        self.zeros = 0
        self.levels = Levels(tensor.elements)
        self._elements = elements_of(dtype)
        #: Which bytes there are, where an element is one.
        self._seen = np.zeros(256, np.bool_) if dtype.itemsize == 1 and parts == 1 else None
        self._parts = parts
        self._is_real = dtype.kind != "c"
        self._room = np.empty(min(tensor.elements, _BLOCK) * parts, np.float64)

    def widen(self, block: Array) -> Wide:
        """Return the numbers of a block as float64, part by part."""
        numbers = self._elements.numbers(block)
        wide = self._room[: block.size * self._parts]
        if self._parts > 1 and self._is_real:
            wide[0::2] = numbers
            wide[1::2] = 0
        else:
            np.copyto(wide, numbers, casting="unsafe")
        if self._seen is not None:
            self._seen |= np.bincount(block.view(np.uint8), minlength=256) > 0
        elif not self.levels.is_full:
            self.levels.add(wide.view(np.complex128) if self._parts > 1 else numbers)
        return wide

    def count_levels(self) -> int:
        """Return how many different numbers there are, up to 257."""
        if self._seen is not None and not self.levels.is_full:
            codes = np.flatnonzero(self._seen).astype(np.uint8)
            self.levels.add(self._elements.numbers(codes.view(self._elements.stored)))
        return self.levels.count

    def exactly(self, block: Array) -> list[object]:
        """Return the numbers of a block as they are."""
        return list((self._elements.numbers(block) if self._is_real else block).tolist())


class _Running:
    """What the blocks of two tensors told so far."""

    def __init__(self, one: TensorInfo, other: TensorInfo, atol: float, rtol: float) -> None:
        self.dtypes = ours, theirs = dtype_of(one), dtype_of(other)
        self._parts = 2 if "c" in (ours.kind, theirs.kind) else 1
        self._left = _Side(one, ours, self._parts)
        self._right = _Side(other, theirs, self._parts)
        self._elements = one.elements
        self._is_retyped = one.dtype != other.dtype
        self._has_long = any(dtype.kind in "iu" and dtype.itemsize == 8 for dtype in self.dtypes)
        #: Casts of the left and of the right that the other side is. One to a dtype with room for
        #: all numbers explains no more than the one back, and is not asked for.
        self._casts: list[int | None] = [None, None]
        self._rows: RowCosines | None = None
        if ours != theirs:
            for index, (one_way, other_way) in enumerate(((ours, theirs), (theirs, ours))):
                self._casts[index] = None if keeps_numbers(one_way, other_way) else 0
            if _is_quantized(ours, theirs):
                self._rows = RowCosines(one.shape)
        self._tolerance = (atol, rtol) if atol or rtol else None
        self._room = np.empty(min(one.elements, _BLOCK) * self._parts, np.float64)
        self._same = self._equal = self._within = 0
        self._products = self._squares_apart = self._largest = 0.0
        self._not_finite = self._zeroed = self._filled = 0

    def difference(self) -> Difference:
        """Return all of it."""
        left, right = self._left, self._right
        is_cast = self.dtypes[0] != self.dtypes[1]
        return Difference(
            elements=self._elements,
            equal_bits=0 if self._is_retyped else self._same,
            equal_numbers=self._equal,
            equal_cast=max(count or 0 for count in self._casts) if is_cast else self._same,
            within=self._within if self._tolerance else self._equal,
            squares_left=left.squares,
            squares_right=right.squares,
            products=self._products,
            squares_apart=self._squares_apart,
            largest=self._largest,
            not_finite=self._not_finite,
            zeroed=self._zeroed,
            filled=self._filled,
            zeros_left=left.zeros,
            zeros_right=right.zeros,
            levels_left=left.count_levels(),
            levels_right=right.count_levels(),
            row_cosine=self._rows.least if self._rows is not None else None,
        )

    def add(self, ours: Array, theirs: Array) -> None:
        """Take in as many elements of both sides."""
        if self.dtypes[0] == self.dtypes[1]:
            same = _count_same(ours, theirs)
            self._same += same
            if same == ours.size:
                self._add_same(ours)
                return
        else:
            self._count_casts(ours, theirs)
        left, right = self._left.widen(ours), self._right.widen(theirs)
        if self._has_long:
            self._equal -= self._count_rounded(ours, theirs, left, right)
        if self._rows is not None:
            self._rows.add(left, right)
        squares = _sum_products(left, left), _sum_products(right, right)
        if not (math.isfinite(squares[0]) and math.isfinite(squares[1])):
            left, right = self._set_aside(left, right)
            squares = _hold(left, left), _hold(right, right)
        if left.size:
            self._left.squares = _bounded(self._left.squares + squares[0])
            self._right.squares = _bounded(self._right.squares + squares[1])
            self._products = _bounded(self._products + _hold(left, right))
            self._add_zeros(left, right)
            self._add_distances(left, right)

    def _add_same(self, block: Array) -> None:
        """Take in elements that have the same bits on both sides."""
        self._equal += block.size
        if self._tolerance:
            self._within += block.size
        wide = self._left.widen(block)
        if not self._right.levels.is_full:
            self._right.widen(block)
        zeros = int(np.count_nonzero(self._by_element(wide == 0)))
        self._left.zeros += zeros
        self._right.zeros += zeros
        squares = _sum_products(wide, wide)
        if not math.isfinite(squares):
            is_finite = self._by_element(np.isfinite(wide))
            self._not_finite += block.size - int(np.count_nonzero(is_finite))
            wide = wide.reshape(-1, self._parts)[is_finite].reshape(-1)
            squares = _hold(wide, wide)
        self._left.squares = _bounded(self._left.squares + squares)
        self._right.squares = _bounded(self._right.squares + squares)
        self._products = _bounded(self._products + squares)

    def _set_aside(self, left: Wide, right: Wide) -> tuple[Wide, Wide]:
        """Count the elements that are not finite on either side, and return the others."""
        lefts, rights = left.reshape(-1, self._parts), right.reshape(-1, self._parts)
        is_finite = (np.isfinite(lefts) & np.isfinite(rights)).all(axis=1)
        one, other = lefts[~is_finite], rights[~is_finite]
        none = np.isnan(one).any(axis=1), np.isnan(other).any(axis=1)
        zero = (one == 0).all(axis=1), (other == 0).all(axis=1)
        equal = int(np.count_nonzero((one == other).all(axis=1) | (none[0] & none[1])))
        self._not_finite += len(one)
        self._equal += equal
        if self._tolerance:
            self._within += equal
        self._left.zeros += int(np.count_nonzero(zero[0]))
        self._right.zeros += int(np.count_nonzero(zero[1]))
        self._zeroed += int(np.count_nonzero(zero[1] & ~none[0]))
        self._filled += int(np.count_nonzero(zero[0] & ~none[1]))
        return lefts[is_finite].reshape(-1), rights[is_finite].reshape(-1)

    def _add_zeros(self, left: Wide, right: Wide) -> None:
        is_zero = self._by_element(left == 0), self._by_element(right == 0)
        zeros = int(np.count_nonzero(is_zero[0])), int(np.count_nonzero(is_zero[1]))
        both = int(np.count_nonzero(is_zero[0] & is_zero[1])) if all(zeros) else 0
        self._left.zeros += zeros[0]
        self._right.zeros += zeros[1]
        self._zeroed += zeros[1] - both
        self._filled += zeros[0] - both

    def _add_distances(self, left: Wide, right: Wide) -> None:
        apart = self._room[: left.size]
        np.subtract(left, right, out=apart)
        self._squares_apart = _bounded(self._squares_apart + _hold(apart, apart))
        if self._parts > 1:
            apart = np.abs(apart.view(np.complex128))
        self._equal += apart.size - int(np.count_nonzero(apart != 0))
        largest = max(float(_greatest(apart)), -float(_least(apart)))
        self._largest = max(self._largest, min(largest, _LARGEST))
        if self._tolerance:
            atol, rtol = self._tolerance
            size = np.abs(right.view(np.complex128) if self._parts > 1 else right)
            self._within += int(np.count_nonzero(np.abs(apart) <= atol + rtol * size))

    def _count_casts(self, ours: Array, theirs: Array) -> None:
        pairs = (theirs, ours), (ours, theirs)
        for index, (values, others) in enumerate(pairs):
            count = self._casts[index]
            if count is not None:
                self._casts[index] = count + int(np.count_nonzero(is_cast_of(values, others)))

    def _count_rounded(self, ours: Array, theirs: Array, left: Wide, right: Wide) -> int:
        """Count elements that float64 alone makes equal."""
        is_near = self._by_element(left == right) & (np.abs(left[:: self._parts]) >= _EXACT)
        if not is_near.any():
            return 0
        pairs = zip(
            self._left.exactly(ours[is_near]), self._right.exactly(theirs[is_near]), strict=True
        )
        return sum(one != other for one, other in pairs)

    def _by_element(self, mask: Mask) -> Mask:
        """Return which elements are so in all of their parts."""
        return mask if self._parts == 1 else np.asarray(mask.reshape(-1, 2).all(axis=1))


def _is_quantized(ours: np.dtype[np.generic], theirs: np.dtype[np.generic]) -> bool:
    """Whether one side is of integers and the other of floating point."""
    is_integer = ours.kind in "iu", theirs.kind in "iu"
    return (
        any(is_integer)
        and not any(dtype.kind in "bc" for dtype in (ours, theirs))
        and (is_integer[0] != is_integer[1])
    )


def _count_same(ours: Array, theirs: Array) -> int:
    """Count elements of the same bits, of one dtype."""
    size = ours.dtype.itemsize
    if size <= 8:
        return int(np.count_nonzero(ours.view(f"u{size}") == theirs.view(f"u{size}")))
    halves = (ours.view("u8") == theirs.view("u8")).reshape(-1, 2)
    return int(np.count_nonzero(halves.all(axis=1)))


def _sum_products(one: Wide, other: Wide) -> float:
    if one.size <= _DOT:
        return float(one.dot(other))
    starts = range(0, one.size, _DOT)
    return sum(float(one[at : at + _DOT].dot(other[at : at + _DOT])) for at in starts)


def _hold(one: Wide, other: Wide) -> float:
    """Return the sum of the products of finite numbers, as far as float64 can hold it."""
    total = _sum_products(one, other)
    if math.isfinite(total):
        return total
    down = 2.0**-_SCALE
    try:
        return _bounded(math.ldexp(_sum_products(one * down, other * down), 2 * _SCALE))
    except OverflowError:
        return math.copysign(_LARGEST, _sum_products(one * down, other * down))


def _bounded(total: float) -> float:
    return max(-_LARGEST, min(_LARGEST, total))
