"""`ckptscope diff FILE...`: how do files stand to each other, to a paper, to a network?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.compare import CompareOptions
from ckptscope.cli.exits import Exit
from ckptscope.cli.options import MaxSpool, Output
from ckptscope.cli.rendering import TableFormat, render_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ckptscope.facts.loading import LoadingReport
    from ckptscope.pipeline.loading import LoadRequest

_OF_COMPARING = "is about files compared with each other"
_Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE...]",
        help="Checkpoints; two or more are compared with each other. With --paper, --variant or "
        "--config also folders and globs.",
    ),
]
_Structure = Annotated[
    bool,
    typer.Option("--structure", help="Compare names, shapes and dtypes alone, no values."),
]
_Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="PATTERN",
        help="Leave out tensors of such names, '*.num_batches_tracked'; repeatable.",
    ),
]
_Atol = Annotated[
    float | None,
    typer.Option("--atol", metavar="X", help="Take elements as equal that differ by X at most."),
]
_Rtol = Annotated[
    float | None,
    typer.Option(
        "--rtol", metavar="X", help="The same by X times the right one; both add up, as in torch."
    ),
]
_Prefix = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="PREFIX",
        help="Take this off the names of all files, instead of what each begins with.",
    ),
]
_Entries = Annotated[
    list[str] | None,
    typer.Option(
        "--entry",
        "--state-dict",
        metavar="PATH",
        help="Which state_dict of a file is meant; to compare, once for all files or once for "
        "each, in their order.",
    ),
]
_Members = Annotated[
    list[str] | None,
    typer.Option(
        "--member",
        metavar="NAME",
        help="Which checkpoint of a file that holds several: once for all files or once for each.",
    ),
]
_Tensors = Annotated[bool, typer.Option("--tensors", help="List every pair that differs.")]
_Paper = Annotated[
    bool,
    typer.Option("--paper", help="Hold each file against the row of a paper that its name claims."),
]
_Variant = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="ROW",
        help="The row to load into; with --paper, that of files whose names claim none.",
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
_Lines = Annotated[
    bool, typer.Option("--lines", help="List everything that load_state_dict would print.")
]
_Format = Annotated[TableFormat, typer.Option("--format", "-f", help="How to show the report.")]


def diff_command(
    files: _Files = None,
    structure: _Structure = False,
    ignore: _Ignore = None,
    atol: _Atol = None,
    rtol: _Rtol = None,
    prefix: _Prefix = None,
    entry: _Entries = None,
    member: _Members = None,
    tensors: _Tensors = False,
    max_spool: MaxSpool = None,
    paper: _Paper = False,
    variant: _Variant = None,
    config: _Config = None,
    spec: _Specs = None,
    assume: _Assume = None,
    family: _Family = None,
    dialect: _Dialect = None,
    lines: _Lines = False,
    output_format: _Format = TableFormat.TEXT,
    output: Output = None,
) -> None:
    """Compare files: with each other, with a paper's table, or with a network.

    A B: are these the same weights, and if not, what was done to them? Values are compared, in
    whatever container, order, prefix or dialect they are. Three files or more give a matrix.
    Exit code 0 says the same, 1 different or not decided.

    --paper: does each file hold what its name claims?

    FILE --variant or --config: what load_state_dict(strict=True) would report, under the few causes
    behind it. No torch is needed, and nothing of a file is executed.
    """
    options = CompareOptions(
        structure=structure,
        ignore=tuple(ignore or ()),
        atol=atol,
        rtol=rtol,
        prefix=prefix,
        entries=tuple(entry or ()),
        members=tuple(member or ()),
        tensors=tensors,
        max_spool=max_spool,
    )
    network = _Network(
        variant=variant,
        config=tuple(config or ()),
        specs=tuple(spec or ()),
        assume=tuple(assume or ()),
        family=family,
        dialect=dialect,
        lines=lines,
    )
    if paper:
        _run_paper(files or [], network, options, output_format, output)
    elif variant is not None or config:
        _run_loading(files or [], network, options, output_format, output)
    else:
        _run_compare(files or [], network, options, output_format, output)


@dataclass(frozen=True)
class _Network:
    """What the user says of the network to load into, or of the paper's table.

    Attributes:
        variant: Row of a table.
        config: Settings, as typed.
        specs: Tables beside those that come along.
        assume: Settings of the file's network, as typed.
        family: Its name.
        dialect: How it names its layers.
        lines: Whether all lines of load_state_dict are listed.
    """

    variant: str | None
    config: tuple[str, ...]
    specs: tuple[Path, ...]
    assume: tuple[str, ...]
    family: str | None
    dialect: str | None
    lines: bool

    def given(self) -> dict[str, bool]:
        """Return which options were given that are about loading alone."""
        return {
            "--config": bool(self.config),
            "--family": self.family is not None,
            "--dialect": self.dialect is not None,
            "--lines": self.lines,
        }


def _run_compare(
    files: list[str],
    network: _Network,
    options: CompareOptions,
    output_format: TableFormat,
    output: Path | None,
) -> None:
    _require_two(files)
    _refuse(network.given(), "", "is about loading a file, with --variant or --config")
    of_tables = {"--spec": bool(network.specs), "--assume": bool(network.assume)}
    _refuse(of_tables, "", "is about --paper, --variant and --config")
    from ckptscope.cli.compare import run_compare

    run_compare(files, options, output_format, output)


def _run_paper(
    files: list[str],
    network: _Network,
    options: CompareOptions,
    output_format: TableFormat,
    output: Path | None,
) -> None:
    of_loading = network.given() | {"--entry": bool(options.entries)}
    _refuse(of_loading, "--paper", "is about loading a file")
    _refuse(options.given(), "--paper", _OF_COMPARING)
    from ckptscope.cli.paper import run_paper

    run_paper(
        files,
        variant=network.variant,
        specs=list(network.specs),
        assume=list(network.assume),
        output_format=output_format,
        output=output,
    )


def _refuse(given: "Mapping[str, bool]", mode: str, reason: str) -> None:
    """End with a line on the first option given that a mode has no use for, if there is any.

    Args:
        given: By name, whether the user gave it.
        mode: Option that asks for the mode; empty for files compared with each other.
        reason: What the option is about.
    """
    from ckptscope.cli.output import write_error

    name = next((name for name, is_given in given.items() if is_given), None)
    if name is None:
        return
    where = f"without {mode}" if mode else "for one file or a network, not to compare files"
    write_error(f"expected {name} {where}: it {reason}")
    raise typer.Exit(Exit.USAGE)


def _require_two(files: list[str]) -> None:
    """End with a line on what is missing where there are no two files to compare."""
    from ckptscope.cli.output import write_error

    if len(files) > 1:
        return
    found = f"{files[0]!r:.200} alone" if files else "none"
    write_error(
        f"expected two files to compare, or something to hold one against (--paper, "
        f"--variant ROW or --config NAME=VALUE), found {found}"
    )
    raise typer.Exit(Exit.USAGE)


def _run_loading(
    files: list[str],
    network: _Network,
    options: CompareOptions,
    output_format: TableFormat,
    output: Path | None,
) -> None:
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.pipeline.loading import forecast_loading

    asked = "--variant" if network.variant is not None else "--config"
    _refuse(options.given(), asked, _OF_COMPARING)
    try:
        refuse_inputs_as_output([*files, *map(str, network.specs)], output)
        request = _load_request(files, network, options.entries)
        report = forecast_loading(files, request, specs=network.specs)
        write_result(_render(report, output_format, output, lines=network.lines), output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    code = _conclude(report)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _load_request(files: list[str], network: _Network, entries: tuple[str, ...]) -> "LoadRequest":
    from ckptscope.cli.settings import parse_settings
    from ckptscope.errors import UsageError
    from ckptscope.pipeline.loading import LoadRequest

    if not files:
        raise UsageError("expected a file to load, found none")
    if len(entries) > 1:
        raise UsageError(f"expected one --entry to load, found {len(entries)}")
    return LoadRequest(
        variant=network.variant,
        config=parse_settings(network.config),
        family=network.family,
        dialect=network.dialect,
        state_dict=entries[0] if entries else None,
        stated=parse_settings(network.assume),
    )


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
