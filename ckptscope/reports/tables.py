"""The one table of all reports: columns and rows, fitted to a terminal or written as markdown.

Enters: a `Table`, its cells unescaped. Leaves: padded cells that fit a width, or a GitHub table.
Where room is short, columns that may be missing go first; then sentences take several lines, and
long names lose their middle. Numbers are never cut.
"""

import enum
from collections.abc import Sequence

import msgspec

from ckptscope.reports.escaping import (
    cell_width,
    code_span,
    elide,
    escape_markdown,
    escape_terminal,
    fold,
)

_GAP = 2
#: Columns below which names say too little; another column is given up first.
LEAST_NAME = 24
_CELL_CHARACTERS = 300
_SENTENCE_CHARACTERS = 2000


class Align(enum.StrEnum):
    """The side to which cells are pushed."""

    LEFT = "left"
    RIGHT = "right"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column.

    Attributes:
        title: Heading; empty for none.
        align: Numbers go right.
        from_file: Whether its cells are text of the file.
        flexible: Whether cells may lose their middle.
        least: Columns that it gets before others are given up for it, if it needs them.
        drop: Order in which columns are given up where room is short; 0 for never. Those of 1 go
            as soon as a name would be cut, others when names would become shorter than `least`.
        pictorial: Drawn, and worth nothing on a page of markdown.
        wraps: Whether cells take several lines instead of losing their middle.
    """

    title: str = ""
    align: Align = Align.LEFT
    from_file: bool = False
    flexible: bool = False
    least: int = LEAST_NAME
    drop: int = 0
    pictorial: bool = False
    wraps: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Columns and rows.

    Attributes:
        columns: From left to right.
        rows: Cells, one for each column.
        closing: Rows below, in our own words: what was left out, the total.
        may_tighten: Whether columns may move together if that saves names from being cut.
    """

    columns: tuple[Column, ...]
    rows: Sequence[tuple[str, ...]]
    closing: tuple[tuple[str, ...], ...] = ()
    may_tighten: bool = False


class FittedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table whose lines are laid out.

    Attributes:
        header: The line of titles, or None without any.
        rows: Lines of the rows; one with sentences may take several.
        closing: Lines below them.
    """

    header: str | None
    rows: list[str]
    closing: list[str]


def number(title: str, *, drop: int = 0) -> Column:
    """Return a column of numbers."""
    return Column(title=title, align=Align.RIGHT, drop=drop)


def name(title: str, *, drop: int = 0, least: int = LEAST_NAME) -> Column:
    """Return a column of names that the file chose."""
    return Column(title=title, from_file=True, flexible=True, drop=drop, least=least)


def fit_table(table: Table, width: int) -> FittedTable:
    """Lay a table out on lines of at most `width` columns, without spaces at their ends."""
    rows = [_shown(row, table.columns) for row in table.rows]
    closing = [_shown(row, table.columns) for row in table.closing]
    titles = tuple(column.title for column in table.columns)
    natural = [
        max(map(cell_width, cells), default=0)
        for cells in zip(titles, *rows, *closing, strict=True)
    ]
    filled = [index for index in range(len(titles)) if _is_filled(table, index)]
    kept = _kept(table.columns, natural, filled, width)
    gap = _gap(table, [natural[index] for index in kept], width)
    widths = _widths(table.columns, natural, kept, width - gap * (len(kept) - 1))
    plan = [(index, widths[index], table.columns[index].align) for index in kept]
    lay = _Layout(plan, " " * gap, width)
    return FittedTable(
        header=lay.row(titles) if any(titles) else None,
        rows=[line for row in rows for line in lay.lines(row, table.columns)],
        closing=[lay.row(row) for row in closing],
    )


def _shown(row: Sequence[str], columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(
        escape_terminal(cell, most=_SENTENCE_CHARACTERS if column.wraps else _CELL_CHARACTERS)
        for cell, column in zip(row, columns, strict=True)
    )


def _is_filled(table: Table, index: int) -> bool:
    return any(row[index] for row in table.rows) or any(row[index] for row in table.closing)


def _gap(table: Table, natural: Sequence[int], width: int) -> int:
    """Return the spaces between columns."""
    fits_loosely = sum(natural) + _GAP * (len(natural) - 1) <= width
    fits_tightly = sum(natural) + (len(natural) - 1) <= width
    return 1 if table.may_tighten and fits_tightly and not fits_loosely else _GAP


def _kept(
    columns: Sequence[Column], natural: Sequence[int], filled: Sequence[int], width: int
) -> list[int]:
    """Return the columns that are shown: all that hold something, as far as there is room."""
    kept = list(filled)
    for index in sorted((i for i in kept if columns[i].drop), key=lambda i: columns[i].drop):
        needed = sum(
            _needed(columns[i], natural[i], whole=columns[index].drop == 1 and i != index)
            for i in kept
        )
        if needed + _GAP * (len(kept) - 1) <= width:
            break
        kept.remove(index)
    return kept


def _needed(column: Column, natural: int, *, whole: bool) -> int:
    """Return the width that a column must get before another is given up for it."""
    return natural if whole or not column.flexible else min(natural, column.least)


def _widths(
    columns: Sequence[Column], natural: Sequence[int], kept: Sequence[int], room: int
) -> dict[int, int]:
    """Return the width of each column; flexible ones share what the others leave."""
    widths = {index: natural[index] for index in kept}
    flexible = sorted((i for i in kept if columns[i].flexible), key=lambda i: natural[i])
    room -= sum(natural[i] for i in kept if i not in flexible)
    for position, index in enumerate(flexible):
        widths[index] = max(min(natural[index], room // (len(flexible) - position)), 1)
        room -= widths[index]
    return widths


class _Layout(msgspec.Struct, frozen=True):
    """Which cells stand where: column, width and side; what parts them; the width of a line."""

    plan: list[tuple[int, int, Align]]
    gap: str
    width: int

    def row(self, cells: Sequence[str]) -> str:
        """Return the line of a row."""
        padded = [_pad(cells[index], size, align) for index, size, align in self.plan]
        joined = self.gap.join(padded).rstrip()
        return joined if cell_width(joined) <= self.width else elide(joined, self.width)

    def lines(self, cells: Sequence[str], columns: Sequence[Column]) -> list[str]:
        """Return the lines of a row: as many as its longest sentence takes."""
        folded = {
            index: fold(cells[index], size)
            for index, size, _ in self.plan
            if columns[index].wraps and cell_width(cells[index]) > size
        }
        if not folded:
            return [self.row(cells)]
        depth = max(map(len, folded.values()))
        return [
            self.row([_nth(folded.get(i, [cell]), line) for i, cell in enumerate(cells)])
            for line in range(depth)
        ]


def _nth(lines: Sequence[str], index: int) -> str:
    return lines[index] if index < len(lines) else ""


def _pad(cell: str, width: int, align: Align) -> str:
    used = cell_width(cell)
    if used > width:
        cell = elide(cell, width)
        used = cell_width(cell)
    space = " " * (width - used)
    return space + cell if align is Align.RIGHT else cell + space


def github_table(table: Table) -> str:
    """Write a table of GitHub Flavored Markdown; cells stay cells whatever the file put in them.

    tabulate's format `pipe` is its `github` with the sides of the columns marked.
    """
    from tabulate import tabulate  # noqa: PLC0415 - text has no need of it

    kept = [
        index
        for index, column in enumerate(table.columns)
        if not column.pictorial and _is_filled(table, index)
    ]
    columns = [table.columns[index] for index in kept]
    body = [
        [_cell(row[index], column) for index, column in zip(kept, columns, strict=True)]
        for row in table.rows
    ]
    body += [
        [escape_markdown(row[index], in_table=True) for index in kept] for row in table.closing
    ]
    return tabulate(
        body,
        headers=[column.title for column in columns],
        tablefmt="pipe",
        colalign=[column.align.value for column in columns] if body else None,
        disable_numparse=True,
    )


def _cell(text: str, column: Column) -> str:
    if column.from_file:
        return code_span(text, in_table=True, most=_CELL_CHARACTERS)
    return escape_markdown(text, in_table=True)
