"""What the end of a zip says of its members: end records and the central directory.

Enters: a source. Leaves: the entries of its directory, and findings on what disagrees. Neither
members nor their own headers are read.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import struct
from collections.abc import Iterator

import msgspec

from ckptscope.containers.contents import finding
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

_ENTRY_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR64_SIGNATURE = b"PK\x06\x07"

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")

STORED = 0
DEFLATED = 8
FLAG_ENCRYPTED = 0x1
FLAG_STRONG_ENCRYPTION = 0x40
_FLAG_UTF8 = 0x800
EXTRA_ZIP64 = 1
_NOT_HERE_16 = 0xFFFF
NOT_HERE_32 = 0xFFFFFFFF
#: Other end records that are followed up.
_SHOWN = 4
#: End record and the longest comment.
_TAIL_BYTES = _END.size + 0xFFFF


class Directory(msgspec.Struct, kw_only=True):
    """Where the central directory is and what the end records say of it.

    Attributes:
        start: First byte.
        size: Bytes.
        count: Entries, by the end record.
        shift: Bytes before the archive that its offsets do not count.
        end: First byte behind it.
        comment_start: Where the archive's comment starts.
        comment_size: Its bytes.
        others: First byte and size of directories that another end record names.
    """

    start: int
    size: int
    count: int
    shift: int
    end: int
    comment_start: int
    comment_size: int
    others: list[tuple[int, int]] = []


class DirectoryEntry(msgspec.Struct, gc=False):
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
    return find_directory(source, []).shift


def ends_with_archive(source: ByteSource) -> bool:
    """Whether a zip ends exactly where a source does, whatever stands at its start.

    A zip inside a member or a byte string does not: something of what holds it follows.
    """
    findings: list[Finding] = []
    try:
        directory = find_directory(source, findings)
    except ContainerFormatError:
        return False
    if any(one.code is Code.ARCHIVE_TRAILING for one in findings):
        return False
    return _is_directory(source, directory.start, directory.size)


def find_directory(source: ByteSource, findings: list[Finding]) -> Directory:
    """Find the directory by the end records.

    Raises:
        ContainerFormatError: There is none, or the records contradict themselves.
    """
    end, fields, earlier = _find_end(source)
    count, size, start, comment = fields[4:8]
    _note_trailing(source, end, comment, findings)
    directory_end = end
    others: list[tuple[int, int]] = []
    locator = source.peek(end - _LOCATOR64.size, _LOCATOR64.size)
    if end >= _LOCATOR64.size and locator[:4] == _LOCATOR64_SIGNATURE:
        said = (count, size, start)
        directory_end, count, size, start = _read_end64(source, end, locator, others)
        _compare_ends(said, (count, size, start), end, others)
    elif NOT_HERE_32 in (size, start) or count == _NOT_HERE_16:
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
            )
        )
    others += [place for place in earlier if _is_directory(source, *place)]
    if others:
        findings.append(_several_ends(end, [(start + shift, size), *others[:_SHOWN]]))
    return Directory(
        start=start + shift,
        size=size,
        count=count,
        shift=shift,
        end=directory_end,
        comment_start=end + _END.size,
        comment_size=comment,
        others=others,
    )


def _note_trailing(source: ByteSource, end: int, comment: int, findings: list[Finding]) -> None:
    """Compare the end of the archive with that of the file.

    Raises:
        ContainerFormatError: The file ends inside the archive's comment.
    """
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


def _several_ends(end: int, places: list[tuple[int, int]]) -> Finding:
    return finding(
        Code.READINGS_DIFFER,
        "several end records, which name different directories: readers disagree on which counts",
        offset_bytes=end,
        evidence=tuple(f"{length:,} bytes at {place:,}" for place, length in places),
    )


def _find_end(source: ByteSource) -> tuple[int, tuple[int, ...], list[tuple[int, int]]]:
    """Return place and fields of the last end record, and the directories that earlier ones name.

    Raises:
        ContainerFormatError: There is none.
    """
    tail_start = max(source.size - _END.size, 0)
    tail = source.peek(tail_start, _END.size)
    if tail.startswith(END_SIGNATURE) and tail.endswith(b"\0\0"):
        return tail_start, _END.unpack(tail), []
    # There is a comment, or something else behind the archive.
    tail_start = max(source.size - _TAIL_BYTES, 0)
    tail = source.peek(tail_start, _TAIL_BYTES)
    place = tail.rfind(END_SIGNATURE)
    if place < 0 or place + _END.size > len(tail):
        raise ContainerFormatError(
            f"expected the directory of a zip archive at the end, found none in "
            f"{source.size:,} bytes",
            member=source.name,
            advice="the file is cut off: a zip keeps its directory last, so get it again in full",
        )
    last = _END.unpack_from(tail, place)
    earlier: list[tuple[int, int]] = []
    before = tail.rfind(END_SIGNATURE, 0, place)
    while before >= 0 and len(earlier) < _SHOWN:
        fields = _END.unpack_from(tail, before)
        if fields[5:7] != last[5:7]:
            earlier.append((fields[6], fields[5]))
        before = tail.rfind(END_SIGNATURE, 0, before)
    return tail_start + place, last, earlier


def _is_directory(source: ByteSource, start: int, size: int) -> bool:
    """Whether a directory can stand there: some bytes are no end record, and look like one."""
    return 0 < size <= source.size - start and (
        source.peek(start, len(_ENTRY_SIGNATURE)) == _ENTRY_SIGNATURE
    )


def _compare_ends(
    said: tuple[int, int, int], found: tuple[int, int, int], end: int, others: list[tuple[int, int]]
) -> None:
    """Compare the end record with the zip64 one, where it says anything itself."""
    sentinels = (_NOT_HERE_16, NOT_HERE_32, NOT_HERE_32)
    differs = any(
        own not in (sentinel, other)
        for own, other, sentinel in zip(said, found, sentinels, strict=True)
    )
    if differs:
        _, size, start = said
        others.append((start, size) if NOT_HERE_32 not in (size, start) else (end, 0))


def _read_end64(
    source: ByteSource, end: int, locator: bytes, others: list[tuple[int, int]]
) -> tuple[int, int, int, int]:
    """Return end of the directory, count, size, start, from the zip64 records."""
    _, _, place, _ = _LOCATOR64.unpack(locator)
    # It stands right before its locator, unless it was extended; bytes before the archive move it,
    # so the recorded place may be another archive's.
    found: list[tuple[int, int, int, int]] = []
    for candidate in dict.fromkeys((end - _LOCATOR64.size - _END64.size, place)):
        record = source.peek(candidate, _END64.size)
        if len(record) == _END64.size and record[:4] == _END64_SIGNATURE:
            fields = _END64.unpack(record)
            found.append((candidate, fields[7], fields[8], fields[9]))
    if not found:
        raise ContainerFormatError(
            "expected a zip64 end record, found none", member=source.name, offset_bytes=place
        )
    others += [(start, size) for _, _, size, start in found[1:] if (size, start) != found[0][2:]]
    return found[0]


def read_entries(
    source: ByteSource, directory: Directory, limits: Limits, findings: list[Finding]
) -> Iterator[DirectoryEntry]:
    """Yield the entries of a directory.

    Raises:
        ContainerFormatError: It breaks the format.
        LimitError: It is too long, or has more members than allowed.
    """
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
                offset_bytes=directory.end,
            )
        )


def _entry(fields: tuple[int, ...], raw: bytes, extra: bytes, shift: int) -> DirectoryEntry:
    stored, size, header = fields[8], fields[9], fields[16]
    if NOT_HERE_32 in (stored, size, header):
        stored, size, header = _zip64_sizes(extra, stored, size, header, raw)
    return DirectoryEntry(raw, fields[3], fields[4], fields[7], stored, size, header + shift)


def member_name(raw: bytes, flags: int) -> str:
    """Return the name of a member as text."""
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
        if kind != EXTRA_ZIP64:
            continue
        wanted = sum(value == NOT_HERE_32 for value in (stored, size, header))
        if len(body) < 8 * wanted:
            break
        values = iter(struct.unpack_from(f"<{wanted}Q", body))
        # The order in the field is uncompressed, compressed, offset (APPNOTE 4.5.3).
        size = next(values) if size == NOT_HERE_32 else size
        stored = next(values) if stored == NOT_HERE_32 else stored
        header = next(values) if header == NOT_HERE_32 else header
        return stored, size, header
    raise ContainerFormatError(
        "expected sizes in a zip64 field, found none",
        member=raw[:200].decode("utf-8", "replace"),
    )
