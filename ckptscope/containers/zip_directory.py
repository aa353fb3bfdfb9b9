"""Where the members of a zip are: end records, directory, local headers.

Enters: a source. Leaves: a list of `ZipMember`s with the places of their data, and findings on what
disagrees. No member is read.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import struct
from collections.abc import Iterator

import msgspec

from ckptscope.containers.contents import finding
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

LOCAL_SIGNATURE = b"PK\x03\x04"
_ENTRY_SIGNATURE = b"PK\x01\x02"
_END_SIGNATURE = b"PK\x05\x06"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR64_SIGNATURE = b"PK\x06\x07"

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

STORED = 0
DEFLATED = 8
FLAG_ENCRYPTED = 0x1
FLAG_STRONG_ENCRYPTION = 0x40
_FLAG_DESCRIPTOR = 0x8
_FLAG_UTF8 = 0x800
_EXTRA_ZIP64 = 1
_NOT_HERE_16 = 0xFFFF
_NOT_HERE_32 = 0xFFFFFFFF
#: End record and the longest comment.
_TAIL_BYTES = _END.size + 0xFFFF
#: Members up to this size stand so close that one read fetches the headers of many.
_SMALL_MEMBER_BYTES = 4096
_MANY_HEADERS_BYTES = 1 << 18
#: A data descriptor has 12 or 16 bytes of fields, or 20 or 24 in zip64 (APPNOTE 4.3.9).
_DESCRIPTOR_BYTES = (0, 12, 16, 20, 24)


class ZipMember(msgspec.Struct, frozen=True, gc=False):
    """One entry of the directory.

    Attributes:
        name: As the directory spells it.
        method: 0 stored, 8 deflated.
        flags: General purpose bits.
        crc: CRC-32 of the contents; 0 may mean that it was not recorded.
        stored_bytes: Bytes in the archive.
        size_bytes: Bytes of the contents.
        header_offset: Local header, in the source.
        data_offset: First byte of the data, in the source.
    """

    name: str
    method: int
    flags: int
    crc: int
    stored_bytes: int
    size_bytes: int
    header_offset: int
    data_offset: int


class _Found(msgspec.Struct):
    """Size of the source, and the findings so far."""

    source_size: int
    findings: list[Finding]


class _Directory(msgspec.Struct):
    """Where the central directory is and what the end records say of it."""

    start: int
    size: int
    count: int
    shift: int
    end: int


class _Entry(msgspec.Struct, gc=False):
    """An entry of the directory before its local header was read."""

    raw: bytes
    flags: int
    method: int
    crc: int
    stored: int
    size: int
    header: int


def bytes_before(source: ByteSource) -> int:
    """Return how many bytes stand before the archive that ends the source.

    Raises:
        ContainerFormatError: There is no directory at the end.
    """
    return _find_directory(source, []).shift


def read_members(source: ByteSource, limits: Limits, findings: list[Finding]) -> list[ZipMember]:
    """Read the directory and compare it with the local headers.

    Args:
        source: The archive.
        limits: Bounds of the run.
        findings: Where what disagrees is noted.

    Raises:
        ContainerFormatError: There is no directory, or it breaks the format.
        LimitError: More members than allowed.
    """
    directory = _find_directory(source, findings)
    headers, found = _HeaderReader(source), _Found(source.size, findings)
    members = [
        _check_local(headers, entry, found)
        for entry in _read_entries(source, directory, limits, findings)
    ]
    _check_tiling(members, directory, findings)
    return members


def _find_directory(source: ByteSource, findings: list[Finding]) -> _Directory:
    tail_start = max(source.size - _END.size, 0)
    tail = source.peek(tail_start, _END.size)
    place = 0
    if not (tail.startswith(_END_SIGNATURE) and tail.endswith(b"\0\0")):
        # There is a comment, or something else behind the archive.
        tail_start = max(source.size - _TAIL_BYTES, 0)
        tail = source.peek(tail_start, _TAIL_BYTES)
        place = tail.rfind(_END_SIGNATURE)
    if place < 0 or place + _END.size > len(tail):
        raise ContainerFormatError(
            f"expected the directory of a zip archive at the end, found none in "
            f"{source.size:,} bytes",
            member=source.name,
            advice="the file is cut off: a zip keeps its directory last, so get it again in full",
        )
    _, _, _, _, count, size, start, comment = _END.unpack_from(tail, place)
    end = tail_start + place
    behind = source.size - (end + _END.size + comment)
    if behind > 0:
        findings.append(
            finding(
                Code.ARCHIVE_TRAILING,
                f"{behind:,} bytes follow the end of the archive",
                offset_bytes=end + _END.size + comment,
            )
        )
    elif behind < 0:
        raise ContainerFormatError(
            f"expected a comment of {comment:,} bytes, found {comment + behind:,}",
            member=source.name,
            offset_bytes=end,
        )
    directory_end = end
    locator = source.peek(end - _LOCATOR64.size, _LOCATOR64.size)
    if end >= _LOCATOR64.size and locator[:4] == _LOCATOR64_SIGNATURE:
        directory_end, count, size, start = _read_end64(source, end, locator)
    elif _NOT_HERE_32 in (size, start) or count == _NOT_HERE_16:
        raise ContainerFormatError(
            "expected zip64 end records, found none", member=source.name, offset_bytes=end
        )
    shift = directory_end - size - start
    if shift < 0 or size > directory_end:
        raise ContainerFormatError(
            f"expected a directory of {size:,} bytes at {start:,}, found its end at "
            f"{directory_end:,}",
            member=source.name,
            offset_bytes=end,
            advice="the file is cut off or was changed: get it again",
        )
    if shift:
        findings.append(
            finding(
                Code.ARCHIVE_PREFIXED,
                f"{shift:,} bytes stand before the archive, which counts its offsets without them",
                offset_bytes=0,
                advice="torch.load refuses such a file",
            )
        )
    return _Directory(start=start + shift, size=size, count=count, shift=shift, end=directory_end)


def _read_end64(source: ByteSource, end: int, locator: bytes) -> tuple[int, int, int, int]:
    """Return end of the directory, count, size, start, from the zip64 records."""
    _, _, place, _ = _LOCATOR64.unpack(locator)
    # It stands right before its locator, unless it was extended; bytes before the archive move it,
    # so the recorded place may be another archive's.
    for candidate in (end - _LOCATOR64.size - _END64.size, place):
        record = source.peek(candidate, _END64.size)
        if len(record) == _END64.size and record[:4] == _END64_SIGNATURE:
            fields = _END64.unpack(record)
            return candidate, fields[7], fields[8], fields[9]
    raise ContainerFormatError(
        "expected a zip64 end record, found none", member=source.name, offset_bytes=place
    )


def _read_entries(
    source: ByteSource, directory: _Directory, limits: Limits, findings: list[Finding]
) -> Iterator[_Entry]:
    if directory.size > limits.directory_bytes:
        raise LimitError(
            "directory_bytes",
            allowed=limits.directory_bytes,
            actual=directory.size,
            member=source.name,
        )
    data = source.read(directory.start, directory.size)
    position = count = 0
    while position + _ENTRY.size <= len(data):
        if not data.startswith(_ENTRY_SIGNATURE, position):
            break
        count += 1
        if count > limits.members:
            raise LimitError("members", allowed=limits.members, actual=count, member=source.name)
        fields = _ENTRY.unpack_from(data, position)
        name_size, extra_size, comment_size = fields[10:13]
        name_end = position + _ENTRY.size + name_size
        next_position = name_end + extra_size + comment_size
        if next_position > len(data):
            break
        raw = data[position + _ENTRY.size : name_end]
        yield _entry(fields, raw, data[name_end : name_end + extra_size], directory.shift)
        position = next_position
    if position != len(data):
        raise ContainerFormatError(
            f"expected an entry of the directory, found {data[position : position + 4]!r}",
            member=source.name,
            offset_bytes=directory.start + position,
        )
    if count != directory.count:
        findings.append(
            finding(
                Code.ARCHIVE_COUNT,
                f"the end record counts {directory.count:,} members, the directory has {count:,}",
            )
        )


def _entry(fields: tuple[int, ...], raw: bytes, extra: bytes, shift: int) -> _Entry:
    stored, size, header = fields[8], fields[9], fields[16]
    if _NOT_HERE_32 in (stored, size, header):
        stored, size, header = _zip64_sizes(extra, stored, size, header, raw)
    return _Entry(raw, fields[3], fields[4], fields[7], stored, size, header + shift)


def _member_name(raw: bytes, flags: int) -> str:
    # Without the UTF-8 flag the code page is unknown; UTF-8 is what writers use in practice.
    if flags & _FLAG_UTF8 or raw.isascii():
        return raw.decode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _zip64_sizes(
    extra: bytes, stored: int, size: int, header: int, raw: bytes
) -> tuple[int, int, int]:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        body = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if kind != _EXTRA_ZIP64:
            continue
        wanted = sum(value == _NOT_HERE_32 for value in (stored, size, header))
        if len(body) < 8 * wanted:
            break
        values = iter(struct.unpack_from(f"<{wanted}Q", body))
        # The order in the field is uncompressed, compressed, offset (APPNOTE 4.5.3).
        size = next(values) if size == _NOT_HERE_32 else size
        stored = next(values) if stored == _NOT_HERE_32 else stored
        header = next(values) if header == _NOT_HERE_32 else header
        return stored, size, header
    raise ContainerFormatError(
        "expected sizes in a zip64 field, found none",
        member=raw[:200].decode("utf-8", "replace"),
    )


def local_data(source: ByteSource, offset: int) -> tuple[str, int] | None:
    """Return name and start of data by the local header at `offset`; None if there is none."""
    head = source.peek(offset, _LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(LOCAL_SIGNATURE):
        return None
    fields = _LOCAL.unpack(head)
    raw = source.peek(offset + _LOCAL.size, fields[9])
    return _member_name(raw, fields[2]), offset + _LOCAL.size + fields[9] + fields[10]


class _HeaderReader:
    """Reads local headers: one by one, or many at a time where the members are small."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._chunk = b""
        self._start = 0

    def read(self, offset: int, length: int, stored: int) -> bytes:
        """Return up to `length` bytes at `offset`; `stored` bytes follow before the next."""
        position = offset - self._start
        if position >= 0 and position + length <= len(self._chunk):
            return self._chunk[position : position + length]
        if stored > _SMALL_MEMBER_BYTES:
            return self._source.peek(offset, length)
        self._chunk, self._start = self._source.peek(offset, _MANY_HEADERS_BYTES), offset
        return self._chunk[:length]


def _check_local(headers: _HeaderReader, entry: _Entry, found: _Found) -> ZipMember:
    """Compare an entry with its local header and fill in where the data starts."""
    raw = entry.raw
    length = len(raw)
    head = headers.read(entry.header, _LOCAL.size + length, entry.stored)
    if len(head) < _LOCAL.size or not head.startswith(LOCAL_SIGNATURE):
        raise ContainerFormatError(
            f"expected a local header, found {head[:4]!r}",
            member=_member_name(raw, entry.flags),
            offset_bytes=entry.header,
        )
    fields = _LOCAL.unpack_from(head)
    name_size, flags = fields[9], fields[2]
    data_offset = entry.header + _LOCAL.size + name_size + fields[10]
    name = _member_name(raw, entry.flags)
    if (
        name_size != length
        or fields[3] != entry.method
        or (flags ^ entry.flags) & FLAG_ENCRYPTED
        or not flags & _FLAG_DESCRIPTOR
        or not head.endswith(raw)
    ):
        _note_differences(name, entry, fields, head, found.findings)
    size = entry.size
    if data_offset + entry.stored > found.source_size:
        raise ContainerFormatError(
            f"expected {entry.stored:,} bytes, found "
            f"{max(found.source_size - data_offset, 0):,} up to the end of the file",
            member=name,
            offset_bytes=data_offset,
        )
    if entry.method == STORED and entry.stored != size:
        found.findings.append(
            finding(
                Code.MEMBER_SIZE_FALSE,
                f"stored without compression, but {entry.stored:,} bytes are said to give {size:,}",
                member=name,
            )
        )
        size = min(size, entry.stored)
    return ZipMember(
        name,
        entry.method,
        entry.flags | (flags & FLAG_ENCRYPTED),
        entry.crc,
        entry.stored,
        size,
        entry.header,
        data_offset,
    )


def _note_differences(
    name: str, entry: _Entry, fields: tuple[int, ...], head: bytes, findings: list[Finding]
) -> None:
    """Say in what a local header and the directory disagree, if they do."""
    _, _, flags, method, _, _, crc, stored, size, name_size, _ = fields
    differing = []
    if name_size != len(entry.raw) or head[_LOCAL.size :] != entry.raw:
        differing.append("name")
    if method != entry.method:
        differing.append("compression method")
    if (flags ^ entry.flags) & FLAG_ENCRYPTED:
        differing.append("encryption")
    if not flags & _FLAG_DESCRIPTOR:
        if crc != entry.crc:
            differing.append("CRC-32")
        if stored not in (entry.stored, _NOT_HERE_32):
            differing.append("compressed size")
        if size not in (entry.size, _NOT_HERE_32):
            differing.append("size")
    if differing:
        findings.append(
            finding(
                Code.MEMBER_HEADER_DIFFERS,
                f"the local header and the directory disagree on {', '.join(differing)}",
                member=name,
                offset_bytes=entry.header,
                advice="readers that trust one see another file than readers that trust the other",
            )
        )


def _check_tiling(members: list[ZipMember], directory: _Directory, findings: list[Finding]) -> None:
    """Note members that overlap, and bytes between members that belong to none."""
    position, hidden = directory.shift, 0
    for member in sorted(members, key=lambda m: m.header_offset):
        gap = member.header_offset - position
        if gap < 0:
            findings.append(
                finding(
                    Code.MEMBERS_OVERLAP,
                    f"starts {-gap:,} bytes before the member before it ends",
                    member=member.name,
                    offset_bytes=member.header_offset,
                )
            )
        elif gap not in _DESCRIPTOR_BYTES:
            hidden += gap
        position = max(position, member.data_offset + member.stored_bytes)
    if position > directory.start:
        findings.append(
            finding(
                Code.MEMBERS_OVERLAP,
                "the last member runs into the directory",
                offset_bytes=directory.start,
            )
        )
    gap = directory.start - position
    hidden += gap if gap > 0 and gap not in _DESCRIPTOR_BYTES else 0
    if hidden:
        findings.append(
            finding(
                Code.NOT_READ,
                f"{hidden:,} bytes between the members belong to none of them",
                severity=Severity.WARNING,
            )
        )
