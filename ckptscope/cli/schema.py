"""`ckptscope schema NAME`: the JSON schema of an output."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SchemaName(StrEnum):
    """Outputs that have a schema."""

    INSPECT = "inspect"


def schema_command(
    name: Annotated[SchemaName, typer.Argument(help="Whose output.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
    ] = None,
) -> None:
    """Print the JSON schema of a command's JSON output."""
    from ckptscope.cli.output import write_result
    from ckptscope.reports.json import inspect_json_schema

    schemas = {SchemaName.INSPECT: inspect_json_schema}
    write_result(schemas[name](), output)
