"""Report → text for a terminal, or for a pipe.

Enters: a report, a width, whether colours are welcome. Leaves: lines of at most that width, but for
code, which is meant to be copied; without colours no control character at all. Text of a file never
reaches rich as markup.
"""

import io
from collections.abc import Iterable, Sequence

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from rich.text import Text

from ckptscope.facts.findings import Severity
from ckptscope.facts.report import InspectReport
from ckptscope.reports.blocks import (
    Block,
    Entry,
    Field,
    Heading,
    Line,
    Listing,
    Name,
    Notice,
    Outline,
    Part,
    Refusal,
    Tone,
    Words,
)
from ckptscope.reports.escaping import cell_width, elide, escape_terminal
from ckptscope.reports.inspected import describe_report
from ckptscope.reports.tables import Table, fit_table
from ckptscope.reports.wanted import WHAT_IS_QUICK, Wanted

_INDENT = 2
_LABEL = 11
_LEAST_WIDTH = 20
#: Sentences longer than this are hard to read; tables may be wider.
_PROSE_WIDTH = 100
#: Lines that one text of the file may take.
_MOST_LINES = 6
#: Names of the contents up to which the values beside them stand below each other.
_ALIGNED = 24
_LEAST_NAME = 8
_NAME_CHARACTERS = 200
_VALUE_CHARACTERS = 1000
#: Characters of a line of code; a longer one holds a name that nobody would type.
_CODE_CHARACTERS = 100_000
_STYLES = {
    Tone.PLAIN: Style.null(),
    Tone.STRONG: Style(bold=True),
    Tone.FAINT: Style(dim=True),
    Tone.ERROR: Style(bold=True, color="red"),
    Tone.WARNING: Style(bold=True, color="yellow"),
    Tone.INFO: Style(bold=True, color="blue"),
}
_SEVERITIES = {
    Severity.ERROR: Tone.ERROR,
    Severity.WARNING: Tone.WARNING,
    Severity.INFO: Tone.INFO,
}


def render_text(
    report: InspectReport, *, width: int, color: bool, wanted: Wanted = WHAT_IS_QUICK
) -> str:
    """Render a report for people.

    Args:
        report: What was found.
        width: Columns of the terminal; no line but those of code is longer.
        color: Whether ANSI colours may be used.
        wanted: How much is told.
    """
    return lay_out(describe_report(report, wanted), width=width, color=color)


def lay_out(blocks: Iterable[Block], *, width: int, color: bool) -> str:
    """Lay blocks out, one below the other, in lines of at most `width` columns."""
    page = _Page(width, color=color)
    for block in blocks:
        page.add(block)
    return page.text()


class _Page:
    """Lines, one below the other."""

    def __init__(self, width: int, *, color: bool) -> None:
        self._width = max(width, _LEAST_WIDTH)
        self._color = color
        self._lines: list[str] = []
        self._last: Block | None = None
        # For wrapping alone: it knows the width of characters. Nothing is printed.
        self._console = Console(
            file=io.StringIO(),
            width=self._width,
            height=24,
            color_system=None,
            force_terminal=False,
            force_jupyter=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """Return all lines."""
        return "".join(f"{line}\n" for line in self._lines)

    def add(self, block: Block) -> None:
        """Lay a block out below the others."""
        self._lines += [""] * self._blank_lines(block)
        self._last = block
        if isinstance(block, Heading):
            self._prose(block.parts, 0)
        elif isinstance(block, Line):
            self._prose(block.parts, _INDENT)
        elif isinstance(block, Field):
            self._field(block, _INDENT)
        elif isinstance(block, Notice):
            self._notice(block)
        elif isinstance(block, Refusal):
            self._refusal(block)
        else:
            self._add_list(block)

    def _add_list(self, block: Outline | Entry | Listing | Table) -> None:
        if isinstance(block, Outline):
            self._outline(block)
        elif isinstance(block, Entry):
            self._entry(block)
        elif isinstance(block, Listing):
            self._lines += [escape_terminal(line, most=_CODE_CHARACTERS) for line in block.lines]
        else:
            self._table(block)

    def _blank_lines(self, block: Block) -> int:
        """Lines left free where one thing ends and another begins."""
        if not self._lines:
            return 0
        if isinstance(block, Refusal):
            return 0 if isinstance(self._last, Refusal) else 2
        if isinstance(block, Heading):
            return 2 if block.level == 1 else 1
        opens = isinstance(block, Table) and not isinstance(self._last, Heading)
        follows = isinstance(block, Field) and isinstance(self._last, Outline)
        return int(opens or follows or isinstance(block, Listing))

    def _prose(self, parts: Sequence[Part], indent: int) -> None:
        """Wrap a sentence; further lines stand deeper than the first."""
        self._wrap(parts, first=" " * indent, hang=indent + _INDENT)

    def _field(self, block: Field, indent: int) -> None:
        label = elide(escape_terminal(block.label), _LABEL - 1)
        start = " " * indent + self._paint(label, Tone.FAINT)
        start += " " * (_LABEL - cell_width(label))
        self._wrap(block.parts, first=start, hang=indent + _LABEL)

    def _wrap(self, parts: Sequence[Part], *, first: str, hang: int) -> None:
        """Wrap parts behind `first`, which is no wider than `hang`."""
        room = min(self._width, _PROSE_WIDTH) - hang
        text = Text()
        for part in parts:
            shown = escape_terminal(part.text)
            if isinstance(part, Name):
                # A key is cut to a line; a sentence in the file's words may take a few.
                shown = elide(shown, room * _MOST_LINES if " " in shown else room)
            text.append(shown, _STYLES[part.tone])
        for index, wrapped in enumerate(text.wrap(self._console, room, overflow="fold")):
            wrapped.rstrip()
            line = (" " * hang if index else first) + self._painted(wrapped)
            self._lines.append(line.rstrip())

    def _painted(self, text: Text) -> str:
        if not self._color:
            return text.plain
        return "".join(
            (segment.style or _STYLES[Tone.PLAIN]).render(
                segment.text, color_system=ColorSystem.STANDARD
            )
            for segment in text.render(self._console)
        )

    def _paint(self, line: str, tone: Tone) -> str:
        if not self._color or not line:
            return line
        return _STYLES[tone].render(line, color_system=ColorSystem.STANDARD)

    def _notice(self, block: Notice) -> None:
        tone = _SEVERITIES[block.severity]
        words = (Words(f"{block.severity}[{block.code}]", tone), Words(f" {block.message}"))
        self._prose(words, _INDENT)
        for detail in block.details:
            self._field(detail, 2 * _INDENT)

    def _entry(self, block: Entry) -> None:
        self._prose(block.parts, _INDENT)
        for detail in block.details:
            self._field(detail, 2 * _INDENT)

    def _refusal(self, block: Refusal) -> None:
        name = Name(block.path, Tone.STRONG)
        self._prose((name, Words(": not read: ", Tone.ERROR), Words(block.message)), 0)

    def _outline(self, block: Outline) -> None:
        names = [escape_terminal(branch.name, most=_NAME_CHARACTERS) for branch in block.branches]
        aligned: dict[int, int] = {}
        for branch, name in zip(block.branches, names, strict=True):
            used = min(cell_width(name), _ALIGNED)
            aligned[branch.level] = max(aligned.get(branch.level, 0), used)
        for branch, name in zip(block.branches, names, strict=True):
            start = " " * (_INDENT * (branch.level + 1))
            short = elide(name, max(self._width // 2 - len(start), _LEAST_NAME))
            if short:
                short += " " * max(aligned[branch.level] - cell_width(short), 0) + " " * _INDENT
            value = escape_terminal(branch.value, most=_VALUE_CHARACTERS)
            room = self._width - len(start) - cell_width(short)
            self._lines.append(elide(start + short + elide(value, room), self._width).rstrip())

    def _table(self, table: Table) -> None:
        fitted = fit_table(table, self._width - _INDENT)
        start = " " * _INDENT
        if fitted.header is not None:
            self._lines.append(start + self._paint(fitted.header, Tone.FAINT))
        self._lines += [(start + line).rstrip() for line in fitted.rows]
        self._lines += [start + self._paint(line, Tone.FAINT) for line in fitted.closing]
