"""`identity`: what is the content of checkpoints, whatever holds them?

Enters: paths. Leaves: an `IdentityReport`; or an `ArchiveComparison` of two torch zips, for which
no storage is read.
"""

import os
from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.identity import (
    ArchiveComparison,
    IdentityFile,
    IdentityReport,
    ProbableStateDict,
)
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.report import Skipped
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.pipeline.walking import PathLike

#: Told how many bytes more have been hashed, from any of the threads.
Progress = Callable[[int], None] | None


def identify_content(
    paths: PathLike | Iterable[PathLike],
    *,
    member: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    jobs: int = 1,
    progress: Progress = None,
) -> IdentityReport:
    """Hash every tensor of every checkpoint.

    Args:
        paths: Files, folders, globs.
        member: Which checkpoint, where a wrapper holds several: the names on the way, joined by
            ` > `; None for all.
        limits: Bounds of the reading.
        jobs: Threads that read and hash.
        progress: Told how many bytes more have been hashed.

    Raises:
        UsageError: A path is empty, or no file holds such a member.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files: list[IdentityFile] = []
    skipped: list[Skipped] = []
    look = partial(_identify, member, limits, jobs, progress)
    for found in visit(paths, limits, look):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif not isinstance(found, Unreadable):
            files += [found] if found is not None else []
        elif not found.location or _is_meant(found.location, member):
            files.append(IdentityFile(path=found.path, failure=found.failure))
    if member is not None and not files:
        raise UsageError(f"no checkpoint at {member!r:.200} inside of what was named")
    return IdentityReport(files=tuple(files), skipped=tuple(skipped))


def _identify(
    member: str | None, limits: Limits, jobs: int, progress: Progress, name: str, contents: Contents
) -> IdentityFile | None:
    """Return the identity of a checkpoint; None if another one is meant."""
    from ckptscope.tensors.hashing import Hasher

    if not _is_meant(contents.location, member):
        return None
    build = manifest_of(contents, limits)
    return IdentityFile(
        path=name,
        containers=build.manifest.containers,
        size_bytes=build.manifest.size_bytes,
        identity=Hasher(build, progress, jobs=jobs).identify(),
    )


def _is_meant(location: tuple[str, ...], member: str | None) -> bool:
    return member is None or " > ".join(location) == member


def same_archives(
    first: PathLike, second: PathLike, *, limits: Limits = DEFAULT_LIMITS
) -> ArchiveComparison:
    """Say whether two torch zips probably hold the same tensors, by what their directories record.

    Their pickles are read and no storage is, so that it takes no longer for large files. A CRC-32
    is no proof: whoever wants to can make two files that agree in it.

    Args:
        first: A file with one checkpoint.
        second: Another one.
        limits: Bounds of the reading.

    Raises:
        UsageError: No such file, or several checkpoints in one.
        ArtifactError: A file is no checkpoint, or damaged.
    """
    from ckptscope.tensors.probable import compare_archives

    ours, theirs = _side(first, limits), _side(second, limits)
    whys = (f"{side.path!r:.200}: {side.why}" for side in (ours, theirs) if side.why)
    return compare_archives(
        ours.path, ours.state_dicts, theirs.path, theirs.state_dicts, why="; ".join(whys)
    )


class _Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of two archives.

    Attributes:
        path: The file.
        state_dicts: What its directory tells of them.
        why: Why that says nothing; empty if it does.
    """

    path: str
    state_dicts: tuple[ProbableStateDict, ...]
    why: str


def _side(path: PathLike, limits: Limits) -> _Side:
    found = list(visit([path], limits, partial(_look_at_directory, limits)))
    sides = [one for one in found if isinstance(one, _Side)]
    failures = [one.failure for one in found if isinstance(one, Unreadable)]
    if failures:
        error = UsageError if failures[0].kind == UsageError.__name__ else ArtifactError
        raise error(f"{str(path)!r:.200}: {failures[0].message}")
    if len(sides) != 1:
        raise UsageError(f"{str(path)!r:.200}: expected one checkpoint, found {len(sides):,}")
    return sides[0]


def _look_at_directory(limits: Limits, name: str, contents: Contents) -> _Side:
    from ckptscope.containers.recorded import recorded_checksums
    from ckptscope.tensors.probable import probable_state_dicts

    build = manifest_of(contents, limits)
    recorded = recorded_checksums(contents)
    return _Side(
        path=name, state_dicts=probable_state_dicts(build, recorded.crcs), why=recorded.why
    )
