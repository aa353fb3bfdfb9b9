"""Bare gzip, bzip2 and xz around something else.

Enters: a source of compressed bytes. Leaves: an unpacked source, in memory or in an unnamed
temporary file, bounded by `Limits.spool_bytes`.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Protocol

from ckptscope.containers.further_pickles import FurtherPickles, keep_reached
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, spool_stream

#: Compressed bytes read at a time, and unpacked bytes handed on at a time.
_CHUNK = 1 << 18
#: Unpacked bytes at a time where damage is met: as Python's own readers of such files, which hand
#: on what stands before it.
_SMALL_CHUNK = 1 << 12
#: What zlib writes at the levels of compression that it has (RFC 1950), and LZMA by its defaults.
_ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_LZMA_START = b"\x5d\x00\x00"
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


class _ZlibEngine:
    """zlib's object with the interface of the other two."""

    def __init__(self, bits: int) -> None:
        self._engine = zlib.decompressobj(wbits=bits)

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


def _lzma_engine() -> _Engine:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_XZ_MEMORY_BYTES)


_ENGINES: dict[ContainerKind, Callable[[], _Engine]] = {
    ContainerKind.GZIP: partial(_ZlibEngine, 16 + zlib.MAX_WBITS),
    ContainerKind.BZIP2: bz2.BZ2Decompressor,
    ContainerKind.XZ: _xz_engine,
}


def unpack(source: ByteSource, containers: tuple[ContainerKind, ...], limits: Limits) -> ByteSource:
    """Return the unpacked contents.

    Args:
        source: The compressed bytes.
        containers: Chain up to and including the compression.
        limits: Bounds of the run.

    Raises:
        ContainerFormatError: The compressed stream is damaged or cut off; an unpickler has read by
            then what stands before the damage, and what that names is kept.
        LimitError: It unpacks to more than may be spooled.
    """
    kind = containers[-1]
    make = _ENGINES[kind]
    try:
        return _spool(_chunks(source, make, kind.value, _CHUNK), source.name, limits)
    except ContainerFormatError as error:
        sound = _sound(_chunks(source, make, kind.value, _SMALL_CHUNK))
        further = FurtherPickles(limits, [], containers=containers)
        further.look_at(partial(_spool, sound, source.name, limits), "")
        keep_reached(error, further.imports)
        raise


def unpack_bare(source: ByteSource, limits: Limits) -> ByteSource | None:
    """Return what bare zlib or LZMA data unpack to, as joblib writes them; None for other bytes.

    Neither has a magic number, so that other data may start like them.

    Raises:
        LimitError: It unpacks to more than may be spooled.
    """
    head = source.peek(0, len(_LZMA_START))
    if head[:2] in _ZLIB_STARTS:
        make: Callable[[], _Engine] = partial(_ZlibEngine, zlib.MAX_WBITS)
    elif head == _LZMA_START:
        make = _lzma_engine
    else:
        return None
    unpacked = _spool(_sound(_chunks(source, make, "bare", _SMALL_CHUNK)), source.name, limits)
    return unpacked if unpacked.size else None


def _spool(chunks: Iterator[bytes], name: str | None, limits: Limits) -> ByteSource:
    return spool_stream(_counted(chunks, name, limits), name=name, limit_bytes=limits.spool_bytes)


def _sound(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks up to the damage."""
    with suppress(ContainerFormatError):
        yield from chunks


def _counted(chunks: Iterator[bytes], name: str | None, limits: Limits) -> Iterator[bytes]:
    for chunk in chunks:
        limits.spend_unpacked(len(chunk), name)
        yield chunk


def _chunks(
    source: ByteSource, make: Callable[[], _Engine], word: str, most_bytes: int
) -> Iterator[bytes]:
    """Yield the contents of all streams in a row, as the command-line tools do."""
    engine, position, data = make(), 0, b""
    while True:
        if not data and engine.needs_input:
            data = source.peek(position, _CHUNK)
            position += len(data)
            if not data:
                raise ContainerFormatError(
                    f"the {word} stream breaks off after {source.size:,} bytes",
                    member=source.name,
                    advice="the download is incomplete: get the file again",
                )
        try:
            chunk = engine.decompress(data, most_bytes)
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            raise ContainerFormatError(
                f"the {word} stream is damaged: {error}",
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
