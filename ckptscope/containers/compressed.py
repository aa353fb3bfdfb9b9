"""Bare gzip, bzip2 and xz around something else.

Enters: a source of compressed bytes. Leaves: an unpacked source, in memory or in an unnamed
temporary file, bounded by `Limits.spool_bytes`.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, spool_stream

#: Compressed bytes read at a time, and unpacked bytes handed on at a time.
_CHUNK = 1 << 18
#: An xz file may ask for a dictionary of any size; 128 MiB covers the presets (-9e: 65 MiB).
_XZ_MEMORY_BYTES = 128 << 20


class _Engine(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipEngine:
    """zlib's object with the interface of the other two."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, max(max_length, 0))


def _xz_engine() -> _Engine:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


_ENGINES: dict[ContainerKind, Callable[[], _Engine]] = {
    ContainerKind.GZIP: _GzipEngine,
    ContainerKind.BZIP2: bz2.BZ2Decompressor,
    ContainerKind.XZ: _xz_engine,
}


def unpack(source: ByteSource, kind: ContainerKind, limits: Limits) -> ByteSource:
    """Return the unpacked contents.

    Raises:
        ContainerFormatError: The compressed stream is damaged or cut off.
        LimitError: It unpacks to more than may be spooled.
    """
    chunks = _counted(_chunks(source, kind), source.name, limits)
    return spool_stream(chunks, name=source.name, limit_bytes=limits.spool_bytes)


def _counted(chunks: Iterator[bytes], name: str | None, limits: Limits) -> Iterator[bytes]:
    for chunk in chunks:
        limits.spend_unpacked(len(chunk), name)
        yield chunk


def _chunks(source: ByteSource, kind: ContainerKind) -> Iterator[bytes]:
    """Yield the contents of all streams in a row, as the command-line tools do."""
    make = _ENGINES[kind]
    engine, position, data = make(), 0, b""
    while True:
        if not data and engine.needs_input:
            data = source.peek(position, _CHUNK)
            position += len(data)
            if not data:
                raise ContainerFormatError(
                    f"the {kind.value} stream breaks off after {source.size:,} bytes",
                    member=source.name,
                    advice="the download is incomplete: get the file again",
                )
        try:
            chunk = engine.decompress(data, _CHUNK)
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            raise ContainerFormatError(
                f"the {kind.value} stream is damaged: {error}",
                member=source.name,
                offset_bytes=position - len(data),
            ) from error
        data = b""
        if chunk:
            yield chunk
        if engine.eof:
            data = engine.unused_data or source.peek(position, _CHUNK)
            position += 0 if engine.unused_data else len(data)
            # Padding of zeros between and after streams is allowed.
            data = data.lstrip(b"\0")
            if not data:
                return
            engine = make()
