"""The one interface through which every room reads bytes."""

from typing import Protocol


class ByteSource(Protocol):
    """Bytes at fixed offsets.

    Attributes:
        name: What to call it in messages, or None for the file that the user named.
        size: Bytes.
    """

    @property
    def name(self) -> str | None:
        """What to call it in messages."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`.

        Raises:
            ContainerFormatError: The source ends before, or shrank while being read.
        """

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, fewer at the end."""
