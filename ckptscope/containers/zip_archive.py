"""The zip format, as far as a checkpoint needs it: members, stored and deflated.

Enters: a source. Leaves: a `ZipArchive` with its members and what disagrees in it. No member is
read but on request. Our own reader and not the standard library's, because the forensics are in
what that one forgives: bytes before and after the archive, local headers that tell another story,
counts and sizes that are false.

Source: PKWARE APPNOTE.TXT 6.3.10.
"""

import posixpath
import zlib
from collections.abc import Callable, Collection, Iterator

from ckptscope.containers.contents import finding
from ckptscope.containers.pickle_starts import START_BYTES, begins_pickled
from ckptscope.containers.zip_asides import Aside
from ckptscope.containers.zip_directory import (
    DEFLATED,
    FLAG_ENCRYPTED,
    FLAG_STRONG_ENCRYPTION,
    STORED,
)
from ckptscope.containers.zip_headers import ZipLayout, read_layout
from ckptscope.containers.zip_locals import ZipMember
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.pickles import trace_pickle
from ckptscope.sources import ByteSource, Window, spool_stream

#: Bytes inflated at a time.
_CHUNK = 1 << 18
#: Bytes of a stored member read at a time for its CRC.
_CRC_CHUNK = 1 << 20
#: Compressed bytes that hold the first few of any member.
_FEW_BYTES = 512


class ZipArchive:
    """The members of an archive, and ways to read them."""

    def __init__(
        self,
        source: ByteSource,
        members: dict[str, ZipMember],
        shadowed: list[ZipMember],
        layout: ZipLayout,
        limits: Limits,
    ) -> None:
        self.source = source
        self.members = members
        #: Earlier entries whose name came again; unpackers disagree on which counts.
        self.shadowed = shadowed
        #: What other readers would see beside the members.
        self.asides = layout.asides
        #: First bytes of stored members that may be pickles, archives or programs.
        self.starts = layout.starts
        self.findings = layout.findings
        self._limits = limits
        #: Bytes that were read for their CRC alone.
        self._streamed_bytes = 0
        #: Some tools record no CRC at all; then 0 says nothing.
        self.crcs_recorded = any(m.crc for m in members.values())

    def open(self, member: ZipMember) -> ByteSource:
        """Return the contents as a source: a window if stored, spooled if deflated.

        A recorded CRC is checked when the contents are in memory anyway.

        Raises:
            ContainerFormatError: Encrypted, an unknown method, or no valid deflate stream.
            LimitError: It inflates to more than may be unpacked.
        """
        self._require_readable(member)
        if member.method == STORED:
            return Window(self.source, member.data_offset, member.size_bytes, member.name)
        contents = spool_stream(
            self.inflate(member), name=member.name, limit_bytes=self._limits.spool_bytes
        )
        if contents.size != member.size_bytes:
            raise ContainerFormatError(
                f"expected {member.size_bytes:,} bytes after inflating, found {contents.size:,}",
                member=member.name,
            )
        return contents

    def open_aside(self, aside: Aside) -> ByteSource:
        """Return what another reader would see; sizes of such members are not believed.

        Raises:
            ContainerFormatError: Encrypted, an unknown method, or no valid deflate stream.
            LimitError: It inflates to more than may be unpacked.
        """
        member = aside.member
        if member is None:
            return Window(self.source, aside.start, aside.size, aside.name)
        self._require_readable(member)
        if member.method == STORED:
            return Window(self.source, member.data_offset, member.stored_bytes, aside.name)
        return spool_stream(
            self.inflate(member), name=aside.name, limit_bytes=self._limits.spool_bytes
        )

    def first_bytes(self, member: ZipMember) -> bytes:
        """Return the first bytes of a deflated member; none if it cannot be inflated."""
        if member.method != DEFLATED or member.flags & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION):
            return b""
        data = self.source.peek(member.data_offset, min(_FEW_BYTES, member.stored_bytes))
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, START_BYTES)
        except zlib.error:
            return b""

    def contents_crc(self, member: ZipMember, progress: Callable[[int], None]) -> int:
        """Return the CRC-32 of a member's bytes, in bounded memory.

        Raises:
            ArtifactError: It cannot be read or inflated, or inflates to more than it declares.
        """
        self._require_readable(member)
        crc = size = done = 0
        for chunk in self._all_chunks(member):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            # Progress counts bytes of the file, of which a deflated member has fewer.
            now = min(member.stored_bytes * size // max(member.size_bytes, 1), member.stored_bytes)
            progress(now - done)
            done = now
        progress(member.stored_bytes - done)
        if size != member.size_bytes:
            raise ContainerFormatError(
                f"expected {member.size_bytes:,} bytes, found {size:,}", member=member.name
            )
        return crc

    def _all_chunks(self, member: ZipMember) -> Iterator[bytes]:
        """Yield all of a member; nothing of it is kept, so a budget of its own bounds the time.

        Deflated members may grow without bounds, and members that overlap are read again and again.
        """
        allowed = self._limits.unpack_ratio * self.source.size
        allowed = max(self._limits.unpack_floor_bytes, allowed)
        chunks = self._inflate(member) if member.method == DEFLATED else self._stored(member)
        for chunk in chunks:
            self._streamed_bytes += len(chunk)
            if self._streamed_bytes > allowed:
                raise LimitError(
                    "unpack_ratio",
                    allowed=allowed,
                    actual=self._streamed_bytes,
                    member=member.name,
                )
            yield chunk

    def _stored(self, member: ZipMember) -> Iterator[bytes]:
        for position in range(0, member.size_bytes, _CRC_CHUNK):
            length = min(_CRC_CHUNK, member.size_bytes - position)
            yield self.source.read(member.data_offset + position, length)

    def inflate(self, member: ZipMember) -> Iterator[bytes]:
        """Yield the contents of a member in chunks; stops one byte beyond its declared size."""
        for chunk in self._inflate(member):
            self._limits.spend_unpacked(len(chunk), member.name)
            yield chunk

    def _inflate(self, member: ZipMember) -> Iterator[bytes]:
        self._require_readable(member)
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        left = member.size_bytes + 1
        position, end = member.data_offset, member.data_offset + member.stored_bytes
        try:
            while position < end and left > 0 and not engine.eof:
                data = self.source.read(position, min(_CHUNK, end - position))
                position += len(data)
                while left > 0:
                    chunk = engine.decompress(data, min(_CHUNK, left))
                    data = engine.unconsumed_tail
                    left -= len(chunk)
                    if not chunk and not data:
                        break
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
            self.findings.append(crc_finding(member, crc))

    def check_inflated_size(self, member: ZipMember) -> bool:
        """Whether a deflated member's declared size can be believed.

        Sizes that grow by no more than `Limits.inflation_ratio` are; others are inflated and
        counted, as far as the limits go.
        """
        if member.method != DEFLATED:
            return True
        if member.size_bytes <= max(member.stored_bytes, 1) * self._limits.inflation_ratio:
            return True
        found = 0
        try:
            for chunk in self.inflate(member):
                found += len(chunk)
        except LimitError as error:
            self.findings.append(
                finding(
                    Code.NOT_READ,
                    f"declares {member.size_bytes:,} bytes in {member.stored_bytes:,} deflated "
                    f"ones, which cannot be checked: {error.message}",
                    member=member.name,
                )
            )
            return False
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
        if member.flags & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION):
            error = ContainerFormatError(
                "the member is encrypted",
                member=member.name,
                advice="decrypt the archive with its password first",
            )
            error.reached = self._named_openly(member)
            raise error
        if member.method not in (STORED, DEFLATED):
            raise ContainerFormatError(
                f"expected compression method 0 or 8, found {member.method}",
                member=member.name,
                advice="repack the archive with deflate or without compression",
            )

    def _named_openly(self, member: ZipMember) -> tuple[object, ...]:
        """Return what a pickle names that is marked as encrypted and is not.

        There are readers that pass over the mark.
        """
        source = Window(self.source, member.data_offset, member.stored_bytes, member.name)
        if member.method != STORED or not begins_pickled(source.peek(0, START_BYTES)):
            return ()
        try:
            traced = trace_pickle(
                source, limits=self._limits, size_bytes=source.size, member=member.name
            )
        except ArtifactError as error:
            return error.reached
        return traced.imports


def read_zip(source: ByteSource, limits: Limits) -> ZipArchive:
    """Read an archive's directory; of two members of one name the last counts.

    Raises:
        ContainerFormatError: There is no directory, or it breaks the format.
        LimitError: More members than allowed.
    """
    layout = read_layout(source, limits)
    findings = layout.findings
    members: dict[str, ZipMember] = {}
    shadowed: list[ZipMember] = []
    for member in layout.members:
        name = member.name
        if name in members:
            shadowed.append(members[name])
            findings.append(
                finding(
                    Code.MEMBER_DUPLICATE,
                    "two members of this name; readers disagree on which counts",
                    member=name,
                )
            )
        members[name] = member
        if unsafe_path(name):
            findings.append(_unsafe(name))
    findings += _alike(members)
    return ZipArchive(source, members, shadowed, layout, limits)


def _alike(members: Collection[str]) -> Iterator[Finding]:
    """Note names that are one and the same to some readers.

    torch looks members up without regard to case; unpackers drop `./`, doubled slashes, and take a
    backslash for a slash.
    """
    plain = {name.lower() for name in members}
    text = "\n".join(members)
    if len(plain) == len(members) and not any(odd in text for odd in ("./", "//", "\\")):
        return
    seen: dict[str, str] = {}
    for name in members:
        same = posixpath.normpath(name.replace("\\", "/")).lower()
        other = seen.setdefault(same, name)
        if other != name and not name.endswith("/"):
            yield finding(
                Code.MEMBER_DUPLICATE,
                f"this name and {other!r:.200} are one and the same to some readers, which "
                "disagree on which counts",
                member=name,
            )


def crc_finding(member: ZipMember, crc: int) -> Finding:
    """Say that a member's bytes are not those that the archive recorded."""
    return finding(
        Code.MEMBER_CRC,
        f"the directory says CRC-32 {member.crc:08x}, the bytes give {crc:08x}",
        member=member.name,
    )


def _unsafe(name: str) -> Finding:
    return finding(
        Code.MEMBER_PATH_UNSAFE,
        "the member's path leaves the folder it would be unpacked into",
        member=name,
    )


def unsafe_path(name: str) -> bool:
    """Whether unpacking a member of this name could write outside the target folder."""
    if ".." not in name and name[:1] not in ("/", "\\") and name[1:2] != ":":
        return False
    flat = name.replace("\\", "/")
    return flat.startswith("/") or flat[1:2] == ":" or ".." in flat.split("/")
