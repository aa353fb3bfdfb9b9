"""What a report says, before it is laid out for a terminal or a page.

Enters: nothing. Leaves: the types between the sections, which choose what is said, and the
renderers, which choose how it looks. `Words` are ours, and sentences that quote the file by `repr`;
a `Name` is text of the file as it stands there.
"""

import enum
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from ckptscope.facts.findings import Severity
from ckptscope.reports.tables import Table


class Tone(enum.StrEnum):
    """How much a piece of text stands out."""

    PLAIN = "plain"
    STRONG = "strong"
    FAINT = "faint"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Words(msgspec.Struct, frozen=True):
    """Text of ours."""

    text: str
    tone: Tone = Tone.PLAIN


class Name(msgspec.Struct, frozen=True):
    """Text of the file."""

    text: str
    tone: Tone = Tone.PLAIN


Part: TypeAlias = Words | Name


class Heading(msgspec.Struct, frozen=True):
    """The start of a checkpoint (level 1) or of a section (level 2)."""

    level: int
    parts: tuple[Part, ...]


class Line(msgspec.Struct, frozen=True):
    """A sentence of its own."""

    parts: tuple[Part, ...]


class Field(msgspec.Struct, frozen=True):
    """A sentence behind a label."""

    label: str
    parts: tuple[Part, ...]


class Branch(msgspec.Struct, frozen=True):
    """One line of an outline: how deep it stands, its name, what is there."""

    level: int
    name: str
    value: str


class Outline(msgspec.Struct, frozen=True):
    """A tree, line by line; all of its text may be the file's."""

    branches: tuple[Branch, ...]


class Notice(msgspec.Struct, frozen=True):
    """A finding: severity, code, sentence, and labelled details."""

    severity: Severity
    code: str
    message: str
    details: tuple[Field, ...]


class Refusal(msgspec.Struct, frozen=True):
    """A file that could not be read, and why."""

    path: str
    message: str


class Entry(msgspec.Struct, frozen=True):
    """A statement, and labelled details below it."""

    parts: tuple[Part, ...]
    details: tuple[Field, ...]


class Listing(msgspec.Struct, frozen=True):
    """Code, line by line, to be copied as it stands."""

    language: str
    lines: tuple[str, ...]


Block: TypeAlias = Heading | Line | Field | Outline | Notice | Refusal | Entry | Listing | Table


def section(title: str, *more: Part) -> Heading:
    """Return the heading of a section."""
    return Heading(2, (Words(title, Tone.STRONG), *more))


def line(*parts: Part | str) -> Line:
    """Return a line; plain text is ours."""
    return Line(_parts(parts))


def field(label: str, *parts: Part | str) -> Field:
    """Return a labelled line; plain text is ours."""
    return Field(label, _parts(parts))


def entry(*parts: Part | str) -> Entry:
    """Return a statement without details, one of several; plain text is ours."""
    return Entry(_parts(parts), ())


def _parts(parts: Sequence[Part | str]) -> tuple[Part, ...]:
    return tuple(Words(part) if isinstance(part, str) else part for part in parts)
