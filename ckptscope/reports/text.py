"""Report → text for a terminal, or for a pipe.

Enters: a report, a width, whether colours are welcome. Leaves: lines of at most that width; without
colours no control character at all. Text of a file never reaches rich as markup.
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
    Field,
    Heading,
    Line,
    Name,
    Notice,
    Outline,
    Part,
    Tone,
    Words,
)
from ckptscope.reports.escaping import cell_width, elide, escape_terminal
from ckptscope.reports.inspected import describe_report
from ckptscope.reports.tables import Table, fit_table

_INDENT = 2
_LABEL = 11
_LEAST_WIDTH = 20
#: Sentences longer than this are hard to read; tables may be wider.
_PROSE_WIDTH = 100
_NAME_WIDTH = 24
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
    report: InspectReport,
    *,
    width: int,
    color: bool,
    tensors: bool = False,
    tree_depth: int | None = None,
) -> str:
    """Render a report for people.

    Args:
        report: What was found.
        width: Columns of the terminal; no line is longer.
        color: Whether ANSI colours may be used.
        tensors: Whether to list every tensor.
        tree_depth: Levels of the contents to show; None for what is quick to read.
    """
    page = _Page(width, color=color)
    for block in describe_report(report, tensors=tensors, tree_depth=tree_depth):
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
        self._part_from(block)
        if isinstance(block, Heading):
            self._prose((), block.parts, 0 if block.level < 3 else _INDENT)
        elif isinstance(block, Line):
            self._prose((), block.parts, _INDENT)
        elif isinstance(block, Field):
            self._field(block, _INDENT)
        elif isinstance(block, Notice):
            self._notice(block)
        elif isinstance(block, Outline):
            self._outline(block)
        else:
            self._table(block)
        self._last = block

    def _part_from(self, block: Block) -> None:
        """Leave a blank line where one thing ends and another begins."""
        if not self._lines:
            return
        last = self._last
        table_follows = isinstance(block, Table) and not isinstance(last, Heading)
        sums_end = isinstance(block, Field) and isinstance(last, Line) and False
        notices = isinstance(block, Notice) and isinstance(last, Notice) and False
        if isinstance(block, Heading) or table_follows or sums_end or notices:
            self._lines.append("")

    def _prose(self, lead: Sequence[Part], parts: Sequence[Part], indent: int) -> None:
        """Wrap a sentence; further lines stand deeper than the first."""
        hang = indent + _INDENT
        self._wrap((*lead, *parts), first=" " * indent, rest=" " * hang)

    def _wrap(self, parts: Iterable[Part], *, first: str, rest: str) -> None:
        room = min(self._width, _PROSE_WIDTH) - max(len(first), len(rest))
        text = Text()
        for part in parts:
            shown = escape_terminal(part.text)
            text.append(elide(shown, room) if isinstance(part, Name) else shown, _STYLES[part.tone])
        for index, wrapped in enumerate(text.wrap(self._console, room, overflow="fold")):
            wrapped.rstrip()
            self._lines.append((rest if index else first) + self._painted(wrapped))

    def _painted(self, text: Text) -> str:
        if not self._color:
            return text.plain
        return "".join(
            segment.style.render(segment.text, color_system=ColorSystem.STANDARD)
            if segment.style is not None
            else segment.text
            for segment in text.render(self._console)
        )

    def _paint(self, line: str, tone: Tone) -> str:
        if not self._color or not line:
            return line
        return _STYLES[tone].render(line, color_system=ColorSystem.STANDARD)

    def _field(self, block: Field, indent: int) -> None:
        label = elide(escape_terminal(block.label), _LABEL - 1)
        space = " " * (_LABEL - cell_width(label))
        start = " " * indent
        shown = self._paint(label, Tone.FAINT)
        self._wrap(block.parts, first=start + " " * _LABEL, rest=start + " " * _LABEL)
        del space, shown

    def _notice(self, block: Notice) -> None:
        tone = _SEVERITIES[block.severity]
        lead = (Words(f"{block.severity}[{block.code}]", tone), Words(" "))
        self._prose(lead, (Words(block.message),), _INDENT)
        for detail in block.details:
            self._field(detail, 2 * _INDENT)

    def _outline(self, block: Outline) -> None:
        widths: dict[int, int] = {}
        names = [escape_terminal(branch.name, most=200) for branch in block.branches]
        for branch, name in zip(block.branches, names, strict=True):
            used = min(cell_width(name), _NAME_WIDTH)
            widths[branch.level] = max(widths.get(branch.level, 0), used)
        for branch, name in zip(block.branches, names, strict=True):
            start = " " * (_INDENT * (branch.level + 1))
            short = elide(name, max(self._width // 2 - len(start), 8))
            space = " " * max(widths[branch.level] - cell_width(short) + 2, 2) if name else ""
            room = self._width - len(start) - cell_width(short) - len(space)
            value = elide(escape_terminal(branch.value, most=1000), max(room, 0))
            self._lines.append(elide(f"{start}{short}{space}{value}", self._width).rstrip())

    def _table(self, table: Table) -> None:
        fitted = fit_table(table, self._width - _INDENT)
        start = " " * _INDENT
        if fitted.header is not None:
            self._lines.append(start + self._paint(fitted.header, Tone.FAINT))
        self._lines += [start + line for line in fitted.rows]
        self._lines += [start + self._paint(line, Tone.FAINT) for line in fitted.closing]
