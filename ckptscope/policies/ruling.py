"""Findings and a policy → rulings.

Enters: findings of one file. Leaves: `Ruling`s, in the same order. `review_policy` looks at the
whole run, and says which waivers are over and which excuses nothing needs.
"""

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Final

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import Action, GateFile, Pardon, Ruling
from ckptscope.policies.baseline import Baseline
from ckptscope.policies.fingerprints import ARROW, file_name, fingerprint
from ckptscope.policies.policy import Policy, Waiver
from ckptscope.policies.selectors import choose_action

#: Sources of a pardon.
WAIVED: Final = "waiver"
KNOWN: Final = "baseline"
#: Entries of a baseline that a notice names.
_MOST_NAMED: Final = 5


def rule(
    findings: Iterable[Finding],
    policy: Policy,
    *,
    path: str,
    location: Sequence[str] = (),
    today: datetime.date,
    baseline: Baseline | None = None,
) -> tuple[Ruling, ...]:
    """Say of every finding what the policy does about it.

    A baseline that knows a finding once pardons one like it, and not a second.

    Args:
        findings: Of one checkpoint.
        policy: The policy.
        path: Of its file.
        location: Members that lead through wrappers to it; they may also stand in `path`, joined
            by ` > `.
        today: For the expiry of waivers.
        baseline: Findings that are known.
    """
    left = Counter(baseline.counts) if baseline is not None else Counter[str]()
    name = ARROW.join((path, *location))
    rulings: list[Ruling] = []
    for finding in findings:
        action = choose_action(finding, policy.selections)
        known_by = fingerprint(finding, name)
        pardon: Pardon | None = None
        if action is not Action.IGNORE:
            waiver = _waiver_for(finding, policy.waivers, name, today)
            if waiver is not None:
                pardon = Pardon(source=WAIVED, reason=waiver.reason, expires=waiver.expires)
            elif baseline is not None and left[known_by] > 0:
                left[known_by] -= 1
                pardon = Pardon(source=KNOWN, reason=baseline.name)
        entry = CATALOGUE.get(finding.code)
        rulings.append(
            Ruling(
                finding=finding,
                action=action,
                undecided=entry is not None and entry.undecided,
                fingerprint=known_by,
                pardon=pardon,
            )
        )
    return tuple(rulings)


def review_policy(
    policy: Policy,
    files: Iterable[GateFile],
    *,
    today: datetime.date,
    baseline: Baseline | None = None,
) -> tuple[Ruling, ...]:
    """Say which waivers are over, and which waivers and known findings nothing needs any more.

    Only those for files of this run are judged: the others may be needed elsewhere.

    Args:
        policy: The policy.
        files: What was ruled by it.
        today: For the expiry of waivers.
        baseline: Findings that are known.
    """
    seen = tuple(files)
    findings = [*_waiver_notices(policy, seen, today)]
    if baseline is not None:
        findings += _baseline_notices(baseline, seen)
    return rule(findings, policy, path=policy.source, today=today)


def _waiver_for(
    finding: Finding, waivers: Iterable[Waiver], path: str, today: datetime.date
) -> Waiver | None:
    """Return the first waiver that pardons a finding; the last day still counts."""
    for waiver in waivers:
        if today <= waiver.expires and _fits(waiver, finding, path):
            return waiver
    return None


def _fits(waiver: Waiver, finding: Finding, path: str) -> bool:
    if not finding.code.startswith(waiver.code) or not _is_for(waiver, path):
        return False
    if waiver.where is None:
        return True
    places = [one for one in (finding.where.member, finding.where.key) if one is not None]
    return any(fnmatchcase(one, waiver.where) for one in places or [""])


def _is_for(waiver: Waiver, path: str) -> bool:
    """Whether a waiver's pattern fits a file: all of its path, its name, or the innermost name."""
    outer, *inner = path.split(ARROW)
    names = {path, outer, PurePath(outer).name, file_name(path)}
    names |= {name for member in inner[-1:] for name in (member, PurePath(member).name)}
    return any(fnmatchcase(name, waiver.file) for name in names)


def _waiver_notices(
    policy: Policy, files: Sequence[GateFile], today: datetime.date
) -> Iterator[Finding]:
    met = [(one, file.name) for file in files for one in file.rulings if _counts(one)]
    for waiver in policy.waivers:
        if not any(_is_for(waiver, file.name) for file in files):
            continue
        what = f"the waiver of {waiver.code!r} for {waiver.file!r:.120}"
        evidence: tuple[str, ...] = (f"reason: {waiver.reason!r:.200}",)
        if waiver.line:
            evidence = (f"{policy.source}:{waiver.line}", *evidence)
        needing = [one for one, path in met if _fits(waiver, one.finding, path)]
        if waiver.expires < today:
            yield Finding(
                code=Code.WAIVER_EXPIRED,
                severity=Severity.WARNING,
                message=f"{what} expired on {waiver.expires.isoformat()}: "
                + _counting_again(needing),
                evidence=evidence,
                help="decide anew and move the date, or take it out of the policy",
            )
        elif not needing:
            yield Finding(
                code=Code.WAIVER_UNUSED,
                severity=Severity.INFO,
                message=f"{what} is needed by nothing",
                evidence=evidence,
                help="take it out of the policy",
            )


def _counting_again(needing: Sequence[Ruling]) -> str:
    """Say what an expired waiver leaves: another one, or the baseline, may pardon it still."""
    if not needing:
        return "nothing needs it any more"
    count = sum(one.pardon is None for one in needing)
    if not count:
        return "what it was for is pardoned otherwise"
    return "1 finding counts again" if count == 1 else f"{count:,} findings count again"


def _counts(ruling: Ruling) -> bool:
    """Whether a ruling could do with a waiver."""
    return ruling.action is not Action.IGNORE


def _baseline_notices(baseline: Baseline, files: Sequence[GateFile]) -> Iterator[Finding]:
    names = {file_name(file.path, file.location) for file in files if file.failure is None}
    met = Counter[str]()
    for file in files:
        # A file that lies in two folders counts as once.
        found = Counter(one.fingerprint for one in file.rulings if _counts(one))
        met |= found
    idle = [
        entry
        for entry in baseline.entries
        if entry.file in names and met[entry.fingerprint] < entry.count
    ]
    if idle:
        gone = "1 known finding is" if len(idle) == 1 else f"{len(idle):,} known findings are"
        yield Finding(
            code=Code.WAIVER_UNUSED,
            severity=Severity.INFO,
            message=f"{gone} met no more, or less often, of those in {baseline.name!r:.200}",
            evidence=tuple(
                f"{one.code} in {one.file!r:.120}: {one.message:.120}" for one in idle[:_MOST_NAMED]
            ),
            help="write the baseline anew",
        )
