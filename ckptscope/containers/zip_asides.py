"""What a zip holds beside the members of its directory, and another reader would see.

Enters: a source, its directory and the gaps between its members. Leaves: `Aside`s: members that
only their own headers tell of, bytes before, between and behind, the comment, what another end
record leads to; and findings where that makes two readers see two files.

Source: PKWARE APPNOTE.TXT 6.3.10, section 4.3.
"""

import msgspec

from ckptscope.containers.contents import finding
from ckptscope.containers.zip_directory import END_SIGNATURE, Directory, read_entries
from ckptscope.containers.zip_locals import (
    SEARCHED_BYTES,
    ZipMember,
    find_local_members,
    local_member,
)
from ckptscope.errors import ArtifactError
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

#: Bytes beside the members that are followed in one archive.
MOST_ASIDES = 64
#: Members that a finding lists.
_SHOWN = 5


class Aside(msgspec.Struct, frozen=True):
    """Bytes of the archive that another reader would see, and this one does not.

    Attributes:
        name: What they are.
        member: The member that they are by their own header; None for plain bytes.
        start: First byte, where there is no member.
        size: Their number.
    """

    name: str
    member: ZipMember | None = None
    start: int = 0
    size: int = 0


def search_gaps(
    source: ByteSource, gaps: list[tuple[int, int]], findings: list[Finding]
) -> list[Aside]:
    """Look between members for those that the directory hides, and for other end records."""
    asides: list[Aside] = []
    left = SEARCHED_BYTES
    for start, end in gaps:
        if left <= 0 or len(asides) >= MOST_ASIDES:
            findings.append(
                finding(
                    Code.NOT_READ,
                    "more bytes between the members than are searched for hidden ones",
                    offset_bytes=start,
                )
            )
            return asides
        asides += _search_gap(source, start, min(end, start + left), findings)
        left -= end - start
    return asides


def _search_gap(source: ByteSource, start: int, end: int, findings: list[Finding]) -> list[Aside]:
    members = find_local_members(source, start, end)
    found = [f"member {member.name!r:.100}" for member in members[:_SHOWN]]
    if END_SIGNATURE in source.peek(start, end - start):
        found.append("an end record of an archive")
    if found:
        findings.append(
            finding(
                Code.READINGS_DIFFER,
                f"between the members stand {len(members)} more that the directory does not list: "
                "readers that go by the headers see them"
                if members
                else "between the members stands another end record: readers disagree on which "
                "directory counts",
                offset_bytes=start,
                evidence=tuple(found),
            )
        )
    hidden = [Aside(f"{member.name} (not in the directory)", member) for member in members]
    return [Aside(f"the bytes from {start}", None, start, end - start), *hidden]


def note_outside(source: ByteSource, directory: Directory) -> list[Aside]:
    """Take up what stands before and behind an archive, and its comment."""
    behind = directory.comment_start + directory.comment_size
    return [
        Aside(name, None, start, end - start)
        for name, start, end in (
            ("the bytes before the archive", 0, directory.shift),
            ("the comment of the archive", directory.comment_start, behind),
            ("the bytes behind the archive", behind, source.size),
        )
        if end > start
    ]


def read_other_directory(
    source: ByteSource,
    directory: Directory,
    place: tuple[int, int],
    members: list[ZipMember],
    limits: Limits,
    findings: list[Finding],
) -> list[Aside]:
    """Take up the members that another end record leads to, as far as it leads to any."""
    start, size = place
    other = msgspec.structs.replace(directory, start=start, size=size, shift=0, others=[])
    known = {(member.name, member.data_offset) for member in members}
    asides: list[Aside] = []
    try:
        for entry in read_entries(source, other, limits, []):
            member = local_member(source, entry.header, source.size)
            if member is not None and (member.name, member.data_offset) not in known:
                asides.append(Aside(f"{member.name} (of another directory)", member))
    except ArtifactError as error:
        findings.append(
            finding(
                Code.NOT_READ,
                f"the directory that another end record names cannot be read: {error.message}",
                offset_bytes=start,
            )
        )
    return asides
