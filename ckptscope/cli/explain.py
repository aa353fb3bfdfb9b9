"""`ckptscope explain`: what does a code mean, or what is behind a pasted error?

A code (`CON001`), a group or the beginning of codes (`CON`, `CON06`) and `all` are read as such,
in either case, also where a file of that name lies in the current folder: `./CON` is the file.
"""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.options import Output
from ckptscope.cli.rendering import TableFormat, render_blocks

if TYPE_CHECKING:
    from ckptscope.checks.catalogue import Entry
    from ckptscope.facts.loading import ExplainReport

_STDIN = "-"
_ALL = "all"
#: What a code looks like, or the beginning of one that is long enough to name its group.
_CODE = re.compile(r"[A-Za-z]{3}[0-9]{0,3}")
#: Codes that are named where there is none of that name.
_MOST_NEAREST = 3

_Source = Annotated[
    str,
    typer.Argument(
        metavar="CODE|-|FILE",
        help="A code (CON001), a group of codes (CON), or all; or text that holds an error: - for "
        "standard input, or a file.",
    ),
]
_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of variants; repeatable."),
]
_Lines = Annotated[bool, typer.Option("--lines", help="List every line of the error again.")]
_Format = Annotated[TableFormat, typer.Option("--format", "-f", help="How to show the report.")]


def explain_command(
    source: _Source,
    spec: _Specs = None,
    lines: _Lines = False,
    output_format: _Format = TableFormat.TEXT,
    output: Output = None,
) -> None:
    """Say what a code means, or name the few settings behind a pasted error of load_state_dict.

    Codes stand in every report: severity, evidence, why it matters, what to do, how to silence it.
    Errors: size mismatches, missing and unexpected keys, of any version of torch, with whatever
    logs and terminals have put around them. No checkpoint is needed.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import SpecError, UsageError

    try:
        entries = _entries_meant(source)
        if entries:
            _refuse_options_of_errors(source, spec, lines=lines)
            result = _render_codes(entries, output_format, output)
        else:
            from ckptscope.pipeline.explaining import explain_paste

            refuse_inputs_as_output([*map(str, spec or ())], output)
            report = explain_paste(_read(source), source=source, specs=spec or ())
            result = _render(report, output_format, output, lines=lines)
        write_result(result, output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error


def _entries_meant(source: str) -> "tuple[Entry, ...]":
    """Return the codes that a word stands for; none if it is the name of something else."""
    is_all = source.lower() == _ALL
    if not is_all and _CODE.fullmatch(source) is None:
        return ()
    from ckptscope.checks.catalogue import entries_of
    from ckptscope.cli.output import write_error

    entries = entries_of("" if is_all else source.upper())
    if entries and Path(source).exists():
        write_error(f"read as a code; write ./{source} for the file of that name")
    return entries


def _refuse_options_of_errors(source: str, spec: list[Path] | None, *, lines: bool) -> None:
    """Refuse what only a pasted error could use.

    Raises:
        UsageError: It was asked for.
    """
    from ckptscope.errors import UsageError

    if spec or lines:
        option = "--spec" if spec else "--lines"
        raise UsageError(f"expected {option} with a pasted error, found the code {source!r}")


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
        raise UsageError(
            f"expected a code, - or a file with the error, found {source!r}: {why}"
            f"{_codes_like(source)}"
        ) from error


def _codes_like(source: str) -> str:
    """Say which codes look most like this, if it looks like a code."""
    if _CODE.fullmatch(source) is None:
        return ""
    from difflib import get_close_matches

    from ckptscope.checks.catalogue import CATALOGUE, GROUPS

    known = list(GROUPS) if source.isalpha() else [code.value for code in CATALOGUE]
    nearest = ", ".join(get_close_matches(source.upper(), known, _MOST_NEAREST))
    return f"; the nearest: {nearest}" if nearest else "; explain all lists every code"


def _render_codes(
    entries: "tuple[Entry, ...]", output_format: TableFormat, output: Path | None
) -> bytes:
    from ckptscope.reports.catalogue import describe_code, describe_codes, render_codes_json

    if output_format is TableFormat.JSON:
        return render_codes_json(entries)
    if len(entries) == 1:
        return render_blocks(describe_code(entries[0]), output_format, output)
    return render_blocks(describe_codes(entries), output_format, output)


def _render(
    report: "ExplainReport", output_format: TableFormat, output: Path | None, *, lines: bool
) -> bytes:
    if output_format is TableFormat.JSON:
        from ckptscope.reports.loading_json import render_explain_json

        return render_explain_json(report)
    from ckptscope.reports.explained import describe_explained

    return render_blocks(describe_explained(report, lines=lines), output_format, output)
