"""Comparison with a paper → JSON, under a versioned schema.

Enters: a `PaperReport`. Leaves: UTF-8 bytes of one JSON object, `ckptscope/paper/1`, whatever the
number of files. Files are named by their index in `files` wherever something is said of several.
"""

from typing import Literal

import msgspec

from ckptscope.facts.paper import (
    Label,
    PaperFile,
    PaperMatrix,
    PaperOutcome,
    PaperReport,
    SameWeights,
)
from ckptscope.facts.report import Failure, Skipped
from ckptscope.facts.standing import Judgement, Standing
from ckptscope.reports.json import encode

PAPER_SCHEMA: Literal["ckptscope/paper/1"] = "ckptscope/paper/1"


class PaperFileOut(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint: see `facts.paper.PaperFile`; the outcome beside what it follows from."""

    path: str
    location: tuple[str, ...]
    outcome: PaperOutcome
    label: Label | None
    label_remark: str
    family: str
    state_dict: str
    prefix: str
    table: str
    row: str
    judgements: tuple[Judgement, ...]
    standing: Standing | None
    told_from_label: tuple[str, ...]
    misfits: tuple[str, ...]
    further: tuple[str, ...]
    remark: str
    failure: Failure | None


class PaperOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object."""

    schema: Literal["ckptscope/paper/1"] = PAPER_SCHEMA
    files: tuple[PaperFileOut, ...]
    matrices: tuple[PaperMatrix, ...]
    same_weights: tuple[SameWeights, ...]
    remarks: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def render_paper_json(report: PaperReport) -> bytes:
    """Return the comparison as JSON with a newline at its end."""
    out = PaperOut(
        files=tuple(_file(one) for one in report.files),
        matrices=report.matrices,
        same_weights=report.same_weights,
        remarks=report.remarks,
        skipped=report.skipped,
    )
    return encode(out) + b"\n"


def paper_json_schema() -> bytes:
    """Return the JSON schema of the output, indented."""
    schema = msgspec.json.schema(PaperOut)
    schema["$id"] = PAPER_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _file(file: PaperFile) -> PaperFileOut:
    return PaperFileOut(
        path=file.path,
        location=file.location,
        outcome=file.outcome,
        label=file.label,
        label_remark=file.label_remark,
        family=file.family,
        state_dict=file.state_dict,
        prefix=file.prefix,
        table=file.table,
        row=file.row,
        judgements=file.judgements,
        standing=file.standing,
        told_from_label=file.told_from_label,
        misfits=file.misfits,
        further=file.further,
        remark=file.remark,
        failure=file.failure,
    )
