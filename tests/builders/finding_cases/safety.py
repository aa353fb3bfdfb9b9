"""Cases of what pickles import (`SAF001` to `SAF003`)."""

from builders.finding_cases.case import Case
from builders.finding_cases.files import saved
from builders.pickles import CODE, Raw, asm, call, new
from ckptscope.facts.findings import Code

#: A class by its number in a registry outside the file, called without arguments.
NUMBERED = Raw(asm(CODE["EXT1"] + b"\x07", "EMPTY_TUPLE", "REDUCE"))

CASES = {
    Code.IMPORT_DANGEROUS: Case(
        trips=saved({"x": call("os", "system", "true")}, {}),
        passes=saved({"x": call("collections", "OrderedDict")}, {}),
    ),
    Code.IMPORT_UNKNOWN: Case(
        trips=saved({"x": new("mylab.models", "PoseNet")}, {}),
        passes=saved({"x": new("argparse", "Namespace")}, {}),
    ),
    Code.IMPORT_HIDDEN: Case(
        trips=saved({"x": NUMBERED}, {}),
        passes=saved({"x": call("collections", "OrderedDict")}, {}),
    ),
}
