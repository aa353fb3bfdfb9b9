"""`ckptscope schema NAME`: the JSON schema of an output."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SchemaName(StrEnum):
    """Outputs that have a schema, and the tables that --spec reads."""

    FORWARD = "forward"
    INSPECT = "inspect"
    DIFF = "diff"
    EXPLAIN = "explain"
    GATE = "gate"
    CODE = "code"
    IDENTITY = "identity"
    VERIFY = "verify"
    ARCHIVES = "archives"
    UNPACK = "unpack"
    CARVED = "carved"
    PAPER = "paper"
    SPEC = "spec"
    SPEC_CHECK = "spec-check"
    CLAIMS = "claims"


def schema_command(
    name: Annotated[SchemaName, typer.Argument(help="Whose output.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
    ] = None,
) -> None:
    """Print the JSON schema of a command's JSON output."""
    from ckptscope.cli.output import write_result
    from ckptscope.reports.carved_file import carved_json_schema
    from ckptscope.reports.catalogue import codes_json_schema
    from ckptscope.reports.compared_json import diff_json_schema
    from ckptscope.reports.forward_json import forward_json_schema
    from ckptscope.reports.gate_json import gate_json_schema
    from ckptscope.reports.identity_json import (
        archives_json_schema,
        identity_json_schema,
        verify_json_schema,
    )
    from ckptscope.reports.json import inspect_json_schema
    from ckptscope.reports.loading_json import explain_json_schema
    from ckptscope.reports.paper_json import paper_json_schema
    from ckptscope.reports.spec_check_json import spec_check_json_schema
    from ckptscope.reports.unpacked import unpack_json_schema
    from ckptscope.specs.arithmetic.schema import claims_json_schema
    from ckptscope.specs.schema import spec_json_schema

    schemas = {
        SchemaName.FORWARD: forward_json_schema,
        SchemaName.INSPECT: inspect_json_schema,
        SchemaName.DIFF: diff_json_schema,
        SchemaName.EXPLAIN: explain_json_schema,
        SchemaName.GATE: gate_json_schema,
        SchemaName.CODE: codes_json_schema,
        SchemaName.IDENTITY: identity_json_schema,
        SchemaName.VERIFY: verify_json_schema,
        SchemaName.ARCHIVES: archives_json_schema,
        SchemaName.UNPACK: unpack_json_schema,
        SchemaName.CARVED: carved_json_schema,
        SchemaName.PAPER: paper_json_schema,
        SchemaName.SPEC: spec_json_schema,
        SchemaName.SPEC_CHECK: spec_check_json_schema,
        SchemaName.CLAIMS: claims_json_schema,
    }
    write_result(schemas[name](), output)
