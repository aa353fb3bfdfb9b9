"""A file of this machine, read by position.

Enters: a path. Leaves: a `LocalFile`; anything that is no regular file is refused by name. A
`Stamp` before and one after tell whether the file changed while it was being read.
"""

import os
import stat
from pathlib import Path
from types import TracebackType

import msgspec

from ckptscope.errors import ArtifactError, ContainerFormatError, UnknownContainerError, UsageError

#: What else can stand at a path, by the test of the stat module.
_OTHER_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISDIR, "a folder"),
)


class Stamp(msgspec.Struct, frozen=True):
    """How a file stood at one moment: which file it is, its size, when it was last changed.

    The time of the last change of its inode counts too, which no ordinary call can set back.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """Take it from what the system says."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )


def stamp_of(path: Path) -> Stamp | None:
    """Return how the file or folder at a path stands now; None if there is none."""
    try:
        return Stamp.of(path.stat())
    except (OSError, ValueError):
        return None


class LocalFile:
    """An open regular file, closed at the end of its `with` block or of its life."""

    def __init__(self, descriptor: int, size: int, name: str | None = None) -> None:
        self._descriptor = descriptor
        self._size = size
        self._name = name

    @property
    def name(self) -> str | None:
        """What to call it in messages; None for the file that the user named."""
        return self._name

    @property
    def size(self) -> int:
        """Bytes at the time of opening."""
        return self._size

    @property
    def descriptor(self) -> int:
        """The system's number of the open file; -1 once it is closed."""
        return self._descriptor

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        data = self.peek(offset, length)
        if len(data) != length:
            raise ContainerFormatError(
                f"expected {length:,} bytes, found {len(data):,}: the file ends there",
                member=self._name,
                offset_bytes=offset,
            )
        return data

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, fewer at the end.

        Raises:
            ArtifactError: The system could not read, or the file shrank since it was opened.
        """
        length = min(length, self._size - offset)
        if offset < 0 or length <= 0:
            return b""
        try:
            data = os.pread(self._descriptor, length, offset)
            while len(data) < length:
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise ArtifactError(
                f"cannot be read: {error.strerror}", member=self._name, offset_bytes=offset
            ) from error
        if len(data) < length:
            raise ContainerFormatError(
                f"expected {length:,} bytes, found {len(data):,}: the file shrank meanwhile",
                member=self._name,
                offset_bytes=offset,
            )
        return data

    def close(self) -> None:
        """Close the file; further reads fail."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> "LocalFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_local(path: Path, name: str | None = None) -> LocalFile:
    """Open a regular file for reading by position.

    Args:
        path: The file.
        name: What to call it in messages, for a file inside a folder; None for the file itself.

    Raises:
        UsageError: There is no such file.
        ArtifactError: It is no regular file, or may not be read.
    """
    try:
        # A FIFO would block an ordinary open until somebody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {str(path)!r}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArtifactError(f"cannot be opened: {reason}", member=name) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        kind = next((words for test, words in _OTHER_KINDS if test(status.st_mode)), "no file")
        raise UnknownContainerError(f"expected a regular file, found {kind}", member=name)
    return LocalFile(descriptor, status.st_size, name)
