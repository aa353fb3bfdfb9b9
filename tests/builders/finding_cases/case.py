"""What trips a code, and what passes because one thing is different."""

import datetime
from collections.abc import Callable
from pathlib import Path

import msgspec

from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import GateReport
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.pipeline.gating import gate
from ckptscope.policies.policy import DEFAULT_POLICY, Policy

#: A day on which every case is judged, so that none of them expires.
TODAY = datetime.date(2026, 1, 15)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is put before the gate.

    Attributes:
        path: File or folder.
        policy: What is asked of it.
        values: Whether to go over the values, whatever the policy says.
        deep: Whether to compare CRCs, whatever the policy says.
        limits: Bounds of the reading.
        today: For the expiry of waivers.
    """

    path: Path
    policy: Policy = DEFAULT_POLICY
    values: bool = False
    deep: bool = False
    limits: Limits = DEFAULT_LIMITS
    today: datetime.date = TODAY


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Two checkpoints that differ in one thing.

    Attributes:
        trips: Writes a checkpoint below an empty folder that gets a finding of the code.
        passes: Writes one beside it, below another empty folder, that gets none of that code.
    """

    trips: Callable[[Path], Subject]
    passes: Callable[[Path], Subject]


def judge(subject: Subject) -> GateReport:
    """Put a subject before the gate."""
    policy = msgspec.structs.replace(
        subject.policy,
        values=subject.values or subject.policy.values,
        deep=subject.deep or subject.policy.deep,
    )
    return gate(subject.path, policy, limits=subject.limits, today=subject.today)


def findings_of(report: GateReport) -> list[Finding]:
    """Every finding of a report, the policy's own notices last."""
    rulings = [ruling for file in report.files for ruling in file.rulings]
    return [ruling.finding for ruling in (*rulings, *report.notices)]
