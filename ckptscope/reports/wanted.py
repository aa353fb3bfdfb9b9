"""How much a report for people tells.

Enters: nothing. Leaves: `Wanted`, which the command line fills in and the sections obey.
"""

import msgspec


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How much is told.

    Attributes:
        tensors: Whether every tensor is listed.
        evidence: Whether everything is told that the architecture rests on.
        snippets: Whether the code is shown that loads the network.
        tree_depth: Levels of the contents; None for what is quick to read.
        module_depth: Levels of the networks' modules; None for what is quick to read.
    """

    tensors: bool = False
    evidence: bool = False
    snippets: bool = False
    tree_depth: int | None = None
    module_depth: int | None = None


WHAT_IS_QUICK = Wanted()
