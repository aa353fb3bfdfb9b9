"""Elements of one dtype as elements of another, as `Tensor.to` of torch makes them.

Enters: elements, and a dtype. Leaves: elements of that dtype, or which of them others are. Source:
`c10::convert` and the constructors of torch's `headeronly/util/{Half,BFloat16,Float8_*}.h`. What is
shorter than float32 is made by way of float32; to the nearest, of two equally near the even one;
what is too large becomes infinite, or NaN where the dtype has no infinity.
"""

from typing import Any, Final

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_E4M3: Final = np.dtype(ml_dtypes.float8_e4m3fn)
_E8M0: Final = np.dtype(ml_dtypes.float8_e8m0fnu)
#: The largest float8_e4m3fn: torch makes all that is larger that one (2.13), or NaN (2.4).
_E4M3_LARGEST: Final = np.float32(448)
#: What is not larger is rounded to it: half-way to 480, which would be the next one.
_E4M3_ROUNDED: Final = np.float32(464)
#: IEEE 754: where the exponent of a float32 starts, and how many values it has.
_EXPONENT_BIT: Final = 23
_EXPONENTS: Final = np.uint32(0xFF)
#: The upper half of an interval between two powers of two starts at this bit.
_HALF_BIT: Final = np.uint32(1 << 22)
_FRACTION: Final = np.uint32((1 << 23) - 1)


def cast_elements(values: Array, target: np.dtype[Any]) -> Array:
    """Return elements as another dtype; the shape stays.

    An imaginary part is dropped. What torch leaves to the processor (a number that an integer
    cannot hold) may become anything.
    """
    if values.dtype == target:
        return values
    with np.errstate(all="ignore"):
        if values.dtype == np.bool_:
            # A truth value may be stored as any byte.
            values = (values.view(np.uint8) != 0).view(np.uint8)
        if target == np.bool_:
            # A float8_e8m0fnu is never 0, and is compared with none.
            return np.asarray((values.astype(np.float32) if values.dtype == _E8M0 else values) != 0)
        if values.dtype.kind == "c" and target.kind != "c":
            values = values.real
        if _is_short(target) or _is_short(values.dtype):
            values = values.astype(np.float32)
        if target == _E4M3:
            values = np.clip(values, -_E4M3_LARGEST, _E4M3_LARGEST)
        return _to_exponents(values) if target == _E8M0 else values.astype(target)


def is_cast_of(values: Array, others: Array) -> npt.NDArray[np.bool_]:
    """Return which elements have the bits that others, of another dtype, have after a cast.

    NaN is any NaN. A cast to integers, to truth values, or to real numbers counts where it keeps
    the number: nearly all weights become 0 as integers, whichever they are. Of float8_e4m3fn, what
    is too large may be the largest number or NaN: versions of torch differ in that.
    """
    dtype = values.dtype
    with np.errstate(all="ignore"):
        made = cast_elements(others, dtype)
        if dtype.kind in "biu":
            word = np.dtype(np.uint8) if dtype == np.bool_ else dtype
            return np.asarray((made.view(word) == values.view(word)) & _keeps(others, made))
        if dtype.kind == "c":
            parts = np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
            same = _same_floats(made.view(parts), values.view(parts))
            return np.asarray(same.reshape(-1, 2).all(axis=1).reshape(values.shape))
        same = _same_floats(made, values)
        if others.dtype.kind == "c":
            same &= (others.imag == 0) | np.isnan(made)
            others = others.real
        if dtype == _E4M3 and (is_nan := np.isnan(values)).any():
            same |= is_nan & ~(np.abs(others.astype(np.float32)) <= _E4M3_ROUNDED)
        return same


def keeps_numbers(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Whether every number of the first dtype is known to be one of the second."""
    # numpy calls 64-bit integers safe in float64, which has 53 bits for them; and what it is told
    # of short dtypes (int8 is safe in float8) is not so.
    is_rounded = source.kind in "iu" and source.itemsize == 8 and target.kind in "fc"
    return bool(np.can_cast(source, target)) and not is_rounded and not _is_short(target)


def _is_short(dtype: np.dtype[Any]) -> bool:
    """Whether it is a floating-point dtype of less than 32 bits."""
    return dtype.kind in "fV" and dtype.itemsize < np.dtype(np.float32).itemsize


def _same_floats(one: Array, other: Array) -> npt.NDArray[np.bool_]:
    word = np.dtype(f"u{one.dtype.itemsize}")
    same = one.view(word) == other.view(word)
    if not same.all():
        same |= np.isnan(one) & np.isnan(other)
    return np.asarray(same)


def _keeps(numbers: Array, made: Array) -> npt.NDArray[np.bool_]:
    """Return which integers are the numbers that they were made of."""
    if _is_short(numbers.dtype):
        numbers = numbers.astype(np.float32)
    elif numbers.dtype == np.bool_:
        numbers = numbers.view(np.uint8) != 0
    if made.dtype == np.bool_:
        made = made.view(np.uint8)
    kept = cast_elements(made, numbers.dtype) == numbers
    if numbers.dtype.kind in "fc":
        # What is too large for an integer may come back from it by rounding alone.
        limits = np.iinfo(made.dtype)
        real = numbers.real
        kept &= (real >= float(limits.min)) & (real < float(int(limits.max) + 1))
    elif numbers.dtype.kind in "iu":
        # Integers that wrap around come back from it as well.
        kept &= (made < 0) == (numbers < 0)
    return np.asarray(kept)


def _to_exponents(values: npt.NDArray[np.float32]) -> Array:
    """Return the powers of two that are nearest to magnitudes, the sign dropped, as torch does."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    exponents = (bits >> _EXPONENT_BIT) & _EXPONENTS
    # From one and a half on, upwards; of what is below all normal numbers, from beyond it on.
    is_above = (bits & _HALF_BIT) != 0
    is_more = ((bits & _FRACTION) > _HALF_BIT) | (exponents > 0)
    exponents += is_above & is_more & (exponents < _EXPONENTS)
    return exponents.astype(np.uint8).view(_E8M0)
