"""Names in a policy against what there is: families, rows of tables, settings.

Enters: a policy as it was read. Leaves: the same with a variant by its row's own name; or an error,
for a demand that no file can ever meet is a mistake of the policy.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from ckptscope.errors import UsageError
from ckptscope.policies.policy import FROM_NAME, Policy

if TYPE_CHECKING:
    from ckptscope.facts.architecture import FactValue
    from ckptscope.facts.tables import SpecTable


class UnknownNameError(UsageError):
    """A policy names what there is not.

    Attributes:
        keys: Keys of the policy's table that lead to the name.
    """

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message)
        self.keys = keys


def settle_names(policy: Policy) -> Policy:
    """Check a policy's names; rows that are named by a label get their own name.

    Raises:
        UnknownNameError: A family, a variant or a setting is unknown.
        SpecError: A table of the policy is wrong.
    """
    if policy.family is not None:
        _check_family(policy.family)
    if not policy.config and policy.variant in (None, FROM_NAME):
        return policy
    from ckptscope.specs.loading import load_tables

    extra = load_tables(policy.specs)
    if policy.config:
        _check_settings(policy, extra)
    if policy.variant in (None, FROM_NAME):
        return policy
    return msgspec.structs.replace(policy, variant=_row(policy, extra))


def _check_family(name: str) -> None:
    from ckptscope.families.registry import KNOWN_NAMES, find_family
    from ckptscope.policies.selectors import nearest

    try:
        find_family(name)
    except UsageError as error:
        raise UnknownNameError(f"{error}{nearest(name, KNOWN_NAMES)}", "family") from error


def _check_settings(policy: Policy, extra: "tuple[SpecTable, ...]") -> None:
    """Refuse settings that the family does not tell of, or values that are not of their kind."""
    from ckptscope.families.registry import find_family
    from ckptscope.policies.selectors import nearest
    from ckptscope.specs.checking import fact_samples
    from ckptscope.specs.loading import tables_for

    if policy.family is None:
        why = "expected the key family beside it: settings are a family's"
        raise UnknownNameError(why, "config")
    samples = fact_samples(tables_for(policy.family, extra), find_family(policy.family))
    if samples is None:
        return  # Without a table nothing says which facts there are.
    for name, value in policy.config.items():
        if name not in samples:
            advice = nearest(name, samples) or f"; there are: {', '.join(samples)}"
            raise UnknownNameError(f"unknown setting of {policy.family}{advice}", "config", name)
        wanted = _kind(samples[name])
        if samples[name] is not None and _kind(value) != wanted:
            raise UnknownNameError(f"expected {wanted}, found {_kind(value)}", "config", name)


def _kind(value: "FactValue") -> str:
    for kinds, words in ((bool, "true or false"), ((int, float), "a number"), (str, "a text")):
        if isinstance(value, kinds):
            return words
    return "a list"


def _row(policy: Policy, extra: "tuple[SpecTable, ...]") -> str:
    """Return the name of the row that a variant means.

    Where no family is asked for and tables differ about it (`S` is a row of one, and a label in
    another), it stays as it is: each file is held against the table of its own network.

    Raises:
        UnknownNameError: No table has it; the message names the rows.
    """
    from ckptscope.policies.selectors import nearest
    from ckptscope.specs.labels import row_meant
    from ckptscope.specs.loading import all_tables, tables_for

    variant = policy.variant or ""
    tables = all_tables(extra) if policy.family is None else tables_for(policy.family, extra)
    rows = {row for table in tables if (row := row_meant(variant, table)) is not None}
    if rows:
        return rows.pop() if len(rows) == 1 else variant
    if not tables:
        raise UnknownNameError(
            f"there is no table of {policy.family}, so no variant either; name one with spec",
            "variant",
        )
    known = [FROM_NAME, *(row.name for table in tables for row in table.rows)]
    raise UnknownNameError(
        f"expected {FROM_NAME!r} or a row of a table, found {variant!r:.60}"
        f"{nearest(variant, known)}; {_rows(tables)}",
        "variant",
    )


def _rows(tables: "Iterable[SpecTable]") -> str:
    parts = (f"{table.name} has {', '.join(row.name for row in table.rows)}" for table in tables)
    return f"{'; '.join(parts)}"[:600]
