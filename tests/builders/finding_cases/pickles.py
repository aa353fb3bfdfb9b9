"""Cases of `PKL`: pickles with one opcode, argument or byte changed."""

import struct

from builders.finding_cases.case import Case
from builders.finding_cases.files import saved, zipped
from builders.pickles import (
    CODE,
    Raw,
    build,
    call,
    global_,
    new,
    ordered_dict,
    persistent,
    pickled,
    storage,
    tensor,
)
from builders.zips import Member, torch_members
from ckptscope.facts.findings import Code

HELD = {"0": struct.pack("<2f", 1, 2)}
TREE = {"w": tensor("0", (2,))}
SOUND = saved(TREE, HELD)
#: Class 1 of the registry of whoever loads it.
EXTENSION = Raw(CODE["EXT1"] + b"\x01")


def rebuilt(offset: object) -> Raw:
    """Spell a tensor with any offset."""
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage("0", 2),
        offset,
        (2,),
        (1,),
        False,
        ordered_dict(),
    )


def with_notes(content: bytes) -> list[Member]:
    """Return the members of a sound archive, and a further pickle."""
    return [*torch_members(TREE, HELD), Member(name="archive/notes.pkl", data=content)]


CASES: dict[Code, Case] = {
    Code.PICKLE_TRAILING: Case(trips=saved(TREE, HELD, pickle=pickled(TREE) + b"#"), passes=SOUND),
    Code.PICKLE_EXTENSION: Case(
        trips=saved({**TREE, "kind": EXTENSION}, HELD),
        passes=saved({**TREE, "kind": global_("torch", "float32")}, HELD),
    ),
    Code.PICKLE_PERSISTENT_ID: Case(
        trips=saved({**TREE, "more": persistent("elsewhere")}, HELD),
        passes=saved({**TREE, "more": storage("0", 2)}, HELD),
    ),
    Code.PICKLE_BUILD_ODD: Case(
        trips=saved({**TREE, "args": build(global_("argparse", "Namespace"), {"lr": 1})}, HELD),
        passes=saved({**TREE, "args": build(new("argparse", "Namespace"), {"lr": 1})}, HELD),
    ),
    Code.PICKLE_REBUILD_ODD: Case(
        trips=saved({"w": rebuilt("0")}, HELD), passes=saved({"w": rebuilt(0)}, HELD)
    ),
    Code.PICKLE_SECOND_UNREADABLE: Case(
        trips=zipped(with_notes(pickled({"epoch": 1})[:-1])),
        passes=zipped(with_notes(pickled({"epoch": 1}))),
    ),
}
