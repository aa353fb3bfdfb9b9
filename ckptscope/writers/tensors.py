"""What is written: storages, views of storages, and tensors laid over them.

Enters: shapes, dtypes and a source of bytes for each storage. Leaves: frozen descriptions that
cannot be inconsistent, for the container modules to write. dtypes have torch's names without
`torch.`, as in `facts.tensors`; which of them have a storage class of their own is defined by
`torch/storage.py` (`_dtype_to_storage_type_map`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.writers.forms import Global

#: Some bytes of a storage; any size, the last one may end within an element.
Chunk: TypeAlias = bytes | bytearray | memoryview
#: Called each time the bytes are wanted; little-endian, as in memory of the usual machines.
ChunkSource: TypeAlias = Callable[[], Iterable[Chunk]]

#: dtype -> storage class under `torch`.
STORAGE_CLASSES: Final = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
    "qint8": "QInt8Storage",
    "quint8": "QUInt8Storage",
    "qint32": "QInt32Storage",
    "quint4x2": "QUInt4x2Storage",
    "quint2x4": "QUInt2x4Storage",
}
#: dtypes whose tensors are pickled over `torch.storage.UntypedStorage`.
UNTYPED: Final = frozenset(
    {
        "uint16",
        "uint32",
        "uint64",
        "complex32",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float4_e2m1fn_x2",
    }
)
_WIDE: Final = {"bfloat16": 2, "complex32": 4, "complex64": 8, "complex128": 16, "qint32": 4}
_BY_SUFFIX: Final = (("64", 8), ("32", 4), ("16", 2))


def item_size(dtype: str) -> int:
    """Bytes of one element; of one byte-sized group for the dtypes below eight bits.

    Raises:
        UsageError: torch has no such dtype.
    """
    if dtype not in STORAGE_CLASSES and dtype not in UNTYPED:
        raise UsageError(f"expected a dtype that torch can save, found {dtype!r}")
    if dtype in _WIDE:
        return _WIDE[dtype]
    return next((size for suffix, size in _BY_SUFFIX if dtype.endswith(suffix)), 1)


def word_size(dtype: str) -> int:
    """Bytes that change places together when the byte order does: half a complex number."""
    size = item_size(dtype)
    return size // 2 if dtype.startswith("complex") else size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutgoingStorage:
    """The bytes behind one or several tensors.

    Two tensors share memory exactly if they are laid over the same object.

    Attributes:
        dtype: Element type; the storage class follows from it.
        elements: Count, in elements of `dtype`.
        chunks: Yields the bytes, as often as it is called.
        location: Device tag: cpu, cuda:0, ...
        key: Name in the container, or None for the next free one in the order of meeting.
    """

    dtype: str
    elements: int
    chunks: ChunkSource
    location: str = "cpu"
    key: str | None = None

    def __post_init__(self) -> None:
        item_size(self.dtype)
        if self.elements < 0:
            raise UsageError(f"expected a count of elements, found {self.elements}")

    @property
    def size_bytes(self) -> int:
        """Bytes in the container."""
        return self.elements * item_size(self.dtype)

    @property
    def untyped(self) -> bool:
        """Whether its dtype has no storage class; its count then is pickled in bytes."""
        return self.dtype in UNTYPED

    @property
    def storage_class(self) -> Global:
        """The class that a pickle names."""
        if self.untyped:
            return Global("torch.storage", "UntypedStorage")
        return Global("torch", STORAGE_CLASSES[self.dtype])

    def read(self) -> Iterator[Chunk]:
        """Yield the bytes, held to the declared count.

        Raises:
            TensorLayoutError: There are more or fewer of them.
        """
        found = 0
        for chunk in map(byte_view, self.chunks()):
            found += chunk.nbytes
            if found > self.size_bytes:
                break
            yield chunk
        if found != self.size_bytes:
            more = "or more" if found > self.size_bytes else "in all"
            raise TensorLayoutError(
                f"expected {self.size_bytes} bytes of storage {self.key!r}, found {found} {more}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StorageView:
    """A part of another storage; legacy containers name it as such, others resolve it.

    Attributes:
        root: The storage that holds the bytes.
        offset: First element, from the start of `root`.
        elements: Count.
        key: Name in the container, or None for the next free one.
    """

    root: OutgoingStorage
    offset: int
    elements: int
    key: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= self.offset + self.elements <= self.root.elements:
            raise TensorLayoutError(
                f"expected a view within {self.root.elements} elements, "
                f"found {self.elements} at {self.offset}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutgoingTensor:
    """A strided tensor.

    Attributes:
        storage: What it is laid over.
        shape: Elements along each dimension.
        stride: Elements to step along each dimension.
        offset: First element, from the start of `storage`.
        requires_grad: As autograd has it; state_dict() detaches, so usually False.
        parameter: Whether it is pickled as a Parameter.
    """

    storage: OutgoingStorage | StorageView
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0
    requires_grad: bool = False
    parameter: bool = False

    def __post_init__(self) -> None:
        if len(self.stride) != len(self.shape) or min((*self.shape, *self.stride, 0)) < 0:
            raise TensorLayoutError(
                f"expected a stride for each dimension, found {self.shape} by {self.stride}"
            )
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if self.offset < 0 or (0 not in self.shape and last >= self.storage.elements):
            raise TensorLayoutError(
                f"expected a tensor within {self.storage.elements} elements, "
                f"found {self.shape} by {self.stride} at {self.offset}"
            )

    @property
    def root(self) -> OutgoingStorage:
        """The storage that holds its bytes."""
        storage = self.storage
        return storage.root if isinstance(storage, StorageView) else storage

    @property
    def root_offset(self) -> int:
        """First element, from the start of `root`."""
        storage = self.storage
        return self.offset + (storage.offset if isinstance(storage, StorageView) else 0)

    @property
    def dtype(self) -> str:
        """Element type."""
        return self.root.dtype

    @property
    def elements(self) -> int:
        """Product of the shape."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie in the order of the last index, without holes."""
        expected = contiguous_stride(self.shape)
        pairs = zip(self.shape, self.stride, expected, strict=True)
        return 0 in self.shape or all(n == 1 or s == e for n, s, e in pairs)

    def read(self) -> Iterator[Chunk]:
        """Yield the bytes of a contiguous tensor alone, without the rest of its storage.

        Raises:
            TensorLayoutError: It is not contiguous, or its storage is shorter than declared.
        """
        if not self.is_contiguous:
            raise TensorLayoutError(
                f"expected a contiguous tensor, found {self.shape} by {self.stride}"
            )
        width = item_size(self.dtype)
        start, size = self.root_offset * width, self.elements * width
        return _between(self.root.read(), start, start + size)


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Compute the stride that torch gives to a new tensor of this shape."""
    stride: list[int] = []
    step = 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return tuple(reversed(stride))


def tensor_over(
    storage: OutgoingStorage | StorageView,
    shape: tuple[int, ...],
    *,
    offset: int = 0,
    requires_grad: bool = False,
    parameter: bool = False,
) -> OutgoingTensor:
    """Lay a contiguous tensor over a storage."""
    return OutgoingTensor(
        storage=storage,
        shape=shape,
        stride=contiguous_stride(shape),
        offset=offset,
        requires_grad=requires_grad,
        parameter=parameter,
    )


def bytes_storage(
    content: bytes, dtype: str, *, location: str = "cpu", key: str | None = None
) -> OutgoingStorage:
    """Make a storage of bytes that are in memory already."""
    elements, rest = divmod(len(content), item_size(dtype))
    if rest:
        raise TensorLayoutError(f"expected whole elements of {dtype}, found {len(content)} bytes")
    return OutgoingStorage(
        dtype=dtype, elements=elements, chunks=lambda: (content,), location=location, key=key
    )


def byte_view(chunk: Chunk) -> memoryview:
    """View a chunk as single bytes, whatever the items of its memoryview are."""
    view = memoryview(chunk)
    return view.cast("B") if view.nbytes else memoryview(b"")


def _between(chunks: Iterable[Chunk], start: int, end: int) -> Iterator[Chunk]:
    """Cut bytes `start` to `end` out of a stream, and ask for no chunk behind them."""
    position = 0
    if start == end:
        return
    for chunk in chunks:
        view = byte_view(chunk)
        yield view[max(start - position, 0) : end - position]
        position += view.nbytes
        if position >= end:
            return
