"""The bytes of a pickle, read ahead piece by piece.

Enters: a source and where to start. Leaves: one byte, a few, or a line at a time.
"""

import struct

from ckptscope.sources import ByteSource

_UINT4 = struct.Struct("<I").unpack_from
#: Bytes read at a time; most pickles are shorter.
_CHUNK = 256 << 10


class BytesAhead:
    """A place in a source that moves on.

    Attributes:
        base: Offset of `buffer[0]` in the source.
        buffer: The bytes at hand.
        position: The next byte in it.
    """

    __slots__ = ("_source", "base", "buffer", "position")

    def __init__(self, source: ByteSource, start: int) -> None:
        self._source = source
        self.base = start
        self.buffer = b""
        self.position = 0

    @property
    def offset_bytes(self) -> int:
        """Where the next byte stands in the source."""
        return self.base + self.position

    def byte(self) -> int:
        """Return the next byte and step over it."""
        if self.position >= len(self.buffer):
            self.fill(1)
        self.position += 1
        return self.buffer[self.position - 1]

    def number(self) -> int:
        """Return the next four bytes as a number, the lowest first, and step over them."""
        start = self._have(4)
        found: int = _UINT4(self.buffer, start)[0]
        return found

    def take(self, length: int) -> bytes:
        """Return the next bytes and step over them."""
        start = self._have(length)
        return self.buffer[start : start + length]

    def skip(self, length: int) -> None:
        """Step over bytes; those that are not at hand are not read."""
        self.position += length
        if self.position > len(self.buffer):
            self.base, self.position, self.buffer = self.offset_bytes, 0, b""

    def line(self) -> bytes:
        """Return the bytes up to the next newline and step over it."""
        while True:
            end = self.buffer.find(b"\n", self.position)
            if end >= 0:
                start, self.position = self.position, end + 1
                return self.buffer[start:end]
            # Twice as many each time, so that a long line is not copied over and over.
            at_hand = len(self.buffer) - self.position
            left = self._source.size - self.offset_bytes
            self.fill(max(at_hand + 1, min(2 * at_hand, left)))

    def _have(self, length: int) -> int:
        """Step over bytes that are at hand then; return where they start in the buffer."""
        start = self.position
        if start + length > len(self.buffer):
            self.fill(length)
            start = 0
        self.position = start + length
        return start

    def fill(self, length: int) -> None:
        """Have at least `length` bytes at hand from here on.

        Raises:
            ContainerFormatError: The source ends before.
        """
        offset = self.offset_bytes
        left = self._source.size - offset
        self.buffer = self._source.read(offset, max(length, min(_CHUNK, left)))
        self.base, self.position = offset, 0
