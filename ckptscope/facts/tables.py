"""Tables of claims about the variants of a family.

Enters: TOML, read by the specs room. Leaves: `SpecTable`s, against whose rows networks are held.
"""

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Rule


class SpecRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table.

    Attributes:
        name: S.
        labels: Words of file names that mean it.
        claims: What the source prints, by attribute, in the rule's unit.
        settings: What the family builds it from; empty if the table does not say.
    """

    name: str
    labels: tuple[str, ...]
    claims: dict[str, FactValue]
    settings: dict[str, FactValue] = {}


class SpecTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table of claims about the variants of a family.

    Attributes:
        name: Under which it is known; a user's table replaces a built-in one of the same name.
        family: Name of the family.
        title: For people.
        source: Paper or page.
        settings_source: Where the settings are from, if not from the source.
        rules: How claims of each attribute are read, in the order of the fullest row.
        rows: In the order of the table.
        path: File that it was read from; empty for a built-in one.
    """

    name: str
    family: str
    title: str
    source: str
    settings_source: str = ""
    rules: tuple[Rule, ...]
    rows: tuple[SpecRow, ...]
    path: str = ""

    def row(self, name: str) -> SpecRow | None:
        """Return a row by its name, or None."""
        for found in self.rows:
            if found.name == name:
                return found
        return None

    def rule(self, attribute: str) -> Rule | None:
        """Return how claims of an attribute are read, or None."""
        for found in self.rules:
            if found.attribute == attribute:
                return found
        return None
