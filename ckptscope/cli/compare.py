"""`ckptscope diff A B...`: how do the weights of these files stand to each other?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.rendering import TableFormat, render_blocks

if TYPE_CHECKING:
    from ckptscope.facts.comparison import DiffReport
    from ckptscope.pipeline.comparing import CompareRequest


@dataclass(frozen=True)
class CompareOptions:
    """What the user asked for beside the files.

    Attributes:
        structure: Whether names, shapes and dtypes alone are compared.
        ignore: Patterns of names that are left out.
        atol: Absolute tolerance; None for none.
        rtol: Relative tolerance; None for none.
        prefix: What is taken off the names of all files; None for what each file says.
        entries: Paths of state_dicts.
        members: Checkpoints of files that hold several.
        tensors: Whether every pair that differs is listed.
        max_spool: Bytes that compressed contents may unpack to, as typed; None for the usual.
    """

    structure: bool = False
    ignore: tuple[str, ...] = ()
    atol: float | None = None
    rtol: float | None = None
    prefix: str | None = None
    entries: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    tensors: bool = False
    max_spool: str | None = None

    def given(self) -> dict[str, bool]:
        """Return which options were given that are about several files alone."""
        return {
            "--structure": self.structure,
            "--ignore": bool(self.ignore),
            "--atol": self.atol is not None,
            "--rtol": self.rtol is not None,
            "--prefix": self.prefix is not None,
            "--member": bool(self.members),
            "--tensors": self.tensors,
            "--max-spool": self.max_spool is not None,
        }


def run_compare(
    files: list[str], options: CompareOptions, output_format: TableFormat, output: Path | None
) -> None:
    """Compare files with each other, print, and end with an exit code.

    Raises:
        Exit: Always but for 0: 1 if they are not the same, 2 if the request is wrong, 3 if a file
            is unreadable.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import UsageError

    try:
        refuse_inputs_as_output(files, output)
        report = _compare(files, options)
        write_result(_render(report, output_format, output, tensors=options.tensors), output)
    except UsageError as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    ignored = sum(one.structure.ignored for one in report.comparisons)
    if options.ignore and report.comparisons and not ignored:
        write_error(f"--ignore {', '.join(map(repr, options.ignore))}: no tensor has such a name")
    code = _conclude(report)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _compare(files: list[str], options: CompareOptions) -> "DiffReport":
    from ckptscope.cli.progress import showing_announced_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.pipeline.comparing import compare

    request = _request(options)
    with showing_announced_progress(not options.structure) as (progress, total):
        return compare(
            files, request, limits=limits_of(options.max_spool), progress=progress, total=total
        )


def _request(options: CompareOptions) -> "CompareRequest":
    """Return the request.

    Raises:
        UsageError: A tolerance is no bound, or asked for where no values are compared.
    """
    from math import isfinite

    from ckptscope.errors import UsageError
    from ckptscope.pipeline.comparing import CompareRequest

    for name, value in (("--atol", options.atol), ("--rtol", options.rtol)):
        if value is None:
            continue
        if options.structure:
            raise UsageError(f"expected {name} without --structure, which compares no values")
        if not isfinite(value) or value < 0:
            raise UsageError(f"expected {name} of 0 or more, found {value}")
    return CompareRequest(
        structure_only=options.structure,
        ignore=options.ignore,
        atol=options.atol or 0.0,
        rtol=options.rtol or 0.0,
        prefix=options.prefix,
        entries=options.entries,
        members=options.members,
    )


def _render(
    report: "DiffReport", output_format: TableFormat, output: Path | None, *, tensors: bool
) -> bytes:
    if output_format is TableFormat.JSON:
        from ckptscope.reports.compared_json import render_compared_json

        return render_compared_json(report)
    from ckptscope.reports.compared import describe_comparison

    blocks = describe_comparison(report, tensors=tensors)
    return render_blocks(blocks, output_format, output, lists=tensors)


def _conclude(report: "DiffReport") -> Exit:
    """Say on stderr what could not be read, and return the gravest code."""
    from ckptscope.cli.output import write_error

    code = Exit.FINE if report.is_same else Exit.FOUND
    for side in report.sides:
        if side.failure is not None:
            write_error(f"{side.path}: {side.failure.message}")
            is_absent = side.failure.kind == "UsageError"
            code = max(code, Exit.USAGE if is_absent else Exit.UNREADABLE)
    return code
