"""Rows of a table as claims about themselves.

Enters: a row of a table of the schema `ckptscope/spec/1`. Leaves: a `Subject`: what the row prints
and what its network is built from, to be held against each other.
"""

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.specs.arithmetic.background import Background
from ckptscope.specs.arithmetic.networks import Subject
from ckptscope.specs.arithmetic.statements import Statement, exact_option, statement_of_claim
from ckptscope.specs.loading import claims_of
from ckptscope.specs.wording import value_text


def subject_of_row(background: Background, table: SpecTable, row: SpecRow) -> Subject:
    """Return a row with everything that it says; nothing else completes it."""
    statements = [
        statement_of_claim(claim, ("variants", row.name, "claims", claim.rule.attribute))
        for claim in claims_of(table, row.name)
    ]
    statements += [
        _setting(row, name, value) for name, value in row.settings.items() if value is not None
    ]
    return Subject(row.name, None, tuple(statements), (), background)


def _setting(row: SpecRow, name: str, value: FactValue) -> Statement:
    keys = ("variants", row.name, "settings", name)
    return Statement(name, value_text(value), (exact_option(name, value),), keys, value)
