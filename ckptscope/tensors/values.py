"""The elements of a tensor, read on request.

Enters: a manifest's build and a tensor of it. Leaves: a numpy array, bfloat16 and the float8 types
as `ml_dtypes`; or a count over the elements, for which no more than a piece of them is held at
once. `.importlinter` names the modules of this room that import numpy.
"""

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import ByteSource
from ckptscope.tensors.blocks import Block, dimensions_of, extent, part
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.spending import view_span

#: torch's dtype → numpy's. Quantized types give their stored integers.
NUMPY_DTYPES: dict[str, npt.DTypeLike] = {
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


class Span(msgspec.Struct, frozen=True, eq=False):
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

    def read_block(
        self, block: Block, dtype: np.dtype[np.generic] | None = None
    ) -> npt.NDArray[np.generic]:
        """Return the elements of a block, shaped as its dimensions are.

        Args:
            block: Which elements.
            dtype: What to take them for; None for what they are.
        """
        raw = self.read(block.start, block.start + extent(block.dimensions))
        dtype = dtype or self.dtype
        shape = tuple(one.size for one in block.dimensions)
        strides = tuple(one.step * dtype.itemsize for one in block.dimensions)
        return np.ndarray(shape, dtype, raw, 0, strides)


def read_values(build: ManifestBuild, tensor: TensorInfo) -> npt.NDArray[np.generic]:
    """Return a tensor's elements, shaped as the tensor is.

    Only the span of the storage that the tensor uses is read.

    Raises:
        TensorLayoutError: The tensor has no strided elements (meta, sparse), its dtype has no
            counterpart in numpy (complex32), or it leaves its storage.
        ArtifactError: The storage cannot be read.
    """
    span = open_span(build, tensor)
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
    return finish(values, tensor)


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
    span = open_span(build, tensor)
    if span.start == span.end:
        return 0
    repeats, dimensions = dimensions_of(tensor)
    most = max(chunk_bytes // span.dtype.itemsize, 1)
    blocks = part(Block(span.start, dimensions), most)
    return sum(_count_block(span, block) for block in blocks) * repeats


def open_span(build: ManifestBuild, tensor: TensorInfo, source: ByteSource | None = None) -> Span:
    """Return the part of its storage that a strided tensor uses.

    Args:
        build: The way to its storage.
        tensor: The tensor.
        source: Its storage, where that is open already.

    Raises:
        TensorLayoutError: As `read_values`.
        ArtifactError: The storage cannot be opened.
    """
    if tensor.storage is None or tensor.stride is None:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} has no elements of its own (layout {tensor.layout}, device "
            f"{tensor.device})"
        )
    if tensor.dtype not in NUMPY_DTYPES:
        raise TensorLayoutError(f"{tensor.key!r:.200}: numpy has no {tensor.dtype}")
    dtype = np.dtype(NUMPY_DTYPES[tensor.dtype])
    start, end = view_span(tensor)
    source = source or build.open_storage(tensor.storage)
    if end * dtype.itemsize > source.size:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} ends at byte {end * dtype.itemsize:,} of a storage of "
            f"{source.size:,} bytes"
        )
    return Span(dtype, source, start, end, build.byteorder_of(tensor.storage) == "big")


def _count_block(span: Span, block: Block) -> int:
    # A truth value may be stored as any byte.
    dtype = np.dtype(np.uint8) if span.dtype == np.bool_ else span.dtype
    return int(np.count_nonzero(span.read_block(block, dtype)))


def finish(values: npt.NDArray[np.generic], tensor: TensorInfo) -> npt.NDArray[np.generic]:
    """Apply what torch left to be done when the tensor is read.

    Raises:
        TensorLayoutError: It can not be done to this dtype.
    """
    if "conj" in tensor.lazy:
        values = np.conjugate(values)
    if "neg" in tensor.lazy:
        if values.dtype == np.bool_:
            raise TensorLayoutError(f"{tensor.key!r:.200}: truth values have no negative")
        values = np.negative(values)
    return values
