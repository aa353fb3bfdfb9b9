"""`ckptscope spec check FILE.toml...`: which claims contradict each other, by arithmetic alone?"""

from pathlib import Path
from typing import Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.rendering import TableFormat, render_blocks


def check_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE.toml...", help="Files of claims, or tables of claims."),
    ],
    spec: Annotated[
        list[Path] | None,
        typer.Option(
            "--spec", metavar="FILE.toml", help="A table whose rows the claims name; repeatable."
        ),
    ] = None,
    output_format: Annotated[
        TableFormat, typer.Option("--format", "-f", help="How to show the verdicts.")
    ] = TableFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
    ] = None,
) -> None:
    """Find claims that contradict each other or a table.

    It is arithmetic alone: no checkpoint is read. Exit code 1 if a claim contradicts something or
    does not follow, 2 if a file cannot be read.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import SpecError, UsageError
    from ckptscope.pipeline.spec_check import check_specs

    tables = spec or []
    try:
        refuse_inputs_as_output([*files, *map(str, tables)], output)
        report = check_specs(files, tables)
        if output_format is TableFormat.JSON:
            from ckptscope.reports.spec_check_json import render_spec_check_json

            data = render_spec_check_json(report)
        else:
            from ckptscope.reports.spec_check import describe_spec_check

            data = render_blocks(describe_spec_check(report), output_format, output)
        if report.files or output_format is TableFormat.JSON:
            write_result(data, output)
    except (UsageError, SpecError) as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    for failure in report.failures:
        write_error(failure.message)
    if report.failures:
        raise typer.Exit(Exit.USAGE)
    if report.failing:
        raise typer.Exit(Exit.FOUND)
