"""Tables of claims, as they are.

Enters: `SpecTable`s. Leaves: blocks for a terminal or a page: a list of tables; one table with its
claims, how they are read, and where they are from. JSON has the keys of the TOML that a table is
read from, under the same schema.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from ckptscope.facts.claims import Rule
from ckptscope.facts.tables import SpecTable
from ckptscope.reports.blocks import Block, Heading, Tone, Words, entry, field, line, section
from ckptscope.reports.json import encode
from ckptscope.reports.tables import Align, Column, Table
from ckptscope.specs.loading import claims_of
from ckptscope.specs.schema import AttributeEntry, SpecEntry, VariantEntry
from ckptscope.specs.wording import claim_text, value_text

_NOTHING: Final = "\N{EN DASH}"
#: Rows that fit beside each other on a narrow terminal.
_FEW_ROWS: Final = 5
_LIST_SCHEMA: Literal["ckptscope/spec-list/1"] = "ckptscope/spec-list/1"


class ListedOut(msgspec.Struct, frozen=True, kw_only=True):
    """One table of a list."""

    name: str
    family: str
    title: str
    source: str
    rows: tuple[str, ...]
    path: str


class ListOut(msgspec.Struct, frozen=True, kw_only=True):
    """All tables."""

    schema: Literal["ckptscope/spec-list/1"] = _LIST_SCHEMA
    tables: tuple[ListedOut, ...]


def describe_list(tables: Iterable[SpecTable]) -> Iterator[Block]:
    """Describe which tables there are."""
    yield Table(
        columns=(
            Column(title="table"),
            Column(title="family"),
            Column(title="rows", flexible=True, wraps=True),
            Column(title="source", flexible=True, wraps=True),
        ),
        rows=[
            (table.name, table.family, ", ".join(row.name for row in table.rows), table.source)
            for table in tables
        ],
    )


def describe_table(table: SpecTable) -> Iterator[Block]:
    """Describe one table: claims by attribute and row, how they are read, settings."""
    yield Heading(1, (Words(table.title, Tone.STRONG),))
    yield field("table", table.name)
    yield field("family", table.family)
    yield field("source", table.source)
    if table.path:
        yield field("file", table.path)
    yield section("claims")
    yield from _claims(table)
    yield section("how they are read")
    for rule in table.rules:
        yield entry(Words(rule.attribute, Tone.STRONG), f": {_reading(rule)}")
    if any(row.settings for row in table.rows):
        yield section("settings of the rows")
        yield from _settings(table)
        yield line(f"from {table.settings_source}")


def render_table_json(table: SpecTable) -> bytes:
    """Return a table as JSON, with the keys of its TOML."""
    entry = SpecEntry(
        schema="ckptscope/spec/1",
        name=table.name,
        family=table.family,
        title=table.title,
        source=table.source,
        settings_source=table.settings_source,
        attributes={rule.attribute: _attribute(rule) for rule in table.rules},
        variants={
            row.name: VariantEntry(
                labels=row.labels,
                claims={name: value for name, value in row.claims.items() if value is not None},
                settings={name: value for name, value in row.settings.items() if value is not None},
            )
            for row in table.rows
        },
    )
    return encode(entry) + b"\n"


def render_list_json(tables: Sequence[SpecTable]) -> bytes:
    """Return all tables by name as JSON."""
    listed = tuple(
        ListedOut(
            name=table.name,
            family=table.family,
            title=table.title,
            source=table.source,
            rows=tuple(row.name for row in table.rows),
            path=table.path,
        )
        for table in tables
    )
    return encode(ListOut(tables=listed)) + b"\n"


def _attribute(rule: Rule) -> AttributeEntry:
    return AttributeEntry(
        fact=rule.fact or None,
        unit=rule.unit,
        decimals=rule.decimals,
        tolerance=rule.tolerance,
        note=rule.note,
        source=rule.source,
    )


def _claims(table: SpecTable) -> Iterator[Block]:
    """Yield claims as the source prints them."""
    printed = {
        row.name: {claim.rule.attribute: claim_text(claim) for claim in claims_of(table, row.name)}
        for row in table.rows
    }
    return _grid("attribute", [rule.attribute for rule in table.rules], printed)


def _settings(table: SpecTable) -> Iterator[Block]:
    names = list(dict.fromkeys(name for row in table.rows for name in row.settings))
    told = {
        row.name: {name: value_text(value) for name, value in row.settings.items()}
        for row in table.rows
    }
    return _grid("setting", names, told)


def _grid(
    title: str, names: Sequence[str], cells: Mapping[str, Mapping[str, str]]
) -> Iterator[Block]:
    """Yield a table with a column for each row; or a sentence for each, where there are many."""
    if len(cells) > _FEW_ROWS:
        for row, values in cells.items():
            told = "; ".join(f"{one} {values[one]}" for one in names if one in values)
            yield entry(Words(row, Tone.STRONG), f": {told}")
        return
    columns = (
        Column(title=row, align=Align.RIGHT, flexible=True, wraps=True, least=10) for row in cells
    )
    yield Table(
        columns=(Column(title=title, flexible=True, least=10), *columns),
        rows=[(one, *(values.get(one, _NOTHING) for values in cells.values())) for one in names],
        may_tighten=True,
    )


def _reading(rule: Rule) -> str:
    """Return in words what a claim speaks of, and what meets it."""
    parts = [f"the fact {rule.fact}" if rule.fact else "no fact: no file can hold it"]
    if rule.unit:
        parts.append(f"in {rule.unit}")
    if rule.tolerance is not None:
        parts.append(f"met within {rule.tolerance * 100:g} %")
    elif rule.decimals is not None and rule.fact:
        parts.append(f"rounded to {rule.decimals} decimals")
    if rule.note:
        parts.append(rule.note)
    return f"{', '.join(parts)}; from {rule.source}"
