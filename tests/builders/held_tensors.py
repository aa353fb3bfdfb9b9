"""A tensor without a file: elements in memory, laid out as asked."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import MemorySource
from ckptscope.tensors.values import NUMPY_DTYPES

#: numpy's dtype → torch's name; quantized ones share theirs with integers, and are not in it.
NAMES = {np.dtype(made): name for name, made in NUMPY_DTYPES.items() if not name.startswith("q")}


class Watched(MemorySource):
    """Elements in memory that remember how many of them were asked for at once."""

    largest = 0

    def read(self, offset: int, length: int) -> bytes:
        self.largest = max(self.largest, length)
        return super().read(offset, length)


class Held:
    """What is asked of a build: one storage, with one tensor in it."""

    def __init__(self, content: bytes, byteorder: str = "little") -> None:
        self.source = Watched(content)
        self._byteorder = byteorder

    def open_storage(self, key: str) -> Watched:
        return self.source

    def byteorder_of(self, key: str) -> str:
        return self._byteorder


def held(
    array: npt.ArrayLike,
    *,
    dtype: str = "",
    axes: Sequence[int] = (),
    before: int = 0,
    byteorder: str = "little",
    lazy: tuple[str, ...] = (),
) -> tuple[Held, TensorInfo]:
    """Hold an array's elements.

    Args:
        array: The values that reading it must give.
        dtype: torch's name, where numpy's does not tell.
        axes: In what order the storage holds the axes, the outermost first; as they are if empty.
        before: Elements of the storage before the first one.
        byteorder: Of the storage.
        lazy: What torch would still have to do; the storage holds what that is done to.
    """
    array = np.asarray(array)
    stored = np.conjugate(array) if "conj" in lazy else array
    stored = np.negative(stored) if "neg" in lazy else stored
    axes = tuple(axes) or tuple(range(array.ndim))
    laid = np.ascontiguousarray(stored.transpose(axes)).reshape(
        [array.shape[axis] for axis in axes]
    )
    stride = [0] * array.ndim
    step = 1
    for axis in reversed(axes):
        stride[axis] = step
        step *= max(array.shape[axis], 1)
    laid = laid.byteswap() if byteorder == "big" else laid
    info = TensorInfo(
        key="w",
        shape=array.shape,
        dtype=dtype or NAMES[array.dtype],
        stride=tuple(stride),
        offset=before,
        storage="0",
        lazy=lazy,
    )
    return Held(b"\x5a" * (before * array.itemsize) + laid.tobytes(), byteorder), info


def expanded(row: npt.ArrayLike, rows: int) -> tuple[Held, TensorInfo]:
    """Hold one row, which stands for many."""
    build, info = held(row)
    return build, msgspec.structs.replace(
        info, shape=(rows, *info.shape), stride=(0, *(info.stride or ()))
    )
