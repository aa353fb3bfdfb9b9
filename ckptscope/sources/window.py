"""A stretch of another source, with offsets of its own: a member that is stored as it is."""

from ckptscope.errors import ContainerFormatError
from ckptscope.sources.base import ByteSource


class Window:
    """Bytes `start` to `start + size` of `parent`."""

    def __init__(self, parent: ByteSource, start: int, size: int, name: str | None = None) -> None:
        if start < 0 or size < 0 or start + size > parent.size:
            raise ContainerFormatError(
                f"expected {size:,} bytes, found {max(parent.size - start, 0):,}",
                member=name if name is not None else parent.name,
                offset_bytes=start,
            )
        self._parent = parent
        self._start = start
        self._size = size
        self._name = name if name is not None else parent.name

    @property
    def name(self) -> str | None:
        """What to call it in messages."""
        return self._name

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    @property
    def parent(self) -> ByteSource:
        """The source that the stretch is of."""
        return self._parent

    @property
    def start(self) -> int:
        """Where the stretch begins in it."""
        return self._start

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        if offset < 0 or length < 0 or offset + length > self._size:
            raise ContainerFormatError(
                f"expected {length:,} bytes, found {max(self._size - offset, 0):,}",
                member=self._name,
                offset_bytes=offset,
            )
        return self._parent.read(self._start + offset, length)

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, fewer at the end."""
        length = min(length, self._size - offset)
        if offset < 0 or length <= 0:
            return b""
        return self._parent.peek(self._start + offset, length)
