"""Tables of claims, read from TOML.

Enters: the files that come along, in `specs/data`, and those of users. Leaves: `SpecTable`s, and
the `Claim`s of their rows. A file that breaks the schema `ckptscope/spec/1`, or names what there is
not, is a `SpecError` that names file, line and key.

A built-in file is called after its family, `FAMILY.toml` or `FAMILY-MORE.toml`, so that no other
one is read to find a family's tables.
"""

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.errors import SpecError
from ckptscope.facts.claims import Claim, ClaimSource, Rule
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.specs.plain import read_plain
from ckptscope.specs.schema import UNITS, SpecEntry

_DATA: Final = Path(__file__).parent / "data"
#: Tables are written by hand; a larger file is something else.
_MOST_BYTES: Final = 1 << 20


def load_table(path: str | os.PathLike[str]) -> SpecTable:
    """Read and check a user's table.

    Raises:
        SpecError: The file cannot be read, is no TOML, or is no sound table.
    """
    # Built-in tables, which `inspect` reads, have no need of it.
    from ckptscope.specs.checking import check_table, explain_error  # noqa: PLC0415

    name = Path(path).name
    text = _read(Path(path), name)
    raw = _parse(text, name)
    try:
        entry = msgspec.convert(raw, SpecEntry)
    except msgspec.ValidationError as error:
        raise explain_error(raw, str(error), text=text, name=name) from error
    table = _table(entry, str(path))
    return check_table(table, entry, tables_for, text=text, name=name)


def load_tables(paths: Iterable[str | os.PathLike[str]]) -> tuple[SpecTable, ...]:
    """Read users' tables.

    Raises:
        SpecError: One of them is not sound, or two bear the same name.
    """
    tables: list[SpecTable] = []
    for path in paths:
        table = load_table(path)
        for other in tables:
            if other.name == table.name:
                raise SpecError(
                    f"expected another name than that of {other.path!r}, found {table.name!r}",
                    path=f"{Path(path).name}: name",
                )
        tables.append(table)
    return tuple(tables)


@functools.cache
def built_in_tables() -> tuple[SpecTable, ...]:
    """Return every table that comes along."""
    return tuple(_built_in(name) for name in _built_in_names())


def tables_for(family: str, extra: Iterable[SpecTable] = ()) -> tuple[SpecTable, ...]:
    """Return the tables of a family: the user's first, then the built-in ones.

    Args:
        family: Name of the family.
        extra: Tables of users; one replaces the built-in table of its name.
    """
    given = tuple(extra)
    own = tuple(table for table in given if table.family == family)
    taken = {table.name for table in given}
    come_along = (_built_in(name) for name in _built_in_names() if _family_of(name) == family)
    return own + tuple(table for table in come_along if table.name not in taken)


def all_tables(extra: Iterable[SpecTable] = ()) -> tuple[SpecTable, ...]:
    """Return every table: the user's first, then the built-in ones that they do not replace."""
    given = tuple(extra)
    taken = {table.name for table in given}
    return given + tuple(table for table in built_in_tables() if table.name not in taken)


def claims_of(table: SpecTable, row: str) -> tuple[Claim, ...]:
    """Return what a row claims, in the order of the table; nothing for a row that there is not."""
    found = table.row(row)
    if found is None:
        return ()
    return tuple(
        Claim(
            subject=found.name,
            rule=rule,
            value=found.claims[rule.attribute],
            made_by=ClaimSource.PAPER,
            source=rule.source,
        )
        for rule in table.rules
        if rule.attribute in found.claims
    )


def text_of(table: SpecTable) -> str:
    """Return the TOML that a table was read from.

    Raises:
        SpecError: A user's file is gone.
    """
    if table.path:
        return _read(Path(table.path), Path(table.path).name)
    file = next(name for name in _built_in_names() if _built_in(name).name == table.name)
    return (_DATA / file).read_text(encoding="utf-8")


@functools.cache
def _built_in_names() -> tuple[str, ...]:
    return tuple(sorted(name for name in os.listdir(_DATA) if name.endswith(".toml")))


def _family_of(name: str) -> str:
    return name.removesuffix(".toml").partition("-")[0]


@functools.cache
def _built_in(name: str) -> SpecTable:
    """Read a table that comes along; its claims are checked by the tests and not here."""
    text = (_DATA / name).read_text(encoding="utf-8")
    raw = read_plain(text)
    if raw is None:
        raw = _parse(text, name)
    return _table(msgspec.convert(raw, SpecEntry), "")


def _read(path: Path, name: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecError(f"cannot be read: {reason}", path=name) from error
    if len(content) > _MOST_BYTES:
        raise SpecError(f"expected a table of at most {_MOST_BYTES:,} bytes", path=name)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError("expected UTF-8", path=f"{name}: line {line}") from error


def _parse(text: str, name: str) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 - built-in tables are plain enough to be read without it

    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise SpecError(f"expected TOML, found: {error}", path=name) from error
    except RecursionError as error:
        raise SpecError("expected a table, found lists or tables without end", path=name) from error


def _table(entry: SpecEntry, path: str) -> SpecTable:
    """Turn a file that keeps to the schema into a table."""
    rows = sorted(entry.variants.values(), key=lambda row: -len(row.claims))
    claimed = dict.fromkeys(name for row in rows for name in row.claims)
    return SpecTable(
        name=entry.name,
        family=entry.family,
        title=entry.title,
        source=entry.source,
        settings_source=entry.settings_source or entry.source,
        rules=tuple(_rule(name, entry) for name in claimed),
        rows=tuple(
            SpecRow(
                name=name,
                labels=row.labels if row.labels is not None else (name,),
                claims=dict(row.claims),
                settings=dict(row.settings),
            )
            for name, row in entry.variants.items()
        ),
        path=path,
    )


def _rule(attribute: str, entry: SpecEntry) -> Rule:
    """Return how claims of an attribute are read; one without an entry is named like its fact."""
    said = entry.attributes.get(attribute)
    if said is None:
        return Rule(attribute=attribute, fact=attribute, source=entry.source)
    return Rule(
        attribute=attribute,
        fact=said.fact or "",
        unit=said.unit,
        scale=UNITS.get(said.unit, 1.0),
        decimals=said.decimals,
        tolerance=said.tolerance,
        note=said.note,
        source=said.source or entry.source,
    )
