"""What two checkpoints record beside their tensors → blocks.

Enters: a `Comparison`. Leaves: a table of what is recorded otherwise; what is the same is counted.
Of a record that one file lacks as a whole, an optimizer say, one row is enough.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.comparison import Comparison, MetadataRow
from ckptscope.reports.blocks import Block, Words, section
from ckptscope.reports.compared_phrases import NOTHING, count_of, letter, value_text
from ckptscope.reports.tables import Table, name

_MOST_ROWS: Final = 24
#: Values of a record from which on they share a row where one file has none of them.
_MANY: Final = 3
#: Parts a name into the record and what of it.
_SEPARATOR: Final = ": "


def describe_metadata(comparison: Comparison) -> Iterator[Block]:
    """Show side by side what is recorded otherwise, and count what is the same."""
    if not comparison.metadata:
        return
    other = [row for row in comparison.metadata if not row.is_same]
    same = len(comparison.metadata) - len(other)
    if not other:
        yield section("metadata", Words(f": {count_of(same, 'value')}, all the same"))
        return
    differ = "1 differs" if len(other) == 1 else f"{len(other):,} differ"
    yield section("metadata", Words(f": {differ}, {f'{same:,}' if same else 'none'} the same"))
    rows = _rows(comparison.metadata)
    rest = len(rows) - _MOST_ROWS
    yield Table(
        columns=(
            name("", least=16),
            name(letter(comparison.left)),
            name(letter(comparison.right)),
        ),
        rows=rows[:_MOST_ROWS],
        closing=((f"and {rest:,} more", "", ""),) if rest > 0 else (),
        may_tighten=True,
    )


def _rows(metadata: Sequence[MetadataRow]) -> list[tuple[str, str, str]]:
    """Return a row for each value that differs, or for a record that one file does not have."""
    records: dict[str, list[MetadataRow]] = {}
    for row in metadata:
        records.setdefault(_record(row), []).append(row)
    rows: list[tuple[str, str, str]] = []
    for record, members in records.items():
        in_left = any(row.left is not None for row in members)
        in_right = any(row.right is not None for row in members)
        if len(members) >= _MANY and in_left != in_right and record:
            rows.append(_together(record, members, is_left=in_left))
        else:
            rows += [
                (row.name, _value(row.left), _value(row.right))
                for row in members
                if not row.is_same
            ]
    return rows


def _record(row: MetadataRow) -> str:
    record, separator, _ = row.name.partition(_SEPARATOR)
    return record if separator else ""


def _together(
    record: str, members: Sequence[MetadataRow], *, is_left: bool
) -> tuple[str, str, str]:
    first = members[0]
    what = first.name.partition(_SEPARATOR)[2]
    value = _value(first.left if is_left else first.right)
    told = f"{what} {value}, and {len(members) - 1:,} more"
    return (record, told, NOTHING) if is_left else (record, NOTHING, told)


def _value(value: FactValue) -> str:
    return value_text(value) or NOTHING
