"""Where a network stands among the rows of a table.

Enters: an architecture and a table. Leaves: `Standing`: which row it is, which comes second, and
which tensors tell the two apart.
"""

import msgspec

from ckptscope.facts.architecture import Architecture


class RowFit(msgspec.Struct, frozen=True, kw_only=True):
    """How one row of a table fits.

    Attributes:
        row: Name of the row: S.
        matches: Claims that observed or derived facts meet.
        contradicts: Claims that observed or derived facts contradict.
        undecided: Claims that nothing in the file decides.
        contradictions: Those that are contradicted, in words.
    """

    row: str
    matches: int
    contradicts: int
    undecided: int
    contradictions: tuple[str, ...] = ()


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
    """

    architecture: Architecture
    standing: Standing | None = None
