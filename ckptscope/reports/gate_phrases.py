"""What every format of the gate's report says in the same words and the same order.

Enters: files and rulings of a `GateReport`. Leaves: rulings by what they do, sentences without any
escaping, names of files as a repository knows them.
"""

import enum
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.facts.findings import Code, Severity, Where
from ckptscope.facts.gate import Action, GateFile, GateReport, GateVerdict, Requirement, Ruling
from ckptscope.reports.escaping import ELLIPSIS

_MOST_CODES: Final = 6
_SEVERITIES: Final = tuple(Severity)
#: Checks whose findings begin with these; the longest start that fits counts.
_CHECKS: Final = {
    "SAF": "safety",
    "SAF01": "weights_only",
    "CON": "integrity",
    "CON001": "crc",
    "CON016": "crc",
    "PKL": "integrity",
    "TEN": "integrity",
    "VAL": "values",
    "ARC": "architecture",
    "TRN": "training",
    "POL": "policy",
}


class Bearing(enum.StrEnum):
    """What a finding does to the verdict, the gravest first."""

    REFUSES = "refuses"
    #: It says that something required could not be decided.
    UNDECIDED = "undecided"
    WARNS = "warns"
    #: A waiver or the baseline accepts it.
    PARDONED = "pardoned"
    IGNORED = "ignored"


BEARINGS: Final = tuple(Bearing)


def bearing_of(ruling: Ruling) -> Bearing:
    """Return what a finding does to the verdict."""
    if ruling.action is Action.IGNORE:
        return Bearing.IGNORED
    if ruling.pardon is not None:
        return Bearing.PARDONED
    if ruling.action is Action.WARN:
        return Bearing.WARNS
    return Bearing.UNDECIDED if ruling.undecided else Bearing.REFUSES


def by_bearing(rulings: Iterable[Ruling]) -> dict[Bearing, tuple[Ruling, ...]]:
    """Sort rulings by what they do, and those that do the same by severity."""
    sorted_: dict[Bearing, list[Ruling]] = {one: [] for one in BEARINGS}
    for ruling in rulings:
        sorted_[bearing_of(ruling)].append(ruling)
    return {
        bearing: tuple(sorted(some, key=lambda one: _SEVERITIES.index(one.finding.severity)))
        for bearing, some in sorted_.items()
    }


def check_of(code: Code) -> str:
    """Return the name of the check that makes findings of a code."""
    fitting = [start for start in _CHECKS if code.value.startswith(start)]
    return _CHECKS[max(fitting, key=len)]


def title_of(code: Code) -> str:
    """Return what a code stands for in a few words."""
    return without_marks(CATALOGUE[code].title)


def remedy_of(ruling: Ruling) -> str:
    """Return what to do about a finding: its own advice, which knows the case, or its code's."""
    return ruling.finding.help or without_marks(CATALOGUE[ruling.finding.code].remedy)


def without_marks(text: str) -> str:
    """Return text of the catalogue without the backticks around what is code in it."""
    return text.replace("`", "")


def pardon_text(ruling: Ruling) -> str:
    """Return why a finding does not count, and until when."""
    pardon = ruling.pardon
    if pardon is None:
        return ""
    until = f" until {pardon.expires.isoformat()}" if pardon.expires is not None else ""
    source = "waived" if pardon.source == "waiver" else f"known by the {pardon.source}"
    return f"{source}{until}: {pardon.reason}"


def place_text(where: Where) -> str:
    """Return a place as `key 'a.weight', in 'data.pkl', at byte 12`; empty for the file itself."""
    parts = []
    if where.key is not None:
        parts.append(f"key {where.key!r}")
    if where.member is not None:
        parts.append(f"in {where.member!r}")
    if where.offset_bytes is not None:
        parts.append(f"at byte {where.offset_bytes:,}")
    return ", ".join(parts)


def requirement_text(requirement: Requirement) -> str:
    """Return a demand of a policy and what came out: `met: family resnet (by its shapes)`."""
    found = f" ({requirement.found})" if requirement.found else ""
    return f"{requirement.outcome}: {requirement.text}{found}"


def reason_text(file: GateFile) -> str:
    """Return why a file got its verdict, as one sentence."""
    if file.failure is not None:
        return file.failure.message + (f"; what is left: {file.carved}" if file.carved else "")
    sorted_ = by_bearing(file.rulings)
    refusing, undecided = sorted_[Bearing.REFUSES], sorted_[Bearing.UNDECIDED]
    warnings = plural(len(sorted_[Bearing.WARNS]), "warning") if sorted_[Bearing.WARNS] else ""
    if refusing:
        parts = [f"{plural(len(refusing), 'finding')} that the policy fails on"]
        parts[0] += f" ({codes_text(refusing)})"
        if undecided:
            parts.append(f"{plural(len(undecided), 'question')} not decided")
    elif undecided:
        parts = [f"could not be decided: {undecided[0].finding.message}"]
        if len(undecided) > 1:
            parts.append(f"and {len(undecided) - 1:,} more")
    else:
        parts = ["nothing that the policy fails on"]
    return "; ".join([*parts, warnings] if warnings else parts)


def codes_text(rulings: Sequence[Ruling]) -> str:
    """Return the codes of findings, with how often each occurs if that is more than once."""
    counts = Counter(one.finding.code.value for one in rulings)
    shown = [
        code if count == 1 else f"{count:,} {code}"
        for code, count in list(counts.items())[:_MOST_CODES]
    ]
    if len(counts) > _MOST_CODES:
        shown.append(f"{len(counts) - _MOST_CODES} more")
    return ", ".join(shown)


def summary_text(report: GateReport) -> str:
    """Return the verdict on everything, and how many files got which."""
    if not report.files:
        return f"{report.verdict}: no checkpoint was judged"
    counts = Counter(one.verdict for one in report.files)
    told = ", ".join(f"{counts[one]:,} {one}" for one in GateVerdict if counts[one])
    said = f"{report.verdict}: {plural(len(report.files), 'checkpoint')}: {told}"
    failing = sum(one.is_failing for one in report.notices)
    return said + (f"; the policy itself has {plural(failing, 'fault')}" if failing else "")


def plural(count: int, word: str) -> str:
    """Return `1 finding`, `2 findings`, `2 entries`."""
    if count != 1:
        word = f"{word[:-1]}ies" if word.endswith("ry") else f"{word}s"
    return f"{count:,} {word}"


def cut(text: str, most: int) -> str:
    """Return text of at most `most` characters; the middle of a longer one is left out."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return text[:head] + ELLIPSIS + text[len(text) - (most - 1 - head) :]


def path_below(path: str, root: Path | None) -> str | None:
    """Return a path relative to a folder, with slashes, or None if it is not below it.

    Links within the path are not followed; the folder may be given by a link to it.
    """
    if root is None or "\0" in path:
        return None
    absolute = os.path.abspath(path)
    for start in (os.path.abspath(root), os.path.realpath(root)):
        if absolute != start and absolute.startswith(start.rstrip(os.sep) + os.sep):
            return Path(absolute).relative_to(start).as_posix()
    return None
