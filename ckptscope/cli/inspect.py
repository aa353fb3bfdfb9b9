"""`ckptscope inspect FILE...`: what is in these checkpoints?"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit

if TYPE_CHECKING:
    from ckptscope.facts.limits import Limits
    from ckptscope.facts.report import FileReport, InspectReport


class OutputFormat(StrEnum):
    """How to show a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


_Depth = Annotated[
    int | None,
    typer.Option("--depth", min=1, metavar="N", help="Levels of a network's modules to show."),
]


def inspect_command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Checkpoints, folders or globs; kinds are told by content."
        ),
    ],
    output_format: Annotated[
        OutputFormat, typer.Option("--format", "-f", help="How to show the report.")
    ] = OutputFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
    ] = None,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="List every tensor (JSON always does).")
    ] = False,
    depth: _Depth = None,
    max_spool: Annotated[
        str | None,
        typer.Option(
            "--max-spool",
            metavar="SIZE",
            help="Bytes that compressed contents may unpack to (2G, and 50 times the file).",
        ),
    ] = None,
) -> None:
    """Take checkpoints apart: containers, tensors, training record, bytes, findings.

    Nothing of a file is executed, and of its tensors only step counters are read.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import UsageError
    from ckptscope.pipeline import inspect

    try:
        refuse_inputs_as_output(files, output)
        report = inspect(files, limits=_limits(max_spool))
        write_result(_render(report, output_format, output, tensors=tensors, depth=depth), output)
    except UsageError as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    failures = [one for one in report.files if one.failure is not None]
    for one in failures:
        write_error(f"{one.path}: {one.failure.message if one.failure else ''}")
    if failures:
        raise typer.Exit(_worst(failures))
    if not report.files:
        write_error(_nothing_found(len(report.skipped)))
        raise typer.Exit(Exit.USAGE)


def _limits(max_spool: str | None) -> "Limits":
    """Return the limits of the run; who names a size trusts the file to unpack to it."""
    import msgspec

    from ckptscope.cli.sizes import parse_size
    from ckptscope.facts.limits import DEFAULT_LIMITS

    if max_spool is None:
        return DEFAULT_LIMITS
    size = parse_size(max_spool)
    return msgspec.structs.replace(DEFAULT_LIMITS, spool_bytes=size, unpack_floor_bytes=size)


def _worst(failures: "list[FileReport]") -> Exit:
    """A file that is not there is a wrong request; any other failure weighs more."""
    absent = all(one.failure is not None and one.failure.kind == "UsageError" for one in failures)
    return Exit.USAGE if absent else Exit.UNREADABLE


def _nothing_found(skipped: int) -> str:
    others = "1 other file was" if skipped == 1 else f"{skipped:,} other files were"
    return f"no checkpoint found; {others} looked at"


def _render(
    report: "InspectReport",
    output_format: OutputFormat,
    output: Path | None,
    *,
    tensors: bool,
    depth: int | None,
) -> bytes:
    """Load only the renderer that is asked for: rich alone takes as long as reading a file."""
    if output_format is OutputFormat.JSON:
        from ckptscope.reports.json import render_json

        return render_json(report)
    if output_format is OutputFormat.MARKDOWN:
        from ckptscope.reports.markdown import render_markdown

        page = render_markdown(report, tensors=tensors, module_depth=depth)
        return page.encode("utf-8", "backslashreplace")
    from ckptscope.cli.output import text_width, wants_color
    from ckptscope.reports.text import render_text

    text = render_text(
        report,
        width=text_width(lists=tensors),
        color=wants_color(output),
        tensors=tensors,
        module_depth=depth,
    )
    return text.encode("utf-8", "backslashreplace")
