"""The elements of a tensor, read on request.

Enters: a manifest's build and a tensor of it. Leaves: a numpy array; bfloat16 and the float8 types
as `ml_dtypes`. The only module of the room that imports numpy.
"""

import ml_dtypes
import numpy as np
import numpy.typing as npt

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
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


def read_values(build: ManifestBuild, tensor: TensorInfo) -> npt.NDArray[np.generic]:
    """Return a tensor's elements, shaped as the tensor is.

    Only the span of the storage that the tensor uses is read.

    Raises:
        TensorLayoutError: The tensor has no strided elements (meta, sparse), its dtype has no
            counterpart in numpy (complex32), or it leaves its storage.
        ArtifactError: The storage cannot be read.
    """
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
    raw = source.read(start * dtype.itemsize, (end - start) * dtype.itemsize)
    if build.byteorder_of(tensor.storage) == "big":
        raw = np.frombuffer(raw, dtype=dtype).byteswap().tobytes()
    if tensor.lazy and tensor.elements > end - start:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} repeats its elements, and still has to be computed"
        )
    # The stride of a dimension of one element never matters, and may be anything.
    strides = tuple(
        step * dtype.itemsize if size > 1 else dtype.itemsize
        for size, step in zip(tensor.shape, tensor.stride, strict=True)
    )
    try:
        values: npt.NDArray[np.generic] = np.ndarray(tensor.shape, dtype, raw, 0, strides)
    except (ValueError, OverflowError) as error:
        raise TensorLayoutError(f"{tensor.key!r:.200}: numpy cannot hold it: {error}") from error
    return _finish(values, tensor)


def _finish(values: npt.NDArray[np.generic], tensor: TensorInfo) -> npt.NDArray[np.generic]:
    """Apply what torch left to be done when the tensor is read."""
    if "conj" in tensor.lazy:
        values = np.conjugate(values)
    if "neg" in tensor.lazy:
        values = np.negative(values)
    return values
