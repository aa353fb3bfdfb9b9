"""`ckptscope explain -`: what is behind a pasted error of load_state_dict?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.rendering import TableFormat, render_blocks

if TYPE_CHECKING:
    from ckptscope.facts.loading import ExplainReport

_STDIN = "-"

_Source = Annotated[
    str,
    typer.Argument(
        metavar="-|FILE", help="Text that holds the error: - for standard input, or a file."
    ),
]
_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of variants; repeatable."),
]
_Lines = Annotated[bool, typer.Option("--lines", help="List every line of the error again.")]
_Format = Annotated[TableFormat, typer.Option("--format", "-f", help="How to show the report.")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
]


def explain_command(
    source: _Source,
    spec: _Specs = None,
    lines: _Lines = False,
    output_format: _Format = TableFormat.TEXT,
    output: _Output = None,
) -> None:
    """Read a pasted error of load_state_dict and name the few settings behind its lines.

    Size mismatches, missing and unexpected keys, of any version of torch, with whatever logs and
    terminals have put around them. No checkpoint is needed.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.pipeline.explaining import explain_paste

    try:
        refuse_inputs_as_output([*map(str, spec or ())], output)
        content = _read(source)
        report = explain_paste(content, source=source, specs=spec or ())
        write_result(_render(report, output_format, output, lines=lines), output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error


def _read(source: str) -> bytes:
    """Read the paste, a byte more than is allowed at most.

    Raises:
        UsageError: It is neither `-` nor a file.
    """
    from ckptscope.differences.paste import MOST_BYTES
    from ckptscope.errors import UsageError

    if source == _STDIN:
        if sys.stdin is None:
            raise UsageError("expected a pasted error on standard input, which is closed")
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        with open(source, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"expected - or a file with the error, found {source!r}: {why}") from error


def _render(
    report: "ExplainReport", output_format: TableFormat, output: Path | None, *, lines: bool
) -> bytes:
    if output_format is TableFormat.JSON:
        from ckptscope.reports.loading_json import render_explain_json

        return render_explain_json(report)
    from ckptscope.reports.explained import describe_explained

    return render_blocks(describe_explained(report, lines=lines), output_format, output)
