"""Files of claims, read from TOML.

Enters: a file of the schema `ckptscope/claims/1`, or a table of the schema `ckptscope/spec/1`,
every row of which is a claim about itself. Leaves: a `Document`: claims with their subjects, every
value read. A file that breaks the schema, or names what there is not, is a `SpecError` that names
file, line and key.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.errors import SpecError, UsageError
from ckptscope.facts.tables import SpecTable
from ckptscope.families.registry import find_family
from ckptscope.specs.arithmetic.background import Background
from ckptscope.specs.arithmetic.document import Claimed, Document, Keys, Paper
from ckptscope.specs.arithmetic.entries import EntryReader
from ckptscope.specs.arithmetic.schema import CLAIMS_SCHEMA, ClaimsEntry
from ckptscope.specs.arithmetic.table_rows import subject_of_row
from ckptscope.specs.loading import all_tables, load_table
from ckptscope.specs.schema import SPEC_SCHEMA

#: Claims are written by hand; a larger file is something else.
_MOST_BYTES: Final = 1 << 20


def load_document(path: str | os.PathLike[str], extra: Sequence[SpecTable] = ()) -> Document:
    """Read a file of claims.

    Args:
        path: The file.
        extra: Tables of the user, which rows may be named of.

    Raises:
        SpecError: The file cannot be read, or breaks its schema.
    """
    paper = Paper(Path(path).name, _read(Path(path)))
    try:
        raw = tomllib.loads(paper.text)
    except ValueError as error:
        raise SpecError(f"expected TOML, found: {error}", path=paper.name) from error
    except RecursionError as error:
        raise SpecError("expected claims, found lists without end", path=paper.name) from error
    if raw.get("schema") == SPEC_SCHEMA:
        return _document_of_table(load_table(path), str(path), extra)
    try:
        entry = msgspec.convert(raw, ClaimsEntry)
    except msgspec.ValidationError as error:
        raise _schema_error(paper, raw, str(error)) from error
    background = _background(paper, entry, Path(path), extra)
    return EntryReader(paper, entry, background).document(str(path))


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecError(f"cannot be read: {reason}", path=path.name) from error
    if len(content) > _MOST_BYTES:
        raise SpecError(f"expected claims of at most {_MOST_BYTES:,} bytes", path=path.name)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError("expected UTF-8", path=f"{path.name}: line {line}") from error


def _schema_error(paper: Paper, raw: object, message: str) -> SpecError:
    """Say in words where and how a file breaks the schema."""
    what, _, where = message.partition(" - at ")
    keys: Keys = tuple(
        int(index) if index else name
        for name, index in re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]", where)
    )
    found = re.match(r"Object (contains unknown|missing required) field `(.*)`", what, re.DOTALL)
    if found is not None and found[1].startswith("contains"):
        return paper.error((*keys, found[2]), "unknown key")
    if found is not None:
        return paper.error(keys, f"expected a value for {found[2]!r}, found none")
    if keys == ("schema",):
        schema = raw.get("schema") if isinstance(raw, Mapping) else None
        return paper.error(keys, f"expected {CLAIMS_SCHEMA!r} or {SPEC_SCHEMA!r}, found {schema!r}")
    words = what[:1].lower() + what[1:]
    return paper.error(keys, words.replace("`", "'").replace("array", "list"))


def _background(
    paper: Paper, entry: ClaimsEntry, path: Path, extra: Sequence[SpecTable]
) -> Background:
    """Find the family and the tables that rows are named of."""
    try:
        family = find_family(entry.family)
    except UsageError as error:
        raise paper.error(("family",), str(error)) from error
    named = (entry.table,) if isinstance(entry.table, str) else entry.table
    own = [load_table(path.parent / name) for name in named if name.endswith(".toml")]
    known = all_tables((*own, *extra))
    chosen = [table for table in known if table.family == family.name]
    if named:
        wanted = {name for name in named if not name.endswith(".toml")}
        unknown = wanted - {table.name for table in chosen}
        if unknown:
            names = ", ".join(table.name for table in chosen) or "none"
            raise paper.error(
                ("table",), f"no table {min(unknown)!r} of {family.name}; there are: {names}"
            )
        wanted |= {table.name for table in own}
        chosen = [table for table in chosen if table.name in wanted]
    background = Background(family, tuple(chosen), known)
    if not background.samples:
        raise paper.error(
            ("family",),
            f"expected a table of {family.name} whose rows have settings; name one with 'table' "
            "or --spec",
        )
    return background


def _document_of_table(table: SpecTable, path: str, extra: Sequence[SpecTable]) -> Document:
    """Make a claim of every row of a table: what it prints, and what its network is built from."""
    background = Background(find_family(table.family), (table,), all_tables((table, *extra)))
    claims = tuple(
        Claimed(
            id=row.name,
            text=f"row {row.name} of {table.title}",
            source=table.source,
            line=None,
            subjects=(subject_of_row(background, table, row),),
        )
        for row in table.rows
    )
    return Document(path=path, title=table.title, background=background, claims=claims)
