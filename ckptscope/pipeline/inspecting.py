"""`inspect`: what is in these files?

Enters: what a user names. Leaves: an `InspectReport`.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ckptscope.containers import Contents
from ckptscope.errors import LimitError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.report import FileReport, InspectReport, Skipped
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest, Role, TensorInfo
from ckptscope.facts.values import TensorValues
from ckptscope.facts.weights_only import WeightsOnly
from ckptscope.pipeline.identifying import CountNonzero, Knowledge, identify
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.pipeline.walking import PathLike
from ckptscope.tensors import ManifestBuild
from ckptscope.tensors.modules import build_module_tree

if TYPE_CHECKING:
    from ckptscope.facts.identity import Identity

#: State_dicts of one checkpoint whose modules are told apart.
_MOST_MODULE_TREES = 64


class _Request(msgspec.Struct, frozen=True):
    """What is asked of every file."""

    limits: Limits
    knowledge: Knowledge
    values: bool
    identity: bool
    jobs: int
    progress: Callable[[int], None] | None


def inspect(
    paths: PathLike | Iterable[PathLike],
    *,
    limits: Limits = DEFAULT_LIMITS,
    stated: Mapping[str, FactValue] | None = None,
    specs: Iterable[PathLike] = (),
    values: bool = False,
    snippets: bool = False,
    identity: bool = False,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
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
        values: Whether to go over the values of all tensors: for statistics, for findings about
            their health, and for the facts of an architecture that rest on them.
        snippets: Whether to write code that loads each network.
        identity: Whether to hash all tensors.
        jobs: Threads that go over values, or hash them.
        progress: Told how many bytes more they have gone over, from any of the threads.

    Raises:
        UsageError: A path is empty; a stated setting is unknown to a family, or impossible.
        SpecError: A table is wrong.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    knowledge = Knowledge(stated=stated or {}, tables=_load(specs), snippets=snippets)
    request = _Request(limits, knowledge, values, identity, jobs, progress)
    files: list[FileReport] = []
    skipped: list[Skipped] = []
    for found in visit(paths, limits, partial(_report, request)):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif isinstance(found, Unreadable):
            files.append(FileReport(path=found.path, failure=found.failure))
        else:
            files.append(found)
    return InspectReport(files=_with_carved(files, limits), skipped=tuple(skipped))


def _with_carved(files: Sequence[FileReport], limits: Limits) -> tuple[FileReport, ...]:
    """Add to files that could not be read what is left of them."""
    if all(one.failure is None for one in files):
        return tuple(files)
    from ckptscope.pipeline.carving import carve_report

    # Where a path holds several checkpoints, what is left of one is not that of the path.
    found = Counter(one.path for one in files)
    return tuple(carve_report(one, limits) if found[one.path] == 1 else one for one in files)


def _load(specs: Iterable[PathLike]) -> tuple[SpecTable, ...]:
    paths = tuple(specs)
    if not paths:
        return ()
    from ckptscope.specs.loading import load_tables

    return load_tables(paths)


def _report(request: _Request, name: str, contents: Contents) -> FileReport:
    build = manifest_of(contents, request.limits)
    manifest = build.manifest
    values: tuple[TensorValues, ...] = ()
    if request.values:
        values, manifest = _go_over(build, request)
    return FileReport(
        path=name,
        manifest=manifest,
        modules=tuple(_module_trees(manifest)),
        identified=identify(
            manifest,
            request.knowledge,
            names=given_names(name, manifest),
            nonzero=_counter(build, values) if request.values else None,
        ),
        values=values,
        identity=_hash(build, request) if request.identity else None,
        weights_only=_forecast(contents, manifest),
    )


def _forecast(contents: Contents, manifest: Manifest) -> WeightsOnly | None:
    """Say which versions of torch load the file with weights_only, as far as that can be told."""
    from ckptscope.checks.weights_only import forecast_weights_only

    try:
        return forecast_weights_only(contents, manifest, quick=True)
    except LimitError:
        # A compressed pickle may not be unpacked once more. The report stands without the line;
        # the gate, which must not pass over it, says that the check is unfinished.
        return None


def _hash(build: ManifestBuild, request: _Request) -> "Identity":
    from ckptscope.tensors.hashing import Hasher

    return Hasher(build, request.progress, jobs=request.jobs).identify()


def given_names(name: str, manifest: Manifest) -> tuple[str, ...]:
    """Return what a checkpoint is called, the innermost name first.

    The file's own name comes last: a wrapper may hold several checkpoints.
    """
    members = (part for member in reversed(manifest.location) for part in member.split("/")[::-1])
    return (*filter(None, members), Path(name).name)


def _go_over(build: ManifestBuild, request: _Request) -> tuple[tuple[TensorValues, ...], Manifest]:
    """Return statistics of all tensors, and the manifest with what they say of its health."""
    from ckptscope.checks.health import check_values
    from ckptscope.tensors.scanning import scan_values  # numpy, only where values are asked for

    manifest = build.manifest
    values = scan_values(build, jobs=request.jobs, progress=request.progress)
    findings = (*manifest.findings, *check_values(manifest, values))
    return values, msgspec.structs.replace(manifest, findings=findings)


def _counter(build: ManifestBuild, values: Sequence[TensorValues]) -> CountNonzero:
    """Return what knows how many elements of a tensor are not zero."""
    from ckptscope.tensors.scan_plan import list_entries, view_of
    from ckptscope.tensors.values import count_nonzero

    entries = list_entries(build.manifest)
    known = {
        view_of(entry.tensor): one.elements - one.zeros
        for entry, one in zip(entries, values, strict=True)
        if not one.unread
    }

    def count(tensor: TensorInfo) -> int:
        found = known.get(view_of(tensor))
        # What could not be read is tried once more, for the error that says why.
        return count_nonzero(build, tensor) if found is None else found

    return count


def _module_trees(manifest: Manifest) -> Iterator[ModuleNode | None]:
    """Yield a tree of modules for each state_dict that is worth one."""
    for index, found in enumerate(manifest.state_dicts):
        wanted = found.role is not Role.OPTIMIZER and index < _MOST_MODULE_TREES
        yield build_module_tree(found, manifest.tree) if wanted else None
