"""`ckptscope gate FILE...`: may these checkpoints be published?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.reports.gate_formats import GateFormat

if TYPE_CHECKING:
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
    int | None, typer.Option("--jobs", min=1, metavar="N", help="Threads that go over values.")
]
_Baseline = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE.json", help="Known findings.")
]
_WriteBaseline = Annotated[
    Path | None,
    typer.Option("--write-baseline", metavar="FILE.json", help="Record what fails today as known."),
]
_Format = Annotated[GateFormat, typer.Option("--format", "-f", help="How to show the report.")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
]
_Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report", metavar="FORMAT=FILE", help="Write the report there, too; repeatable."
    ),
]
_MaxSpool = Annotated[
    str | None,
    typer.Option(
        "--max-spool",
        metavar="SIZE",
        help="Bytes that compressed contents may unpack to (2G, and 50 times the file).",
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
    output: _Output = None,
    report: _Reports = None,
    max_spool: _MaxSpool = None,
) -> None:
    """Say whether checkpoints may be published: safe, whole, and what they are said to be.

    Verdicts: pass (exit 0), refused or inconclusive (1), unreadable (3). Without a policy a file
    must be safe to load, whole, readable, and its name must not be contradicted.
    """
    from ckptscope.cli.gate_reports import read_targets, write_reports
    from ckptscope.cli.output import write_error
    from ckptscope.errors import PolicyError, SpecError, UsageError

    try:
        if init:
            raise typer.Exit(_propose(files, output, max_spool))
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
        )
        targets = read_targets(
            report or (), output_format, output, inputs=files, others=(write_baseline,)
        )
        made = _run(files, asked, jobs=jobs, max_spool=max_spool)
        if write_baseline is not None:
            _record(made, write_baseline)
        else:
            write_reports(made, targets)
    except (UsageError, SpecError, PolicyError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {error.filename or output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    code = _conclude(made, is_recorded=write_baseline is not None)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _read_policy(path: Path | None, **overrides: object) -> "Policy":
    from ckptscope.policies.loading import load_policy
    from ckptscope.policies.overrides import with_overrides

    return with_overrides(load_policy(path), **overrides)  # type: ignore[arg-type]


def _propose(files: list[str], output: Path | None, max_spool: str | None) -> Exit:
    """Write a policy after one good file; it never takes the place of another."""
    from ckptscope.cli.output import write_error, write_result
    from ckptscope.cli.sizes import limits_of
    from ckptscope.errors import ArtifactError, UsageError
    from ckptscope.pipeline.gating import propose

    if len(files) != 1:
        raise UsageError(f"expected one good file to write a policy after, found {len(files)}")
    if output is not None and output.exists():
        raise UsageError(f"{str(output)!r} exists; name another file with -o")
    try:
        proposal = propose(files[0], limits=limits_of(max_spool))
    except ArtifactError as error:
        write_error(str(error))
        return Exit.UNREADABLE
    for one in proposal.objections:
        write_error(f"{files[0]}: {one.code.value}: {one.message}")
    if proposal.objections:
        write_error("no policy is written after a file that the gate would not pass")
        return Exit.FOUND
    write_result(proposal.text.encode("utf-8", "backslashreplace"), output)
    return Exit.FINE


def _record(report: "GateReport", path: Path) -> None:
    """Write what fails today as known, and say how much that is."""
    from ckptscope.cli.output import write_result
    from ckptscope.policies.baseline import write_baseline

    written = write_baseline(path, report)
    count = sum(written.counts.values())
    findings = "1 known finding" if count == 1 else f"{count:,} known findings"
    write_result(f"{findings} written to {path}\n".encode("utf-8", "backslashreplace"), None)


def _run(
    files: list[str], policy: "Policy", *, jobs: int | None, max_spool: str | None
) -> "GateReport":
    from ckptscope.cli.progress import showing_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.pipeline.gating import gate

    with showing_progress(policy.values or policy.deep) as progress:
        return gate(files, policy, limits=limits_of(max_spool), jobs=jobs or 1, progress=progress)


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
            absent = one.failure.kind == "UsageError"
            code = max(code, Exit.USAGE if absent else Exit.UNREADABLE)
    return code
