"""What each code means: one entry for each, in one place.

Enters: a code. Leaves: its `Entry`. `explain CODE`, the rule help of SARIF and the page
docs/findings.md are written from it.
"""

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

#: Code → what is to be said of it, in the order of the codes.
CATALOGUE: dict[Code, Entry] = {
    entry.code: entry
    for module in (containers, pickles, tensors, safety, values, architecture, training, policy)
    for entry in module.ENTRIES
}

__all__ = ["CATALOGUE", "Entry"]
