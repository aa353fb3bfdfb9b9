"""`identity`: what is the content, whatever holds it, and is it still what was recorded?

Enters: paths; a manifest that was written before. Leaves: an `IdentityReport`; a `VerifyReport`.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ckptscope.containers import Contents
from ckptscope.errors import UsageError
from ckptscope.facts.identity import (
    IdentityFile,
    IdentityReport,
    Sameness,
    StateDictCheck,
    StateDictIdentity,
    TensorChange,
    TensorIdentity,
    VerifyReport,
)
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.report import Skipped
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.pipeline.walking import PathLike
from ckptscope.tensors.hashing import Hasher, root_of, root_up_to_names

#: Told how many bytes more have been hashed.
Progress = Callable[[int], None] | None


def identify_content(
    paths: PathLike | Iterable[PathLike],
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = None,
) -> IdentityReport:
    """Hash every tensor of every checkpoint.

    Args:
        paths: Files, folders, globs.
        limits: Bounds of the reading.
        progress: Told how many bytes more have been hashed.

    Raises:
        UsageError: A path is empty.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files: list[IdentityFile] = []
    skipped: list[Skipped] = []
    for found in visit(paths, limits, partial(_identify, limits, progress)):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif isinstance(found, Unreadable):
            files.append(IdentityFile(path=found.path, failure=found.failure))
        else:
            files.append(found)
    return IdentityReport(files=tuple(files), skipped=tuple(skipped))


def _identify(limits: Limits, progress: Progress, name: str, contents: Contents) -> IdentityFile:
    build = manifest_of(contents, limits)
    return IdentityFile(
        path=name,
        containers=build.manifest.containers,
        size_bytes=build.manifest.size_bytes,
        identity=Hasher(build, progress).identify(),
    )


def verify_content(
    recorded: Iterable[StateDictIdentity], found: IdentityFile, *, manifest: str
) -> VerifyReport:
    """Hold a file against what was recorded of it.

    State_dicts belong together if they have the same path, else the same root, else if there is but
    one network on either side.

    Args:
        recorded: State_dicts of the manifest.
        found: The file, read.
        manifest: Where they were recorded, for the report.

    Raises:
        UsageError: A recorded root is not that of the recorded tensors.
    """
    before = tuple(recorded)
    for one in before:
        _require_sound(one, manifest)
    after = found.identity.state_dicts if found.identity is not None else ()
    return VerifyReport(
        manifest=manifest,
        path=found.path,
        checks=tuple(_check(old, new) for old, new in _pairs(before, after)),
    )


def _require_sound(recorded: StateDictIdentity, manifest: str) -> None:
    if not recorded.root and not recorded.root_up_to_names:
        return
    digests = [one.digest for one in recorded.tensors]
    try:
        roots = (
            root_of((one.key, one.digest) for one in recorded.tensors),
            root_up_to_names(digests),
        )
    except ValueError as error:
        raise UsageError(f"{manifest}: expected digests of 64 hex digits: {error}") from error
    if roots != (recorded.root, recorded.root_up_to_names):
        raise UsageError(
            f"{manifest}: the roots recorded of {recorded.path!r:.200} are not those of its "
            "tensors: the manifest was changed"
        )


def _pairs(
    before: tuple[StateDictIdentity, ...], after: tuple[StateDictIdentity, ...]
) -> Iterator[tuple[StateDictIdentity | None, StateDictIdentity | None]]:
    left = list(after)
    chosen: dict[int, StateDictIdentity] = {}
    for fits in (_same_path, _same_root, _same_role):
        for index, old in enumerate(before):
            if index in chosen:
                continue
            match = [new for new in left if fits(old, new)]
            if match and (fits is not _same_role or len(match) == 1):
                chosen[index] = match[0]
                left.remove(match[0])
    for index, old in enumerate(before):
        yield old, chosen.get(index)
    for new in left:
        yield None, new


def _same_path(old: StateDictIdentity, new: StateDictIdentity) -> bool:
    return old.path == new.path


def _same_root(old: StateDictIdentity, new: StateDictIdentity) -> bool:
    return bool(old.root) and old.root == new.root


def _same_role(old: StateDictIdentity, new: StateDictIdentity) -> bool:
    return old.role == new.role


def _check(old: StateDictIdentity | None, new: StateDictIdentity | None) -> StateDictCheck:
    if old is None or new is None:
        known = old or new
        return StateDictCheck(
            recorded=old.path if old else None,
            found=new.path if new else None,
            outcome=Sameness.MISSING if new is None else Sameness.ADDED,
            tensors=len(known.tensors) if known else 0,
        )
    changes = tuple(_changes(old, new))
    return StateDictCheck(
        recorded=old.path,
        found=new.path,
        outcome=_outcome(old, new, changes),
        changes=changes,
        tensors=len({one.key for one in (*old.tensors, *new.tensors)}),
    )


def _outcome(
    old: StateDictIdentity, new: StateDictIdentity, changes: tuple[TensorChange, ...]
) -> Sameness:
    if old.root and old.root == new.root:
        return Sameness.SAME
    if old.root_up_to_names and old.root_up_to_names == new.root_up_to_names:
        return Sameness.RENAMED
    if changes and all(one.what is Sameness.UNDECIDED for one in changes):
        return Sameness.UNDECIDED
    return Sameness.CHANGED


def _changes(old: StateDictIdentity, new: StateDictIdentity) -> Iterator[TensorChange]:
    before = {one.key: one for one in old.tensors}
    after = {one.key: one for one in new.tensors}
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        what = _compare(was, now)
        if what is not Sameness.SAME:
            yield TensorChange(key=key, what=what, recorded=was, found=now)


def _compare(was: TensorIdentity | None, now: TensorIdentity | None) -> Sameness:
    if was is None:
        return Sameness.ADDED
    if now is None:
        return Sameness.MISSING
    if (was.dtype, was.shape) != (now.dtype, now.shape):
        return Sameness.CHANGED
    if not was.digest or not now.digest:
        return Sameness.UNDECIDED
    return Sameness.SAME if was.digest == now.digest else Sameness.CHANGED
