"""Every checkpoint among the things that a user names, each in its turn.

Enters: paths, and what to do with a checkpoint that is laid open. Leaves: what that gave, or why a
checkpoint could not be read. One file's damage never hides another file.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import msgspec

from ckptscope.containers import Contents, FolderMembers, Outcome
from ckptscope.errors import ArtifactError, UnknownContainerError, UsageError
from ckptscope.facts.limits import Limits
from ckptscope.facts.report import Failure, Skipped
from ckptscope.pipeline.reading import failure_of, paused_gc, read_outcomes
from ckptscope.pipeline.walking import Absent, PathLike, expand
from ckptscope.sources import Stamp, stamp_of

Found = TypeVar("Found")


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or one checkpoint inside it, that could not be read, and why."""

    path: str
    location: tuple[str, ...] = ()
    failure: Failure


def visit(
    paths: Iterable[PathLike], limits: Limits, look: Callable[[str, Contents], Found]
) -> Iterator[Found | Unreadable | Skipped]:
    """Lay every checkpoint open and yield what `look` makes of it.

    A path that does not exist, or a glob that matches nothing, is a failure of kind `UsageError`.
    What simply is no checkpoint is skipped, unless the user named it.

    Args:
        paths: Files, folders, globs.
        limits: Bounds of the reading.
        look: Called with the path and the checkpoint, whose file is open until it returns; an
            `ArtifactError` of its is a failure to read.

    Raises:
        UsageError: A path is empty.
    """
    for path, named in expand(paths):
        if isinstance(path, Absent):
            yield _absent(path, named=True)
        else:
            yield from _visit_path(path, limits, look, named=named)


def _absent(path: PathLike, *, named: bool) -> Unreadable | Skipped:
    """Say that a path stands for nothing; a link may lead nowhere."""
    message = "no such file or folder"
    if os.path.islink(path):
        message = f"{message}: a link that leads nowhere"
    if not named:
        return Skipped(path=str(path), reason=message)
    return Unreadable(path=str(path), failure=Failure(kind=UsageError.__name__, message=message))


def _visit_path(
    path: Path, limits: Limits, look: Callable[[str, Contents], Found], *, named: bool
) -> Iterator[Found | Unreadable | Skipped]:
    """Read one path; of a file that changes meanwhile nothing is said but that."""
    before = stamp_of(path)
    if before is None:
        yield _absent(path, named=named)
        return
    folders: dict[int, FolderMembers] = {}
    found = list(_look_at_path(path, limits, look, folders, named=named))
    changed = _what_changed(path, before, folders.values())
    if changed is None:
        yield from found
        return
    error = ArtifactError(
        f"expected a file that stays as it is while it is read, {changed}",
        advice="nothing that was read of it can be relied on: wait until it is complete, and run "
        "again",
    )
    yield _unreadable(str(path), error, ())


def _look_at_path(
    path: Path,
    limits: Limits,
    look: Callable[[str, Contents], Found],
    folders: dict[int, FolderMembers],
    *,
    named: bool,
) -> Iterator[Found | Unreadable | Skipped]:
    name = str(path)
    try:
        with ExitStack() as stack, paused_gc():
            for outcome in _read(path, limits, stack, named=named):
                if isinstance(outcome, Skipped):
                    yield outcome
                elif isinstance(outcome, Contents):
                    for table in outcome.archives[:1]:
                        if isinstance(table, FolderMembers):
                            folders[id(table)] = table
                    yield _look(name, outcome, look)
                elif outcome.is_something_else and (outcome.location or not named):
                    yield Skipped(
                        path=" > ".join((name, *outcome.location)), reason=outcome.error.message
                    )
                else:
                    yield _unreadable(name, outcome.error, outcome.location)
    except ArtifactError as error:
        if isinstance(error, UnknownContainerError) and not error.reached and not named:
            yield Skipped(path=name, reason=error.message)
        else:
            yield _unreadable(name, error, ())


def _what_changed(path: Path, before: Stamp | None, folders: Iterable[FolderMembers]) -> str | None:
    """Say what is not as it was before the reading; None if all is."""
    after = stamp_of(path)
    if after != before:
        if before is None or after is None:
            return "found it gone meanwhile" if after is None else "found it new meanwhile"
        if (after.device, after.inode) != (before.device, before.inode):
            return "found another file in its place"
        if after.size != before.size:
            return f"found {before.size:,} bytes before and {after.size:,} after"
        return "found it written to meanwhile"
    for folder in folders:
        name = folder.changed()
        if name is not None:
            return f"found {name!r:.200} in it changed meanwhile"
    return None


def _look(
    name: str, contents: Contents, look: Callable[[str, Contents], Found]
) -> Found | Unreadable:
    try:
        return look(name, contents)
    except ArtifactError as error:
        return _unreadable(name, error, contents.location)


def _unreadable(name: str, error: ArtifactError, location: tuple[str, ...]) -> Unreadable:
    return Unreadable(path=name, location=location, failure=failure_of(error, location))


def _read(
    path: Path, limits: Limits, stack: ExitStack, *, named: bool
) -> Iterator[Outcome | Skipped]:
    try:
        yield from read_outcomes(path, limits, stack)
    except UsageError as error:
        # Met while walking: a link to nothing, or a file that was there a moment ago.
        if named:
            raise
        yield Skipped(path=str(path), reason=str(error))
