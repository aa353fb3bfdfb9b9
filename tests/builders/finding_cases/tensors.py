"""Cases of `TEN`: tensors and storages that do not fit each other, and those that just do."""

import struct

from builders.finding_cases.case import Case
from builders.finding_cases.files import a_file, saved
from builders.headers import entry, safetensors
from builders.pickles import Raw, tensor, value, with_items
from builders.zips import torch_zip
from ckptscope.facts.findings import Code

HELD = {"0": struct.pack("<2f", 1, 2)}
SOUND = saved({"w": tensor("0", (2,))}, HELD)
#: Elements that are enough for a word on those that no tensor uses.
MANY = 100_000
LARGE = {"0": bytes(4 * MANY)}


def assigned(*keys: str) -> Raw:
    """Spell a dict that is assigned tensors of one storage."""
    return with_items(value({}), [(key, tensor("0", (2,))) for key in keys])


CASES: dict[Code, Case] = {
    Code.VIEW_OUTSIDE_STORAGE: Case(
        trips=saved({"w": tensor("0", (2,), offset=1, elements=2)}, HELD),
        passes=saved({"w": tensor("0", (1,), offset=1, elements=2)}, HELD),
    ),
    Code.STORAGE_MISSING: Case(trips=saved({"w": tensor("7", (2,))}, HELD), passes=SOUND),
    Code.STORAGE_SHORT: Case(trips=saved({"w": tensor("0", (3,))}, HELD), passes=SOUND),
    Code.STORAGE_LONG: Case(trips=saved({"w": tensor("0", (1,))}, HELD), passes=SOUND),
    Code.STORAGE_UNUSED: Case(
        trips=saved({"w": tensor("0", (2,), elements=MANY)}, LARGE),
        passes=saved({"w": tensor("0", (MANY,))}, LARGE),
    ),
    Code.DTYPE_UNKNOWN: Case(
        trips=a_file(safetensors({"w": entry([2], 0, 8, "F33")}, HELD["0"])),
        passes=a_file(safetensors({"w": entry([2], 0, 8, "F32")}, HELD["0"])),
    ),
    Code.SHAPE_IMPOSSIBLE: Case(
        trips=saved({"w": tensor("0", (-2,), elements=2)}, HELD), passes=SOUND
    ),
    Code.KEY_DUPLICATE: Case(
        trips=a_file(torch_zip(assigned("w", "w"), HELD)),
        passes=a_file(torch_zip(assigned("w", "v"), HELD)),
    ),
}
