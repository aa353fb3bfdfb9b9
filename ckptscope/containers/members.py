"""One view on every packing that holds named members: zip, tar, folder.

Enters: an archive or a folder. Leaves: a `MemberTable`, on which `torch_layout` finds checkpoints
without knowing what holds them.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Finding
from ckptscope.sources import ByteSource


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A member.

    Attributes:
        size_bytes: Bytes of its contents.
        stored_bytes: Bytes that it takes up in the archive.
        offset_bytes: Where its contents start in the archive; None if compressed, or a file.
    """

    size_bytes: int
    stored_bytes: int
    offset_bytes: int | None


class OtherView(msgspec.Struct, frozen=True):
    """Bytes that another reader would take for a member, or for the whole file.

    Attributes:
        name: What they are.
        open: Opens them.
        is_noted: Whether a finding says already that readers disagree.
        is_member: Whether the directory lists it, so that it should open.
    """

    name: str
    open: Callable[[], ByteSource]
    is_noted: bool
    is_member: bool = False


class MemberTable(Protocol):
    """Members by name, in the order of the archive."""

    @property
    def kind(self) -> ContainerKind:
        """What holds the members."""

    @property
    def source(self) -> ByteSource:
        """The archive's bytes; for a folder an empty source."""

    @property
    def entries(self) -> dict[str, Entry]:
        """Members by name, without folders."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the archive, or of all files of the folder."""

    @property
    def findings(self) -> list[Finding]:
        """What was noticed about the archive; readers add to it."""

    def open(self, name: str) -> ByteSource:
        """Return a member's contents."""

    def head(self, name: str, length: int) -> bytes:
        """Return the first bytes of a member's contents."""

    def read_checked(self, name: str) -> ByteSource:
        """Like `open`, and note a CRC that does not fit as a finding."""

    def believable(self, name: str) -> bool:
        """Whether the declared size of a member can be believed; notes a finding if not."""

    def starts(self, prefix: str) -> Iterable[tuple[str, bytes]]:
        """Return members below a prefix that may be pickles, zips or programs: first bytes."""

    def other_views(self) -> list[OtherView]:
        """Return what other readers would see: members of the same name, hidden ones, ..."""

    def unrecorded_crcs(self) -> int | None:
        """Return how many members have no checksum; None if those that it records are checked."""

    def wrong_crcs(self, progress: Callable[[int], None]) -> tuple[Finding, ...]:
        """Read every member and compare its checksum, once."""
