"""`inspect`: what is in these files?

Enters: what a user names. Leaves: an `InspectReport`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from ckptscope.containers import Contents
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.report import FileReport, InspectReport, Skipped
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest, Role
from ckptscope.pipeline.identifying import CountNonzero, Knowledge, identify
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.pipeline.walking import PathLike
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
    for found in visit(paths, limits, partial(_report, request)):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif isinstance(found, Unreadable):
            files.append(FileReport(path=found.path, failure=found.failure))
        else:
            files.append(found)
    return InspectReport(files=tuple(files), skipped=tuple(skipped))


def _load(specs: Iterable[PathLike]) -> tuple[SpecTable, ...]:
    paths = tuple(specs)
    if not paths:
        return ()
    from ckptscope.specs.loading import load_tables

    return load_tables(paths)


def _report(request: _Request, name: str, contents: Contents) -> FileReport:
    return report_of(
        name,
        manifest_of(contents, request.limits),
        request.knowledge,
        values=request.values,
    )


def report_of(
    name: str, build: ManifestBuild, knowledge: Knowledge, *, values: bool = False
) -> FileReport:
    """Report on one checkpoint.

    Args:
        name: Path of its file.
        build: Its manifest and the way to its storages.
        knowledge: What the user knows and wants.
        values: Whether to read weights, for the facts that rest on their values.

    Raises:
        UsageError: A stated setting is unknown to a family, or impossible.
    """
    manifest = build.manifest
    return FileReport(
        path=name,
        manifest=manifest,
        modules=tuple(_module_trees(manifest)),
        identified=identify(
            manifest,
            knowledge,
            names=_names(name, manifest),
            nonzero=_counter(build) if values else None,
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
