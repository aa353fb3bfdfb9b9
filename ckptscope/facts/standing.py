"""Where a network stands among the rows of a table.

Enters: an architecture and a table. Leaves: `Judgement`s, each claim of a row held against a fact;
`Standing`: which row the network is, which comes second, and which tensors tell the two apart.
"""

import msgspec

from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.claims import Verdict
from ckptscope.facts.tensors import Origin


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One claim, held against one fact.

    Attributes:
        attribute: Name in the table: params, dims, ...
        fact: The fact that it speaks of; empty if no file can hold one.
        claimed: What the row says, in the table's unit; None where it says nothing.
        claimed_text: The same as the source prints it: `7.44 M`; empty for nothing.
        found: The fact's value; None where there is none.
        found_text: The same for people; empty for none.
        origin: What the fact rests on; None without a fact.
        verdict: Decided on observed and derived facts alone.
        agrees: Whether an assumed or stated value meets the claim; None where that is not asked.
        assumptions: Conventions that an assumed fact rests on.
        explanation: How the two go together, in words; empty where the numbers say it.
        source: Table or page that the claim is from.
    """

    attribute: str
    fact: str = ""
    claimed: FactValue = None
    claimed_text: str = ""
    found: FactValue = None
    found_text: str = ""
    origin: Origin | None = None
    verdict: Verdict
    agrees: bool | None = None
    assumptions: tuple[str, ...] = ()
    explanation: str = ""
    source: str = ""


class RowFit(msgspec.Struct, frozen=True, kw_only=True):
    """How one row of a table fits.

    Attributes:
        row: Name of the row: S.
        matches: Claims that observed or derived facts meet.
        contradicts: Claims that observed or derived facts contradict.
        undecided: Claims that nothing in the file decides.
        contradictions: Those that are contradicted, in words.
        agrees: Of the undecided claims those that assumed or stated facts meet.
        disagrees: Of the undecided claims those that they do not meet.
    """

    row: str
    matches: int
    contradicts: int
    undecided: int
    contradictions: tuple[str, ...] = ()
    agrees: int = 0
    disagrees: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one table by fit.

    Attributes:
        spec: Name of the table.
        source: Paper that it is from.
        variant: The row that the file is: no observed or derived fact contradicts it, and no other
            row fits as well; None for none.
        runner_up: The row that fits second best, or None.
        ranking: All rows, the best first.
        separating: Tensors that tell the best row from the second, in words:
            `head.final_layer.weight: [576, 256, 1, 1] in S, [1152, 256, 1, 1] in M`.
        remark: Why there is no variant, or what is peculiar: "none of the named ones".
    """

    spec: str
    source: str
    variant: str | None
    runner_up: str | None
    ranking: tuple[RowFit, ...]
    separating: tuple[str, ...] = ()
    remark: str = ""


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a checkpoint, and its place in the table of its family.

    Attributes:
        architecture: What it is.
        standing: Where it stands; None if there is no table.
        copies: Paths of the state_dicts that hold the same names and shapes, prefixes left out: of
            them the same is said.
        unread: Why the weights that the user asked about could not be read; empty if they were, or
            nobody asked.
    """

    architecture: Architecture
    standing: Standing | None = None
    copies: tuple[str, ...] = ()
    unread: str = ""
