"""A tar archive as a table of members: ustar, pax and GNU long names.

Enters: a source. Leaves: the members with their places, and links, special files and unsafe paths
as findings. Our own reader, because a hostile archive can make the standard library's recurse or
search without bounds.

Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from ckptscope.containers.contents import finding
from ckptscope.containers.further_pickles import keep_reached, scan_members
from ckptscope.containers.members import Entry, OtherView
from ckptscope.containers.pickle_starts import START_BYTES
from ckptscope.containers.signatures import TAR_BLOCK, tar_checksum_fits
from ckptscope.containers.zip_archive import unsafe_path
from ckptscope.containers.zip_headers import is_notable
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, Window

_REGULAR = b"\x0007"
_LINKS = b"12"
_FOLDER = ord("5")
_PAX, _PAX_GLOBAL = ord("x"), ord("g")
_GNU_NAME, _GNU_LINK = ord("L"), ord("K")
#: Writers pad with zeros to a record of 10,240 bytes; tapes to no more than a MiB.
_MOST_PADDING = 1 << 20
#: Longest name or pax record block that is taken up.
_EXTENSION_BYTES = 1 << 20


class TarMembers:
    """Adapts a tar archive to `MemberTable`."""

    kind = ContainerKind.TAR

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.size_bytes = source.size
        self.entries: dict[str, Entry] = {}
        self.findings: list[Finding] = []
        #: First byte behind the closing zeros, if anything stands there.
        self.end: int | None = None
        #: The member that the file ends inside, with what is left of it.
        self.cut: tuple[str, Entry] | None = None
        self._asides: list[tuple[str, str, Entry]] = []

    def add(self, name: str, entry: Entry) -> None:
        """Take up a regular file; of two of one name the last counts, as when unpacking."""
        if name in self.entries:
            self.add_aside("another of this name", name, self.entries[name])
            self.findings.append(
                finding(
                    Code.MEMBER_DUPLICATE,
                    "two members of this name; readers disagree on which counts",
                    member=name,
                )
            )
        self.entries[name] = entry

    def add_aside(self, what: str, name: str, entry: Entry) -> None:
        """Keep the place of bytes that other readers take for a file."""
        self._asides.append((what, name, entry))

    def open(self, name: str) -> ByteSource:
        """Return a member's contents."""
        return self._window(name, self.entries[name])

    def _window(self, name: str, entry: Entry) -> ByteSource:
        return Window(self.source, entry.offset_bytes or 0, entry.size_bytes, name)

    def head(self, name: str, length: int) -> bytes:
        """Return the first bytes of a member's contents."""
        return self.open(name).peek(0, length)

    def read_checked(self, name: str) -> ByteSource:
        """Return a member's contents; a tar records no checksum of them."""
        return self.open(name)

    def believable(self, name: str) -> bool:
        """Sizes in a tar are checked when it is read."""
        return name in self.entries

    def starts(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield members that may be pickles, zips or programs, with their first bytes."""
        for name in self.entries:
            start = self.head(name, START_BYTES) if name.startswith(prefix) else b""
            if is_notable(start):
                yield name, start

    def other_views(self) -> list[OtherView]:
        """Return members of a name that came again, and the bytes behind the end."""
        views = [
            OtherView(f"{name} ({what})", partial(self._window, name, entry), True, True)
            for what, name, entry in self._asides
        ]
        if self.end is not None:
            behind = partial(
                Window,
                self.source,
                self.end,
                self.source.size - self.end,
                "the bytes behind the archive",
            )
            views.append(OtherView("the bytes behind the archive", behind, False))
        return views

    def unrecorded_crcs(self) -> int | None:
        """A tar records no checksum of its members."""
        return len(self.entries)

    def wrong_crcs(self, progress: Callable[[int], None]) -> tuple[Finding, ...]:
        """There is nothing to compare."""
        return ()


class _Header(msgspec.Struct):
    name: str
    size: int
    kind: int
    link: str
    data_offset: int


def read_tar_members(source: ByteSource, limits: Limits) -> TarMembers:
    """Read all headers of a tar archive.

    Raises:
        ContainerFormatError: A header is damaged, or the archive breaks off.
        LimitError: More members than allowed.
    """
    table = TarMembers(source)
    try:
        _fill(table, limits)
    except ArtifactError as error:
        # Python's tarfile takes damage behind the first member for the end.
        keep_reached(error, scan_members(table, table.entries, limits, []).imports)
        raise
    return table


def read_tar_start(source: ByteSource, limits: Limits) -> tuple[TarMembers, ArtifactError | None]:
    """Read headers as far as they go; return what stopped the reading, if anything did."""
    table = TarMembers(source)
    try:
        _fill(table, limits)
    except ArtifactError as error:
        return table, error
    return table, None


def _fill(table: TarMembers, limits: Limits) -> None:
    """Take up what the headers say."""
    source = table.source
    for count, header in enumerate(_headers(table), start=1):
        if count > limits.members:
            raise LimitError("members", allowed=limits.members, actual=count, member=source.name)
        if unsafe_path(header.name):
            table.findings.append(
                finding(
                    Code.MEMBER_PATH_UNSAFE,
                    "the member's path leaves the folder it would be unpacked into",
                    member=header.name,
                )
            )
        if header.kind in _REGULAR and not header.name.endswith("/"):
            table.add(header.name, Entry(header.size, header.size, header.data_offset))
        elif header.kind in _LINKS:
            table.findings.append(
                finding(
                    Code.MEMBER_LINK,
                    f"a link to {header.link!r}; links are not followed",
                    member=header.name,
                )
            )
        elif header.kind != _FOLDER:
            table.findings.append(
                finding(
                    Code.NOT_READ,
                    f"a member of type {chr(header.kind)!r}, which is no file",
                    severity=Severity.WARNING,
                    member=header.name,
                )
            )
            # Python's tarfile takes a type that it does not know for a file.
            held = Entry(header.size, header.size, header.data_offset)
            table.add_aside(f"of type {chr(header.kind)!r}", header.name, held)


def _headers(table: TarMembers) -> Iterator[_Header]:
    source, findings = table.source, table.findings
    position = 0
    pending: dict[str, str] = {}
    while position + TAR_BLOCK <= source.size:
        block = source.read(position, TAR_BLOCK)
        if not block.strip(b"\0"):
            table.end = _check_end(source, position, findings)
            return
        if not tar_checksum_fits(block):
            raise ContainerFormatError(
                "expected a tar header, found other bytes",
                member=source.name,
                offset_bytes=position,
                advice="the archive is damaged: get it again",
            )
        header = _parse(block, position, pending, source)
        end = header.data_offset + header.size
        if end > source.size:
            left = source.size - header.data_offset
            table.cut = header.name, Entry(left, left, header.data_offset)
            raise ContainerFormatError(
                f"expected {header.size:,} bytes, found {source.size - header.data_offset:,} up "
                "to the end of the file",
                member=header.name,
                offset_bytes=header.data_offset,
                advice="the download is incomplete: get the file again",
            )
        position = -(-end // TAR_BLOCK) * TAR_BLOCK
        if header.kind in (_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK):
            pending |= _extension(source, header)
            continue
        pending = {}
        yield header
    if position == 0:
        raise ContainerFormatError("expected a tar header, found too few bytes")
    findings.append(
        finding(
            Code.ARCHIVE_TRUNCATED,
            "the archive ends without the two blocks of zeros that close a tar: it was cut off, "
            "or written by a careless tool",
            offset_bytes=source.size,
        )
    )


def _check_end(source: ByteSource, position: int, findings: list[Finding]) -> int | None:
    """Return where something follows the closing zeros; nothing should."""
    rest = source.size - position
    padding = source.peek(position, min(rest, _MOST_PADDING))
    behind = len(padding) - len(padding.lstrip(b"\0"))
    if rest <= _MOST_PADDING and behind == rest:
        return None
    findings.append(
        finding(
            Code.ARCHIVE_TRAILING,
            f"{rest:,} bytes follow the end of the archive, and not all of them are zeros"
            if rest <= _MOST_PADDING
            else f"{rest:,} bytes follow the end of the archive",
            offset_bytes=position,
        )
    )
    return position + behind


def _parse(block: bytes, position: int, pending: dict[str, str], source: ByteSource) -> _Header:
    kind = block[156]
    name = _text(block[0:100])
    prefix = _text(block[345:500])
    if prefix and block[257:262] == b"ustar" and block[257:265] != b"ustar  \x00":
        name = f"{prefix}/{name}"
    size = _number(block[124:136], position, source)
    if "size" in pending and pending["size"].isdecimal() and len(pending["size"]) < 20:
        size = int(pending["size"])
    return _Header(
        name=pending.get("path", name),
        # Links and folders have no contents, whatever their size field says.
        size=0 if kind in _LINKS or kind == _FOLDER else size,
        kind=kind,
        link=pending.get("linkpath", _text(block[157:257])),
        data_offset=position + TAR_BLOCK,
    )


def _extension(source: ByteSource, header: _Header) -> dict[str, str]:
    """Read a long name or pax records that speak of the next header."""
    if header.size > _EXTENSION_BYTES:
        raise ContainerFormatError(
            f"expected an extended header of at most {_EXTENSION_BYTES:,} bytes, found "
            f"{header.size:,}",
            member=source.name,
            offset_bytes=header.data_offset,
        )
    data = source.read(header.data_offset, header.size)
    if header.kind == _GNU_NAME:
        return {"path": _text(data)}
    if header.kind == _GNU_LINK:
        return {"linkpath": _text(data)}
    if header.kind == _PAX_GLOBAL:
        return {}
    return _pax_records(data)


def _pax_records(data: bytes) -> dict[str, str]:
    """Parse records `length key=value`, one a line; a damaged one ends the list."""
    records: dict[str, str] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        if space < 0 or not data[position:space].isdigit():
            break
        length = int(data[position:space])
        key, separator, value = data[space + 1 : position + length - 1].partition(b"=")
        if length <= 0 or not separator:
            break
        records[_text(key)] = _text(value)
        position += length
    return records


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(field: bytes, position: int, source: ByteSource) -> int:
    """Read an octal number, or GNU's base-256 form for large ones."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        size = int(digits or b"0", 8)
    except ValueError:
        size = -1
    if size < 0:
        raise ContainerFormatError(
            f"expected an octal size, found {field!r}",
            member=source.name,
            offset_bytes=position + 124,
        )
    return size
