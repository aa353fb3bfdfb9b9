"""Bytes that are already in memory, as a source."""

from ckptscope.errors import ContainerFormatError


class MemorySource:
    """A byte string with the interface of a file.

    Args:
        data: The bytes.
        name: What to call them in messages.
        size: Bytes of the whole, where `data` is only the start of it.
    """

    def __init__(self, data: bytes, name: str | None = None, size: int | None = None) -> None:
        self._data = data
        self._name = name
        self._size = len(data) if size is None else size

    @property
    def name(self) -> str | None:
        """What to call it in messages."""
        return self._name

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        data = self.peek(offset, length)
        if len(data) != length:
            raise ContainerFormatError(
                f"expected {length:,} bytes, found {len(data):,}: the data ends there",
                member=self._name,
                offset_bytes=offset,
            )
        return data

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, fewer at the end."""
        if offset < 0 or length <= 0:
            return b""
        return self._data[offset : offset + length]
