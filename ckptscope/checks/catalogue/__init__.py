"""What each code means: one entry for each, in one place.

Enters: a code. Leaves: its `Entry`. `explain CODE`, the rule help of SARIF and the page
docs/findings.md are written from it.
"""

from typing import Final

from ckptscope.checks.catalogue import (
    architecture,
    containers,
    pickles,
    policy,
    safety,
    tensors,
    training,
    values,
)
from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code

_ROOMS: Final = (containers, pickles, tensors, safety, values, architecture, training, policy)

#: Code → what is to be said of it, in the order of the codes.
CATALOGUE: Final[dict[Code, Entry]] = {
    entry.code: entry for room in _ROOMS for entry in room.ENTRIES
}

#: Prefix → what the codes of the group are about, in the order of the checks.
GROUPS: Final[dict[str, str]] = {
    "CON": "containers",
    "PKL": "pickles",
    "TEN": "tensors and storages",
    "SAF": "what loading would run",
    "VAL": "values",
    "ARC": "architecture",
    "TRN": "training record",
    "POL": "what a policy asks for",
}


def entries_of(prefix: str) -> tuple[Entry, ...]:
    """Return the entries whose code begins like this, in the order of the codes."""
    return tuple(entry for code, entry in CATALOGUE.items() if code.value.startswith(prefix))


__all__ = ["CATALOGUE", "GROUPS", "Entry", "entries_of"]
