"""The zip format, as far as a checkpoint needs it: members, stored and deflated.

Enters: a source. Leaves: a `ZipArchive` with its members and what disagrees in it. No member is
read but on request. Our own reader and not the standard library's, because the forensics are in
what that one forgives: bytes before and after the archive, local headers that tell another story,
counts and sizes that are false.

Source: PKWARE APPNOTE.TXT 6.3.10.
"""

import zlib
from collections.abc import Iterator

from ckptscope.containers.contents import finding
from ckptscope.containers.zip_directory import (
    DEFLATED,
    FLAG_ENCRYPTED,
    FLAG_STRONG_ENCRYPTION,
    STORED,
    ZipMember,
    read_members,
)
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, Window, spool_stream

#: Bytes inflated at a time.
_CHUNK = 1 << 18


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
                while left > 0:
                    chunk = engine.decompress(data, min(_CHUNK, left))
                    data = engine.unconsumed_tail
                    left -= len(chunk)
                    if not chunk and not data:
                        break
                    if chunk:
                        self._limits.spend_unpacked(len(chunk), member.name)
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


def read_zip(source: ByteSource, limits: Limits) -> ZipArchive:
    """Read an archive's directory; of two members of one name the last counts.

    Raises:
        ContainerFormatError: There is no directory, or it breaks the format.
        LimitError: More members than allowed.
    """
    findings: list[Finding] = []
    members: dict[str, ZipMember] = {}
    shadowed: list[ZipMember] = []
    for member in read_members(source, limits, findings):
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
    return ZipArchive(source, members, shadowed, findings, limits)


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
