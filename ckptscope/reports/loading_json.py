"""What load_state_dict would say, or has said → JSON, under versioned schemas.

Enters: a `LoadingReport` or an `ExplainReport`. Leaves: UTF-8 bytes of one JSON object,
`ckptscope/diff/1` or `ckptscope/explain/1`. Causes name their keys; every key of `missing`,
`unexpected` and `mismatched` stands under one cause or in `unexplained`.
"""

from typing import Literal

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.differences import Cause, KeyDifferences, ShapeMismatch
from ckptscope.facts.loading import (
    ExplainReport,
    Explanation,
    LoadForecast,
    LoadingReport,
    LoadStep,
    LoadVerdict,
)
from ckptscope.facts.report import Failure, Skipped
from ckptscope.reports.json import encode

DIFF_SCHEMA: Literal["ckptscope/diff/1"] = "ckptscope/diff/1"
EXPLAIN_SCHEMA: Literal["ckptscope/explain/1"] = "ckptscope/explain/1"


class StepOut(msgspec.Struct, frozen=True, kw_only=True):
    """One way to load a file: see `facts.loading.LoadStep`."""

    title: str
    changes: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[ShapeMismatch, ...]
    tolerated: tuple[str, ...]
    causes: tuple[Cause, ...]
    unexplained: KeyDifferences


class ForecastOut(msgspec.Struct, frozen=True, kw_only=True):
    """One file: see `facts.loading.LoadForecast`; the verdict beside what it follows from."""

    path: str
    location: tuple[str, ...]
    verdict: LoadVerdict
    state_dict: str
    family: str
    prefix: str
    dialect: str
    network_dialect: str
    target: str
    settings: dict[str, FactValue]
    found_settings: dict[str, FactValue]
    steps: tuple[StepOut, ...]
    remarks: tuple[str, ...]
    failure: Failure | None


class DiffOut(msgspec.Struct, frozen=True, kw_only=True, tag_field="mode", tag="load"):
    """The whole object of `diff FILE --variant` and `diff FILE --config`.

    Its `mode` tells it from what `diff` says of several files: see `reports.compared_json`.
    """

    schema: Literal["ckptscope/diff/1"] = DIFF_SCHEMA
    files: tuple[ForecastOut, ...]
    skipped: tuple[Skipped, ...]


class ExplanationOut(msgspec.Struct, frozen=True, kw_only=True):
    """One error: see `facts.loading.LoadError` and `facts.loading.Explanation`."""

    network: str
    is_strict: bool
    times: int
    cut_off: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[ShapeMismatch, ...]
    refused: tuple[str, ...]
    family: str
    dialect: str
    reasons: tuple[str, ...]
    rivals: tuple[str, ...]
    table: str
    found_row: str
    expected_row: str
    is_reproduced: bool | None
    beyond: int
    causes: tuple[Cause, ...]
    unexplained: KeyDifferences
    undecided: tuple[str, ...]


class ExplainOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object of `explain`."""

    schema: Literal["ckptscope/explain/1"] = EXPLAIN_SCHEMA
    source: str
    errors: tuple[ExplanationOut, ...]


def render_loading_json(report: LoadingReport) -> bytes:
    """Return the forecast as JSON with a newline at its end."""
    out = DiffOut(files=tuple(map(_forecast, report.files)), skipped=report.skipped)
    return encode(out) + b"\n"


def render_explain_json(report: ExplainReport) -> bytes:
    """Return the explanation as JSON with a newline at its end."""
    out = ExplainOut(source=report.source, errors=tuple(map(_explanation, report.errors)))
    return encode(out) + b"\n"


def explain_json_schema() -> bytes:
    """Return the JSON schema of `explain`, indented."""
    return _schema(ExplainOut, EXPLAIN_SCHEMA)


def _schema(kind: type[msgspec.Struct], name: str) -> bytes:
    schema = msgspec.json.schema(kind)
    schema["$id"] = name
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _forecast(file: LoadForecast) -> ForecastOut:
    return ForecastOut(
        path=file.path,
        location=file.location,
        verdict=file.verdict,
        state_dict=file.state_dict,
        family=file.family,
        prefix=file.prefix,
        dialect=file.dialect,
        network_dialect=file.network_dialect,
        target=file.target,
        settings=file.settings,
        found_settings=file.found_settings,
        steps=tuple(map(_step, file.steps)),
        remarks=file.remarks,
        failure=file.failure,
    )


def _step(step: LoadStep) -> StepOut:
    found = step.diagnosis
    return StepOut(
        title=step.title,
        changes=step.changes,
        missing=found.differences.missing,
        unexpected=found.differences.unexpected,
        mismatched=found.differences.mismatched,
        tolerated=found.differences.tolerated,
        causes=found.causes,
        unexplained=found.unexplained,
    )


def _explanation(one: Explanation) -> ExplanationOut:
    error, found = one.error, one.diagnosis
    return ExplanationOut(
        network=error.network,
        is_strict=error.is_strict,
        times=error.times,
        cut_off=error.cut_off,
        missing=error.differences.missing,
        unexpected=error.differences.unexpected,
        mismatched=error.differences.mismatched,
        refused=error.refused,
        family=one.family,
        dialect=one.dialect,
        reasons=one.reasons,
        rivals=one.rivals,
        table=one.table,
        found_row=one.found_row,
        expected_row=one.expected_row,
        is_reproduced=one.is_reproduced,
        beyond=one.beyond,
        causes=found.causes,
        unexplained=found.unexplained,
        undecided=one.undecided,
    )
