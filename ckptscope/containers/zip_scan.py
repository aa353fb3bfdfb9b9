"""Local headers and data descriptors of a zip, found by their signatures alone.

Enters: a source. Leaves: every header that can be one, in the order of the file, and for the first
byte of its data the descriptors that name a size which fits exactly. One pass over the bytes.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.9 (data descriptor, whose
signature may be left out and whose sizes have 8 bytes in zip64) and 4.5.3 (sizes of zip64).
"""

import re
import struct
from typing import Final

import msgspec

from ckptscope.containers.zip_directory import (
    DEFLATED,
    EXTRA_ZIP64,
    NOT_HERE_32,
    STORED,
    member_name,
)
from ckptscope.containers.zip_locals import FLAG_DESCRIPTOR, LOCAL, LOCAL_SIGNATURE
from ckptscope.errors import LimitError
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
#: Local header, descriptor, entry of the directory, end record and the one of zip64.
_SIGNATURES: Final = re.compile(rb"PK(?:\x03\x04|\x07\x08|\x01\x02|\x05\x06|\x06\x06)")
#: CRC-32, compressed size, size; of 4 or 8 bytes.
_FIELDS: Final = (struct.Struct("<3L"), struct.Struct("<L2Q"))
_MOST_FIELD_BYTES: Final = 20
_PIECE_BYTES: Final = 1 << 20
#: What is kept at hand on both sides of a piece: a descriptor, and a header with its name.
_BEFORE_BYTES: Final = 32
_BEHIND_BYTES: Final = 1 << 10
#: Signatures that are followed for each member that an archive may have.
_SIGNATURES_EACH: Final = 4
#: Names of other systems are no longer; torch's extra fields pad to 64 bytes.
_LONGEST: Final = 4096


class LocalHeader(msgspec.Struct, frozen=True, gc=False):
    """A member as its own header has it.

    Attributes:
        place: First byte of the header.
        data_offset: First byte of the data.
        name: As it is spelled there.
        method: 0 stored, 8 deflated.
        flags: General purpose bits.
        crc: CRC-32.
        stored_bytes: Bytes of the data.
        size_bytes: Bytes of the contents.
        is_open: Whether CRC and sizes are left to a descriptor behind the data.
    """

    place: int
    data_offset: int
    name: str
    method: int
    flags: int
    crc: int
    stored_bytes: int
    size_bytes: int
    is_open: bool


class Descriptor(msgspec.Struct, frozen=True, gc=False):
    """What stands behind the data of a member and fits its place.

    Attributes:
        end: First byte behind it.
        crc: CRC-32 of the contents.
        stored_bytes: Bytes of the data.
        size_bytes: Bytes of the contents.
    """

    end: int
    crc: int
    stored_bytes: int
    size_bytes: int


class Scan(msgspec.Struct):
    """What was found.

    Attributes:
        headers: In the order of the file.
        descriptors: By the first byte of the data that they would be of.
    """

    headers: list[LocalHeader]
    descriptors: dict[int, list[Descriptor]]


def scan_members(source: ByteSource, limits: Limits) -> Scan:
    """Find headers and descriptors in one pass.

    Raises:
        LimitError: There are more signatures than an archive may have members.
    """
    return _Scanner(source, limits).run()


class _Scanner:
    """One pass over the bytes."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._found = Scan([], {})
        #: First bytes of data whose size a descriptor tells, → method.
        self._open: dict[int, int] = {}
        #: The piece that is searched, with what stands right before and behind it.
        self._piece = b""
        self._start = 0

    def run(self) -> Scan:
        """Search the source piece by piece."""
        count = 0
        for start in range(0, self._source.size, _PIECE_BYTES):
            self._start = max(start - _BEFORE_BYTES, 0)
            end = start + _PIECE_BYTES
            self._piece = self._source.peek(self._start, end + _BEHIND_BYTES - self._start)
            # Pieces overlap, so that no signature is cut in two.
            last = end - self._start + len(LOCAL_SIGNATURE) - 1
            for match in _SIGNATURES.finditer(self._piece, start - self._start, last):
                count += 1
                if count > _SIGNATURES_EACH * self._limits.members:
                    raise LimitError(
                        "members",
                        allowed=self._limits.members,
                        actual=count // _SIGNATURES_EACH,
                        member=self._source.name,
                    )
                self._take(match.group(), self._start + match.start())
        return self._found

    def _bytes(self, place: int, length: int) -> bytes:
        """Return bytes of the source, without another read if they are at hand."""
        first = place - self._start
        if first < 0 or first + length > len(self._piece):
            return self._source.peek(place, length)
        return self._piece[first : first + length]

    def _take(self, signature: bytes, place: int) -> None:
        if signature == DESCRIPTOR_SIGNATURE:
            behind = place + len(signature)
            raw = self._bytes(behind, _MOST_FIELD_BYTES)
            for fields in _FIELDS:
                if len(raw) >= fields.size:
                    self._add(place, behind + fields.size, fields.unpack_from(raw))
            return
        # A descriptor without a signature shows by what follows it.
        raw = self._bytes(max(place - _MOST_FIELD_BYTES, 0), min(place, _MOST_FIELD_BYTES))
        for fields in _FIELDS:
            if len(raw) >= fields.size:
                found = fields.unpack_from(raw, len(raw) - fields.size)
                self._add(place - fields.size, place, found)
        if signature == LOCAL_SIGNATURE:
            header = self._read_header(place)
            if header is not None:
                self._found.headers.append(header)
                if header.is_open:
                    self._open[header.data_offset] = header.method

    def _add(self, data_end: int, end: int, fields: tuple[int, ...]) -> None:
        crc, stored, size = fields
        method = self._open.get(data_end - stored)
        if method is None or (method == STORED and stored != size):
            return
        found = Descriptor(end, crc, stored, size)
        self._found.descriptors.setdefault(data_end - stored, []).append(found)

    def _read_header(self, place: int) -> LocalHeader | None:
        """Return the header at a place; None where it cannot be one."""
        head = self._bytes(place, LOCAL.size)
        if len(head) < LOCAL.size:
            return None
        _, _, flags, method, _, _, crc, stored, size, name_size, extra_size = LOCAL.unpack(head)
        data_offset = place + LOCAL.size + name_size + extra_size
        if (
            method not in (STORED, DEFLATED)
            or not 0 < name_size <= _LONGEST
            or extra_size > _LONGEST
            or data_offset > self._source.size
        ):
            return None
        raw = self._bytes(place + LOCAL.size, name_size + extra_size)
        extra = raw[name_size:]
        if not _is_extra(extra):
            return None
        if NOT_HERE_32 in (stored, size):
            stored, size = _long_sizes(extra, stored, size)
        is_open = bool(flags & FLAG_DESCRIPTOR) and not stored
        name = member_name(raw[:name_size], flags)
        return LocalHeader(place, data_offset, name, method, flags, crc, stored, size, is_open)


def _is_extra(extra: bytes) -> bool:
    """Whether bytes divide into fields of an id, a length and so many bytes."""
    position = 0
    while position + 4 <= len(extra):
        position += 4 + int.from_bytes(extra[position + 2 : position + 4], "little")
    return position == len(extra)


def _long_sizes(extra: bytes, stored: int, size: int) -> tuple[int, int]:
    """Return compressed size and size with those of the zip64 field, where it has them."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        body = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if kind == EXTRA_ZIP64 and len(body) >= 16:
            long_size, long_stored = struct.unpack_from("<2Q", body)
            return (
                long_stored if stored == NOT_HERE_32 else stored,
                long_size if size == NOT_HERE_32 else size,
            )
    return stored, size
