"""`inspect`: what is in these files?

Enters: what a user names. Leaves: an `InspectReport`.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, UnknownContainerError, UsageError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.report import Failure, FileReport, InspectReport, Skipped
from ckptscope.facts.tensors import Manifest, Role
from ckptscope.pipeline.reading import failure_of, manifest_of, paused_gc, read_outcomes
from ckptscope.pipeline.walking import Absent, PathLike, expand
from ckptscope.tensors.modules import build_module_tree

#: State_dicts of one checkpoint whose modules are told apart.
_MOST_MODULE_TREES = 64


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
    for path, named in expand(paths):
        if isinstance(path, Absent):
            absent = Failure(kind=UsageError.__name__, message="no such file or folder")
            files.append(FileReport(path=str(path), failure=absent))
            continue
        for found in _inspect_path(path, limits, named=named):
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                files.append(found)
    return InspectReport(files=tuple(files), skipped=tuple(skipped))


def _inspect_path(path: Path, limits: Limits, *, named: bool) -> Iterator[FileReport | Skipped]:
    """Report on every checkpoint of one file or folder; what goes wrong becomes a failure.

    What simply is no checkpoint is skipped, unless the user named it.
    """
    name = str(path)
    try:
        with ExitStack() as stack, paused_gc():
            for outcome in read_outcomes(path, limits, stack):
                if isinstance(outcome, Contents):
                    yield _report(name, outcome, limits)
                elif isinstance(outcome.error, UnknownContainerError) and (
                    outcome.location or not named
                ):
                    yield Skipped(
                        path=" > ".join((name, *outcome.location)), reason=outcome.error.message
                    )
                else:
                    yield FileReport(path=name, failure=failure_of(outcome.error, outcome.location))
    except ArtifactError as error:
        if isinstance(error, UnknownContainerError) and not named:
            yield Skipped(path=name, reason=error.message)
        else:
            yield FileReport(path=name, failure=failure_of(error, ()))
    except UsageError as error:
        # Met while walking: a link to nothing, or a file that was there a moment ago.
        if named:
            raise
        yield Skipped(path=name, reason=str(error))


def _report(name: str, contents: Contents, limits: Limits) -> FileReport:
    try:
        manifest = manifest_of(contents, limits).manifest
    except ArtifactError as error:
        return FileReport(path=name, failure=failure_of(error, contents.location))
    return FileReport(path=name, manifest=manifest, modules=tuple(_module_trees(manifest)))


def _module_trees(manifest: Manifest) -> Iterator[ModuleNode | None]:
    """Yield a tree of modules for each state_dict that is worth one."""
    for index, found in enumerate(manifest.state_dicts):
        wanted = found.role is not Role.OPTIMIZER and index < _MOST_MODULE_TREES
        yield build_module_tree(found, manifest.tree) if wanted else None
