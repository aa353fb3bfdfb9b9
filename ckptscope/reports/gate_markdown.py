"""What the gate says → markdown for a comment on a pull request, or for a step summary.

Enters: a `GateReport`. Leaves: GitHub Flavored Markdown of a bounded size: a table of verdicts,
then what is to be said of each file, folded up. Text of a file stands in inline code, where nothing
acts, and what was left out is counted.
"""

import html
from collections.abc import Sequence
from typing import Final

import msgspec

from ckptscope.facts.gate import GateFile, GateReport, GateVerdict, Ruling
from ckptscope.reports.blocks import Block
from ckptscope.reports.escaping import code_span, elide, escape_markdown, escape_terminal
from ckptscope.reports.gate import (
    describe_policy,
    describe_requirements,
    describe_rulings,
    describe_unmade,
)
from ckptscope.reports.gate_phrases import cut, plural, reason_text, summary_text
from ckptscope.reports.markdown import write_page
from ckptscope.reports.tables import Column, Table, github_table, name

#: Characters of the whole; a comment on GitHub may have 65,536 (its REST API rejects longer ones),
#: a step summary 1 MiB.
MOST_CHARACTERS: Final = 60_000
_TABLE_CHARACTERS: Final = MOST_CHARACTERS // 3
_MOST_ROWS: Final = 40
_NAME_COLUMNS: Final = 80
_REASON_COLUMNS: Final = 120
#: Characters of a sentence of a finding, and of a piece of its evidence.
_SENTENCE: Final = 400
_EVIDENCE: Final = 200
_NAME: Final = 200
#: Room for the line that counts what was left out.
_CLOSING: Final = 400
#: With less room than this the details of a further file are not worth trying.
_LEAST_ROOM: Final = 1000
_ORDER: Final = tuple(GateVerdict)
_MARKS: Final = {
    GateVerdict.PASSED: "✅",
    GateVerdict.INCONCLUSIVE: "❔",
    GateVerdict.REFUSED: "❌",
    GateVerdict.UNREADABLE: "⛔",
}


def render_gate_markdown(report: GateReport) -> bytes:
    """Return what the gate says as markdown of at most `MOST_CHARACTERS` characters."""
    word, _, rest = summary_text(report).partition(": ")
    title = f"## {_MARKS[report.verdict]} ckptscope gate: {word}"
    parts = [title, f"{escape_markdown(rest)}. Policy: {_name(report.policy) or 'none'}."]
    if report.files:
        parts.append(_table(report.files))
    room = MOST_CHARACTERS - _CLOSING - sum(len(one) + 2 for one in parts)
    if report.notices:
        policy = _bounded(list(describe_policy(_shortened(report))), room // 4)
        parts.append(policy)
        room -= len(policy) + 2
    telling = [one for one in _gravest_first(report.files) if _has_details(one)]
    left_out = 0
    for file in telling:
        details = _details(file, room) if room >= _LEAST_ROOM else ""
        if not details:
            left_out += 1
            continue
        parts.append(details)
        room -= len(details) + 2
    if left_out:
        parts.append(
            f"Left out for want of room: the details of {plural(left_out, 'file')}. The JSON "
            "report holds them all."
        )
    return ("\n\n".join(parts) + "\n").encode()


def _gravest_first(files: Sequence[GateFile]) -> list[GateFile]:
    return sorted(files, key=lambda one: -_ORDER.index(one.verdict))


def _has_details(file: GateFile) -> bool:
    return file.verdict is not GateVerdict.PASSED or any(
        one.pardon is not None or one.action != "ignore" for one in file.rulings
    )


def _table(files: Sequence[GateFile]) -> str:
    """Return the table of verdicts; of many files the gravest."""
    if len(files) <= _MOST_ROWS and len(whole := _rows(files, 0)) <= _TABLE_CHARACTERS:
        return whole
    ordered = _gravest_first(files)
    count = min(_MOST_ROWS, len(files))
    while count and len(text := _rows(ordered[:count], len(files) - count)) > _TABLE_CHARACTERS:
        count //= 2
    return text


def _rows(files: Sequence[GateFile], rest: int) -> str:
    return github_table(
        Table(
            columns=(name("file"), Column(title="verdict"), Column(title="why")),
            rows=[
                (
                    elide(escape_terminal(one.name), _NAME_COLUMNS),
                    f"{_MARKS[one.verdict]} {one.verdict}",
                    elide(escape_terminal(reason_text(one)), _REASON_COLUMNS),
                )
                for one in files
            ],
            closing=((f"and {plural(rest, 'more file')}", "", ""),) if rest else (),
        )
    )


def _details(file: GateFile, room: int) -> str:
    """Return what is to be said of a file, folded up; empty if there is no room for any of it."""
    shown = html.escape(elide(escape_terminal(file.name), _NAME_COLUMNS))
    opening = f"<details><summary><code>{shown}</code>: {file.verdict}</summary>\n\n"
    closing = "\n\n</details>"
    short = msgspec.structs.replace(
        file, rulings=tuple(_shortened_ruling(one) for one in file.rulings)
    )
    blocks = [
        *describe_rulings(short),
        *describe_requirements(short.requirements),
        *describe_unmade(short.checks),
    ]
    body = _bounded(blocks, room - len(opening) - len(closing))
    if not body and file.failure is not None:
        body = escape_markdown(cut(file.failure.message, _SENTENCE))
    return f"{opening}{body}{closing}" if body else ""


def _bounded(blocks: Sequence[Block], room: int) -> str:
    """Write as many blocks as there is room for; say how many lines of the report are missing."""
    used = 0
    kept = 0
    for block in blocks:
        used += len(write_page([block])) + 1
        if used > room - _CLOSING:
            break
        kept += 1
    page = write_page(blocks[:kept]).rstrip("\n")
    if not kept or kept == len(blocks):
        return page
    return f"{page}\n\nLeft out for want of room: {plural(len(blocks) - kept, 'further entry')}."


def _shortened(report: GateReport) -> GateReport:
    return msgspec.structs.replace(
        report,
        policy=cut(report.policy, _NAME),
        notices=tuple(_shortened_ruling(one) for one in report.notices),
    )


def _shortened_ruling(ruling: Ruling) -> Ruling:
    """Cut the texts of a finding, so that none of them fills the comment alone."""
    found = ruling.finding
    where = msgspec.structs.replace(
        found.where,
        member=None if found.where.member is None else cut(found.where.member, _NAME),
        key=None if found.where.key is None else cut(found.where.key, _NAME),
    )
    pardon = ruling.pardon
    return msgspec.structs.replace(
        ruling,
        finding=msgspec.structs.replace(
            found,
            message=cut(found.message, _SENTENCE),
            where=where,
            evidence=tuple(cut(one, _EVIDENCE) for one in found.evidence),
            help=cut(found.help, _SENTENCE),
        ),
        pardon=None
        if pardon is None
        else msgspec.structs.replace(pardon, reason=cut(pardon.reason, _SENTENCE)),
    )


def _name(text: str) -> str:
    return code_span(cut(text, _NAME))
