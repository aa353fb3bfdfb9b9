"""Cases of `SAF010` and `SAF011`: a plain checkpoint, and one object more."""

import struct

from builders.finding_cases.case import Case
from builders.finding_cases.files import saved
from builders.pickles import build, call, new, tensor
from ckptscope.facts.findings import Code

HELD = {"0": struct.pack("<2f", 1, 2)}
TREE = {"w": tensor("0", (2,)), "epoch": 3}
ARGUMENTS = build(new("argparse", "Namespace"), {"lr": 0.1})
#: As Python spells a set in protocol 2.
A_SET = call("__builtin__", "set", ["a", "b"])

CASES: dict[Code, Case] = {
    Code.WEIGHTS_ONLY_REFUSED: Case(
        trips=saved({**TREE, "args": ARGUMENTS}, HELD),
        passes=saved({**TREE, "args": {"lr": 0.1}}, HELD),
    ),
    Code.WEIGHTS_ONLY_DEPENDS: Case(
        trips=saved({**TREE, "names": A_SET}, HELD),
        passes=saved({**TREE, "names": ["a", "b"]}, HELD),
    ),
}
