"""Findings and a policy → rulings.

Enters: findings of one file. Leaves: `Ruling`s, in the same order.
"""

import datetime
from collections.abc import Iterable

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import Action, Ruling
from ckptscope.policies.policy import Policy


def rule(
    findings: Iterable[Finding], policy: Policy, *, path: str, today: datetime.date
) -> tuple[Ruling, ...]:
    """Say of every finding what the policy does about it.

    Args:
        findings: Of one checkpoint.
        policy: The policy.
        path: Of its file, with the members that lead to it joined by ` > `.
        today: For the expiry of waivers.
    """
    return tuple(
        Ruling(
            finding=one,
            action=Action.FAIL if one.severity == "error" else Action.WARN,
            undecided=one.code in CATALOGUE and CATALOGUE[one.code].undecided,
        )
        for one in findings
    )
