"""What a pickle had built when it broke off.

Enters: the registers of the machine at the damage. Leaves: `Remains`, which whoever asks for them
hands to `trace_pickle`; an error does not carry them, because a graph may be large and errors are
kept.
"""

import msgspec

from ckptscope.facts.pickled import PersistentRef


class Remains(msgspec.Struct, eq=False):
    """The stack of a broken pickle, and what it named beside the stack.

    Attributes:
        stack: Nodes, the last one the top; marks are kept apart.
        marks: Heights of the stack at the MARKs that were still open.
        persistent: Every reference to an object outside the pickle, in the order of the file.
    """

    stack: list[object] = []
    marks: list[int] = []
    persistent: list[PersistentRef] = []
