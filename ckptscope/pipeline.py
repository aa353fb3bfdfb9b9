"""The way through: path → source → container → graph → manifest → findings → report.

Enters: what a user names. Leaves: an `InspectReport`, or one open `Checkpoint`. The only module
that wires the rooms together.
"""

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from ckptscope.checks import bound_findings, check_layout
from ckptscope.containers import (
    Contents,
    Outcome,
    Unread,
    is_index,
    read_file,
    read_folder,
    read_index_file,
)
from ckptscope.errors import ArtifactError, UnknownContainerError, UsageError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.pickled import Import
from ckptscope.facts.report import Failure, FileReport, InspectReport, Skipped
from ckptscope.facts.tensors import Manifest, Role, StateDict, TensorInfo
from ckptscope.sources import open_local
from ckptscope.tensors import ManifestBuild, build_manifest
from ckptscope.tensors.modules import build_module_tree

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: State_dicts of one checkpoint whose modules are told apart.
_MOST_MODULE_TREES = 64

PathLike = str | os.PathLike[str]


@contextmanager
def _paused_gc() -> Iterator[None]:
    """Pause the cycle collector: a graph of a million nodes that all live is scanned in vain."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def inspect(
    paths: PathLike | Iterable[PathLike], *, limits: Limits = DEFAULT_LIMITS
) -> InspectReport:
    """Report on files, folders and globs.

    A folder is one checkpoint if it is the unpacked folder of a torch zip; else every file below it
    is looked at, and those that are no checkpoints are listed as skipped.

    A path that does not exist, or a glob that matches nothing, is a failure of kind `UsageError`.

    Raises:
        UsageError: A path is empty.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    files: list[FileReport] = []
    skipped: list[Skipped] = []
    for path, named in _expand(paths):
        if isinstance(path, FileReport):
            files.append(path)
            continue
        for found in _inspect_path(path, limits, named=named):
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                files.append(found)
    return InspectReport(files=tuple(files), skipped=tuple(skipped))


def _expand(paths: Iterable[PathLike]) -> Iterator[tuple[Path | FileReport, bool]]:
    """Yield every file or checkpoint folder, and whether the user named it.

    What does not exist is a failure of its own, and the others are still reported.
    """
    for given in paths:
        if not str(given):
            raise UsageError("expected a file or folder, found an empty name")
        path = Path(given)
        if _exists(path):
            yield from _expand_one(path)
            continue
        import glob

        matches = sorted(glob.glob(str(given), recursive=True))
        if not matches:
            absent = Failure(kind=UsageError.__name__, message="no such file or folder")
            yield FileReport(path=str(given), failure=absent), True
        for match in matches:
            yield from _expand_one(Path(match))


def _exists(path: Path) -> bool:
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


def _inspect_path(path: Path, limits: Limits, *, named: bool) -> Iterator[FileReport | Skipped]:
    """Report on every checkpoint of one file or folder; what goes wrong becomes a failure.

    What simply is no checkpoint is skipped, unless the user named it.
    """
    name = str(path)
    try:
        with ExitStack() as stack, _paused_gc():
            for outcome in _outcomes(path, limits, stack):
                if isinstance(outcome, Contents):
                    yield _report(name, outcome, limits)
                elif isinstance(outcome.error, UnknownContainerError) and (
                    outcome.location or not named
                ):
                    yield Skipped(
                        path=" > ".join((name, *outcome.location)), reason=outcome.error.message
                    )
                else:
                    yield FileReport(path=name, failure=_failure(outcome.error, outcome.location))
    except ArtifactError as error:
        if isinstance(error, UnknownContainerError) and not named:
            yield Skipped(path=name, reason=error.message)
        else:
            yield FileReport(path=name, failure=_failure(error, ()))
    except UsageError as error:
        # Met while walking: a link to nothing, or a file that was there a moment ago.
        if named:
            raise
        yield Skipped(path=name, reason=str(error))


def _outcomes(path: Path, limits: Limits, stack: ExitStack) -> Iterator[Outcome]:
    if path.is_dir():
        return read_folder(path, limits)
    source = stack.enter_context(open_local(path))
    if is_index(source):
        return read_index_file(path, limits)
    return read_file(source, limits)


def _report(name: str, contents: Contents, limits: Limits) -> FileReport:
    try:
        manifest = manifest_of(contents, limits).manifest
    except ArtifactError as error:
        return FileReport(path=name, failure=_failure(error, contents.location))
    return FileReport(path=name, manifest=manifest, modules=tuple(_module_trees(manifest)))


def _module_trees(manifest: Manifest) -> Iterator[ModuleNode | None]:
    """Yield a tree of modules for each state_dict that is worth one."""
    for index, found in enumerate(manifest.state_dicts):
        wanted = found.role is not Role.OPTIMIZER and index < _MOST_MODULE_TREES
        yield build_module_tree(found, manifest.tree) if wanted else None


def manifest_of(contents: Contents, limits: Limits) -> ManifestBuild:
    """Build the manifest of a checkpoint and add what the layout checks find.

    Raises:
        LimitError: The graph unfolds to more than may be walked.
    """
    build = build_manifest(contents, limits)
    findings = (*bound_findings(build.manifest.findings), *check_layout(build.manifest))
    manifest = msgspec.structs.replace(build.manifest, findings=findings)
    return ManifestBuild(manifest, build.access)


def _failure(error: ArtifactError, location: tuple[str, ...]) -> Failure:
    message = str(error)
    # The error names the innermost member itself; the way to it is told apart.
    outer = location[:-1] if error.member == (location[-1] if location else None) else location
    if outer:
        message = f"{message} (inside {' > '.join(repr(part[:100]) for part in outer)})"
    return Failure(
        kind=type(error).__name__,
        message=message,
        member=error.member,
        offset_bytes=error.offset_bytes,
        imports=tuple(one for one in error.reached if isinstance(one, Import)),
    )


class Checkpoint:
    """One open checkpoint: its manifest, and its tensors' elements on request.

    Use it in a `with` block, or close it.
    """

    def __init__(self, build: ManifestBuild, stack: ExitStack) -> None:
        self._build = build
        self._stack = stack

    @property
    def manifest(self) -> Manifest:
        """The table of contents, with the findings of the layout checks."""
        return self._build.manifest

    @property
    def state_dicts(self) -> tuple[StateDict, ...]:
        """Mappings of names to tensors: networks first, optimizers last."""
        return self.manifest.state_dicts

    def state_dict(self, path: str = "") -> StateDict:
        """Return the state_dict at a path of the tree.

        Raises:
            UsageError: There is none; the message names those that there are.
        """
        for found in self.state_dicts:
            if found.path == path:
                return found
        names = ", ".join(repr(found.path) for found in self.state_dicts) or "none"
        raise UsageError(f"no state_dict at {path!r}; there are: {names}")

    def read(self, tensor: TensorInfo) -> "npt.NDArray[np.generic]":
        """Return a tensor's elements as a numpy array of its shape.

        Raises:
            TensorLayoutError: The tensor has no strided elements, or leaves its storage.
            ArtifactError: The storage cannot be read.
        """
        from ckptscope.tensors.values import read_values  # numpy, only where values are asked for

        return read_values(self._build, tensor)

    def close(self) -> None:
        """Close the file behind it."""
        self._stack.close()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_checkpoint(
    path: PathLike, *, member: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Checkpoint:
    """Open the checkpoint in a file or folder.

    Args:
        path: File, or a folder that is a checkpoint: an unpacked torch zip, a distributed
            checkpoint, shards with their index.
        member: Which one, where a wrapper holds several: the names on the way, joined by ` > `.
        limits: Bounds of the reading.

    Raises:
        UsageError: No such file; or several checkpoints and no `member`; or no such member.
        ArtifactError: The file is no checkpoint, or damaged.
    """
    place = Path(path)
    if not _exists(place):
        raise UsageError(f"no such file or folder: {str(path)!r}")
    with ExitStack() as stack:
        with _paused_gc():
            build = manifest_of(_choose(list(_outcomes(place, limits, stack)), member), limits)
        return Checkpoint(build, stack.pop_all())


def _choose(outcomes: list[Outcome], member: str | None) -> Contents:
    readable = [outcome for outcome in outcomes if isinstance(outcome, Contents)]
    if member is not None:
        readable = [one for one in readable if " > ".join(one.location) == member]
        if not readable:
            raise UsageError(f"no checkpoint at {member!r} inside the file")
    if not readable:
        raise next(outcome.error for outcome in outcomes if isinstance(outcome, Unread))
    if len(readable) > 1:
        names = ", ".join(repr(" > ".join(one.location)) for one in readable[:8])
        raise UsageError(f"{len(readable)} checkpoints in the file, name one by member: {names}")
    return readable[0]
