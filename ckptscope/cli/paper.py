"""`ckptscope diff --paper [FILE...]`: does each file hold what its name claims?"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.rendering import TableFormat, render_blocks

if TYPE_CHECKING:
    from ckptscope.facts.paper import PaperReport


def run_paper(
    files: list[str],
    *,
    variant: str | None,
    specs: list[Path],
    assume: list[str],
    output_format: StrEnum,
    output: Path | None,
) -> None:
    """Hold files against the rows of their papers' tables, print, and end with an exit code.

    Args:
        files: What the user named; everything below the current folder if that is nothing.
        variant: Row that files are said to be whose names say none.
        specs: Tables of claims beside those that come along.
        assume: Settings that the user states, `joints=17`.
        output_format: One of `TableFormat`, by value.
        output: Where to write; None for stdout.

    Raises:
        Exit: Always but for 0: 1 if a labelled file contradicts its row, 2 if there is nothing to
            compare or the request is wrong, 3 if a file is unreadable.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.cli.settings import parse_settings
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.pipeline.paper import compare_with_paper

    try:
        refuse_inputs_as_output([*files, *map(str, specs)], output)
        report = compare_with_paper(
            files, specs=specs, variant=variant, stated=parse_settings(assume)
        )
        write_result(_render(report, TableFormat(output_format.value), output), output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    code = _conclude(report)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _render(report: "PaperReport", output_format: TableFormat, output: Path | None) -> bytes:
    if output_format is TableFormat.JSON:
        from ckptscope.reports.paper_json import render_paper_json

        return render_paper_json(report)
    from ckptscope.reports.paper import describe_paper

    return render_blocks(describe_paper(report), output_format, output)


def _conclude(report: "PaperReport") -> Exit:
    """Say on stderr what could not be done, and return the gravest code."""
    from ckptscope.cli.output import write_error
    from ckptscope.facts.paper import PaperOutcome

    code = Exit.FINE
    for file in report.files:
        if file.failure is not None:
            write_error(f"{file.path}: {file.failure.message}")
            absent = file.failure.kind == "UsageError"
            code = max(code, Exit.USAGE if absent else Exit.UNREADABLE)
    outcomes = {file.outcome for file in report.files}
    if PaperOutcome.CONTRADICTS in outcomes:
        code = max(code, Exit.FOUND)
    if outcomes <= {PaperOutcome.UNREAD, PaperOutcome.NOT_COMPARED}:
        if PaperOutcome.UNREAD not in outcomes:
            write_error(_nothing_compared(report))
        code = max(code, Exit.USAGE)
    return code


def _nothing_compared(report: "PaperReport") -> str:
    from ckptscope.cli.output import nothing_found

    if not report.files:
        return nothing_found(len(report.skipped))
    return "nothing to compare: no file holds a network of a family that has a table"
