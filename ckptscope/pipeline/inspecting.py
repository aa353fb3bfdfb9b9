"""`inspect`: what is in these files?

Enters: what a user names. Leaves: an `InspectReport`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from ckptscope.containers import Contents, Outcome
from ckptscope.errors import ArtifactError, UnknownContainerError, UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.report import Failure, FileReport, InspectReport, Skipped
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest, Role
from ckptscope.pipeline.identifying import CountNonzero, Knowledge, identify
from ckptscope.pipeline.reading import failure_of, manifest_of, paused_gc, read_outcomes
from ckptscope.pipeline.walking import Absent, PathLike, expand
from ckptscope.tensors import ManifestBuild
from ckptscope.tensors.modules import build_module_tree

#: State_dicts of one checkpoint whose modules are told apart.
_MOST_MODULE_TREES = 64


class _Request(msgspec.Struct, frozen=True):
    """What is asked of every file."""

    limits: Limits
    knowledge: Knowledge
    values: bool


def inspect(
    paths: PathLike | Iterable[PathLike],
    *,
    limits: Limits = DEFAULT_LIMITS,
    stated: Mapping[str, FactValue] | None = None,
    specs: Iterable[PathLike] = (),
    values: bool = False,
    snippets: bool = False,
) -> InspectReport:
    """Report on files, folders and globs.

    A folder is one checkpoint if it is the unpacked folder of a torch zip; else every file below it
    is looked at, and those that are no checkpoints are listed as skipped.

    A path that does not exist, or a glob that matches nothing, is a failure of kind `UsageError`.

    Args:
        paths: What to report on.
        limits: Bounds of the reading.
        stated: Settings of the networks that the user knows: `{"joints": 17}`.
        specs: Tables of claims, as TOML, beside those that come along.
        values: Whether to read weights, for the facts that rest on their values.
        snippets: Whether to write code that loads each network.

    Raises:
        UsageError: A path is empty; a stated setting is unknown to a family, or impossible.
        SpecError: A table is wrong.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    knowledge = Knowledge(stated=stated or {}, tables=_load(specs), snippets=snippets)
    request = _Request(limits, knowledge, values)
    files: list[FileReport] = []
    skipped: list[Skipped] = []
    for path, named in expand(paths):
        if isinstance(path, Absent):
            absent = Failure(kind=UsageError.__name__, message="no such file or folder")
            files.append(FileReport(path=str(path), failure=absent))
            continue
        for found in _inspect_path(path, request, named=named):
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                files.append(found)
    return InspectReport(files=tuple(files), skipped=tuple(skipped))


def _load(specs: Iterable[PathLike]) -> tuple[SpecTable, ...]:
    paths = tuple(specs)
    if not paths:
        return ()
    from ckptscope.specs.loading import load_tables

    return load_tables(paths)


def _inspect_path(path: Path, request: _Request, *, named: bool) -> Iterator[FileReport | Skipped]:
    """Report on every checkpoint of one file or folder; what goes wrong becomes a failure.

    What simply is no checkpoint is skipped, unless the user named it.
    """
    name = str(path)
    try:
        with ExitStack() as stack, paused_gc():
            for outcome in _read(path, request.limits, stack, named=named):
                if isinstance(outcome, Skipped):
                    yield outcome
                elif isinstance(outcome, Contents):
                    yield _report(name, outcome, request)
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


def _report(name: str, contents: Contents, request: _Request) -> FileReport:
    try:
        build = manifest_of(contents, request.limits)
    except ArtifactError as error:
        return FileReport(path=name, failure=failure_of(error, contents.location))
    manifest = build.manifest
    return FileReport(
        path=name,
        manifest=manifest,
        modules=tuple(_module_trees(manifest)),
        identified=identify(
            manifest,
            request.knowledge,
            names=_names(name, manifest),
            nonzero=_counter(build) if request.values else None,
        ),
    )


def _names(name: str, manifest: Manifest) -> tuple[str, ...]:
    """Return what a checkpoint is called, the innermost name first.

    The file's own name comes last: a wrapper may hold several checkpoints.
    """
    members = (part for member in reversed(manifest.location) for part in member.split("/")[::-1])
    return (*filter(None, members), Path(name).name)


def _counter(build: ManifestBuild) -> CountNonzero:
    """Return what counts the elements of a tensor that are not zero."""
    from ckptscope.tensors.values import count_nonzero  # numpy, only where values are asked for

    return partial(count_nonzero, build)


def _module_trees(manifest: Manifest) -> Iterator[ModuleNode | None]:
    """Yield a tree of modules for each state_dict that is worth one."""
    for index, found in enumerate(manifest.state_dicts):
        wanted = found.role is not Role.OPTIMIZER and index < _MOST_MODULE_TREES
        yield build_module_tree(found, manifest.tree) if wanted else None
