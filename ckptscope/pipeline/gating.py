"""`gate`: may these files be published?

Enters: paths and a policy. Leaves: a `GateReport`.
"""

import datetime
import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from ckptscope.containers import Contents
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import CheckRun, CheckState, GateFile, GateReport
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.paper import PaperFile
from ckptscope.facts.report import FileReport, Skipped
from ckptscope.facts.tables import SpecTable
from ckptscope.pipeline.checking import Asked, Checked, run_checks
from ckptscope.pipeline.identifying import Knowledge
from ckptscope.pipeline.inspecting import report_of
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.pipeline.walking import PathLike
from ckptscope.policies.policy import DEFAULT_POLICY, FROM_NAME, Policy
from ckptscope.policies.requirements import check_requirements
from ckptscope.policies.ruling import rule


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of every file."""

    policy: Policy
    limits: Limits
    knowledge: Knowledge
    asked: Asked
    today: datetime.date


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, after its file was closed."""

    report: FileReport
    checked: Checked


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
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    tables = _tables(policy)
    request = _Request(
        policy=policy,
        limits=limits,
        knowledge=Knowledge(tables=tables),
        asked=Asked(
            allowed_imports=policy.imports,
            deep=policy.deep,
            values=policy.values,
            jobs=jobs,
            progress=progress,
        ),
        today=today or datetime.datetime.now(tz=datetime.UTC).date(),
    )
    seen: list[_Seen | Unreadable] = []
    skipped: list[Skipped] = []
    for found in visit(paths, limits, partial(_see, request)):
        (skipped if isinstance(found, Skipped) else seen).append(found)  # type: ignore[arg-type]
    inside = Counter(one.report.path for one in seen if isinstance(one, _Seen))
    return GateReport(
        policy=policy.source,
        files=tuple(_judge(one, inside, request) for one in seen),
        skipped=tuple(skipped),
    )


def _tables(policy: Policy) -> tuple[SpecTable, ...]:
    if not policy.specs:
        return ()
    from ckptscope.specs.loading import load_tables

    return load_tables(policy.specs)


def _see(request: _Request, name: str, contents: Contents) -> _Seen:
    build = manifest_of(contents, request.limits)
    return _Seen(
        report=report_of(name, build, request.knowledge),
        checked=run_checks(contents, build, request.asked),
    )


def _judge(one: _Seen | Unreadable, inside: Counter[str], request: _Request) -> GateFile:
    if isinstance(one, Unreadable):
        return _refuse_unread(one, request)
    manifest = one.report.manifest
    assert manifest is not None  # noqa: S101
    findings: list[Finding] = [*one.checked.findings]
    runs = [*one.checked.runs]
    held: PaperFile | None = None
    if one.report.identified:
        held = _hold(one, request, is_shared=inside[one.report.path] > 1)
        from ckptscope.checks.architecture import check_architecture

        findings += check_architecture(held)
    runs.append(CheckRun(name="architecture", state=CheckState.RAN))
    findings += check_requirements(
        request.policy, manifest, one.report.identified, held, runs, file_bytes=manifest.size_bytes
    )
    name = " > ".join((one.report.path, *manifest.location))
    return GateFile(
        path=one.report.path,
        location=manifest.location,
        containers=manifest.containers,
        size_bytes=manifest.size_bytes,
        family=held.family if held is not None else "",
        variant=(held.standing.variant or "") if held is not None and held.standing else "",
        rulings=rule(findings, request.policy, path=name, today=request.today),
        checks=tuple(runs),
    )


def _refuse_unread(one: Unreadable, request: _Request) -> GateFile:
    """Report on a file that could not be read; what its pickle named before still counts."""
    from ckptscope.checks.safety import check_imports

    findings = check_imports(one.failure.imports, allowed=request.policy.imports)
    name = " > ".join((one.path, *one.location))
    return GateFile(
        path=one.path,
        location=one.location,
        rulings=rule(findings, request.policy, path=name, today=request.today),
        failure=one.failure,
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
