"""What the gate says → workflow commands of GitHub Actions, and a line that sums up.

Enters: a `GateReport`. Leaves: at most ten annotations, the gravest first, each one line; text of a
file is escaped twice, for the eye and for the runner, so that none of it is a command.

Source: `ActionCommand.cs` of the runner (github.com/actions/runner): a line that starts with `::`
is a command, and so is one that has `##[` anywhere; `%`, carriage return and line feed are escaped
in messages, `:` and `,` besides in properties. The step summary is the format `markdown`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.facts.findings import Severity
from ckptscope.facts.gate import GateFile, GateReport, Ruling
from ckptscope.reports.escaping import escape_terminal
from ckptscope.reports.gate_phrases import (
    BEARINGS,
    Bearing,
    bearing_of,
    cut,
    path_below,
    place_text,
    plural,
    reason_text,
    remedy_of,
    summary_text,
    title_of,
)

#: GitHub keeps ten annotations of each level and step, and drops what comes later
#: (github.com/orgs/community/discussions/26680); ours are ten of all levels together.
MOST_ANNOTATIONS: Final = 10
_MOST_EVIDENCE: Final = 3
#: Characters of a sentence; an annotation is a box of a few lines.
_SENTENCE: Final = 600
_LEVELS: Final = ("error", "warning")
_SEVERITIES: Final = tuple(Severity)


class _Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation, unescaped but for the eye.

    Attributes:
        level: `error` or `warning`.
        grade: How grave it is among those of its level; less is graver.
        file: File that it stands at; empty for none.
        title: Its heading.
        lines: What it says.
        turn: How many of its file and code stand before it.
    """

    level: str
    grade: tuple[int, ...]
    file: str
    title: str
    lines: tuple[str, ...]
    turn: int = 0


def render_github(report: GateReport, *, root: Path | None) -> bytes:
    """Return annotations and a summary.

    Args:
        report: What the gate says.
        root: Folder of the repository; annotations name files relative to it.
    """
    every = _in_turn(_annotations(report, root))
    shown = every[:MOST_ANNOTATIONS]
    lines = [_command(one) for one in shown]
    said = f"ckptscope gate: {summary_text(report)}"
    if rest := len(every) - len(shown):
        said += f"; {plural(rest, 'further finding')} not annotated"
    lines.append(_shown(said))
    return "".join(f"{line}\n" for line in lines).encode()


def _in_turn(annotations: Iterable[_Annotation]) -> list[_Annotation]:
    """Order annotations: errors, the gravest first; one of each code before any second.

    So forty encrypted archives do not hide the one file that runs code.
    """
    rounds: Counter[tuple[str, int, str]] = Counter()
    keyed: list[tuple[int, int, int, tuple[int, ...], int, _Annotation]] = []
    for one in sorted(annotations, key=lambda one: (one.turn, one.grade)):
        kind = (one.level, one.turn, one.title)
        keyed.append((_LEVELS.index(one.level), one.turn, rounds[kind], one.grade, len(keyed), one))
        rounds[kind] += 1
    return [one for *_, one in sorted(keyed)]


def _annotations(report: GateReport, root: Path | None) -> Iterator[_Annotation]:
    if not report.files:
        # A step that fails for it must say so where people look.
        yield _Annotation(
            level="error",
            grade=(0,),
            file="",
            title="nothing to judge",
            lines=("no checkpoint was judged: name files or folders that hold some",),
        )
    for file in report.files:
        shown = path_below(file.path, root) or file.path
        if file.failure is not None:
            yield _Annotation(
                level="error",
                grade=(0,),
                file=shown,
                title=file.verdict.value,
                lines=(_named(file, reason_text(file)),),
            )
        yield from _of_rulings(file.rulings, shown, file)
    yield from _of_rulings(report.notices, path_below(report.policy, root) or report.policy, None)


def _of_rulings(
    rulings: Iterable[Ruling], shown: str, file: GateFile | None
) -> Iterator[_Annotation]:
    turns: Counter[str] = Counter()
    for ruling in rulings:
        bearing = bearing_of(ruling)
        if BEARINGS.index(bearing) > BEARINGS.index(Bearing.WARNS):
            continue
        finding = ruling.finding
        yield _Annotation(
            level="warning" if bearing is Bearing.WARNS else "error",
            grade=(BEARINGS.index(bearing), _SEVERITIES.index(finding.severity)),
            file=shown,
            title=f"{finding.code}: {title_of(finding.code)}",
            lines=tuple(_lines(ruling, file)),
            turn=turns[finding.code],
        )
        turns[finding.code] += 1


def _lines(ruling: Ruling, file: GateFile | None) -> Iterator[str]:
    finding = ruling.finding
    yield _named(file, finding.message)
    if place := place_text(finding.where):
        yield f"where: {place}"
    for text in finding.evidence[:_MOST_EVIDENCE]:
        yield f"evidence: {text}"
    if len(finding.evidence) > _MOST_EVIDENCE:
        yield f"and {len(finding.evidence) - _MOST_EVIDENCE:,} more"
    if remedy := remedy_of(ruling):
        yield f"help: {remedy}"


def _named(file: GateFile | None, message: str) -> str:
    """Say which checkpoint within a file is meant, as the annotation names the file alone."""
    inside = " > ".join(file.location) if file is not None else ""
    return f"{inside}: {message}" if inside else message


def _command(annotation: _Annotation) -> str:
    """Return one line that the runner reads as one annotation."""
    properties = [("file", annotation.file), ("title", annotation.title)]
    told = ",".join(f"{name}={_property(text)}" for name, text in properties if text)
    message = "%0A".join(_message(cut(one, _SENTENCE)) for one in annotation.lines)
    return f"::{annotation.level} {told}::{message}"


def _message(text: str) -> str:
    return _shown(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _shown(text: str) -> str:
    """Return text of one line in which no command starts; ours never has any at its start."""
    return escape_terminal(text).replace("##[", "##\\x5b")
