"""Elements of one floating type as those of another, bit for bit as `tensor.to(dtype)` of torch.

Enters: canonical bytes. Leaves: canonical bytes. `casts` says how a number is rounded. A NaN turns
into a quiet NaN: which bits torch itself gives it depends on whether a vector instruction or the
rest of a loop has met it.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ckptscope.errors import UsageError
from ckptscope.facts.unpacking import CAST_TARGETS, FLOATING
from ckptscope.tensors.casts import cast_elements
from ckptscope.tensors.values import NUMPY_DTYPES

#: Type of the same width, and the bit of a quiet NaN (IEEE 754, 6.2.1).
_QUIET: Final[dict[str, tuple[type[np.unsignedinteger], int]]] = {
    "float64": (np.uint64, 1 << 51),
    "float32": (np.uint32, 1 << 22),
    "float16": (np.uint16, 1 << 9),
    "bfloat16": (np.uint16, 1 << 6),
}
#: Bytes that are cast at once.
_BLOCK_BYTES: Final = 1 << 20


def cast_pieces(pieces: Iterable[bytes], found: str, wanted: str) -> Iterator[bytes]:
    """Yield the elements of dtype `found` as those of dtype `wanted`.

    Args:
        pieces: Canonical bytes, cut anywhere.
        found: A floating dtype.
        wanted: Another one, of `CAST_TARGETS`.

    Raises:
        UsageError: There is no such cast.
    """
    if found not in FLOATING or wanted not in CAST_TARGETS:
        raise UsageError(f"expected a cast between floating types, found {found} to {wanted}")
    source = np.dtype(NUMPY_DTYPES[found])
    rest = b""
    for piece in pieces:
        whole = rest + piece if rest else piece
        end = len(whole) - len(whole) % source.itemsize
        for start in range(0, end, _BLOCK_BYTES):
            values = np.frombuffer(whole, np.uint8, min(_BLOCK_BYTES, end - start), start)
            yield _little(_cast(_little(values.view(source)), found, wanted)).tobytes()
        rest = whole[end:]


def _cast(values: npt.NDArray[np.generic], found: str, wanted: str) -> npt.NDArray[np.generic]:
    cast = cast_elements(values, np.dtype(NUMPY_DTYPES[wanted]))
    # A bfloat16 is the upper half of a float32: torch shifts it there, whatever it is.
    if (found, wanted) != ("bfloat16", "float32"):
        is_nan = np.isnan(cast)
        if is_nan.any():
            bits, quiet = _QUIET[wanted]
            cast.view(bits)[is_nan] |= bits(quiet)
    return cast


def _little(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Turn the order of this machine into little-endian, and back."""
    return values if sys.byteorder == "little" else values.byteswap()
