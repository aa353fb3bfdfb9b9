"""Verdicts on claims → JSON, under a versioned schema.

Enters: a `SpecCheckReport`. Leaves: UTF-8 bytes of one JSON object, `ckptscope/spec-check/1`,
whatever the number of files. (`ckptscope/spec/1` is the schema of tables.)
"""

from typing import Literal

import msgspec

from ckptscope.facts.checked import CheckedFile, SpecCheckReport, UnreadClaims
from ckptscope.reports.json import encode

SPEC_CHECK_SCHEMA: Literal["ckptscope/spec-check/1"] = "ckptscope/spec-check/1"


class SpecCheckOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object."""

    schema: Literal["ckptscope/spec-check/1"] = SPEC_CHECK_SCHEMA
    files: tuple[CheckedFile, ...]
    failures: tuple[UnreadClaims, ...] = ()


def render_spec_check_json(report: SpecCheckReport) -> bytes:
    """Return the report as JSON with a newline at its end."""
    return encode(SpecCheckOut(files=report.files, failures=report.failures)) + b"\n"


def spec_check_json_schema() -> bytes:
    """Return the JSON schema of the output, indented."""
    schema = msgspec.json.schema(SpecCheckOut)
    schema["$id"] = SPEC_CHECK_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
