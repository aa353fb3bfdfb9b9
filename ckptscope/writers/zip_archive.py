r"""A zip writer in torch's style: aligned members, sizes after the data, zip64 when needed.

Enters: names, declared sizes and chunks of bytes. Leaves: a zip that is byte for byte structured
as torch's own writer (`caffe2/serialize/inline_container.cc` over miniz) structures it: local
headers with flag 0x808 and without CRC and sizes, the padding extra field `FB`, a `PK\x07\x08`
descriptor after the data, true values in the directory. The stdlib's zipfile cannot write that.
Records are those of PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.writers.tensors import Chunk, byte_view

_MAX16: Final = 0xFFFF
_MAX32: Final = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
#: Bit 11: names are UTF-8; bit 3: CRC and sizes follow the data.
_FLAG_UTF8, _FLAG_DESCRIPTOR = 0x800, 0x008
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64: Final = struct.Struct("<4sIQI")
#: Made by version 3.0 on Unix, 4.5 needed: what miniz records for zip64.
_VERSIONS64: Final = (0x031E, 0x002D)
_ZIP64_EXTRA: Final = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member that was written."""

    name: bytes
    flags: int
    crc: int
    stored_bytes: int
    size_bytes: int
    offset_bytes: int
    zip64: bool


class ZipWriter:
    """Writes members one after the other, then the directory.

    Offsets are relative to where the file stood at the start, so the file need not be seekable.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        alignment: int = 64,
        deflate: bool = False,
        zip64: bool = False,
        crc: bool = True,
    ) -> None:
        """Start an archive.

        Args:
            file: Where to.
            alignment: Members' data start at multiples of it, in bytes.
            deflate: Compress members.
            zip64: Use the 64-bit fields for members that would not need them.
            crc: Record CRCs; zeros stand for "not recorded", as torch itself can do.
        """
        if not 1 <= alignment <= 1 << 15:
            raise UsageError(f"expected an alignment from 1 to 32768 bytes, found {alignment}")
        self._file = file
        self._alignment = alignment
        self._method = _DEFLATED if deflate else _STORED
        self._zip64 = zip64
        self._crc = crc
        self._position = 0
        self._entries: list[_Entry] = []

    def add(self, name: str, size_bytes: int, chunks: Iterable[Chunk]) -> None:
        """Write one member.

        Raises:
            TensorLayoutError: The chunks do not add up to `size_bytes`.
        """
        offset = self._position
        encoded = name.encode()
        large = self._zip64 or size_bytes >= _MAX32 or offset >= _MAX32
        flags = _FLAG_UTF8 | (_FLAG_DESCRIPTOR if size_bytes else 0)
        self._write_local(encoded, flags, size_bytes, offset)
        start = self._position
        crc = self._write_content(name, size_bytes, chunks)
        stored = self._position - start
        if size_bytes:
            layout = "<4sIQQ" if large else "<4sIII"
            self._write(struct.pack(layout, b"PK\x07\x08", crc, stored, size_bytes))
        self._entries.append(_Entry(encoded, flags, crc, stored, size_bytes, offset, large))

    def finish(self) -> None:
        """Write the directory and its end."""
        start = self._position
        for entry in self._entries:
            self._write_central(entry)
        size, count = self._position - start, len(self._entries)
        # torch's writer asks miniz for the 64-bit end whether or not it is needed.
        end64 = self._position
        record = (*_VERSIONS64, 0, 0, count, count, size, start)
        self._write(_END64.pack(b"PK\x06\x06", _END64.size - 12, *record))
        self._write(_LOCATOR64.pack(b"PK\x06\x07", 0, end64, 1))
        short = min(count, _MAX16)
        place = (min(size, _MAX32), min(start, _MAX32))
        self._write(_END.pack(b"PK\x05\x06", 0, 0, short, short, *place, 0))

    def _write(self, content: Chunk) -> None:
        self._file.write(content)
        self._position += len(content)

    def _write_local(self, name: bytes, flags: int, size_bytes: int, offset: int) -> None:
        # The compressed size is not known yet: miniz, too, leaves it zero here.
        extra = self._extra64(size_bytes, 0, offset)
        begin = self._position + _LOCAL.size + len(name) + len(extra) + 4
        padding = -begin % self._alignment
        extra += b"FB" + struct.pack("<H", padding) + b"Z" * padding
        fields = (0, flags, self._method if size_bytes else _STORED, 0, 0, 0, 0, 0)
        self._write(_LOCAL.pack(b"PK\x03\x04", *fields, len(name), len(extra)) + name + extra)

    def _write_content(self, name: str, size_bytes: int, chunks: Iterable[Chunk]) -> int:
        crc = found = 0
        deflated = self._method == _DEFLATED and size_bytes
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS) if deflated else None
        for chunk in map(byte_view, chunks):
            found += len(chunk)
            if self._crc:
                crc = zlib.crc32(chunk, crc)
            self._write(chunk if packer is None else packer.compress(chunk))
        if packer is not None:
            self._write(packer.flush())
        if found != size_bytes:
            raise TensorLayoutError(
                f"expected {size_bytes} bytes of content, found {found}", member=name
            )
        return crc

    def _write_central(self, entry: _Entry) -> None:
        stored, size, offset = entry.stored_bytes, entry.size_bytes, entry.offset_bytes
        extra = self._extra64(size, stored, offset)
        if self._zip64 or size >= _MAX32:
            stored = size = _MAX32
        if self._zip64 or offset >= _MAX32:
            offset = _MAX32
        method = self._method if entry.size_bytes else _STORED
        numbers = (0, 0, entry.flags, method, 0, 0, entry.crc, stored, size)
        lengths = (len(entry.name), len(extra), 0, 0, 0, 0)
        self._write(_CENTRAL.pack(b"PK\x01\x02", *numbers, *lengths, offset) + entry.name + extra)

    def _extra64(self, size: int, stored: int, offset: int) -> bytes:
        """Spell the zip64 extra field of what does not fit, or of all where it is asked for."""
        values: list[int] = []
        if self._zip64 or size >= _MAX32:
            values += (size, stored)
        if self._zip64 or offset >= _MAX32:
            values.append(offset)
        if not values:
            return b""
        return struct.pack(f"<2H{len(values)}Q", _ZIP64_EXTRA, 8 * len(values), *values)
