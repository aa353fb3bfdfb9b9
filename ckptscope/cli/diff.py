"""`ckptscope diff FILE...`: does a file hold what its name claims, and would a network load it?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.rendering import TableFormat, render_blocks

if TYPE_CHECKING:
    from ckptscope.facts.loading import LoadingReport

_Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE...]", help="Checkpoints, folders or globs."),
]
_Paper = Annotated[
    bool,
    typer.Option("--paper", help="Hold each file against the row of a paper that its name claims."),
]
_Variant = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="ROW",
        help="The row to compare with; with --paper, of files whose names claim none.",
    ),
]
_Config = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        metavar="NAME=VALUE,...",
        help="The network to load into: dims=48,96,192,384,joints=17. What is left out is as in "
        "--variant, or in the file; repeatable.",
    ),
]
_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of variants; repeatable."),
]
_Assume = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="NAME=VALUE",
        help="Take a setting of the file's network as known: joints=17; repeatable.",
    ),
]
_Family = Annotated[
    str | None,
    typer.Option("--family", metavar="NAME", help="Family of the network to load into."),
]
_Dialect = Annotated[
    str | None,
    typer.Option(
        "--dialect", metavar="NAME", help="How the network to load into names its layers."
    ),
]
_StateDict = Annotated[
    str | None,
    typer.Option("--state-dict", metavar="PATH", help="Which state_dict of a file is meant."),
]
_Lines = Annotated[
    bool, typer.Option("--lines", help="List everything that load_state_dict would print.")
]
_Format = Annotated[TableFormat, typer.Option("--format", "-f", help="How to show the report.")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
]


def diff_command(
    files: _Files = None,
    paper: _Paper = False,
    variant: _Variant = None,
    config: _Config = None,
    spec: _Specs = None,
    assume: _Assume = None,
    family: _Family = None,
    dialect: _Dialect = None,
    state_dict: _StateDict = None,
    lines: _Lines = False,
    output_format: _Format = TableFormat.TEXT,
    output: _Output = None,
) -> None:
    """Hold files against a paper's table (--paper), or against a network (--variant, --config).

    With --variant or --config: what load_state_dict(strict=True) would report, under the few causes
    behind it. No torch is needed, and nothing of a file is executed.
    """
    from ckptscope.cli.output import write_error

    if paper:
        unfit = _unfit(config, family, dialect, state_dict, lines=lines)
        if unfit:
            write_error(f"expected {unfit} without --paper: it is about loading a file")
            raise typer.Exit(Exit.USAGE)
        from ckptscope.cli.paper import run_paper

        run_paper(
            files or [],
            variant=variant,
            specs=spec or [],
            assume=assume or [],
            output_format=output_format,
            output=output,
        )
        return
    problem = _problem(files or [], has_network=variant is not None or bool(config))
    if problem:
        write_error(problem)
        raise typer.Exit(Exit.USAGE)
    _run_loading(
        files or [],
        (variant, config or [], family, dialect, state_dict),
        specs=spec or [],
        assume=assume or [],
        lines=lines,
        output_format=output_format,
        output=output,
    )


def _unfit(
    config: list[str] | None,
    family: str | None,
    dialect: str | None,
    state_dict: str | None,
    *,
    lines: bool,
) -> str:
    """Return the first option given that --paper has no use for; empty for none."""
    given = {
        "--config": bool(config),
        "--family": family is not None,
        "--dialect": dialect is not None,
        "--state-dict": state_dict is not None,
        "--lines": lines,
    }
    return next((name for name, is_given in given.items() if is_given), "")


def _problem(files: list[str], *, has_network: bool) -> str:
    """Say what is wrong with a request about loading; empty if nothing is."""
    if not has_network:
        if len(files) == 2:
            return (
                "two checkpoints cannot be compared with each other yet; expected --paper, "
                "--variant ROW or --config NAME=VALUE"
            )
        return "expected something to compare with: --paper, --variant ROW or --config NAME=VALUE"
    return "" if files else "expected a file to load, found none"


def _run_loading(
    files: list[str],
    network: tuple[str | None, list[str], str | None, str | None, str | None],
    *,
    specs: list[Path],
    assume: list[str],
    lines: bool,
    output_format: TableFormat,
    output: Path | None,
) -> None:
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.cli.settings import parse_settings
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.pipeline.loading import LoadRequest, forecast_loading

    variant, config, family, dialect, state_dict = network
    try:
        refuse_inputs_as_output([*files, *map(str, specs)], output)
        request = LoadRequest(
            variant=variant,
            config=parse_settings(config),
            family=family,
            dialect=dialect,
            state_dict=state_dict,
            stated=parse_settings(assume),
        )
        report = forecast_loading(files, request, specs=specs)
        write_result(_render(report, output_format, output, lines=lines), output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    code = _conclude(report)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _render(
    report: "LoadingReport", output_format: TableFormat, output: Path | None, *, lines: bool
) -> bytes:
    if output_format is TableFormat.JSON:
        from ckptscope.reports.loading_json import render_loading_json

        return render_loading_json(report)
    from ckptscope.reports.loading import describe_loading

    return render_blocks(describe_loading(report, lines=lines), output_format, output)


def _conclude(report: "LoadingReport") -> Exit:
    """Say on stderr what could not be done, and return the gravest code."""
    from ckptscope.cli.output import write_error
    from ckptscope.facts.loading import LoadVerdict

    code = Exit.FINE
    for file in report.files:
        if file.failure is not None:
            write_error(f"{file.path}: {file.failure.message}")
            is_request = file.failure.kind == "UsageError"
            code = max(code, Exit.USAGE if is_request else Exit.UNREADABLE)
        elif file.verdict is LoadVerdict.DOES_NOT_LOAD:
            code = max(code, Exit.FOUND)
    if not report.files:
        looked = len(report.skipped)
        others = "1 other file was" if looked == 1 else f"{looked:,} other files were"
        write_error(f"no checkpoint found; {others} looked at")
        code = Exit.USAGE
    return code
