"""What the gate says → JSON, under a versioned schema.

Enters: a `GateReport`. Leaves: UTF-8 bytes of one JSON object, `ckptscope/gate/1`, whatever the
number of files. Verdicts stand beside what they follow from, and nothing is left out or cut.
"""

from typing import Literal

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import (
    Action,
    CheckRun,
    GateFile,
    GateReport,
    GateVerdict,
    Pardon,
    Requirement,
    Ruling,
)
from ckptscope.facts.report import Failure, Skipped
from ckptscope.reports.json import encode

GATE_SCHEMA: Literal["ckptscope/gate/1"] = "ckptscope/gate/1"


class RulingOut(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, and what the policy does about it: see `facts.gate.Ruling`."""

    finding: Finding
    action: Action
    failing: bool
    undecided: bool
    fingerprint: str
    pardon: Pardon | None


class GateFileOut(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint: see `facts.gate.GateFile`; the verdict beside what it follows from."""

    path: str
    location: tuple[str, ...]
    verdict: GateVerdict
    containers: tuple[ContainerKind, ...]
    size_bytes: int | None
    family: str
    variant: str
    rulings: tuple[RulingOut, ...]
    checks: tuple[CheckRun, ...]
    requirements: tuple[Requirement, ...]
    failure: Failure | None
    carved: str


class GateOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object."""

    schema: Literal["ckptscope/gate/1"] = GATE_SCHEMA
    verdict: GateVerdict
    policy: str
    files: tuple[GateFileOut, ...]
    notices: tuple[RulingOut, ...]
    skipped: tuple[Skipped, ...]


def render_gate_json(report: GateReport) -> bytes:
    """Return what the gate says as JSON with a newline at its end."""
    out = GateOut(
        verdict=report.verdict,
        policy=report.policy,
        files=tuple(_file(one) for one in report.files),
        notices=tuple(_ruling(one) for one in report.notices),
        skipped=report.skipped,
    )
    return encode(out) + b"\n"


def gate_json_schema() -> bytes:
    """Return the JSON schema of the output, indented."""
    schema = msgspec.json.schema(GateOut)
    schema["$id"] = GATE_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _file(file: GateFile) -> GateFileOut:
    return GateFileOut(
        path=file.path,
        location=file.location,
        verdict=file.verdict,
        containers=file.containers,
        size_bytes=file.size_bytes,
        family=file.family,
        variant=file.variant,
        rulings=tuple(_ruling(one) for one in file.rulings),
        checks=file.checks,
        requirements=file.requirements,
        failure=file.failure,
        carved=file.carved,
    )


def _ruling(ruling: Ruling) -> RulingOut:
    return RulingOut(
        finding=ruling.finding,
        action=ruling.action,
        failing=ruling.is_failing,
        undecided=ruling.undecided,
        fingerprint=ruling.fingerprint,
        pardon=ruling.pardon,
    )
