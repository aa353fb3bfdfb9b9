"""Pickles of members that are no checkpoint of their own: sample inputs, pieces, notes.

Enters: a member. Leaves: its graphs, for the imports that they name, if it is a pickle or a zip.
"""

from ckptscope.containers.contents import finding
from ckptscope.containers.members import MemberTable
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.containers.zip_members import read_zip_members
from ckptscope.errors import ArtifactError
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.pickles import trace_pickle


def trace_inner(
    members: MemberTable,
    name: str,
    limits: Limits,
    graphs: list[PickleGraph],
    findings: list[Finding],
) -> bool:
    """Trace the pickles of a member; return whether it is a pickle or an archive of pickles."""
    try:
        source = members.open(name)
        found = sniff_format(source)
        if found in (Format.PICKLE, Format.LEGACY_STREAM):
            graphs.append(trace_pickle(source, limits=limits, member=name))
            return True
        if found is not Format.ZIP:
            return False
        inner = read_zip_members(source, limits)
        findings += inner.findings
        for member in inner.entries:
            if member.endswith(".pkl"):
                pickle = inner.open(member)
                graphs.append(
                    trace_pickle(
                        pickle, limits=limits, size_bytes=pickle.size, member=f"{name} > {member}"
                    )
                )
    except ArtifactError as error:
        findings.append(
            finding(
                Code.PICKLE_SECOND_UNREADABLE,
                f"a further pickle cannot be read: {error}",
                severity=Severity.WARNING,
                member=name,
            )
        )
    return True
