"""What values say of an alignment, where sizes tie.

Enters: a `Carving` and a way to read its storages. Leaves: `Check`s. BatchNorm's weight, bias, mean
and variance have one size, and the table says their order; a variance and a second moment are never
negative, and counters agree with each other.

Elements are compared as integers: of little-endian IEEE 754 numbers, those that are neither
negative nor infinite are exactly the integers below the pattern of infinity.
"""

import struct
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ckptscope.facts.carving import CarvedTensor, Carving, Check, Found, Slot
from ckptscope.facts.dtypes import ITEM_BYTES

Read = Callable[[str], bytes | None]

#: By dtype: array's type code of as many bytes, pattern of infinity, and of the sign alone.
_PATTERNS: Final[dict[str, tuple[str, int, int]]] = {
    "float16": ("H", 0x7C00, 0x8000),
    "bfloat16": ("H", 0x7F80, 0x8000),
    "float32": ("I", 0x7F800000, 0x80000000),
    "float64": ("Q", 0x7FF0000000000000, 1 << 63),
}
#: Bytes that checks of one file read, and storages of which size are left out.
_MOST_BYTES: Final = 48 << 20
_LARGEST: Final = 4 << 20
#: Elements that decide between the two types of 2 bytes.
_SAMPLED: Final = 4096
#: bfloat16 of magnitudes from 2^-20 to 2^10, which weights have; float16 read so is far smaller.
_BF16_RANGE: Final = ((127 - 20) << 7, (127 + 10) << 7)
#: Share of elements that must lie on one side to decide.
_MOST_ONE_WAY: Final = 0.8
#: Names of a norm's weight and buffers.
_WEIGHT: Final = ".weight"
_VARIANCE: Final = ".running_var"
_MEAN: Final = ".running_mean"
_COUNTER: Final = ".num_batches_tracked"
_COUNTER_FORMATS: Final = {"int64": "<q", "float32": "<f", "float64": "<d"}


def check_values(carving: Carving, read: Read) -> tuple[Check, ...]:
    """Hold the values of what was carved against what its names mean.

    Args:
        carving: With its tensors.
        read: Returns the bytes of a storage; None if they cannot be read.
    """
    left = [one for one in carving.tensors if one.storage is not None]
    buffers = [one for one in left if one.slot in (Slot.NETWORK, Slot.EMA)]
    budget = _Budget(read)
    found = [
        _check_signs(
            "every running variance is non-negative",
            [one for one in buffers if one.key.endswith(_VARIANCE)],
            budget,
        ),
        _check_means([one for one in buffers if one.key.endswith(_MEAN)], budget),
        _check_signs(
            "every second moment is non-negative",
            [one for one in left if one.slot in (Slot.EXP_AVG_SQ, Slot.MAX_EXP_AVG_SQ)],
            budget,
        ),
    ]
    return (*(one for one in found if one is not None), *_check_counters(left, read))


class _Budget:
    """Reads small storages until enough bytes were read."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._left = _MOST_BYTES

    def integers(self, tensor: CarvedTensor) -> "array[int] | None":
        """Return a tensor's elements as integers; None if they cannot be read, or are too many."""
        pattern = _PATTERNS.get(tensor.dtype)
        size = ITEM_BYTES.get(tensor.dtype, 0)
        for axis in tensor.shape:
            size *= axis
        if pattern is None or tensor.storage is None or size > min(_LARGEST, self._left):
            return None
        content = self._read(tensor.storage)
        if content is None or len(content) != size:
            return None
        self._left -= size
        return _as_integers(content, pattern[0])


def _as_integers(content: bytes, code: str) -> "array[int]":
    numbers = array(code)
    numbers.frombytes(content)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _check_signs(what: str, tensors: Sequence[CarvedTensor], budget: _Budget) -> Check | None:
    """Check that no element is negative, infinite or no number."""
    if not tensors:
        return None
    wrong: list[str] = []
    count = 0
    for one in tensors:
        numbers = budget.integers(one)
        if numbers is None:
            continue
        count += 1
        _, infinity, minus_zero = _PATTERNS[one.dtype]
        is_suspect = bool(numbers) and max(numbers) >= infinity
        if is_suspect and any(n >= infinity and n != minus_zero for n in numbers):
            wrong.append(one.key)
    if not count:
        return Check(what=what, holds=None, evidence=f"none of {len(tensors):,} could be read")
    text = f"{count - len(wrong):,} of {count:,} that were read"
    if count < len(tensors):
        text += f", of {len(tensors):,}"
    if wrong:
        text += f"; not so: {wrong[0]!r:.200}"
    return Check(what=what, holds=not wrong, evidence=text)


def _check_means(tensors: Sequence[CarvedTensor], budget: _Budget) -> Check | None:
    """Check that means are told from variances: some of each norm's are negative."""
    count = negative = 0
    for one in tensors:
        numbers = budget.integers(one)
        if numbers and any(numbers):
            # Before the first step all of them are zero.
            count += 1
            minus_zero = _PATTERNS[one.dtype][2]
            negative += max(numbers) > minus_zero
    if not count:
        return None
    return Check(
        what="running means are no variances: most norms have a negative one",
        holds=2 * negative > count,
        evidence=f"{negative:,} of {count:,} that were read",
    )


def check_norms(tensors: Sequence[CarvedTensor], read: Read | None) -> Check:
    """Check that the network's norms scale by positive weights, as those of a momentum are not.

    They begin at 1, and a gradient is as often negative as positive.
    """
    norms = [
        one
        for one in tensors
        if one.slot is Slot.NETWORK and len(one.shape) == 1 and one.key.endswith(_WEIGHT)
    ]
    budget = _Budget(read or (lambda key: None))
    count = positive = 0
    for one in norms:
        for number in budget.integers(one) or ():
            count += number != 0
            positive += 0 < number < _PATTERNS[one.dtype][1]
    what = "weights of norms are positive, as a network's are and a momentum's are not"
    if not count:
        return Check(what=what, holds=None, evidence=f"none of {len(norms):,} tells")
    return Check(
        what=what,
        holds=positive >= _MOST_ONE_WAY * count,
        evidence=f"{positive:,} of {count:,} elements",
    )


def _check_counters(tensors: Iterable[CarvedTensor], read: Read) -> tuple[Check, ...]:
    """Check that counters of one kind agree with each other, and both kinds with each other."""
    found: list[Check] = []
    values: list[Counter[float]] = []
    for what, counters in counters_of(tensors, read):
        values.append(counters)
        shown = ", ".join(f"{value:,.0f} × {n:,}" for value, n in counters.most_common(3))
        found.append(
            Check(what=f"every {what} is the same", holds=len(counters) == 1, evidence=shown)
        )
    if len(values) > 1:
        first, second = values[0].most_common(1)[0][0], values[1].most_common(1)[0][0]
        found.append(
            Check(
                what="the network's counters and the optimizer's agree",
                holds=first == second,
                evidence=f"{first:,.0f} and {second:,.0f}",
            )
        )
    return tuple(found)


def counters_of(tensors: Iterable[CarvedTensor], read: Read) -> list[tuple[str, Counter[float]]]:
    """Return the counters' values by what they are called, those that could be read."""
    kinds: dict[str, Counter[float]] = {"num_batches_tracked": Counter(), "step": Counter()}
    for one in tensors:
        is_step = one.slot is Slot.STEP
        if one.found is Found.MISSING or one.storage is None:
            continue
        if not is_step and not (one.slot is Slot.NETWORK and one.key.endswith(_COUNTER)):
            continue
        layout = _COUNTER_FORMATS.get(one.dtype)
        content = read(one.storage)
        if layout and content is not None and len(content) == struct.calcsize(layout):
            kinds["step" if is_step else "num_batches_tracked"][
                struct.unpack(layout, content)[0]
            ] += 1
    return [(what, counters) for what, counters in kinds.items() if counters]


def decide_dtype(
    dtype: str, tensors: Sequence[CarvedTensor], read: Read
) -> tuple[str, tuple[Check, ...]]:
    """Decide between float16 and bfloat16 by the magnitudes of the largest weight that is left.

    Args:
        dtype: What it stays where nothing decides.
        tensors: Of the table.
        read: Returns the bytes of a storage; None if they cannot be read.
    """
    weights = [
        one
        for one in tensors
        if one.storage is not None and one.slot is Slot.NETWORK and len(one.shape) > 1
    ]
    best = max(weights, key=_elements, default=None)
    content = read(best.storage) if best is not None and best.storage is not None else None
    if best is None or not content:
        return dtype, ()
    numbers = _as_integers(content[: 2 * _SAMPLED], "H")
    magnitudes = [number & 0x7FFF for number in numbers if number & 0x7FFF]
    low, high = _BF16_RANGE
    share = sum(low <= one < high for one in magnitudes) / max(1, len(magnitudes))
    text = f"{share:.0%} of {len(magnitudes):,} elements of {best.key!r:.200}"
    if share >= _MOST_ONE_WAY:
        dtype = "bfloat16"
    elif share <= 1 - _MOST_ONE_WAY and magnitudes:
        dtype = "float16"
    holds = None if " or " in dtype else True
    what = f"as bfloat16, a weight's elements lie between 2^-20 and 2^10 or not: {dtype}"
    return dtype, (Check(what=what, holds=holds, evidence=text),)


def _elements(tensor: CarvedTensor) -> int:
    count = 1
    for axis in tensor.shape:
        count *= axis
    return count
