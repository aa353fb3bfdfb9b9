"""Codes about what a network is (`ARC`).

That something is contradicted is said of observed and derived facts alone.
"""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.LABEL_CONTRADICTED,
        title="file's content contradicts the row that its name says",
        severity=Severity.ERROR,
        evidence="Each claim of the row that an observed or derived fact contradicts, with both "
        "values; and the tensors whose shapes tell the row from the one that fits.",
        why="Who downloads the file by its name gets another network, and code that builds the "
        "named one cannot load it. Which of the two was meant, the file cannot tell: the name may "
        "be wrong, or the content.",
        remedy="Compare the shapes with the table, then rename the file or replace it.",
        silence="Where a name only resembles a row's.",
    ),
    Entry(
        code=Code.SPEC_CONTRADICTED,
        title="file's content contradicts the row that was asked for",
        severity=Severity.ERROR,
        evidence="Each claim of the row that an observed or derived fact contradicts, with both "
        "values; and the tensors whose shapes tell the row from the one that fits.",
        why="The policy, or an option, says which row of which table the file is; its shapes say "
        "otherwise.",
        remedy="Publish the file that was meant, or ask for the row that this one is.",
    ),
    Entry(
        code=Code.CONFIGURATION_CONTRADICTED,
        title="configuration in the file contradicts its shapes",
        severity=Severity.WARNING,
        evidence="The settings as the configuration spells them, and the tensors or the arithmetic "
        "that contradict them.",
        why="Code that builds the network from this configuration cannot load the weights. That "
        "the names mean what they mean in the family's own code is assumed.",
        remedy="Save the configuration that the network was built from.",
    ),
    Entry(
        code=Code.LABEL_UNDECIDED,
        title="nothing in the file decides about its label",
        severity=Severity.INFO,
        evidence="The claims of the row that no fact decides; or the rows that the name may mean.",
        why="The label may be right. Two rows may differ in nothing that weights show, such as "
        "upsampling.",
        remedy="Say beside the file what the weights cannot tell.",
        undecided=True,
    ),
    Entry(
        code=Code.FAMILY_UNKNOWN,
        title="no family knows the network",
        severity=Severity.INFO,
        evidence="The networks of the file, with their tensors and elements.",
        why="What the file says of its architecture was not checked against any table.",
        remedy="Nothing is wrong with the file. A package may add the family, and a table comes "
        "with `--spec`.",
        undecided=True,
    ),
    Entry(
        code=Code.FAMILY_MISFIT,
        title="parts of the network do not fit its family",
        severity=Severity.WARNING,
        evidence="What does not fit, the gravest first: keys, shapes, layers that are missing.",
        why="The network is of the family in most of its tensors, and code of the family may not "
        "load it as it is: layers were added, taken away, renamed, or lost.",
        remedy="Say beside the file how the network differs. If nothing was changed on purpose, "
        "get the file again.",
        silence="For networks that were changed on purpose.",
    ),
)
