"""The zip format, as far as a checkpoint needs it: directory, local headers, stored and deflated.

Enters: a source. Leaves: a `ZipArchive` with its members and what disagrees in it. No member is
read but on request. Our own reader and not the standard library's, because the forensics are in
what that one forgives: bytes before and after the archive, local headers that tell another story,
counts and sizes that are false.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import struct
import zlib
from collections.abc import Iterator

import msgspec

from ckptscope.containers.contents import finding
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, MemorySource, Window

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
_FLAG_ENCRYPTED = 0x1
_FLAG_DESCRIPTOR = 0x8
_FLAG_STRONG_ENCRYPTION = 0x40
_FLAG_UTF8 = 0x800
_EXTRA_ZIP64 = 1
_NOT_HERE_16 = 0xFFFF
_NOT_HERE_32 = 0xFFFFFFFF
#: End record and the longest comment.
_TAIL_BYTES = _END.size + 0xFFFF
#: Bytes inflated at a time.
_CHUNK = 1 << 18
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


class ZipArchive:
    """The members of an archive, and ways to read them."""

    def __init__(
        self,
        source: ByteSource,
        members: dict[str, ZipMember],
        shadowed: list[ZipMember],
        findings: list[Finding],
        limits: Limits,
    ) -> None:
        self.source = source
        self.members = members
        #: Earlier entries whose name came again; unpackers disagree on which counts.
        self.shadowed = shadowed
        self.findings = findings
        self._limits = limits
        self._inflated_check_bytes = limits.inflated_check_bytes
        #: Some tools record no CRC at all; then 0 says nothing.
        self.crcs_recorded = any(m.crc for m in members.values())

    def open(self, member: ZipMember) -> ByteSource:
        """Return the contents as a source: a window if stored, in memory if deflated.

        A recorded CRC is checked when the contents are in memory anyway.

        Raises:
            ContainerFormatError: Encrypted, an unknown method, or no valid deflate stream.
            LimitError: It inflates to more than a member may.
        """
        self._require_readable(member)
        if member.method == STORED:
            return Window(self.source, member.data_offset, member.size_bytes, member.name)
        limit = self._limits.inflated_member_bytes
        if member.size_bytes > limit:
            raise LimitError(
                "inflated_member_bytes",
                allowed=limit,
                actual=member.size_bytes,
                member=member.name,
            )
        data = b"".join(self.inflate(member))
        if len(data) != member.size_bytes:
            raise ContainerFormatError(
                f"expected {member.size_bytes:,} bytes after inflating, found {len(data):,}",
                member=member.name,
            )
        return MemorySource(data, member.name)

    def inflate(self, member: ZipMember) -> Iterator[bytes]:
        """Yield the contents of a member in chunks; stops one byte beyond its declared size."""
        self._require_readable(member)
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        left = member.size_bytes + 1
        position, end = member.data_offset, member.data_offset + member.stored_bytes
        try:
            while position < end and left > 0 and not engine.eof:
                data = self.source.read(position, min(_CHUNK, end - position))
                position += len(data)
                while data and left > 0:
                    chunk = engine.decompress(data, min(_CHUNK, left))
                    data = engine.unconsumed_tail
                    left -= len(chunk)
                    if chunk:
                        yield chunk
        except zlib.error as error:
            raise ContainerFormatError(
                f"expected a deflate stream, found damage: {error}", member=member.name
            ) from error

    def check_crc(self, member: ZipMember, contents: ByteSource) -> None:
        """Compare a member's CRC-32 with its contents; note a difference as a finding."""
        if not self.crcs_recorded:
            return
        crc = 0
        for position in range(0, contents.size, _CHUNK):
            crc = zlib.crc32(contents.peek(position, _CHUNK), crc)
        if crc != member.crc:
            self.findings.append(
                finding(
                    Code.MEMBER_CRC,
                    f"the directory says CRC-32 {member.crc:08x}, the bytes give {crc:08x}",
                    member=member.name,
                    advice="the member was changed after it was written, or damaged: get the file "
                    "again",
                )
            )

    def check_inflated_size(self, member: ZipMember) -> bool:
        """Whether a deflated member's declared size can be believed.

        Sizes that grow by no more than `Limits.inflation_ratio` are; others are inflated and
        counted, as far as the budget of the run goes.
        """
        if member.method != DEFLATED:
            return True
        if member.size_bytes <= max(member.stored_bytes, 1) * self._limits.inflation_ratio:
            return True
        found = 0
        for chunk in self.inflate(member):
            found += len(chunk)
            self._inflated_check_bytes -= len(chunk)
            if self._inflated_check_bytes < 0:
                return self._size_false(member, "more than can be checked")
        return found == member.size_bytes or self._size_false(member, f"{found:,} bytes")

    def _size_false(self, member: ZipMember, found: str) -> bool:
        self.findings.append(
            finding(
                Code.MEMBER_SIZE_FALSE,
                f"declares {member.size_bytes:,} bytes in {member.stored_bytes:,} deflated ones; "
                f"inflating gives {found}",
                member=member.name,
            )
        )
        return False

    def _require_readable(self, member: ZipMember) -> None:
        if member.flags & (_FLAG_ENCRYPTED | _FLAG_STRONG_ENCRYPTION):
            raise ContainerFormatError(
                "the member is encrypted",
                member=member.name,
                advice="decrypt the archive with its password first",
            )
        if member.method not in (STORED, DEFLATED):
            raise ContainerFormatError(
                f"expected compression method 0 or 8, found {member.method}",
                member=member.name,
                advice="repack the archive with deflate or without compression",
            )


class _Directory(msgspec.Struct):
    """Where the central directory is and what the end records say of it."""

    start: int
    size: int
    count: int
    shift: int
    end: int


def read_zip(source: ByteSource, limits: Limits) -> ZipArchive:
    """Read an archive's directory and compare it with the local headers.

    Raises:
        ContainerFormatError: There is no directory, or it breaks the format.
        LimitError: More members than allowed.
    """
    findings: list[Finding] = []
    directory = _find_directory(source, findings)
    members: dict[str, ZipMember] = {}
    shadowed: list[ZipMember] = []
    for entry in _read_entries(source, directory, limits, findings):
        member = _check_local(source, entry, findings)
        if member.name in members:
            shadowed.append(members[member.name])
            findings.append(
                finding(
                    Code.MEMBER_DUPLICATE,
                    "two members of this name; readers disagree on which counts",
                    member=member.name,
                )
            )
        members[member.name] = member
        _check_path(member.name, findings)
    _check_tiling([*members.values(), *shadowed], directory, findings)
    return ZipArchive(source, members, shadowed, findings, limits)


def _find_directory(source: ByteSource, findings: list[Finding]) -> _Directory:
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
    # Bytes before the archive move the record; it always stands right before its locator.
    for candidate in (place, end - _LOCATOR64.size - _END64.size):
        record = source.peek(candidate, _END64.size)
        if len(record) == _END64.size and record[:4] == _END64_SIGNATURE:
            fields = _END64.unpack(record)
            return candidate, fields[7], fields[8], fields[9]
    raise ContainerFormatError(
        "expected a zip64 end record, found none", member=source.name, offset_bytes=place
    )


def _read_entries(
    source: ByteSource, directory: _Directory, limits: Limits, findings: list[Finding]
) -> Iterator[ZipMember]:
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


def _entry(fields: tuple[int, ...], raw: bytes, extra: bytes, shift: int) -> ZipMember:
    flags, method, crc = fields[3], fields[4], fields[7]
    stored, size, header = fields[8], fields[9], fields[16]
    if _NOT_HERE_32 in (stored, size, header):
        stored, size, header = _zip64_sizes(extra, stored, size, header, raw)
    return ZipMember(_member_name(raw, flags), method, flags, crc, stored, size, header + shift, 0)


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


def _check_local(source: ByteSource, entry: ZipMember, findings: list[Finding]) -> ZipMember:
    """Compare an entry with its local header and fill in where the data starts."""
    # One read for header and name: the name has the directory's length unless they disagree.
    name_bytes = len(entry.name.encode("utf-8", "surrogateescape"))
    head = source.peek(entry.header_offset, _LOCAL.size + name_bytes)
    if len(head) < _LOCAL.size or not head.startswith(LOCAL_SIGNATURE):
        raise ContainerFormatError(
            f"expected a local header, found {head[:4]!r}",
            member=entry.name,
            offset_bytes=entry.header_offset,
        )
    _, _, flags, method, _, _, crc, stored, size, name_size, extra_size = _LOCAL.unpack_from(head)
    data_offset = entry.header_offset + _LOCAL.size + name_size + extra_size
    differing = []
    if _member_name(head[_LOCAL.size : _LOCAL.size + name_size], flags) != entry.name:
        differing.append("name")
    if method != entry.method:
        differing.append("compression method")
    if (flags ^ entry.flags) & _FLAG_ENCRYPTED:
        differing.append("encryption")
    if not flags & _FLAG_DESCRIPTOR:
        differing += _differing_sizes(entry, crc, stored, size)
    if differing:
        findings.append(
            finding(
                Code.MEMBER_HEADER_DIFFERS,
                f"the local header and the directory disagree on {', '.join(differing)}",
                member=entry.name,
                offset_bytes=entry.header_offset,
                advice="readers that trust one see another file than readers that trust the other",
            )
        )
    if data_offset + entry.stored_bytes > source.size:
        raise ContainerFormatError(
            f"expected {entry.stored_bytes:,} bytes, found "
            f"{max(source.size - data_offset, 0):,} up to the end of the file",
            member=entry.name,
            offset_bytes=data_offset,
        )
    if entry.method == STORED and entry.stored_bytes != entry.size_bytes:
        findings.append(
            finding(
                Code.MEMBER_SIZE_FALSE,
                f"stored without compression, but {entry.stored_bytes:,} bytes are said to give "
                f"{entry.size_bytes:,}",
                member=entry.name,
            )
        )
        entry = msgspec.structs.replace(
            entry, size_bytes=min(entry.size_bytes, entry.stored_bytes)
        )
    return ZipMember(
        entry.name,
        entry.method,
        entry.flags | (flags & _FLAG_ENCRYPTED),
        entry.crc,
        entry.stored_bytes,
        entry.size_bytes,
        entry.header_offset,
        data_offset,
    )


def _differing_sizes(entry: ZipMember, crc: int, stored: int, size: int) -> list[str]:
    differing = []
    if crc != entry.crc:
        differing.append("CRC-32")
    if stored not in (entry.stored_bytes, _NOT_HERE_32):
        differing.append("compressed size")
    if size not in (entry.size_bytes, _NOT_HERE_32):
        differing.append("size")
    return differing


def _check_path(name: str, findings: list[Finding]) -> None:
    if unsafe_path(name):
        findings.append(
            finding(
                Code.MEMBER_PATH_UNSAFE,
                "the member's path leaves the folder it would be unpacked into",
                member=name,
            )
        )


def unsafe_path(name: str) -> bool:
    """Whether unpacking a member of this name could write outside the target folder."""
    if ".." not in name and not name.startswith(("/", "\\")) and ":" not in name[:2]:
        return False
    flat = name.replace("\\", "/")
    return flat.startswith("/") or flat[1:2] == ":" or ".." in flat.split("/")


def _check_tiling(
    members: list[ZipMember], directory: _Directory, findings: list[Finding]
) -> None:
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
