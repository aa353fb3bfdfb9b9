"""Chunks of bytes as a file that is read, for the stdlib's archive writers.

Enters: an iterable of chunks. Leaves: an object with `read`, which holds one chunk at a time.
"""

import io
from collections.abc import Iterable

from ckptscope.writers.tensors import Chunk, byte_view


class ChunkReader(io.RawIOBase):
    """Reads a stream of chunks in pieces of any size."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._current = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end."""
        parts: list[memoryview] = []
        wanted = size if size >= 0 else None
        while wanted is None or wanted > 0:
            if not self._current.nbytes:
                following = next(self._chunks, None)
                if following is None:
                    break
                self._current = byte_view(following)
            part = self._current[:wanted]
            self._current = self._current[part.nbytes :]
            if wanted is not None:
                wanted -= part.nbytes
            parts.append(part)
        return b"".join(parts)
