"""`ckptscope gate FILE...`: may these checkpoints be published?"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from os.path import lexists, realpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.options import MaxSpool, Output
from ckptscope.errors import ArtifactError, PolicyError, SpecError, UsageError
from ckptscope.reports.gate_formats import GateFormat

if TYPE_CHECKING:
    from ckptscope.cli.gate_reports import Target
    from ckptscope.facts.gate import GateReport
    from ckptscope.policies.policy import Policy

_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Checkpoints, folders or globs; kinds are told by content."
    ),
]
_Policy = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE.toml",
        help="What is asked of the files (ckptscope.toml, or pyproject.toml, here or above).",
    ),
]
_Init = Annotated[
    bool,
    typer.Option("--init", help="Write a commented policy which the given, good file passes."),
]
_Selectors = list[str] | None
_FailOn = Annotated[
    _Selectors,
    typer.Option("--fail-on", metavar="CODE", help="Code, prefix or severity; repeatable."),
]
_Warn = Annotated[
    _Selectors,
    typer.Option("--warn", metavar="CODE", help="Codes that are told and do not count."),
]
_Ignore = Annotated[
    _Selectors, typer.Option("--ignore", metavar="CODE", help="Codes that are counted alone.")
]
_Variant = Annotated[
    str | None,
    typer.Option(
        "--variant", metavar="ROW", help="Row of the table that files must be, or from-name."
    ),
]
_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of variants; repeatable."),
]
_Values = Annotated[
    bool | None,
    typer.Option("--values/--no-values", help="Go over the values of every tensor."),
]
_Deep = Annotated[
    bool | None,
    typer.Option("--deep/--no-deep", help="Read every member and check its CRC."),
]
_Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        help="Threads that go over values (one a core, four at most).",
    ),
]
_Baseline = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE.json", help="Known findings.")
]
_WriteBaseline = Annotated[
    Path | None,
    typer.Option("--write-baseline", metavar="FILE.json", help="Record what fails today as known."),
]
_Format = Annotated[GateFormat, typer.Option("--format", "-f", help="How to show the report.")]
_Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report", metavar="FORMAT=FILE", help="Write the report there, too; repeatable."
    ),
]


def gate_command(
    files: _Files,
    policy: _Policy = None,
    init: _Init = False,
    fail_on: _FailOn = None,
    warn: _Warn = None,
    ignore: _Ignore = None,
    variant: _Variant = None,
    spec: _Specs = None,
    values: _Values = None,
    deep: _Deep = None,
    jobs: _Jobs = None,
    baseline: _Baseline = None,
    write_baseline: _WriteBaseline = None,
    output_format: _Format = GateFormat.TEXT,
    output: Output = None,
    report: _Reports = None,
    max_spool: MaxSpool = None,
) -> None:
    """Say whether checkpoints may be published: safe, whole, and what they are said to be.

    Verdicts: pass (exit 0), refused or inconclusive (1), unreadable (3). Without a policy a file
    must be safe to load, whole, readable, and its name must not be contradicted.
    """
    from ckptscope.cli.gate_reports import read_targets
    from ckptscope.cli.output import write_error

    try:
        if init:
            others = (policy, fail_on, warn, ignore, variant, spec, baseline, write_baseline)
            _refuse_beside_init((*others, report))
            look = partial(_propose, values=bool(values), deep=bool(deep), jobs=jobs)
            raise typer.Exit(look(files, output=output, max_spool=max_spool))
        asked = _read_policy(
            policy,
            fail=fail_on,
            warn=warn,
            ignore=ignore,
            variant=variant,
            specs=spec,
            values=values,
            deep=deep,
            baseline=baseline,
            written=write_baseline,
        )
        read = [*files, *_read_beside(asked, write_baseline)]
        targets = read_targets(
            report or (), output_format, output, inputs=read, others=(write_baseline,)
        )
        made = _run(files, asked, jobs=jobs, max_spool=max_spool)
        _write(made, targets, write_baseline)
    except (UsageError, SpecError, PolicyError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {error.filename or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    code = _conclude(made, is_recorded=write_baseline is not None)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _read_policy(path: Path | None, *, written: Path | None, **overrides: object) -> "Policy":
    """Read the policy and put the options before it.

    Args:
        path: File of the policy, if one is named.
        written: Where known findings are to be written; what is not there yet is not read.
        overrides: As `with_overrides` takes them.
    """
    from msgspec.structs import replace

    from ckptscope.policies.loading import load_policy
    from ckptscope.policies.overrides import with_overrides

    policy = with_overrides(load_policy(path), **overrides)  # type: ignore[arg-type]
    is_new = policy.baseline is not None and not lexists(policy.baseline)
    if is_new and written is not None and realpath(policy.baseline or "") == realpath(written):
        return replace(policy, baseline=None)
    return policy


def _read_beside(policy: "Policy", write_baseline: Path | None) -> Iterator[str]:
    """Yield what is read beside the checkpoints, and so must not be written over.

    A baseline may be written anew in its own place.
    """
    yield policy.source
    yield from policy.specs
    if policy.baseline is not None:
        same = write_baseline is not None and realpath(write_baseline) == realpath(policy.baseline)
        if not same:
            yield policy.baseline


def _refuse_beside_init(given: Iterable[object]) -> None:
    """Refuse options that say nothing of the policy that is to be written."""
    if any(one not in (None, []) for one in given):
        raise UsageError(
            "expected beside --init nothing but --values, --deep, --jobs, --max-spool and -o, for "
            "it writes a policy and judges by none"
        )


def _propose(
    files: list[str],
    *,
    values: bool,
    deep: bool,
    jobs: int | None,
    output: Path | None,
    max_spool: str | None,
) -> Exit:
    """Write a policy after one good file; it never takes the place of another."""
    from ckptscope.cli.gate_reports import write_text
    from ckptscope.cli.output import write_error
    from ckptscope.cli.progress import default_jobs, showing_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.pipeline.gating import propose

    if len(files) != 1:
        raise UsageError(f"expected one good file to write a policy after, found {len(files)}")
    if output is not None and output.exists():
        raise UsageError(f"{str(output)!r} exists; name another file with -o")
    try:
        with showing_progress(values or deep, files) as progress:
            proposal = propose(
                files[0],
                values=values,
                deep=deep,
                limits=limits_of(max_spool),
                jobs=jobs or default_jobs(),
                progress=progress,
            )
    except ArtifactError as error:
        write_error(str(error))
        return Exit.UNREADABLE
    for one in proposal.objections:
        write_error(f"{files[0]}: {one.code.value}: {one.message}")
    if proposal.objections:
        write_error("no policy is written after a file that the gate would not pass")
        return Exit.FOUND
    write_text(proposal.text, output)
    return Exit.FINE


def _write(report: "GateReport", targets: "Sequence[Target]", write_baseline: Path | None) -> None:
    """Write what was asked for; what is recorded as known stands on stdout in place of a report."""
    from ckptscope.cli.gate_reports import refuse_checkpoints, write_reports

    refuse_checkpoints(report, [*(one.path for one in targets), write_baseline])
    if write_baseline is not None:
        _record(report, write_baseline)
        targets = [one for one in targets if one.path is not None]
    write_reports(report, targets)


def _record(report: "GateReport", path: Path) -> None:
    """Write what fails today as known, and say how much that is.

    Where nothing was judged, nothing is known, and what the file holds stays.
    """
    from ckptscope.cli.gate_reports import naming, write_text
    from ckptscope.cli.output import write_error
    from ckptscope.policies.baseline import write_baseline

    if all(one.failure is not None for one in report.files):
        write_error("no baseline is written, for no checkpoint was judged")
        return
    with naming(path):
        written = write_baseline(path, report)
    count = sum(written.counts.values())
    findings = "1 known finding" if count == 1 else f"{count:,} known findings"
    write_text(f"{findings} written to {path}\n", None)


def _run(
    files: list[str], policy: "Policy", *, jobs: int | None, max_spool: str | None
) -> "GateReport":
    from ckptscope.cli.progress import default_jobs, showing_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.pipeline.gating import gate

    threads = jobs or default_jobs()
    with showing_progress(policy.values or policy.deep, files) as progress:
        return gate(files, policy, limits=limits_of(max_spool), jobs=threads, progress=progress)


def _conclude(report: "GateReport", *, is_recorded: bool) -> Exit:
    """Say on stderr what could not be done, and return the gravest code.

    Args:
        report: What the gate says.
        is_recorded: Whether what fails was written as known, and so is no finding any more.
    """
    from ckptscope.cli.output import nothing_found, write_error
    from ckptscope.facts.gate import GateVerdict

    if not report.files:
        write_error(nothing_found(len(report.skipped)))
        return Exit.USAGE
    passes = is_recorded or report.verdict is GateVerdict.PASSED
    code = Exit.FINE if passes else Exit.FOUND
    for one in report.files:
        if one.failure is not None:
            write_error(f"{one.name}: {one.failure.message}")
            if one.verdict is not GateVerdict.UNREADABLE:
                # What is left of it was judged, and no baseline knows of that.
                code = max(code, Exit.FOUND)
                continue
            absent = one.failure.kind == "UsageError"
            code = max(code, Exit.USAGE if absent else Exit.UNREADABLE)
    return code
