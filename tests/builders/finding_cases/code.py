"""Cases of code and programs inside archives (`SAF004`, `SAF005`)."""

import struct

from builders.finding_cases.case import Case
from builders.finding_cases.files import zipped
from builders.pickles import tensor
from builders.zips import Member, torch_members
from ckptscope.facts.findings import Code

MEMBERS = torch_members({"w": tensor("0", (2,))}, {"0": struct.pack("<2f", 1, 2)})
SCRIPT = Member(name="archive/code/__torch__.py", data=b"class Net(Module):\n  pass\n")
HOOK = Member(name="archive/hook.sh", data=b"#!/bin/sh\ntrue\n")
NOTES = Member(name="archive/notes.txt", data=b"trained on one machine\n")

CASES = {
    Code.CODE_INCLUDED: Case(trips=zipped([*MEMBERS, SCRIPT]), passes=zipped(MEMBERS)),
    Code.EXECUTABLE_MEMBER: Case(trips=zipped([*MEMBERS, HOOK]), passes=zipped([*MEMBERS, NOTES])),
}
