"""What is to be said of a code."""

import msgspec

from ckptscope.facts.findings import Code, Severity


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One code of the catalogue.

    The title is a line without article and full stop, the other texts are sentences. What stands
    between backticks is shown as code.

    Attributes:
        code: The code.
        title: What was found, in a few words, lower case: `storage is shorter than declared`.
        severity: The usual one; a finding may be less where its circumstances say so, never more.
        evidence: Which numbers and names a finding of this code gives.
        why: Why it matters.
        remedy: What to do.
        silence: When it is right to silence it, and how best; empty for the general way.
        undecided: Whether it says that something could not be decided. A policy that fails on it
            makes a file inconclusive and does not refuse it.
    """

    code: Code
    title: str
    severity: Severity
    evidence: str
    why: str
    remedy: str
    silence: str = ""
    undecided: bool = False
