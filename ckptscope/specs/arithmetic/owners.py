"""Whose numbers are these?

Enters: what a claim says, and every table of every family. Leaves: the rows that meet all of it. A
claim that gives one network the numbers of another is usually a mistake of names.
"""

from collections.abc import Iterable
from typing import Final

from ckptscope.facts.checked import SameNumbers
from ckptscope.specs.arithmetic.background import Row
from ckptscope.specs.arithmetic.phrases import assignment_text, computed_text
from ckptscope.specs.arithmetic.statements import Statement

#: Things that must agree; one alone agrees by chance.
_LEAST: Final = 2
_MOST: Final = 3


def find_owners(
    statements: Iterable[Statement], rows: Iterable[Row], own: Row | None
) -> tuple[SameNumbers, ...]:
    """Return the rows of which everything is true that a claim says.

    Args:
        statements: What is said; a total must be among it.
        rows: Where to look.
        own: The row that the claim is about, which is left out.
    """
    said = tuple(one for one in statements if one.options)
    if len(said) < _LEAST or not any(one.is_total for one in said):
        return ()
    found: list[SameNumbers] = []
    for row in rows:
        if own is not None and (row.table.name, row.name) == (own.table.name, own.name):
            continue
        values = _values(row, said)
        if values:
            table = row.table
            found.append(
                SameNumbers(
                    family=table.family,
                    table=table.name,
                    title=table.title,
                    row=row.name,
                    values=values,
                    settings=dict(row.numbers.settings) if row.numbers is not None else {},
                )
            )
    return tuple(found[:_MOST])


def _values(row: Row, said: tuple[Statement, ...]) -> tuple[str, ...]:
    """Return the row's values in words if they meet everything, else nothing."""
    if row.numbers is None:
        return ()
    texts = []
    for statement in said:
        option = statement.met_by(row.numbers)
        if option is None:
            return ()
        text = computed_text(option, row.numbers)
        texts.append(text if statement.is_total else assignment_text(option.fact, option.value))
    return tuple(dict.fromkeys(texts))
