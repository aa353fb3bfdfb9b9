"""Which row a file is said to be: by a name, else by the user.

Enters: the names of a file and of the members that lead to it, the family of its network, tables.
Leaves: a `Label`, or the reason why there is none.
"""

from collections.abc import Sequence

from ckptscope.facts.claims import ClaimSource
from ckptscope.facts.paper import Label
from ckptscope.facts.tables import SpecTable
from ckptscope.specs.labels import family_named, row_meant, rows_named


def find_label(
    names: Sequence[str], family: str, tables: Sequence[SpecTable], *, variant: str | None
) -> tuple[Label | None, str]:
    """Return the row that a name claims, else the one that the user does; and what is peculiar.

    Args:
        names: In order of weight; the first that says anything counts.
        family: Of the network in the file.
        tables: Of all families, the user's first.
        variant: Row that a file is said to be whose names say none, as typed.
    """
    remark = ""
    for name in names:
        rows = _claimed(name, family, tables)
        if len(rows) == 1:
            table, row = rows[0]
            return _by_name(table, row, name), _unused(variant, row)
        if rows:
            remark = f"the name {name!r} means {' and '.join(row for _, row in rows)}"
            break
    for own in tables if variant else ():
        meant = row_meant(variant or "", own) if own.family == family else None
        if meant is not None:
            made_by = ClaimSource.COMMAND_LINE
            return Label(table=own.name, row=meant, made_by=made_by, source="--variant"), remark
    return None, remark


def names_of(name: str, location: Sequence[str], *, is_shared: bool) -> tuple[str, ...]:
    """Return the names that may say what a checkpoint is, in order of weight.

    A file's own name comes first, then those of the members and folders that lead to the
    checkpoint, from the innermost.

    Args:
        name: Of the file or folder.
        location: Members that lead through the wrappers.
        is_shared: Whether the file holds other checkpoints too; its own name says nothing of any
            of them then.
    """
    members = [part for member in reversed(location) for part in reversed(member.split("/"))]
    return (*([] if is_shared else [name]), *(part for part in members if part))


def _by_name(table: str, row: str, name: str) -> Label:
    made_by = ClaimSource.FILE_NAME
    return Label(table=table, row=row, made_by=made_by, source=f"the name {name!r}")


def _unused(variant: str | None, row: str) -> str:
    if variant is None or variant.casefold() == row.casefold():
        return ""
    return f"--variant {variant} is for files whose names say nothing"


def _claimed(name: str, family: str, tables: Sequence[SpecTable]) -> tuple[tuple[str, str], ...]:
    """Return the rows of one table that a name claims, each with the table's name.

    A name that speaks of another family's table claims a row of that one, or none.
    """
    weights = [family_named(name, table) for table in tables]
    heaviest = max(weights, default=0)
    for table, weight in zip(tables, weights, strict=True):
        if weight == heaviest and (heaviest or table.family == family):
            rows = rows_named(name, table)
            if rows:
                return tuple((table.name, row) for row in rows)
    return ()
