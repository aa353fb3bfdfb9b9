"""What the gate says → JUnit XML, as CI systems show tests.

Enters: a `GateReport`. Leaves: a suite for each checkpoint, a case for each check, whose names stay
the same from run to run: a check fails if one of its findings keeps the file from passing, and is
skipped if it was not made. Text that XML 1.0 cannot hold is shown as an escape.

Source: `junit-10.xsd` of the Jenkins xUnit plugin (github.com/jenkinsci/xunit-plugin); nothing is
written that it does not know.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from ckptscope.facts.gate import (
    Action,
    CheckRun,
    CheckState,
    GateFile,
    GateReport,
    GateVerdict,
    Requirement,
    Ruling,
)
from ckptscope.reports.escaping import escape_terminal
from ckptscope.reports.gate_phrases import (
    Bearing,
    by_bearing,
    check_of,
    pardon_text,
    place_text,
    plural,
    reason_text,
    remedy_of,
    requirement_text,
)

_NAME: Final = "ckptscope gate"
#: The case that says whether a file could be read at all.
_READING: Final = "reading"
#: The case of what the policy demands.
_POLICY: Final = "policy"
#: Findings that one case lists; the rest is counted.
_MOST_FINDINGS: Final = 100


def render_junit(report: GateReport) -> bytes:
    """Return what the gate says as JUnit XML in UTF-8."""
    root = ET.Element("testsuites", name=_NAME)
    for file in report.files:
        root.append(_suite(file))
    if not report.files:
        root.append(_suite_of_nothing())
    if report.notices:
        suite = _empty_suite(f"policy {report.policy}", report.policy)
        suite.append(_case(_POLICY, report.policy, report.notices, run=None))
        root.append(suite)
    for suite in root:
        _count(suite)
        suite.set("skipped", _with(suite, "skipped"))
    _count(root)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _empty_suite(name: str, path: str) -> ET.Element:
    return ET.Element("testsuite", name=escape_terminal(name), file=escape_terminal(path))


def _suite_of_nothing() -> ET.Element:
    """Return a suite with an error: no case at all would be taken for a success."""
    suite = _empty_suite(_NAME, "")
    case = _empty_case(_READING, _NAME)
    said = "no checkpoint was judged"
    ET.SubElement(case, "error", type="UsageError", message=said).text = said
    suite.append(case)
    return suite


def _suite(file: GateFile) -> ET.Element:
    suite = _empty_suite(file.name, file.path)
    reading = _empty_case(_READING, file.name)
    if file.failure is not None:
        # What is left of it was judged after all: a failure is a verdict, an error is none.
        is_unread = file.verdict is GateVerdict.UNREADABLE
        error = ET.SubElement(
            reading,
            "error" if is_unread else "failure",
            type=escape_terminal(file.failure.kind if is_unread else file.verdict),
            message=escape_terminal(file.failure.message),
        )
        error.text = escape_terminal(reason_text(file))
    suite.append(reading)
    of_check: dict[str, list[Ruling]] = {one.name: [] for one in file.checks}
    for ruling in file.rulings:
        of_check.setdefault(check_of(ruling.finding.code), []).append(ruling)
    runs = {one.name: one for one in file.checks}
    if file.requirements:
        of_check.setdefault(_POLICY, [])
    for name, rulings in of_check.items():
        demands = file.requirements if name == _POLICY else ()
        suite.append(_case(name, file.name, rulings, run=runs.get(name), demands=demands))
    return suite


def _empty_case(name: str, class_name: str) -> ET.Element:
    return ET.Element("testcase", name=escape_terminal(name), classname=escape_terminal(class_name))


def _case(
    name: str,
    class_name: str,
    rulings: Sequence[Ruling],
    *,
    run: CheckRun | None,
    demands: Sequence[Requirement] = (),
) -> ET.Element:
    """Return the case of one check; it fails once, whatever the number of findings."""
    case = _empty_case(name, class_name)
    sorted_ = by_bearing(rulings)
    failing = [*sorted_[Bearing.REFUSES], *sorted_[Bearing.UNDECIDED]]
    if failing:
        more = f" (and {len(failing) - 1:,} more)" if len(failing) > 1 else ""
        refused = bool(sorted_[Bearing.REFUSES])
        failure = ET.SubElement(
            case,
            "failure",
            type="refused" if refused else "inconclusive",
            message=escape_terminal(_first_line(failing[0]) + more),
        )
        failure.text = _listing(failing)
    elif run is not None and run.state is not CheckState.RAN:
        said = f"{run.state}: {run.remark}" if run.remark else run.state.value
        ET.SubElement(case, "skipped", message=escape_terminal(said))
    told = "".join(f"{escape_terminal(requirement_text(one))}\n" for one in demands)
    told += _listing([*sorted_[Bearing.WARNS], *sorted_[Bearing.PARDONED]])
    if ignored := sorted_[Bearing.IGNORED]:
        told += f"{plural(len(ignored), 'finding')} ignored by the policy\n"
    if told:
        ET.SubElement(case, "system-out").text = told
    return case


def _first_line(ruling: Ruling) -> str:
    finding = ruling.finding
    return f"{finding.severity}[{finding.code}] {finding.message}"


def _listing(rulings: Sequence[Ruling]) -> str:
    """Return findings with their details, one line each; the text of a line is escaped."""
    lines: list[str] = []
    for ruling in rulings[:_MOST_FINDINGS]:
        lines.append(escape_terminal(_first_line(ruling)))
        lines += [f"  {escape_terminal(one)}" for one in _details(ruling)]
    if len(rulings) > _MOST_FINDINGS:
        lines.append(f"and {plural(len(rulings) - _MOST_FINDINGS, 'more finding')}")
    return "".join(f"{line}\n" for line in lines)


def _details(ruling: Ruling) -> Iterable[str]:
    if place := place_text(ruling.finding.where):
        yield f"where: {place}"
    for text in ruling.finding.evidence:
        yield f"evidence: {text}"
    if ruling.pardon is not None:
        yield pardon_text(ruling)
    elif ruling.action is Action.FAIL and (remedy := remedy_of(ruling)):
        yield f"help: {remedy}"


def _count(element: ET.Element) -> None:
    """Write how many cases there are in a suite, and how many failed or could not be run."""
    element.set("tests", str(sum(1 for _ in element.iter("testcase"))))
    element.set("failures", _with(element, "failure"))
    element.set("errors", _with(element, "error"))


def _with(element: ET.Element, outcome: str) -> str:
    return str(sum(case.find(outcome) is not None for case in element.iter("testcase")))
