"""Where the members of a zip are: local headers, held against the directory.

Enters: a source and its directory. Leaves: a `ZipLayout`: members with the places of their data,
what else in the archive another reader would take for a member, and findings on what disagrees. Of
the members themselves no more is read than came along with their headers: their first bytes.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.9 and 4.4.
"""

import msgspec

from ckptscope.containers.contents import finding
from ckptscope.containers.pickle_starts import START_BYTES, begins_pickled
from ckptscope.containers.program_starts import program_by_bytes
from ckptscope.containers.zip_asides import (
    MOST_ASIDES,
    Aside,
    note_outside,
    read_other_directory,
    search_gaps,
)
from ckptscope.containers.zip_directory import (
    FLAG_ENCRYPTED,
    NOT_HERE_32,
    STORED,
    Directory,
    DirectoryEntry,
    find_directory,
    member_name,
    read_entries,
)
from ckptscope.containers.zip_locals import (
    FLAG_DESCRIPTOR,
    LOCAL,
    LOCAL_SIGNATURE,
    UNKNOWN_BYTES,
    ZipMember,
)
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

#: Members up to this size stand so close that one read fetches the headers of many.
_SMALL_MEMBER_BYTES = 4096
_MANY_HEADERS_BYTES = 1 << 18
#: Bytes read behind a header's name: padding up to torch's alignment of 64, and the first bytes.
_BEHIND_NAME_BYTES = 80 + START_BYTES
#: A data descriptor has 12 or 16 bytes of fields, or 20 or 24 in zip64 (APPNOTE 4.3.9).
_DESCRIPTOR_BYTES = (0, 12, 16, 20, 24)
#: First bytes that a pickle, an archive or a program may have.
_NOTABLE = frozenset(b"\x80c(i[]{}N0l)\x8fP\x7fM#\xfe\xca\xce\xcf")


class ZipLayout(msgspec.Struct):
    """What an archive holds, and where.

    Attributes:
        members: Entries of the directory, in its order.
        asides: What other readers would see beside them.
        starts: First bytes of members that may be pickles, archives or programs.
        findings: What disagrees.
        source_size: Bytes of the source.
    """

    members: list[ZipMember]
    asides: list[Aside]
    starts: dict[str, bytes]
    findings: list[Finding]
    source_size: int


def read_layout(source: ByteSource, limits: Limits) -> ZipLayout:
    """Read the directory and compare it with the local headers.

    Raises:
        ContainerFormatError: There is no directory, or it breaks the format.
        LimitError: More members than allowed.
    """
    findings: list[Finding] = []
    directory = find_directory(source, findings)
    layout = ZipLayout([], [], {}, findings, source.size)
    headers = _HeaderReader(source)
    layout.members = [
        _check_local(headers, entry, layout)
        for entry in read_entries(source, directory, limits, findings)
    ]
    gaps = _check_tiling(layout.members, directory, findings)
    layout.asides += search_gaps(source, gaps, findings)
    layout.asides += note_outside(source, directory)
    for place in directory.others:
        layout.asides += read_other_directory(
            source, directory, place, layout.members, limits, findings
        )
    return layout


def is_loadable(start: bytes) -> bool:
    """Whether first bytes may be those of a pickle, or of a zip that holds some."""
    return start.startswith(LOCAL_SIGNATURE) or begins_pickled(start)


def is_notable(start: bytes) -> bool:
    """Whether first bytes may be those of a pickle, a zip or a program."""
    return is_loadable(start) or bool(program_by_bytes(start))


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
        wanted = length + _BEHIND_NAME_BYTES
        if stored <= _SMALL_MEMBER_BYTES:
            wanted = _MANY_HEADERS_BYTES
        self._chunk, self._start = self._source.peek(offset, wanted), offset
        return self._chunk[:length]

    def first_bytes(self, offset: int) -> bytes:
        """Return bytes of the member whose header was read last."""
        position = offset - self._start
        if 0 <= position <= len(self._chunk) - START_BYTES:
            return self._chunk[position : position + START_BYTES]
        return self._source.peek(offset, START_BYTES)


def _check_local(headers: _HeaderReader, entry: DirectoryEntry, layout: ZipLayout) -> ZipMember:
    """Compare an entry with its local header and fill in where the data starts."""
    raw = entry.raw
    length = len(raw)
    head = headers.read(entry.header, LOCAL.size + length, entry.stored)
    if len(head) < LOCAL.size or not head.startswith(LOCAL_SIGNATURE):
        raise ContainerFormatError(
            f"expected a local header, found {head[:4]!r}",
            member=member_name(raw, entry.flags),
            offset_bytes=entry.header,
        )
    fields = LOCAL.unpack_from(head)
    name_size, flags = fields[9], fields[2]
    data_offset = entry.header + LOCAL.size + name_size + fields[10]
    name = member_name(raw, entry.flags)
    if (
        name_size != length
        or fields[3] != entry.method
        or (flags ^ entry.flags) & FLAG_ENCRYPTED
        or not flags & FLAG_DESCRIPTOR
        or fields[7]
        or fields[8]
        or not head.endswith(raw)
    ):
        _note_differences(name, entry, fields, head, data_offset, layout)
    size = entry.size
    if data_offset + entry.stored > layout.source_size:
        raise ContainerFormatError(
            f"expected {entry.stored:,} bytes, found "
            f"{max(layout.source_size - data_offset, 0):,} up to the end of the file",
            member=name,
            offset_bytes=data_offset,
        )
    if entry.method == STORED:
        if entry.stored != size:
            layout.findings.append(
                finding(
                    Code.MEMBER_SIZE_FALSE,
                    f"stored without compression, but {entry.stored:,} bytes are said to give "
                    f"{size:,}",
                    member=name,
                )
            )
            size = min(size, entry.stored)
        first = headers.first_bytes(data_offset)[: entry.stored]
        if first and first[0] in _NOTABLE and is_notable(first):
            layout.starts[name] = first
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
    name: str,
    entry: DirectoryEntry,
    fields: tuple[int, ...],
    head: bytes,
    data_offset: int,
    layout: ZipLayout,
) -> None:
    """Say in what a local header and the directory disagree, if they do."""
    _, _, flags, method, _, _, crc, stored, size, name_size, _ = fields
    renamed = name_size != len(entry.raw) or head[LOCAL.size :] != entry.raw
    # Where a descriptor follows the data the header says nothing, or the same.
    is_silent = flags & FLAG_DESCRIPTOR and not stored and not size
    shorter = not is_silent and stored not in (entry.stored, NOT_HERE_32)
    resized = not is_silent and size not in (entry.size, NOT_HERE_32)
    differing = [
        word
        for word, differs in (
            ("name", renamed),
            ("compression method", method != entry.method),
            ("encryption", (flags ^ entry.flags) & FLAG_ENCRYPTED),
            ("CRC-32", crc != entry.crc and not flags & FLAG_DESCRIPTOR),
            ("compressed size", shorter),
            ("size", resized),
        )
        if differs
    ]
    if not differing:
        return
    layout.findings.append(
        finding(
            Code.MEMBER_HEADER_DIFFERS,
            f"the local header and the directory disagree on {', '.join(differing)}",
            member=name,
            offset_bytes=entry.header,
        )
    )
    if (renamed or shorter or resized or method != entry.method) and len(
        layout.asides
    ) < MOST_ASIDES:
        layout.asides.append(_as_its_header_says(entry, fields, head, data_offset, layout))


def _as_its_header_says(
    entry: DirectoryEntry,
    fields: tuple[int, ...],
    head: bytes,
    data_offset: int,
    layout: ZipLayout,
) -> Aside:
    """Make the member that a reader sees who goes by the local headers."""
    _, _, flags, method, _, _, crc, stored, _, name_size, _ = fields
    name = member_name(head[LOCAL.size :][:name_size], flags) or member_name(entry.raw, flags)
    left = layout.source_size - data_offset
    if not 0 < stored <= left:
        stored = min(entry.stored, left)
    size = stored if method == STORED else UNKNOWN_BYTES
    return Aside(
        f"{name} (by its local header)",
        ZipMember(name, method, flags, crc, stored, size, entry.header, data_offset),
    )


def _check_tiling(
    members: list[ZipMember], directory: Directory, findings: list[Finding]
) -> list[tuple[int, int]]:
    """Note members that overlap, and bytes between members; return first and end of the gaps."""
    position = directory.shift
    gaps: list[tuple[int, int]] = []
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
            gaps.append((position, member.header_offset))
        position = max(position, member.data_offset + member.stored_bytes)
    if position > directory.start:
        findings.append(
            finding(
                Code.MEMBERS_OVERLAP,
                "the last member runs into the directory",
                offset_bytes=directory.start,
            )
        )
    elif directory.start - position not in _DESCRIPTOR_BYTES:
        gaps.append((position, directory.start))
    if gaps:
        findings.append(
            finding(
                Code.NOT_READ,
                f"{sum(end - start for start, end in gaps):,} bytes between the members belong to "
                "none of them",
                severity=Severity.WARNING,
                offset_bytes=gaps[0][0],
            )
        )
    return gaps
