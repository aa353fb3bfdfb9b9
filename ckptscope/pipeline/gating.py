"""`gate`: may these files be published?

Enters: paths and a policy. Leaves: a `GateReport`.
"""

import datetime
import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import (
    CheckRun,
    CheckState,
    GateFile,
    GateReport,
    GateVerdict,
    Ruling,
)
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.paper import PaperFile
from ckptscope.facts.report import FileReport, Skipped
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest
from ckptscope.pipeline.checking import Asked, Checked, run_checks
from ckptscope.pipeline.identifying import Knowledge, identify
from ckptscope.pipeline.inspecting import given_names
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.pipeline.walking import PathLike
from ckptscope.policies.baseline import Baseline, read_baseline
from ckptscope.policies.policy import CARVED_REFUSED, DEFAULT_POLICY, FROM_NAME, Policy
from ckptscope.policies.requirements import check_requirements
from ckptscope.policies.ruling import review_policy, rule

if TYPE_CHECKING:
    from ckptscope.policies.writing import Proposal


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of every file."""

    policy: Policy
    limits: Limits
    knowledge: Knowledge
    asked: Asked
    today: datetime.date
    baseline: Baseline | None = None


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, after its file was closed."""

    manifest: Manifest
    report: FileReport
    checked: Checked


class _Examined(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found in one checkpoint, before any policy."""

    findings: tuple[Finding, ...]
    runs: tuple[CheckRun, ...]
    held: PaperFile


def gate(
    paths: PathLike | Iterable[PathLike],
    policy: Policy = DEFAULT_POLICY,
    *,
    limits: Limits = DEFAULT_LIMITS,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    today: datetime.date | None = None,
) -> GateReport:
    """Hold files, folders and globs against a policy.

    Args:
        paths: What is to be published.
        policy: What is asked of it.
        limits: Bounds of the reading.
        jobs: Threads that go over values.
        progress: Told how many bytes more have been read, where values or CRCs are.
        today: For the expiry of waivers; None for the current day.

    Raises:
        UsageError: A path is empty; the policy's variant or a setting is unknown.
        SpecError: A table of the policy is wrong.
        PolicyError: The baseline is wrong.
    """
    request = _ask(policy, limits=limits, jobs=jobs, progress=progress, today=today)
    seen, skipped = _see_all(paths, request)
    inside = Counter(one.report.path for one in seen if isinstance(one, _Seen))
    at_path = inside + Counter(one.path for one in seen if isinstance(one, Unreadable))
    files = tuple(
        _refuse_unread(one, request, is_alone=at_path[one.path] == 1)
        if isinstance(one, Unreadable)
        else _judge(one, request, is_shared=inside[one.report.path] > 1)
        for one in seen
    )
    return GateReport(
        policy=policy.source,
        files=files,
        notices=review_policy(policy, files, today=request.today, baseline=request.baseline),
        skipped=skipped,
    )


def propose(
    path: PathLike,
    *,
    values: bool = False,
    deep: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> "Proposal":
    """Write a policy that a good file passes, and that asks of others what it shows.

    Args:
        path: The file. It must hold one checkpoint.
        values: Whether to go over its values; the policy asks for that of others then.
        deep: Whether to compare its CRCs; the policy asks for that of others then.
        limits: Bounds of the reading.
        jobs: Threads that go over values.
        progress: Told how many bytes more have been read.

    Raises:
        UsageError: There is no such file, or it holds several checkpoints.
        ArtifactError: It cannot be read.
    """
    from ckptscope.policies.writing import Example, propose_policy

    policy = msgspec.structs.replace(DEFAULT_POLICY, values=values, deep=deep)
    request = _ask(policy, limits=limits, jobs=jobs, progress=progress)
    seen, _ = _see_all(path, request)
    for one in seen:
        if isinstance(one, Unreadable):
            error = UsageError if one.failure.kind == UsageError.__name__ else ArtifactError
            raise error(f"{one.path}: {one.failure.message}")
    if len(seen) != 1 or not isinstance(seen[0], _Seen):
        raise UsageError(f"expected a file with one checkpoint, found {len(seen)} in {str(path)!r}")
    examined = _examine(seen[0], request, is_shared=False)
    return propose_policy(
        Example(
            path=seen[0].report.path,
            manifest=seen[0].manifest,
            identified=seen[0].report.identified,
            held=examined.held,
            findings=examined.findings,
            runs=examined.runs,
            file_bytes=_file_bytes(seen[0]),
        )
    )


def _ask(
    policy: Policy,
    *,
    limits: Limits,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    today: datetime.date | None = None,
) -> _Request:
    return _Request(
        policy=policy,
        limits=limits,
        knowledge=Knowledge(tables=_tables(policy)),
        asked=Asked(
            deep=policy.deep,
            values=policy.values,
            jobs=jobs,
            progress=progress,
        ),
        today=today or datetime.datetime.now(tz=datetime.UTC).date(),
        baseline=read_baseline(policy.baseline) if policy.baseline is not None else None,
    )


def _tables(policy: Policy) -> tuple[SpecTable, ...]:
    if not policy.specs:
        return ()
    from ckptscope.specs.loading import load_tables

    return load_tables(policy.specs)


def _see_all(
    paths: PathLike | Iterable[PathLike], request: _Request
) -> tuple[list[_Seen | Unreadable], tuple[Skipped, ...]]:
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    seen: list[_Seen | Unreadable] = []
    skipped: list[Skipped] = []
    for found in visit(paths, request.limits, partial(_see, request)):
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            seen.append(found)
    return seen, tuple(skipped)


def _see(request: _Request, name: str, contents: Contents) -> _Seen:
    build = manifest_of(contents, request.limits, request.policy.imports)
    manifest = build.manifest
    identified = identify(manifest, request.knowledge, names=given_names(name, manifest))
    return _Seen(
        manifest=manifest,
        report=FileReport(path=name, manifest=manifest, identified=identified),
        checked=run_checks(contents, build, request.asked),
    )


def _examine(one: _Seen, request: _Request, *, is_shared: bool) -> _Examined:
    """Add to the checks of a checkpoint what needs its name, and the tables."""
    from ckptscope.checks.architecture import check_architecture

    held = _hold(one, request, is_shared=is_shared)
    return _Examined(
        findings=(
            *one.checked.findings,
            *check_architecture(held, one.report, one.checked.mappings),
        ),
        runs=(*one.checked.runs, CheckRun(name="architecture", state=CheckState.RAN)),
        held=held,
    )


def _judge(one: _Seen, request: _Request, *, is_shared: bool) -> GateFile:
    examined = _examine(one, request, is_shared=is_shared)
    held, manifest = examined.held, one.manifest
    demands = check_requirements(
        request.policy,
        manifest,
        one.report.identified,
        held,
        examined.runs,
        file_bytes=_file_bytes(one),
        tables=request.knowledge.tables,
    )
    findings = (*examined.findings, *demands.findings)
    return GateFile(
        path=one.report.path,
        location=manifest.location,
        containers=manifest.containers,
        size_bytes=manifest.size_bytes,
        family=held.family,
        variant=(held.standing.variant or "") if held.standing is not None else "",
        rulings=_rule(findings, one.report.path, manifest.location, request),
        checks=examined.runs,
        requirements=demands.requirements,
    )


def _file_bytes(one: _Seen) -> int:
    """Return the size of a file on disk; of a folder, what belongs to the checkpoint."""
    path = one.report.path
    return os.path.getsize(path) if os.path.isfile(path) else one.manifest.size_bytes


def _refuse_unread(one: Unreadable, request: _Request, *, is_alone: bool) -> GateFile:
    """Report on a file that could not be read; what its pickle named before still counts.

    Args:
        one: Why it could not.
        request: What is asked.
        is_alone: Whether nothing else was found at the same path.
    """
    from ckptscope.checks.safety import check_imports

    findings = check_imports(one.failure.imports, allowed=request.policy.imports)
    is_refused = request.policy.carved == CARVED_REFUSED
    return GateFile(
        path=one.path,
        location=one.location,
        rulings=_rule(findings, one.path, one.location, request),
        failure=one.failure,
        carved=_carve(one, request) if is_alone else "",
        carved_as=GateVerdict.REFUSED if is_refused else GateVerdict.INCONCLUSIVE,
    )


def _carve(one: Unreadable, request: _Request) -> str:
    """Say what the storages of an unreadable file are; empty where that is not certain."""
    from ckptscope.pipeline.carving import carve_file, is_damage

    if not is_damage(one.failure):
        return ""
    carving = carve_file(Path(one.path), request.limits)
    return carving.verdict if carving is not None and carving.is_certain else ""


def _rule(
    findings: Iterable[Finding], path: str, location: tuple[str, ...], request: _Request
) -> tuple[Ruling, ...]:
    return rule(
        findings,
        request.policy,
        path=path,
        location=location,
        today=request.today,
        baseline=request.baseline,
    )


def _hold(one: _Seen, request: _Request, *, is_shared: bool) -> PaperFile:
    """Hold a checkpoint against the row of its label."""
    from ckptscope.pipeline.paper import hold_against_paper

    variant = request.policy.variant
    return hold_against_paper(
        one.report,
        extra=request.knowledge.tables,
        variant=None if variant == FROM_NAME else variant,
        stated={},
        is_shared=is_shared,
    )
