"""The elements of a tensor as canonical bytes: row-major, without gaps, little-endian.

Enters: a manifest's build and a tensor of it. Leaves: pieces of bounded size, which one after the
other are what `tensor.contiguous()` holds in memory on a little-endian machine. Identities, copies
and comparisons all go over these. numpy is imported only for layouts that are not so already.
"""

from collections.abc import Iterator
from typing import Final

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.dtypes import ITEM_BYTES, storage_bytes
from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import ByteSource
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.spending import view_span

#: Bytes that are read at once: beyond it a hash takes no less time for each byte.
PIECE_BYTES: Final = 1 << 20
#: Bytes that are gathered before they are handed on, where elements do not lie in order: passes
#: over a large storage are few.
GATHERED_BYTES: Final = 64 << 20
#: Bytes of the storage that are read at once for that.
STRETCH_BYTES: Final = 16 << 20


def canonical_size(tensor: TensorInfo) -> int:
    """Return how many canonical bytes a tensor has.

    Raises:
        TensorLayoutError: Its dtype is not known.
    """
    size = storage_bytes(tensor.elements, tensor.dtype)
    if size is None or tensor.dtype not in ITEM_BYTES:
        raise TensorLayoutError(f"{tensor.key!r:.200}: no dtype of torch: {tensor.dtype!r:.60}")
    return size


def canonical_pieces(
    build: ManifestBuild, tensor: TensorInfo, source: ByteSource | None = None
) -> Iterator[bytes]:
    """Yield the canonical bytes of a strided tensor; what torch left to do (conj, neg) is done.

    Of a quantized tensor these are the stored integers.

    Args:
        build: The way to its storage.
        tensor: The tensor.
        source: Its storage, where that is open already.

    Raises:
        TensorLayoutError: It has no elements of its own (meta, sparse), or leaves its storage.
        ArtifactError: The storage cannot be read.
    """
    if tensor.storage is None or tensor.stride is None:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} has no elements of its own (layout {tensor.layout}, device "
            f"{tensor.device})"
        )
    size = canonical_size(tensor)
    if not size:
        return
    if not lies_canonical(build, tensor):
        from ckptscope.tensors.gathering import gather_pieces  # noqa: PLC0415 - imports numpy

        yield from gather_pieces(build, tensor, source)
        return
    source = source or build.open_storage(tensor.storage)
    start = storage_bytes(tensor.offset, tensor.dtype) or 0
    if start + size > source.size:
        raise TensorLayoutError(
            f"{tensor.key!r:.200} ends at byte {start + size:,} of a storage of {source.size:,} "
            "bytes"
        )
    for offset in range(start, start + size, PIECE_BYTES):
        yield source.read(offset, min(PIECE_BYTES, start + size - offset))


def bytes_to_read(build: ManifestBuild, tensor: TensorInfo) -> int:
    """Return how many bytes of its storage are read, at most, for a tensor's canonical bytes.

    Raises:
        TensorLayoutError: Its dtype is not known.
    """
    size = canonical_size(tensor)
    if tensor.stride is None or lies_canonical(build, tensor):
        return size
    start, end = view_span(tensor)
    passes = 1 if is_canonical(tensor) else -(-size // GATHERED_BYTES)
    return passes * (end - start) * ITEM_BYTES[tensor.dtype]


def lies_canonical(build: ManifestBuild, tensor: TensorInfo) -> bool:
    """Whether the canonical bytes of a tensor are a stretch of its storage as it is."""
    if tensor.storage is None or not is_canonical(tensor):
        return False
    # A byte has no order.
    return ITEM_BYTES.get(tensor.dtype) == 1 or build.byteorder_of(tensor.storage) != "big"


def is_canonical(tensor: TensorInfo) -> bool:
    """Whether its elements lie in its storage in row-major order, without gaps."""
    expected = 1
    for count, step in zip(reversed(tensor.shape), reversed(tensor.stride or ()), strict=True):
        if count != 1 and step != expected:
            return False
        expected *= count
    return not tensor.lazy
