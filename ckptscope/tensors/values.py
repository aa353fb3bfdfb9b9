"""The elements of a tensor, read on request.

Enters: a manifest's build and a tensor of it. Leaves: a numpy array, bfloat16 and the float8 types
as `ml_dtypes`; or a count over the elements, for which no more than a piece of them is held at
once. The only module of the room that imports numpy.
"""

from collections.abc import Iterator

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import ByteSource
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.spending import view_span

#: torch's dtype → numpy's. Quantized types give their stored integers.
_NUMPY: dict[str, npt.DTypeLike] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8_e8m0fnu": ml_dtypes.float8_e8m0fnu,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint64": np.uint64,
    "uint32": np.uint32,
    "uint16": np.uint16,
    "uint8": np.uint8,
    "bool": np.bool_,
    "qint8": np.int8,
    "quint8": np.uint8,
    "qint32": np.int32,
}


#: Bytes of a storage that are held at once while counting.
CHUNK_BYTES = 4 << 20


class _Span(msgspec.Struct, frozen=True, eq=False):
    """The part of a storage that a tensor uses: elements `start` to `end` of `dtype`."""

    dtype: np.dtype[np.generic]
    source: ByteSource
    start: int
    end: int
    is_swapped: bool

    def read(self, start: int, end: int) -> bytes:
        """Return elements of the storage, in the byte order of this machine."""
        size = self.dtype.itemsize
        raw = self.source.read(start * size, (end - start) * size)
        if self.is_swapped:
            return np.frombuffer(raw, dtype=self.dtype).byteswap().tobytes()
        return raw


def read_values(build: ManifestBuild, tensor: TensorInfo) -> npt.NDArray[np.generic]:
    """Return a tensor's elements, shaped as the tensor is.

    Only the span of the storage that the tensor uses is read.

    Raises:
        TensorLayoutError: The tensor has no strided elements (meta, sparse), its dtype has no
            counterpart in numpy (complex32), or it leaves its storage.
        ArtifactError: The storage cannot be read.
    """
    span = _open_span(build, tensor)
    raw = span.read(span.start, span.end)
    if tensor.lazy and tensor.elements > span.end - span.start:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} repeats its elements, and still has to be computed"
        )
    # The stride of a dimension of one element never matters, and may be anything.
    size = span.dtype.itemsize
    strides = tuple(
        step * size if count > 1 else size
        for count, step in zip(tensor.shape, tensor.stride or (), strict=True)
    )
    try:
        values: npt.NDArray[np.generic] = np.ndarray(tensor.shape, span.dtype, raw, 0, strides)
    except (ValueError, OverflowError) as error:
        raise TensorLayoutError(f"{tensor.key!r:.200}: numpy cannot hold it: {error}") from error
    return _finish(values, tensor)


def count_nonzero(
    build: ManifestBuild, tensor: TensorInfo, *, chunk_bytes: int = CHUNK_BYTES
) -> int:
    """Count the elements of a tensor that are not zero; NaN is not, and -0.0 is.

    Of a quantized tensor the stored integers are counted. No more than `chunk_bytes` of the storage
    are held at once, and no part of it is read twice, however the tensor is laid out in it.

    Raises:
        TensorLayoutError: As `read_values`; also if elements of the tensor overlap in the storage
            in another way than by repetition.
        ArtifactError: The storage cannot be read.
    """
    span = _open_span(build, tensor)
    if span.start == span.end:
        return 0
    repeats, dimensions = _dimensions(tensor)
    _refuse_overlaps(tensor, dimensions)
    most = max(chunk_bytes // span.dtype.itemsize, 1)
    found = sum(
        _count_block(span, start, block) for start, block in _blocks(dimensions, span.start, most)
    )
    return found * repeats


def _open_span(build: ManifestBuild, tensor: TensorInfo) -> _Span:
    if tensor.storage is None or tensor.stride is None:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} has no elements of its own (layout {tensor.layout}, device "
            f"{tensor.device})"
        )
    if tensor.dtype not in _NUMPY:
        raise TensorLayoutError(f"{tensor.key!r:.200}: numpy has no {tensor.dtype}")
    dtype = np.dtype(_NUMPY[tensor.dtype])
    start, end = view_span(tensor)
    source = build.open_storage(tensor.storage)
    if end * dtype.itemsize > source.size:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} ends at byte {end * dtype.itemsize:,} of a storage of "
            f"{source.size:,} bytes"
        )
    return _Span(dtype, source, start, end, build.byteorder_of(tensor.storage) == "big")


#: Sizes and strides in elements, the widest stride first.
_Dimensions = list[tuple[int, int]]


def _dimensions(tensor: TensorInfo) -> tuple[int, _Dimensions]:
    """Return how often every element is repeated, and the dimensions that step on.

    Dimensions that continue each other become one.
    """
    repeats = 1
    stepping: _Dimensions = []
    for count, step in zip(tensor.shape, tensor.stride or (), strict=True):
        if step == 0:
            repeats *= count
        elif count > 1:
            stepping.append((count, step))
    joined: _Dimensions = []
    for count, step in sorted(stepping, key=lambda dimension: -dimension[1]):
        if joined and joined[-1][1] == count * step:
            joined[-1] = (joined[-1][0] * count, step)
        else:
            joined.append((count, step))
    return repeats, joined


def _extent(dimensions: _Dimensions) -> int:
    """Elements of the storage from the first to the last of a block."""
    return 1 + sum((count - 1) * step for count, step in dimensions)


def _refuse_overlaps(tensor: TensorInfo, dimensions: _Dimensions) -> None:
    """Refuse views in which one step of a dimension does not leave the block below it behind.

    Raises:
        TensorLayoutError: It is such a view; counting it could take for ever.
    """
    for index, (_, step) in enumerate(dimensions):
        if step < _extent(dimensions[index + 1 :]):
            raise TensorLayoutError(f"{tensor.key!r:.200}: its elements overlap in their storage")


def _blocks(dimensions: _Dimensions, start: int, most: int) -> Iterator[tuple[int, _Dimensions]]:
    """Part a view into blocks whose extent is `most` at most; yield where each starts, and it."""
    if _extent(dimensions) <= most:
        yield start, dimensions
        return
    (count, step), below = dimensions[0], dimensions[1:]
    extent = _extent(below)
    together = (most - extent) // step + 1 if extent <= most else 0
    if not together:
        for index in range(count):
            yield from _blocks(below, start + index * step, most)
        return
    for index in range(0, count, together):
        yield start + index * step, [(min(together, count - index), step), *below]


def _count_block(span: _Span, start: int, dimensions: _Dimensions) -> int:
    raw = span.read(start, start + _extent(dimensions))
    # A truth value may be stored as any byte.
    dtype = np.dtype(np.uint8) if span.dtype == np.bool_ else span.dtype
    shape = tuple(count for count, _ in dimensions)
    strides = tuple(step * dtype.itemsize for _, step in dimensions)
    return int(np.count_nonzero(np.ndarray(shape, dtype, raw, 0, strides)))


def _finish(values: npt.NDArray[np.generic], tensor: TensorInfo) -> npt.NDArray[np.generic]:
    """Apply what torch left to be done when the tensor is read."""
    if "conj" in tensor.lazy:
        values = np.conjugate(values)
    if "neg" in tensor.lazy:
        values = np.negative(values)
    return values
