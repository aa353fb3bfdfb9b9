"""A folder of this machine as a table of members.

Enters: a path. Leaves: its files by relative path. Links are noted and not followed.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ckptscope.containers.contents import finding
from ckptscope.containers.members import Entry, OtherView
from ckptscope.containers.pickle_starts import START_BYTES
from ckptscope.containers.zip_archive import unsafe_path
from ckptscope.containers.zip_headers import is_notable
from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, MemorySource, Stamp, open_local, stamp_of

#: Files of one folder kept open; systems allow a process a thousand or so.
_MOST_OPEN = 64


class FolderMembers:
    """Adapts a folder to `MemberTable`."""

    kind = ContainerKind.DIRECTORY

    def __init__(self, path: Path) -> None:
        self._path = path
        self.source: ByteSource = MemorySource(b"")
        self.entries: dict[str, Entry] = {}
        self.findings: list[Finding] = []
        #: How files and folders stood when they were listed.
        self.stamps: dict[str, Stamp | None] = {}
        self._opened: dict[str, ByteSource] = {}

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size_bytes for entry in self.entries.values())

    def open(self, name: str) -> ByteSource:
        """Return a file's contents; the last few files stay open for those who come back."""
        known = self._opened.pop(name, None) or open_local(self._path / name, name)
        self._opened[name] = known
        if len(self._opened) > _MOST_OPEN:
            del self._opened[next(iter(self._opened))]
        return known

    def head(self, name: str, length: int) -> bytes:
        """Return the first bytes of a file."""
        return self.open(name).peek(0, length)

    def read_checked(self, name: str) -> ByteSource:
        """Return a file's contents; a folder records no checksum."""
        return self.open(name)

    def believable(self, name: str) -> bool:
        """Sizes of files are what the system says."""
        return name in self.entries

    def starts(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield files that may be pickles, zips or programs, with their first bytes."""
        for name in self.entries:
            start = self.head(name, START_BYTES) if name.startswith(prefix) else b""
            if is_notable(start):
                yield name, start

    def other_views(self) -> list[OtherView]:
        """A folder holds no two files of one name."""
        return []

    def unrecorded_crcs(self) -> int | None:
        """A folder records no checksums."""
        return len(self.entries)

    def wrong_crcs(self, progress: Callable[[int], None]) -> tuple[Finding, ...]:
        """There is nothing to compare."""
        return ()

    def changed(self) -> str | None:
        """Name a file or folder that is not as it was when it was listed; None if all are."""
        for name, stamp in self.stamps.items():
            if stamp_of(self._path / name) != stamp:
                return name
        return None


def read_folder_members(path: Path, limits: Limits) -> FolderMembers:
    """List all files below a folder.

    Raises:
        ArtifactError: The folder may not be read.
        LimitError: More files than allowed.
    """
    table = FolderMembers(path)
    pending = [""]
    while pending:
        below = pending.pop()
        table.stamps[below or "."] = stamp_of(path / below)
        for item in _scan(path / below):
            name = f"{below}{item.name}"
            if _kind_of(item) == "link":
                table.findings.append(
                    finding(Code.MEMBER_LINK, "a link; links are not followed", member=name)
                )
            elif _kind_of(item) == "folder":
                pending.append(f"{name}/")
            elif _kind_of(item) == "file":
                status = item.stat(follow_symlinks=False)
                table.stamps[name] = Stamp.of(status)
                table.entries[name] = Entry(status.st_size, status.st_size, None)
            if len(table.entries) > limits.members:
                raise LimitError(
                    "members", allowed=limits.members, actual=len(table.entries), member=name
                )
    return table


def _kind_of(item: os.DirEntry[str]) -> str:
    """What stands there; an entry that vanished or may not be looked at is nothing."""
    try:
        mode = item.stat(follow_symlinks=False).st_mode
    except OSError:
        return "nothing"
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "nothing"


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return sorted(items, key=lambda item: item.name)
    except OSError as error:
        raise ArtifactError(
            f"the folder cannot be read: {error.strerror}", member=folder.name
        ) from error


def pick_folder_members(path: Path, names: list[str]) -> FolderMembers:
    """Return a table of some files of a folder only; those that are not there are left out."""
    table = FolderMembers(path)
    for name in names:
        if unsafe_path(name):
            continue
        try:
            status = (path / name).lstat()
        except (OSError, ValueError):
            # Missing, or a name that no file can have: said by the one who wants it.
            continue
        if stat.S_ISREG(status.st_mode):
            table.stamps[name] = Stamp.of(status)
            table.entries[name] = Entry(status.st_size, status.st_size, None)
    return table
