"""`identity --verify`: is a file still what was recorded of it?

Enters: a manifest that `identity` wrote, and what it finds today. Leaves: a `VerifyReport`. A
manifest comes from elsewhere, like a checkpoint: nothing of it is believed that can be checked.
"""

import json
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import PurePath
from typing import Final, Generic, TypeVar

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.identity import (
    IDENTITY_SCHEMA,
    IdentityFile,
    IdentityManifest,
    Sameness,
    StateDictCheck,
    StateDictIdentity,
    TensorChange,
    TensorIdentity,
    VerifiedFile,
    VerifyReport,
    combine,
)
from ckptscope.tensors.hashing import roots_of

#: 100,000 tensors with keys of 100 characters take a third of it; a larger file is something else.
_MOST_BYTES: Final = 64 << 20
#: Characters of a message about it.
_SHOWN: Final = 300

_Thing = TypeVar("_Thing")


def read_manifest(path: str | os.PathLike[str]) -> IdentityManifest:
    """Read what was recorded.

    Raises:
        UsageError: The file cannot be read, is no manifest, or its roots are not those of its
            tensors.
    """
    name = str(path)
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{name}: cannot be read: {reason}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{name}: expected a manifest of at most {_MOST_BYTES:,} bytes")
    manifest = _decode(content, name)
    if not manifest.files:
        raise UsageError(f"{name}: expected at least one checkpoint, found none")
    for number, recorded in enumerate(manifest.files):
        for index, one in enumerate(recorded.identity.state_dicts if recorded.identity else ()):
            place = f"{name}: files[{number}].identity.state_dicts[{index}]"
            _require_sound(one, place)
    return manifest


def _decode(content: bytes, name: str) -> IdentityManifest:
    """Return the manifest that some bytes are.

    Raises:
        UsageError: They are none.
    """
    try:
        # The standard library's reader, because it shows keys that stand twice, and takes lone
        # surrogates, which keys of a pickle may hold.
        plain = json.loads(content, object_pairs_hook=_unique)
        if not isinstance(plain, dict):
            raise UsageError(f"{name}: expected a manifest, found no JSON object")
        if plain.get("schema") != IDENTITY_SCHEMA:
            raise UsageError(
                f"{name}: schema: expected {IDENTITY_SCHEMA!r}, found {plain.get('schema')!r:.100}"
            )
        return msgspec.convert(plain, IdentityManifest)
    except _RepeatedKeyError as error:
        raise UsageError(f"{name}: expected every key once, found {error} twice") from error
    except msgspec.ValidationError as error:
        message, _, where = str(error)[: 2 * _SHOWN].partition(" - at ")
        place = where.strip("`").removeprefix("$").removeprefix(".")
        place = f"{name}: {place}" if place else name
        raise UsageError(
            f"{place}: expected a manifest: {message[:1].lower()}{message[1:_SHOWN]}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: expected JSON, found: {str(error)[:_SHOWN]}") from error


class _RepeatedKeyError(Exception):
    """A key stands twice in one object: readers disagree on which counts."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKeyError(f"{key!r:.100}")
            seen.add(key)
    return found


def _require_sound(recorded: StateDictIdentity, place: str) -> None:
    """Compute the roots anew.

    Raises:
        UsageError: They are not those that were recorded.
    """
    if roots_of(recorded.tensors) != (recorded.root, recorded.root_up_to_names):
        raise UsageError(
            f"{place}: the roots recorded of {recorded.path!r:.200} are not those of its tensors: "
            "the manifest was changed; get it again from whoever made it"
        )


def verify_content(
    manifest: IdentityManifest, found: Iterable[IdentityFile], *, name: str
) -> VerifyReport:
    """Hold checkpoints against what was recorded of them.

    One that was recorded and one that was found belong together, whatever they are called. Of
    several those do that have the same path and members, else the same name, else the same roots.

    Args:
        manifest: What was recorded.
        found: Checkpoints as they are.
        name: Where the manifest is, for the report.

    Raises:
        UsageError: What the manifest says of a tensor is not what its digest stands for.
    """
    pairs = _pair_files(manifest.files, tuple(found))
    files = tuple(_verify(old, new, name) for old, new in pairs)
    return VerifyReport(manifest=name, files=files)


def _pair_files(
    before: Sequence[IdentityFile], after: Sequence[IdentityFile]
) -> Iterator[tuple[IdentityFile | None, IdentityFile | None]]:
    if len(before) == len(after) == 1:
        return iter([(before[0], after[0])])
    # Names before roots: of two files that were swapped, neither is what its name says.
    marks = (_Mark(_file_path), _Mark(_file_name, must_be_alone=True), _Mark(_file_roots))
    return _pair(before, after, marks)


def _file_path(file: IdentityFile) -> object:
    return file.path, _location(file)


def _file_name(file: IdentityFile) -> object:
    return PurePath(file.path).name, _location(file)


def _file_roots(file: IdentityFile) -> object:
    roots = [one.root for one in file.identity.state_dicts] if file.identity is not None else []
    return tuple(sorted(roots)) if all(roots) else ()


def _location(file: IdentityFile) -> tuple[str, ...]:
    return file.identity.location if file.identity is not None else ()


def _pair_state_dicts(
    before: Sequence[StateDictIdentity], after: Sequence[StateDictIdentity]
) -> Iterator[tuple[StateDictIdentity | None, StateDictIdentity | None]]:
    marks = (
        # Not empty: it is the mark of the top itself.
        _Mark[StateDictIdentity](lambda one: (one.path,)),
        _Mark[StateDictIdentity](lambda one: one.root),
        _Mark[StateDictIdentity](lambda one: one.role, must_be_alone=True),
    )
    return _pair(before, after, marks)


class _Mark(msgspec.Struct, Generic[_Thing], frozen=True):
    """By what things of two sides belong together.

    Attributes:
        of: Returns it; what is empty says nothing.
        must_be_alone: Whether it says so only where one thing on either side has it.
    """

    of: Callable[[_Thing], object]
    must_be_alone: bool = False


def _pair(
    before: Sequence[_Thing], after: Sequence[_Thing], marks: Iterable[_Mark[_Thing]]
) -> Iterator[tuple[_Thing | None, _Thing | None]]:
    """Yield what belongs together, by one mark after the other; what is alone comes last."""
    matched: dict[int, int] = {}
    for mark in marks:
        olds = _by_mark(before, mark, matched.keys())
        news = _by_mark(after, mark, set(matched.values()))
        for key, indices in olds.items():
            others = news.get(key, [])
            if not mark.must_be_alone or len(indices) == len(others) == 1:
                matched |= zip(indices, others, strict=False)
    left = set(range(len(after))) - set(matched.values())
    for index, old in enumerate(before):
        yield old, after[matched[index]] if index in matched else None
    for index in sorted(left):
        yield None, after[index]


def _by_mark(
    things: Sequence[_Thing], mark: _Mark[_Thing], without: Container[int]
) -> dict[object, list[int]]:
    found: dict[object, list[int]] = {}
    for index, one in enumerate(things):
        key = mark.of(one)
        if key and index not in without:
            found.setdefault(key, []).append(index)
    return found


def _verify(old: IdentityFile | None, new: IdentityFile | None, name: str) -> VerifiedFile:
    known = new or old
    failure = known.failure if known is not None else None
    outcome = Sameness.UNDECIDED
    checks: tuple[StateDictCheck, ...] = ()
    if new is None:
        outcome = Sameness.MISSING
    elif old is None and new.identity is not None:
        outcome = Sameness.ADDED
    elif old is not None and old.identity is not None and new.identity is not None:
        pairs = _pair_state_dicts(old.identity.state_dicts, new.identity.state_dicts)
        checks = tuple(_check(was, now, name) for was, now in pairs)
        outcome = combine(one.outcome for one in checks)
    return VerifiedFile(
        recorded=old.path if old is not None else None,
        path=new.path if new is not None else None,
        location=_location(known) if known is not None else (),
        outcome=outcome,
        checks=checks,
        failure=failure,
    )


def _check(
    old: StateDictIdentity | None, new: StateDictIdentity | None, name: str
) -> StateDictCheck:
    changes: tuple[TensorChange, ...] = ()
    same = 0
    if old is None or new is None:
        outcome = Sameness.MISSING if new is None else Sameness.ADDED
    else:
        changes, same = _compare_tensors(old, new, name)
        outcome = _outcome(old, new, changes)
    known = old or new
    return StateDictCheck(
        recorded=old.path if old is not None else None,
        found=new.path if new is not None else None,
        role=known.role if known is not None else "",
        outcome=outcome,
        changes=changes,
        tensors=same,
    )


def _outcome(
    old: StateDictIdentity, new: StateDictIdentity, changes: tuple[TensorChange, ...]
) -> Sameness:
    if old.root and old.root == new.root:
        return Sameness.SAME
    if old.root_up_to_names and old.root_up_to_names == new.root_up_to_names:
        return Sameness.RENAMED
    if all(one.what is Sameness.UNDECIDED for one in changes):
        return Sameness.UNDECIDED
    return Sameness.CHANGED


def _compare_tensors(
    old: StateDictIdentity, new: StateDictIdentity, name: str
) -> tuple[tuple[TensorChange, ...], int]:
    """Return what is not as recorded, in the order of the names, and how many tensors are.

    Raises:
        UsageError: Two tensors of one digest have other shapes or dtypes: that was not recorded.
    """
    before, after = _by_key(old.tensors), _by_key(new.tensors)
    changes: list[TensorChange] = []
    gone: list[TensorIdentity] = []
    come: list[TensorIdentity] = []
    same = 0
    for key in sorted(before.keys() | after.keys()):
        for was, now in zip_longest(before.get(key, ()), after.get(key, ())):
            if was is None or now is None:
                gone += [was] if was is not None else []
                come += [now] if now is not None else []
                continue
            what = _compare(was, now, name)
            if what is Sameness.SAME:
                same += 1
            else:
                changes.append(TensorChange(key=key, what=what, recorded=was, found=now))
    changes += _renamed(gone, come, name)
    return tuple(sorted(changes, key=lambda one: one.key)), same


def _by_key(tensors: Iterable[TensorIdentity]) -> dict[str, list[TensorIdentity]]:
    """Return tensors by name; several of one name stand in the order of their digests."""
    found: dict[str, list[TensorIdentity]] = {}
    for one in sorted(tensors, key=lambda one: one.digest):
        found.setdefault(one.key, []).append(one)
    return found


def _renamed(
    gone: Iterable[TensorIdentity], come: Iterable[TensorIdentity], name: str
) -> Iterator[TensorChange]:
    """Tell tensors that have another name from those that are missing or added.

    Of several with the same content the first missing name goes with the first added one.
    """
    by_digest: dict[str, list[TensorIdentity]] = {}
    for one in come:
        by_digest.setdefault(one.digest, []).append(one)
    for others in by_digest.values():
        others.reverse()
    for was in gone:
        others = by_digest.get(was.digest, []) if was.digest else []
        now = others.pop() if others else None
        if now is not None:
            _compare(was, now, name)
        what = Sameness.MISSING if now is None else Sameness.RENAMED
        yield TensorChange(key=was.key, what=what, recorded=was, found=now)
    for now in (one for left in by_digest.values() for one in reversed(left)):
        yield TensorChange(key=now.key, what=Sameness.ADDED, found=now)


def _compare(was: TensorIdentity, now: TensorIdentity, name: str) -> Sameness:
    """Compare two tensors.

    Raises:
        UsageError: Their digests are the same, and what is said of them is not.
    """
    is_alike = (was.dtype, was.shape) == (now.dtype, now.shape)
    if was.digest and was.digest == now.digest:
        if not is_alike:
            raise UsageError(
                f"{name}: the dtype or shape recorded of {was.key!r:.200} is not that of its "
                "digest: the manifest was changed; get it again from whoever made it"
            )
        return Sameness.SAME
    if is_alike and not (was.digest and now.digest):
        return Sameness.UNDECIDED
    return Sameness.CHANGED
