"""`ckptscope inspect FILE...`: what is in these checkpoints?"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.options import MaxSpool, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ckptscope.facts.architecture import FactValue
    from ckptscope.facts.report import FileReport, InspectReport
    from ckptscope.reports.wanted import Wanted


class OutputFormat(StrEnum):
    """How to show a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Checkpoints, folders or globs; kinds are told by content."
    ),
]
_Format = Annotated[OutputFormat, typer.Option("--format", "-f", help="How to show the report.")]
_Tensors = Annotated[bool, typer.Option("--tensors", help="List every tensor (JSON always does).")]
_Depth = Annotated[
    int | None,
    typer.Option("--depth", min=1, metavar="N", help="Levels of a network's modules to show."),
]
_Evidence = Annotated[
    bool,
    typer.Option("--evidence", help="Tell what the architecture rests on (JSON always does)."),
]
_Snippet = Annotated[bool, typer.Option("--snippet", help="Write code that loads the network.")]
_Assume = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="NAME=VALUE",
        help="Take a setting of the network as known: joints=17; repeatable.",
    ),
]
_Values = Annotated[
    bool,
    typer.Option(
        "--values",
        help="Go over all values: statistics of each tensor, findings about their health.",
    ),
]
_Identity = Annotated[
    bool, typer.Option("--identity", help="Hash all tensors: the content, whatever holds it.")
]
_Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        help="Threads for --values and --identity (one a core, four at most).",
    ),
]
_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of variants; repeatable."),
]


def inspect_command(
    files: _Files,
    output_format: _Format = OutputFormat.TEXT,
    output: Output = None,
    tensors: _Tensors = False,
    depth: _Depth = None,
    evidence: _Evidence = False,
    snippet: _Snippet = False,
    assume: _Assume = None,
    values: _Values = False,
    identity: _Identity = False,
    spec: _Specs = None,
    max_spool: MaxSpool = None,
    jobs: _Jobs = None,
) -> None:
    """Take checkpoints apart: containers, tensors, architecture, training record, findings.

    Nothing of a file is executed, and of its tensors only step counters are read, unless --values
    or --identity asks for more.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.cli.progress import default_jobs, showing_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.pipeline import inspect
    from ckptscope.reports.wanted import Wanted

    wanted = Wanted(tensors=tensors, evidence=evidence, snippets=snippet, module_depth=depth)
    try:
        refuse_inputs_as_output(files, output)
        stated = _stated(assume)
        with showing_progress(values or identity, files) as progress:
            report = inspect(
                files,
                limits=limits_of(max_spool),
                stated=stated,
                specs=spec or (),
                values=values,
                snippets=snippet,
                identity=identity,
                jobs=jobs or default_jobs(),
                progress=progress,
            )
        write_result(_render(report, output_format, output, wanted), output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    _complain(report, stated)


def _complain(report: "InspectReport", stated: "Mapping[str, FactValue]") -> None:
    """Say on stderr what could not be done, and end with the code of the gravest."""
    from ckptscope.cli.output import nothing_found, write_error

    failures = [one for one in report.files if one.failure is not None]
    for one in failures:
        write_error(f"{one.path}: {one.failure.message if one.failure else ''}")
    if failures:
        raise typer.Exit(_worst(failures))
    if not report.files:
        write_error(nothing_found(len(report.skipped)))
        raise typer.Exit(Exit.USAGE)
    if stated and not any(one.identified for one in report.files):
        write_error(f"no network of a known family to assume {', '.join(stated)} of")
        raise typer.Exit(Exit.USAGE)


def _stated(assume: list[str] | None) -> "dict[str, FactValue]":
    if not assume:
        return {}
    from ckptscope.cli.settings import parse_settings

    return parse_settings(assume)


def _worst(failures: "list[FileReport]") -> Exit:
    """A file that is not there is a wrong request; any other failure weighs more."""
    absent = all(one.failure is not None and one.failure.kind == "UsageError" for one in failures)
    return Exit.USAGE if absent else Exit.UNREADABLE


def _render(
    report: "InspectReport", output_format: OutputFormat, output: Path | None, wanted: "Wanted"
) -> bytes:
    """Load only the renderer that is asked for: rich alone takes as long as reading a file."""
    if output_format is OutputFormat.JSON:
        from ckptscope.reports.json import render_json

        return render_json(report)
    if output_format is OutputFormat.MARKDOWN:
        from ckptscope.reports.markdown import render_markdown

        return render_markdown(report, wanted).encode("utf-8", "backslashreplace")
    from ckptscope.cli.output import text_width, wants_color
    from ckptscope.reports.text import render_text

    width, color = text_width(lists=wanted.tensors), wants_color(output)
    text = render_text(report, width=width, color=color, wanted=wanted)
    return text.encode("utf-8", "backslashreplace")
