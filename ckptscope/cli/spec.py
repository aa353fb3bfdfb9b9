"""`ckptscope spec`: the tables of claims that files are held against."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.options import Output
from ckptscope.cli.rendering import TableFormat, render_blocks
from ckptscope.cli.spec_check import check_command

if TYPE_CHECKING:
    from ckptscope.facts.tables import SpecTable

spec_app = typer.Typer(
    name="spec",
    help="Tables of papers: which there are, what they claim; claims that contradict each other.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
spec_app.command("check")(check_command)


class SpecFormat(StrEnum):
    """How to show a table."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    JSON = "json"
    TOML = "toml"


_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of your own; repeatable."),
]


@spec_app.command("list")
def list_command(
    spec: _Specs = None,
    output_format: Annotated[
        TableFormat, typer.Option("--format", "-f", help="How to show the list.")
    ] = TableFormat.TEXT,
    output: Output = None,
) -> None:
    """List the tables: those that come along, and those that --spec names."""

    def render(tables: "tuple[SpecTable, ...]") -> bytes:
        from ckptscope.reports.spec import describe_list, render_list_json

        if output_format is TableFormat.JSON:
            return render_list_json(tables)
        return render_blocks(describe_list(tables), output_format, output)

    _write(spec or [], output, render)


@spec_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a table: convnextpose.")],
    spec: _Specs = None,
    output_format: Annotated[
        SpecFormat, typer.Option("--format", "-f", help="How to show it; --spec reads toml.")
    ] = SpecFormat.TEXT,
    output: Output = None,
) -> None:
    """Show what a table claims, how its numbers are read, and where they are from."""

    def render(tables: "tuple[SpecTable, ...]") -> bytes:
        from ckptscope.reports.spec import describe_table, render_table_json
        from ckptscope.specs.loading import text_of

        table = _named(name, tables)
        if output_format is SpecFormat.TOML:
            return text_of(table).encode()
        if output_format is SpecFormat.JSON:
            return render_table_json(table)
        return render_blocks(describe_table(table), TableFormat(output_format.value), output)

    _write(spec or [], output, render)


def _named(name: str, tables: "tuple[SpecTable, ...]") -> "SpecTable":
    """Return a table by its name.

    Raises:
        UsageError: There is none; the message names those that there are.
    """
    from ckptscope.errors import UsageError

    for table in tables:
        if table.name == name:
            return table
    names = ", ".join(table.name for table in tables)
    raise UsageError(f"no table {name!r}; there are: {names}")


def _write(
    specs: list[Path], output: Path | None, render: "Callable[[tuple[SpecTable, ...]], bytes]"
) -> None:
    """Load the tables and write what is made of them; a wrong table or request is exit 2."""
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.specs.loading import all_tables, load_tables

    try:
        refuse_inputs_as_output([str(path) for path in specs], output)
        write_result(render(all_tables(load_tables(specs))), output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
