"""The catalogue of codes, to be read: one code, a list of them, the page with all.

Enters: entries of the catalogue. Leaves: blocks for a terminal or a page, JSON under the schema
`ckptscope/code/1`, and the text of docs/findings.md. What stands between backticks in an entry is
code.
"""

import datetime
import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from ckptscope.checks.catalogue import GROUPS, Entry, entries_of
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import Action
from ckptscope.policies.policy import DEFAULT_POLICY
from ckptscope.policies.ruling import rule
from ckptscope.reports.blocks import (
    Block,
    Heading,
    Line,
    Listing,
    Name,
    Part,
    Tone,
    Words,
    field,
)
from ckptscope.reports.json import encode
from ckptscope.reports.markdown import write_page
from ckptscope.reports.tables import Column, Table

_SCHEMA: Literal["ckptscope/code/1"] = "ckptscope/code/1"
#: An apostrophe inside a word begins a part of its own, so that no two of them are read as quotes.
_APOSTROPHE: Final = re.compile(r"(?<=\w)(?='\w)")
#: The last day in the example of a waiver.
_EXAMPLE_DAY: Final = "2027-03-31"
_DEFAULTS: Final = {
    Action.FAIL: "the default policy refuses the file",
    Action.WARN: "the default policy lets the file pass, with a warning",
    Action.IGNORE: "the default policy leaves it out",
}
#: The code in the example of a waiver.
_EXAMPLE_CODE: Final = Code.MEMBER_LINK
_PAGE_HEAD: Final = """\
# Findings

What ckptscope notices, code by code. This page is written by `python -m tests.docs.findings_page`
from `ckptscope/checks/catalogue/`; `ckptscope explain CON001` says the same in a terminal, and
`ckptscope explain all` lists every code.

The severity is the usual one: where the circumstances say so, a finding is less, and never more.
Codes are never used again for something else. The first three letters are the group, and stand for
all of its codes wherever a code can be named.
"""
_PAGE_SILENCING: Final = """\
## Silencing a finding

To accept a finding in one file for a while, give the policy a waiver with a reason and a last day;
`where` narrows it to a member or a tensor. To accept it everywhere, add its code to `warn` or
`ignore` in the table `gate` of the policy. What was there before there was a gate belongs into a
baseline. [writing-a-policy.md](writing-a-policy.md) has all of it.
"""
#: What a code stands for, in as many lines as it takes.
_TITLE: Final = Column(flexible=True, wraps=True)
_INCONCLUSIVE: Final = "under the default policy the file is inconclusive"


class CodeOut(msgspec.Struct, frozen=True, kw_only=True):
    """One code: see `checks.catalogue.Entry`.

    Attributes:
        by_default: What the default policy does about it where it has its usual severity.
    """

    code: Code
    title: str
    severity: Severity
    evidence: str
    why: str
    remedy: str
    silence: str
    undecided: bool
    by_default: Action


class CodesOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object of `explain CODE`."""

    schema: Literal["ckptscope/code/1"] = _SCHEMA
    codes: tuple[CodeOut, ...]


def describe_code(entry: Entry) -> Iterator[Block]:
    """Say everything of one code."""
    yield from _describe(entry, level=1)
    yield field("" if entry.silence else "silence", *_spelled(_general_silence(entry.code)))
    yield _waiver(entry.code)


def describe_codes(entries: Iterable[Entry]) -> Iterator[Block]:
    """List codes, group by group."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.code.value[:3], []).append(entry)
    for prefix, members in groups.items():
        yield Heading(1, (Words(prefix, Tone.STRONG), Words(f": {GROUPS[prefix]}")))
        yield Table(
            columns=(Column(title="code"), Column(title="severity"), _TITLE),
            rows=[(one.code.value, one.severity.value, one.title) for one in members],
        )


def render_codes_json(entries: Iterable[Entry]) -> bytes:
    """Return codes as JSON with a newline at its end."""
    return encode(CodesOut(codes=tuple(map(_code_out, entries)))) + b"\n"


def codes_json_schema() -> bytes:
    """Return the JSON schema of `explain CODE`, indented."""
    schema = msgspec.json.schema(CodesOut)
    schema["$id"] = _SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def write_findings_page() -> str:
    """Write docs/findings.md."""
    head = (_PAGE_HEAD, write_page([_groups_table()]), _PAGE_SILENCING)
    return "\n".join((*head, write_page([_waiver(_EXAMPLE_CODE)]), write_page(_describe_groups())))


def _groups_table() -> Table:
    return Table(
        columns=(Column(title="group"), Column(title="is about"), Column(title="codes")),
        rows=[(prefix, title, _extent(prefix)) for prefix, title in GROUPS.items()],
    )


def _describe_groups() -> Iterator[Block]:
    for prefix, title in GROUPS.items():
        yield Heading(1, (Words(f"{prefix}: {title}"),))
        for entry in entries_of(prefix):
            yield from _describe(entry, level=2)


def _extent(prefix: str) -> str:
    codes = [entry.code.value for entry in entries_of(prefix)]
    return f"{codes[0]} to {codes[-1]}" if len(codes) > 1 else "".join(codes)


def _describe(entry: Entry, *, level: int) -> Iterator[Block]:
    yield Heading(level, (Words(entry.code.value, Tone.STRONG),))
    title = f"{entry.title[0].upper()}{entry.title[1:]}."
    yield Line(tuple(_spelled(title, Tone.STRONG)))
    yield field("severity", f"{entry.severity}; {_default_text(entry)}")
    yield field("evidence", *_spelled(entry.evidence))
    yield field("why", *_spelled(entry.why))
    yield field("what to do", *_spelled(entry.remedy))
    if entry.silence:
        yield field("silence", *_spelled(entry.silence))


def _waiver(code: Code) -> Listing:
    """Return a waiver, as it stands in a policy."""
    lines = (
        "[[gate.waivers]]",
        f'code = "{code.value}"',
        'reason = "why it is accepted"',
        f"expires = {_EXAMPLE_DAY}",
        'file = "model.pt"',
    )
    return Listing("toml", lines)


def _general_silence(code: Code) -> str:
    """Say how a finding is accepted, the narrowest way first."""
    return (
        "To accept it in one file for a while, give the policy a waiver with a reason and a last "
        f'day. To accept it everywhere, add `"{code.value}"` to `warn` or `ignore` in the table '
        "`gate` of the policy. What was there before there was a gate belongs into a baseline."
    )


def _code_out(entry: Entry) -> CodeOut:
    general = _general_silence(entry.code)
    return CodeOut(
        code=entry.code,
        title=_plain(entry.title),
        severity=entry.severity,
        evidence=_plain(entry.evidence),
        why=_plain(entry.why),
        remedy=_plain(entry.remedy),
        silence=_plain(f"{entry.silence} {general}"),
        undecided=entry.undecided,
        by_default=_action_by_default(entry),
    )


def _default_text(entry: Entry) -> str:
    action = _action_by_default(entry)
    return _INCONCLUSIVE if action is Action.FAIL and entry.undecided else _DEFAULTS[action]


def _action_by_default(entry: Entry) -> Action:
    """Ask the default policy itself, with a finding of the usual severity."""
    usual = Finding(code=entry.code, severity=entry.severity, message=entry.title)
    (ruling,) = rule((usual,), DEFAULT_POLICY, path="", today=datetime.date.min)
    return ruling.action


def _plain(text: str) -> str:
    return text.replace("`", "").strip()


def _spelled(text: str, tone: Tone = Tone.PLAIN) -> Iterator[Part]:
    """Part a sentence of the catalogue into words and code."""
    for index, piece in enumerate(text.split("`")):
        if index % 2:
            yield Name(piece, tone)
        else:
            yield from (Words(part, tone) for part in _APOSTROPHE.split(piece))
