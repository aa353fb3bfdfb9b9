"""Files and folders that appear whole or not at all.

Enters: a path. Leaves: something to write to beside it, renamed to the path when all went well
and removed when not. A link is followed to the file that it names, whose mode is kept; a device or
a FIFO is written to as it is, for there is nothing to rename.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from ckptscope.errors import UsageError

#: Where a writer writes: a path, which is written atomically, or an open binary file.
Target: TypeAlias = str | os.PathLike[str] | BinaryIO


@contextmanager
def writing_file(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside `path` and rename it to `path` at the end.

    Raises:
        UsageError: `path` is a folder, or exists and must not be overwritten, or its folder
            does not exist.
    """
    final = Path(os.path.realpath(path))
    _check_parent(final)
    if final.is_dir():
        raise UsageError(f"expected a file to write, found the folder {str(final)!r}")
    _check_absent(final, overwrite)
    # As it was given: /dev/stdout leads to a pipe, which has no path.
    if Path(path).exists() and not Path(path).is_file():
        with Path(path).open("wb") as special:
            yield special
        return
    partial = _beside(final)
    try:
        with partial.open("xb") as file:
            if final.exists():
                os.fchmod(file.fileno(), final.stat().st_mode & 0o7777)
            yield file
        _check_absent(final, overwrite)
        partial.replace(final)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def writing_directory(path: str | os.PathLike[str], *, into_empty: bool = False) -> Iterator[Path]:
    """Make a folder beside `path` and rename it to `path` at the end.

    Args:
        path: What it will be.
        into_empty: Whether it may take the place of an empty folder.

    Raises:
        UsageError: `path` exists, or its parent does not.
    """
    final = Path(os.path.realpath(path)) if into_empty else Path(path)
    _check_parent(final)
    _check_free(final, into_empty)
    partial = _beside(final)
    partial.mkdir()
    try:
        yield partial
        _check_free(final, into_empty)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def opened(target: Target) -> Iterator[BinaryIO]:
    """Open a path for atomic writing, or pass an open file through."""
    if isinstance(target, str | os.PathLike):
        with writing_file(target) as file:
            yield file
    else:
        yield target


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.partial")


def _check_parent(final: Path) -> None:
    if not final.parent.is_dir():
        raise UsageError(f"expected a folder to write into, found no {str(final.parent)!r}")


def _check_absent(final: Path, overwrite: bool) -> None:
    if not overwrite and (final.exists() or final.is_symlink()):
        raise UsageError(f"expected nothing at {str(final)!r}, found a file or folder")


def _check_free(final: Path, into_empty: bool) -> None:
    if into_empty and final.is_dir() and not any(final.iterdir()):
        return
    _check_absent(final, overwrite=False)
