"""A zip archive as a table of members."""

from collections.abc import Callable
from functools import partial

from ckptscope.containers.members import Entry
from ckptscope.containers.zip_archive import ZipArchive, read_zip
from ckptscope.containers.zip_directory import STORED
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource


class ZipMembers:
    """Adapts `ZipArchive` to `MemberTable`; a name that stands twice counts as its last entry."""

    kind = ContainerKind.ZIP

    def __init__(self, archive: ZipArchive) -> None:
        self._archive = archive
        self.source = archive.source
        self.size_bytes = archive.source.size
        self.entries = {
            name: Entry(
                member.size_bytes,
                member.stored_bytes,
                member.data_offset if member.method == STORED else None,
            )
            for name, member in archive.members.items()
            if not name.endswith("/")
        }

    @property
    def findings(self) -> list[Finding]:
        """What was noticed about the archive."""
        return self._archive.findings

    def open(self, name: str) -> ByteSource:
        """Return a member's contents."""
        return self._archive.open(self._archive.members[name])

    def head(self, name: str, length: int) -> bytes:
        """Return the first bytes of a member's contents."""
        member = self._archive.members[name]
        if member.method == STORED:
            return self._archive.open(member).peek(0, length)
        data = b""
        for chunk in self._archive.inflate(member):
            data += chunk
            if len(data) >= length:
                break
        return data[:length]

    def read_checked(self, name: str) -> ByteSource:
        """Return a member's contents after comparing their CRC."""
        contents = self.open(name)
        self._archive.check_crc(self._archive.members[name], contents)
        return contents

    def believable(self, name: str) -> bool:
        """Whether a deflated member's declared size can be believed."""
        return self._archive.check_inflated_size(self._archive.members[name])

    def shadowed(self, name: str) -> list[Callable[[], ByteSource]]:
        """Return ways to open earlier members of the same name."""
        return [partial(self._archive.open, m) for m in self._archive.shadowed if m.name == name]


def read_zip_members(source: ByteSource, limits: Limits) -> ZipMembers:
    """Read a zip archive's directory.

    Raises:
        ContainerFormatError: It is no zip archive, or a damaged one.
        LimitError: More members than allowed.
    """
    return ZipMembers(read_zip(source, limits))
