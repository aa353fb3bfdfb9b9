"""Elements as they are stored → numbers to calculate with.

Enters: a block of a tensor, of any dtype. Leaves: a flat array of float32, float64 or integers, and
which bits of it say how large an element is.
"""

from functools import lru_cache
from typing import Any, Final

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt

#: Of whichever dtype.
Array = npt.NDArray[Any]

#: IEEE 754: all bits but the sign.
_MAGNITUDE: Final[dict[int, np.generic]] = {
    4: np.uint32(0x7FFF_FFFF),
    8: np.uint64(0x7FFF_FFFF_FFFF_FFFF),
}
_WORDS: Final[dict[int, np.dtype[np.generic]]] = {4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}
_SIGNED: Final[dict[int, np.dtype[np.generic]]] = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


class FloatBits(msgspec.Struct, frozen=True, eq=False):
    """How the bits of floating-point numbers order their magnitudes.

    The bits of a number without its sign, taken for an integer, grow with its magnitude (IEEE 754).

    Attributes:
        word: Integer of the same size.
        signed: The same with a sign.
        magnitude: Mask of all bits but the sign.
        smallest_normal: Bits of the smallest normal number of the tensor's own dtype.
        smallest_normal_value: That number.
        half_largest: Bits of half its largest number.
        half_largest_value: That number.
    """

    word: np.dtype[np.generic]
    signed: np.dtype[np.generic]
    magnitude: np.generic
    smallest_normal: int
    smallest_normal_value: float
    half_largest: int
    half_largest_value: float

    def smallest(self, numbers: Array) -> int:
        """Return the bits of the magnitude that is closest to zero.

        Without a sign the smallest of positive numbers comes first; with one, of negative numbers.
        """
        of_positive = int(np.minimum.reduce(numbers.view(self.word)))
        of_negative = int(np.minimum.reduce(numbers.view(self.signed)))
        mask = int(self.magnitude)
        return min(of_positive & mask, of_negative & mask)


class Elements(msgspec.Struct, frozen=True, eq=False):
    """How the elements of one dtype are calculated with.

    Attributes:
        stored: The dtype in the storage, by numpy.
        bits: Of floating-point numbers; None for integers.
        table: Value of each byte, for numbers of eight bits; None for others.
    """

    stored: np.dtype[np.generic]
    bits: FloatBits | None
    table: Array | None = None

    def numbers(self, block: Array) -> Array:
        """Return the elements of a contiguous block, flat; of complex ones both parts."""
        flat = block.reshape(-1)
        stored = self.stored
        if stored.kind == "c":
            return flat.view(np.float32 if stored.itemsize == 8 else np.float64)
        if self.bits is None:
            # A truth value may be stored as any byte.
            return (flat.view(np.uint8) != 0).view(np.uint8) if stored == np.bool_ else flat
        if self.table is not None:
            return self.table.take(flat.view(np.uint8))
        if stored == ml_dtypes.bfloat16:
            # The upper half of a float32.
            wide = flat.view(np.uint16).astype(np.uint32)
            np.left_shift(wide, 16, out=wide)
            return wide.view(np.float32)
        return flat.astype(np.float32) if stored.itemsize == 2 else flat


@lru_cache(maxsize=64)
def elements_of(stored: np.dtype[np.generic]) -> Elements:
    """Return how the elements of a dtype are calculated with."""
    if stored.kind in "biu":
        return Elements(stored, None)
    if stored.kind == "c":
        stored_part = np.dtype(np.float32 if stored.itemsize == 8 else np.float64)
    else:
        stored_part = stored
    work = np.dtype(np.float64 if stored_part.itemsize == 8 else np.float32)
    limits = ml_dtypes.finfo(stored_part)  # type: ignore[no-untyped-call]
    word = _WORDS[work.itemsize]
    bits = FloatBits(
        word=word,
        signed=_SIGNED[work.itemsize],
        magnitude=_MAGNITUDE[work.itemsize],
        smallest_normal=_bits(limits.smallest_normal, work, word),
        smallest_normal_value=float(limits.smallest_normal),
        half_largest=_bits(work.type(limits.max) / 2, work, word),
        half_largest_value=float(limits.max) / 2,
    )
    if stored.itemsize == 1:
        table = np.arange(256, dtype=np.uint8).view(stored).astype(np.float32)
        return Elements(stored, bits, table)
    return Elements(stored, bits)


def _bits(value: object, work: np.dtype[np.generic], word: np.dtype[np.generic]) -> int:
    return int(np.asarray(value, dtype=work).reshape(1).view(word)[0])
