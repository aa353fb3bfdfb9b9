"""What the gate says → SARIF 2.1.0, as code scanning services take it.

Enters: a `GateReport`. Leaves: one log of one run: a rule for each code that occurs, a result for
each finding that the policy does not ignore, what is waived with its suppression, files that could
not be read as notifications. It stays below the limits of GitHub's code scanning, the gravest
findings first; what was left out is counted in a notification.

Source: OASIS SARIF 2.1.0 with errata 01; GitHub's documentation, "SARIF support for code scanning".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.facts.findings import Finding, Severity
from ckptscope.facts.gate import (
    Action,
    CheckState,
    GateFile,
    GateReport,
    GateVerdict,
    Ruling,
)
from ckptscope.reports.escaping import escape_terminal
from ckptscope.reports.gate_phrases import (
    BEARINGS,
    Bearing,
    bearing_of,
    pardon_text,
    plural,
    reason_text,
    requirement_text,
    summary_text,
)
from ckptscope.reports.sarif_log import (
    SCHEMA_URI,
    Artifact,
    ArtifactLocation,
    ArtifactProperties,
    Descriptor,
    Driver,
    Invocation,
    Level,
    Location,
    Log,
    LogicalLocation,
    Message,
    Notification,
    PhysicalLocation,
    Region,
    Result,
    ResultProperties,
    Rule,
    Run,
    RunProperties,
    Suppression,
    Tool,
)
from ckptscope.reports.sarif_places import BASE_ID, uri_of
from ckptscope.reports.sarif_rules import rule_of
from ckptscope.version import VERSION

#: GitHub takes 10 MB of a compressed file; ours keeps to it before compression.
MOST_BYTES: Final = 10_000_000
#: GitHub rejects a run of more results ("Validating your SARIF file").
MOST_RESULTS: Final = 25_000
#: Files that are listed whatever came out, and files whose failures are told.
_MOST_FILES: Final = 1000
#: Left for what is written after the results: brackets, and the count of what was left out.
_MARGIN: Final = 10_000
_MOST_TEXT: Final = 1000
_MOST_EVIDENCE: Final = 20

_SEVERITIES: Final = tuple(Severity)


def render_sarif(report: GateReport, *, root: Path | None) -> bytes:
    """Return what the gate says as a SARIF log.

    Args:
        report: What it says.
        root: Folder that files are named relative to, that of the repository.
    """
    found: list[tuple[Ruling, GateFile | None]] = []
    for judged in report.files:
        found += [(ruling, judged) for ruling in judged.rulings]
    found += [(ruling, None) for ruling in report.notices]
    found = [one for one in found if bearing_of(one[0]) is not Bearing.IGNORED]
    found.sort(key=lambda one: _gravity(one[0]))
    codes = sorted({ruling.finding.code for ruling, _ in found})
    frame = _Frame(report=report, root=root, rules=tuple(rule_of(code) for code in codes))
    while (used := len(frame.encoded((), 0))) > MOST_BYTES // 2:
        # The paths of a thousand files can be this long.
        frame = msgspec.structs.replace(frame, most_files=frame.most_files // 2)
    room = MOST_BYTES - _MARGIN - used
    results: list[msgspec.Raw] = []
    for ruling, file in found[:MOST_RESULTS]:
        path = report.policy if file is None else file.path
        one = msgspec.json.encode(
            _result(ruling, file, path, root, codes.index(ruling.finding.code))
        )
        room -= len(one) + 1
        if room < 0:
            break
        results.append(msgspec.Raw(one))
    return frame.encoded(results, len(found) - len(results)) + b"\n"


def _gravity(ruling: Ruling) -> tuple[int, int]:
    return BEARINGS.index(bearing_of(ruling)), _SEVERITIES.index(ruling.finding.severity)


class _Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a log but its results.

    Attributes:
        report: What the gate says.
        root: Folder that files are named relative to.
        rules: One for each code that occurs.
        most_files: Files that are listed, and notifications that are told.
    """

    report: GateReport
    root: Path | None
    rules: tuple[Rule, ...]
    most_files: int = _MOST_FILES

    def encoded(self, results: Sequence[msgspec.Raw], left_out: int) -> bytes:
        """Return the log with these results, and with how many were left out."""
        driver = Driver(
            name="ckptscope",
            semantic_version=VERSION,
            short_description=Message(text="Checkpoint forensics without executing a byte."),
            rules=self.rules,
        )
        artifacts = _artifacts(self.report.files, self.root)
        shown = artifacts[: self.most_files]
        missing = {"finding": left_out, "file": len(artifacts) - len(shown)}
        base = ArtifactLocation(
            description=Message(text="The folder that files are named relative to.")
        )
        run = Run(
            tool=Tool(driver=driver),
            invocations=(self._invocation(missing),),
            original_uri_base_ids={BASE_ID: base} if self.root is not None else {},
            artifacts=shown,
            results=tuple(results),
            properties=RunProperties(verdict=self.report.verdict, policy=_text(self.report.policy)),
        )
        return msgspec.json.encode(Log(schema=SCHEMA_URI, version="2.1.0", runs=(run,)))

    def _invocation(self, missing: Mapping[str, int]) -> Invocation:
        told = tuple(_notifications(self.report.files, self.root))
        shown = told[: self.most_files]
        missing = {**missing, "notification": len(told) - len(shown)}
        counted = [plural(count, word) for word, count in missing.items() if count]
        if counted:
            text = f"left out for want of room: {', '.join(counted)}"
            shown = (
                Notification(
                    descriptor=Descriptor(id="left-out"),
                    level=Level.WARNING,
                    message=Message(text=text),
                ),
                *shown,
            )
        return Invocation(
            execution_successful=bool(self.report.files)
            and all(one.failure is None for one in self.report.files),
            exit_code=exit_code(self.report),
            exit_code_description=summary_text(self.report),
            tool_execution_notifications=shown,
        )


def _result(
    ruling: Ruling, file: GateFile | None, path: str, root: Path | None, rule_index: int
) -> Result:
    finding = ruling.finding
    return Result(
        rule_id=finding.code,
        rule_index=rule_index,
        level=_level(ruling),
        message=Message(text=_text(finding.message)),
        locations=(_location(path, root, tuple(_logical(finding, file))),),
        related_locations=tuple(_offset(finding, file, path, root)),
        partial_fingerprints=_fingerprints(ruling),
        suppressions=tuple(_suppressions(ruling)),
        properties=ResultProperties(
            evidence=tuple(_text(one) for one in finding.evidence[:_MOST_EVIDENCE]),
            help=_text(finding.help),
            action=ruling.action,
            undecided=ruling.undecided,
            severity=finding.severity,
        ),
    )


def _level(ruling: Ruling) -> Level:
    """Return how grave a finding is to the policy, which may differ from how grave it is."""
    if ruling.action is Action.FAIL:
        return Level.ERROR
    return Level.NOTE if ruling.finding.severity is Severity.INFO else Level.WARNING


def _fingerprints(ruling: Ruling) -> dict[str, str]:
    """Return what a finding is known again by; GitHub looks at the second name alone."""
    if not ruling.fingerprint:
        return {}
    return {
        "ckptscopeFinding/v1": ruling.fingerprint,
        "primaryLocationLineHash": f"{ruling.fingerprint}:1",
    }


def _suppressions(ruling: Ruling) -> Iterator[Suppression]:
    if ruling.pardon is not None:
        yield Suppression(
            kind="external", status="accepted", justification=_text(pardon_text(ruling))
        )


def _location(path: str, root: Path | None, logical: tuple[LogicalLocation, ...]) -> Location:
    """Return the place that GitHub shows: it asks for a line, and a binary file has but one."""
    return Location(
        physical_location=PhysicalLocation(
            artifact_location=uri_of(path, root), region=Region(start_line=1)
        ),
        logical_locations=logical,
    )


def _logical(finding: Finding, file: GateFile | None) -> Iterator[LogicalLocation]:
    """Name the member and the tensor that a finding speaks of."""
    within = "/".join(file.location) if file is not None else ""
    member, key = finding.where.member, finding.where.key
    if member is not None:
        full = f"{within}/{member}" if within else member
        yield LogicalLocation(name=_text(member), fully_qualified_name=_text(full), kind="member")
        within = full
    elif within:
        yield LogicalLocation(name=_text(within), fully_qualified_name=_text(within), kind="member")
    if key is not None:
        full = f"{within}#{key}" if within else key
        yield LogicalLocation(name=_text(key), fully_qualified_name=_text(full), kind="variable")


def _offset(
    finding: Finding, file: GateFile | None, path: str, root: Path | None
) -> Iterator[Location]:
    """Give the byte of a finding, where it counts from the start of the file itself.

    It stands in a place of its own: a region in lines says nothing of bytes, and one with both must
    say the same twice (3.30.4).
    """
    where = finding.where
    if where.offset_bytes is None or where.member is not None or file is None:
        return
    if file.location or len(file.containers) > 1:
        return
    yield Location(
        physical_location=PhysicalLocation(
            artifact_location=uri_of(path, root), region=Region(byte_offset=where.offset_bytes)
        ),
        message=Message(text=f"byte {where.offset_bytes:,}"),
    )


def _artifacts(files: Iterable[GateFile], root: Path | None) -> tuple[Artifact, ...]:
    """Return every file once, with its gravest checkpoint, as several may lie in one."""
    order = list(GateVerdict)
    gravest: dict[str | None, GateFile] = {}
    for one in files:
        uri = uri_of(one.path, root).uri
        known = gravest.setdefault(uri, one)
        if order.index(one.verdict) > order.index(known.verdict):
            gravest[uri] = one
    return tuple(
        Artifact(
            location=uri_of(one.path, root),
            roles=("analysisTarget",),
            properties=ArtifactProperties(
                verdict=one.verdict,
                checks={run.name: run.state for run in one.checks},
                requirements=tuple(_text(requirement_text(asked)) for asked in one.requirements),
            ),
        )
        for one in gravest.values()
    )


def _notifications(files: Iterable[GateFile], root: Path | None) -> Iterator[Notification]:
    """Say which files could not be read, and which checks could not be finished."""
    for file in files:
        place = PhysicalLocation(artifact_location=uri_of(file.path, root))
        location = (Location(physical_location=place),)
        inside = f"{_text(' > '.join(file.location))}: " if file.location else ""
        if file.failure is not None:
            yield Notification(
                descriptor=Descriptor(id=file.failure.kind),
                level=Level.ERROR,
                message=Message(text=f"{inside}{_text(reason_text(file))}"),
                locations=location,
            )
        for run in file.checks:
            if run.state is CheckState.UNFINISHED:
                yield Notification(
                    descriptor=Descriptor(id=f"unfinished-{run.name}"),
                    level=Level.WARNING,
                    message=Message(
                        text=f"{inside}{run.name} could not be finished: {_text(run.remark)}"
                    ),
                    locations=location,
                )


def exit_code(report: GateReport) -> int:
    """Return the exit code of a gate that reports this, by the table of `cli.exits`."""
    if not report.files:
        return 2
    codes = [0 if report.verdict is GateVerdict.PASSED else 1]
    for one in report.files:
        if one.failure is not None and one.verdict is GateVerdict.UNREADABLE:
            # What is not there is a fault of the request.
            codes.append(2 if one.failure.kind == "UsageError" else 3)
    return max(codes)


def _text(text: str) -> str:
    return escape_terminal(text, most=_MOST_TEXT)
