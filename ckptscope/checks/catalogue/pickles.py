"""Codes about pickles (`PKL`).

Where a sentence says what torch.load does, it was seen with torch 2.13.
"""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.PICKLE_TRAILING,
        title="something follows the end of a pickle",
        severity=Severity.ERROR,
        evidence="The member, where the pickle ends, and how many bytes or pickles follow.",
        why="A pickle ends at its STOP. What follows is published with it but loaded by nobody who "
        "reads one object, and by everybody who reads on. In a member of an archive there is no "
        "ordinary way for it to get there. ckptscope examines pickles that follow like the first.",
        remedy="Save each object into a file or member of its own.",
        silence="Some libraries write several pickles in a row into a file of their own, and read "
        "them in a row; a waiver for those files is right.",
    ),
    Entry(
        code=Code.PICKLE_EXTENSION,
        title="pickle names a class by a number",
        severity=Severity.ERROR,
        evidence="The opcode, the number, and its offset.",
        why="The number is looked up in a registry of the process that loads the file, so the file "
        "does not say which class or function is meant. torch never writes this; it hides a name "
        "from those who search for it.",
        remedy="Save the checkpoint anew with torch.save, in a process that registers no extension "
        "codes with copyreg.",
    ),
    Entry(
        code=Code.PICKLE_PERSISTENT_ID,
        title="pickle refers to something that is not there",
        severity=Severity.ERROR,
        evidence="The reference, and its offset or path.",
        why="torch writes references to storages in one form. One in another form, or in a pickle "
        "that has no storages, means nothing to torch.load, which refuses the file.",
        remedy="Save the object with torch.save, not with pickle.dump and a pickler of one's own.",
    ),
    Entry(
        code=Code.PICKLE_BUILD_ODD,
        title="pickle changes something that it did not make",
        severity=Severity.WARNING,
        evidence="What it does, to what kind of thing, and the offset.",
        why="Setting attributes or items of a class or a function changes the program that loads "
        "the file, not only the loaded object. torch never writes this. It is also what a pickle "
        "with buffers outside of it looks like when the buffers are lost. Arguments that stand in "
        "no tuple, and a BUILD that sets nothing, are noted here as well: no pickler writes them, "
        "and what only one of Python's two unpicklers reads is an error.",
        remedy="Save the checkpoint anew with torch.save, as tensors and plain values.",
    ),
    Entry(
        code=Code.PICKLE_REBUILD_ODD,
        title="tensor cannot be rebuilt from its pickle",
        severity=Severity.ERROR,
        evidence="The function that rebuilds it, which argument is wrong, and the offset.",
        why="The arguments are none that torch's own function could take, so torch.load fails "
        "there, or a version of torch wrote them that ckptscope does not know. The tensor is left "
        "out of everything that is said about the file.",
        remedy="Load the file where it still loads and save it anew with a released version of "
        "torch. If torch.load reads it, report it as a file that ckptscope should learn to read.",
    ),
    Entry(
        code=Code.PICKLE_SECOND_UNREADABLE,
        title="pickle beside the main one cannot be read to its end",
        severity=Severity.WARNING,
        evidence="The member, the offset where reading stopped, and why.",
        why="Up to the break its imports are known, behind it they are not. Whoever loads that "
        "member may run what was not examined, so the file cannot be called safe.",
        remedy="Leave the member out if nothing needs it, or write it anew.",
        silence="A member that is no pickle although its name says so, and that nobody loads, "
        "deserves a waiver for this member: `where` in the waiver.",
        undecided=True,
    ),
)
