"""What came out for one demand, as a requirement and a finding.

Enters: words. Leaves: `Judged`.
"""

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import Requirement, RequirementOutcome


class Judged(msgspec.Struct, frozen=True):
    """One demand, and what came out.

    Attributes:
        requirement: The demand.
        finding: Why the file does not pass by it; None if it does.
    """

    requirement: Requirement
    finding: Finding | None = None


def met(key: str, text: str, found: str) -> Judged:
    """Return a demand that is met."""
    return Judged(Requirement(key=key, text=text, outcome=RequirementOutcome.MET, found=found))


def missed(
    key: str,
    text: str,
    found: str,
    *,
    code: Code,
    message: str,
    evidence: tuple[str, ...] = (),
    help: str = "",
) -> Judged:
    """Return a demand that is not met."""
    outcome = RequirementOutcome.NOT_MET
    return Judged(
        Requirement(key=key, text=text, outcome=outcome, found=found),
        Finding(
            code=code,
            severity=Severity.ERROR,
            message=message,
            evidence=evidence or (found,),
            help=help,
        ),
    )


def undecided(
    key: str,
    text: str,
    found: str,
    *,
    message: str,
    evidence: tuple[str, ...] = (),
    help: str = "",
) -> Judged:
    """Return a demand that nothing in the file decides."""
    outcome = RequirementOutcome.NOT_DECIDED
    return Judged(
        Requirement(key=key, text=text, outcome=outcome, found=found),
        Finding(
            code=Code.NOT_DECIDED,
            severity=Severity.WARNING,
            message=message,
            evidence=evidence or (found,),
            help=help,
        ),
    )
