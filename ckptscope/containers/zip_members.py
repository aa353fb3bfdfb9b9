"""A zip archive as a table of members."""

from collections.abc import Callable, Iterator
from functools import partial

from ckptscope.containers.contents import finding
from ckptscope.containers.members import Entry, OtherView
from ckptscope.containers.zip_archive import ZipArchive, crc_finding, read_zip
from ckptscope.containers.zip_directory import STORED
from ckptscope.containers.zip_headers import is_notable
from ckptscope.errors import ArtifactError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
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
        self._deflated = [name for name, one in self.entries.items() if one.offset_bytes is None]
        self._crcs: tuple[Finding, ...] | None = None

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

    def starts(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield members that may be pickles, zips or programs, with their first bytes."""
        for name, start in self._archive.starts.items():
            if name.startswith(prefix) and not name.endswith("/"):
                yield name, start
        for name in self._deflated:
            if name.startswith(prefix):
                start = self._archive.first_bytes(self._archive.members[name])
                if is_notable(start):
                    yield name, start

    def other_views(self) -> list[OtherView]:
        """Return members of a name that came again, hidden ones, and bytes outside the members."""
        archive = self._archive
        twins = [(f"{m.name} (another of this name)", m) for m in archive.shadowed]
        # A folder has no contents; one that has is a member that unpackers leave out.
        twins += [
            (f"{name} (a folder with contents)", m)
            for name, m in archive.members.items()
            if name.endswith("/") and m.size_bytes
        ]
        views = [
            OtherView(name, partial(archive.open, member), True, True) for name, member in twins
        ]
        return views + [
            OtherView(one.name, partial(archive.open_aside, one), one.member is not None)
            for one in archive.asides
        ]

    def unrecorded_crcs(self) -> int | None:
        """Return how many members there are if none of them has a CRC-32."""
        return None if self._archive.crcs_recorded else len(self.entries)

    def recorded_crc(self, name: str) -> int | None:
        """Return the CRC-32 that the directory has of a stored member; None if it has none."""
        member = self._archive.members[name]
        is_recorded = member.crc or not member.size_bytes
        return member.crc if member.method == STORED and is_recorded else None

    def wrong_crcs(self, progress: Callable[[int], None]) -> tuple[Finding, ...]:
        """Compare the CRC-32 of every member with its bytes; what was found is kept."""
        if self._crcs is None:
            self._crcs = tuple(self._compare_crcs(progress))
        return self._crcs

    def _compare_crcs(self, progress: Callable[[int], None]) -> Iterator[Finding]:
        archive = self._archive
        for member in (*archive.members.values(), *archive.shadowed):
            try:
                crc = archive.contents_crc(member, progress)
            except ArtifactError as error:
                yield finding(
                    Code.NOT_READ,
                    f"its CRC-32 cannot be compared: {error.message}",
                    member=member.name,
                )
                continue
            if crc != member.crc:
                yield crc_finding(member, crc)


def read_zip_members(source: ByteSource, limits: Limits) -> ZipMembers:
    """Read a zip archive's directory.

    Raises:
        ContainerFormatError: It is no zip archive, or a damaged one.
        LimitError: More members than allowed.
    """
    return ZipMembers(read_zip(source, limits))
