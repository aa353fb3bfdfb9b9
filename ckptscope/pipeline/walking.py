"""What a user names → files and checkpoint folders.

Enters: paths, folders, globs. Leaves: one path for each file or folder that may be a checkpoint.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ckptscope.errors import UsageError

PathLike = str | os.PathLike[str]


class Absent(str):
    """A name that stands for nothing."""

    __slots__ = ()


def expand(paths: Iterable[PathLike]) -> Iterator[tuple[Path | Absent, bool]]:
    """Yield every file or checkpoint folder, and whether the user named it.

    What does not exist is told as such, and the others are still yielded.

    Raises:
        UsageError: A path is empty.
    """
    for given in paths:
        if not str(given):
            raise UsageError("expected a file or folder, found an empty name")
        path = Path(given)
        if path_exists(path):
            yield from _expand_one(path)
            continue
        import glob

        matches = sorted(glob.glob(str(given), recursive=True))
        if not matches:
            yield Absent(given), True
        for match in matches:
            yield from _expand_one(Path(match))


def path_exists(path: Path) -> bool:
    """Say whether a path names something, be it a link to nothing."""
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        # A name that is too long or holds a NUL exists nowhere.
        return False


def _expand_one(path: Path) -> Iterator[tuple[Path, bool]]:
    if not os.path.isdir(path):
        yield path, True
        return
    if _is_checkpoint_folder(path):
        yield path, True
        return
    yield from ((found, False) for found in _walk_folder(path))


def _walk_folder(path: Path) -> Iterator[Path]:
    """Yield files and checkpoint folders below a folder, in the order of their names."""
    try:
        with os.scandir(path) as items:
            entries = sorted(items, key=lambda item: item.name)
    except OSError:
        # Left to the reader, whose error names the reason.
        yield path
        return
    for entry in entries:
        below = path / entry.name
        if (
            entry.is_symlink()
            or not entry.is_dir(follow_symlinks=False)
            or _is_checkpoint_folder(below)
        ):
            yield below
        else:
            yield from _walk_folder(below)


def _is_checkpoint_folder(path: Path) -> bool:
    """Whether a folder as a whole is a checkpoint.

    It is what unpacking a torch zip leaves, its pickle possibly lost; or a distributed checkpoint;
    or it holds the index of shards.
    """
    # os.path never raises, whatever may not be looked at; the reader says why.
    if os.path.isfile(path / "data.pkl") or os.path.isfile(path / ".metadata"):
        return True
    try:
        if any(name.endswith(".index.json") for name in os.listdir(path)):
            return True
        storages = path / "data"
        return os.path.isdir(storages) and any(n.isdecimal() for n in os.listdir(storages))
    except OSError:
        return False
