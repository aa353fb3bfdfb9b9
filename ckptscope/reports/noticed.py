"""Findings, failures, skipped files and the closing line → blocks.

Enters: findings of a manifest, or the whole report. Leaves: blocks. Many findings of one code are
shown by their first few; the others are counted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from ckptscope.facts.findings import Finding, Severity
from ckptscope.facts.report import Failure, FileReport, InspectReport, Skipped
from ckptscope.reports.blocks import (
    Block,
    Field,
    Name,
    Notice,
    Part,
    Refusal,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.numerals import size_text
from ckptscope.reports.tables import Table, name

_MOST_OF_A_CODE = 5
_MOST_EVIDENCE = 6
_MOST_SKIPPED = 5
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_TONES = {
    Severity.ERROR: Tone.ERROR,
    Severity.WARNING: Tone.WARNING,
    Severity.INFO: Tone.INFO,
}


def describe_findings(findings: Sequence[Finding], *, everything: bool) -> Iterator[Block]:
    """Show findings, the worst first; of many with one code the first few, unless all are asked."""
    if not findings:
        return
    ordered = sorted(findings, key=lambda found: _ORDER.index(found.severity))
    totals = Counter((found.severity, found.code) for found in ordered)
    shown: Counter[tuple[Severity, str]] = Counter()
    yield section("findings", Words(": "), *_severities(findings))
    for found in ordered:
        kind = (found.severity, found.code)
        shown[kind] += 1
        if everything or shown[kind] <= _MOST_OF_A_CODE:
            yield _notice(found)
        elif shown[kind] == totals[kind]:
            more = totals[kind] - _MOST_OF_A_CODE
            yield line(f"and {more:,} more {found.code} of severity {found.severity}")


def _severities(findings: Sequence[Finding]) -> list[Part]:
    counts = Counter(found.severity for found in findings)
    parts: list[Part] = []
    for severity in _ORDER:
        if counts[severity]:
            parts += [Words(", ")] if parts else []
            parts.append(Words(_counted(counts[severity], severity), _TONES[severity]))
    return parts


def _counted(count: int, severity: Severity) -> str:
    if severity is Severity.INFO:
        return f"{count:,} for information"
    return f"{count:,} {severity}{'s' if count != 1 else ''}"


def _notice(found: Finding) -> Notice:
    details: list[Field] = []
    where: list[Part] = []
    if found.where.key is not None:
        where += [Name(found.where.key)]
    if found.where.member is not None:
        where += [Words(", in " if where else "in "), Name(found.where.member)]
    if found.where.offset_bytes is not None:
        where += [Words(f"{' at ' if where else ''}byte {found.where.offset_bytes:,}")]
    if where:
        details.append(field("where", *where))
    for index, text in enumerate(found.evidence[:_MOST_EVIDENCE]):
        details.append(field("" if index else "evidence", Name(text)))
    if len(found.evidence) > _MOST_EVIDENCE:
        details.append(field("", f"and {len(found.evidence) - _MOST_EVIDENCE:,} more"))
    if found.help:
        details.append(field("help", found.help))
    return Notice(found.severity, found.code.value, found.message, tuple(details))


def describe_failure(path: str, failure: Failure) -> Iterator[Block]:
    """Say in one line why a file could not be read."""
    yield Refusal(path, failure.message)


def describe_closing(report: InspectReport) -> Iterator[Block]:
    """Sum up a run over several files, and count what a walk over folders skipped."""
    if len(report.files) > 1:
        yield section("summary")
        yield line(_summary(report.files))
    yield from describe_skipped(report.skipped)


def describe_skipped(skipped: Sequence[Skipped]) -> Iterator[Block]:
    """Count what a walk over folders met that is no checkpoint, and name the first."""
    if not skipped:
        return
    count = len(skipped)
    files = (
        "1 file that is no checkpoint" if count == 1 else f"{count:,} files that are no checkpoints"
    )
    yield section("skipped", Words(f": {files}"))
    rest = count - _MOST_SKIPPED
    yield Table(
        columns=(name("file"), name("what it is")),
        rows=[(one.path, one.reason) for one in skipped[:_MOST_SKIPPED]],
        closing=((f"{rest:,} more", ""),) if rest > 0 else (),
    )


def _summary(files: Sequence[FileReport]) -> str:
    manifests = [one.manifest for one in files if one.manifest is not None]
    failures = len(files) - len(manifests)
    paths = len({one.path for one in files})
    size = size_text(sum(manifest.size_bytes for manifest in manifests))
    findings = [found for manifest in manifests for found in manifest.findings]
    counts = Counter(found.severity for found in findings)
    noticed = [_counted(counts[one], one) for one in _ORDER if counts[one]]
    checkpoints = f"{len(manifests):,} checkpoint{'s' if len(manifests) != 1 else ''}"
    parts = [
        f"{checkpoints} in {paths:,} file{'s' if paths != 1 else ''}, {size}",
        f"{failures:,} not read" if failures else "all read",
        ", ".join(noticed) if noticed else "no findings",
    ]
    return "; ".join(parts)
