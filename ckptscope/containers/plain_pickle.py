"""A bare pickle: tensors by `_load_from_bytes`, numpy arrays, plain values; or several in a row.

Enters: a source. Leaves: `Contents` around the first pickle; what follows it is traced for its
imports.
"""

from ckptscope.containers.contents import Contents, finding, no_storage, oddity_findings
from ckptscope.containers.further_pickles import MOST_PICKLES, FurtherPickles
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.pickles import trace_pickle
from ckptscope.sources import ByteSource


def read_plain_pickle(
    source: ByteSource, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read all pickles of a file; the first one is its object.

    Raises:
        ArtifactError: The first pickle is damaged.
    """
    graph = trace_pickle(source, limits=limits, member=source.name)
    findings = oddity_findings(graph)
    findings += [
        finding(
            Code.PICKLE_PERSISTENT_ID,
            "refers to an object outside the pickle, and there is nothing outside",
            member=source.name,
            offset_bytes=reference.offset_bytes,
        )
        for reference in graph.persistent[:1]
    ]
    further = FurtherPickles(limits, findings, containers=containers)
    end = _trace_rest(source, graph.size_bytes, further, findings)
    return Contents(
        source=source,
        containers=containers,
        graph=graph,
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        pickle_bytes=end,
        end_bytes=end if len(further.graphs) < MOST_PICKLES else None,
        findings=findings,
        read_storage=no_storage,
    )


def _trace_rest(
    source: ByteSource, first_bytes: int, further: FurtherPickles, findings: list[Finding]
) -> int:
    """Trace the pickles behind the first; return where the last of them ends."""
    position = further.read_rest(source, first_bytes)
    graphs = further.graphs
    if graphs:
        findings.append(
            finding(
                Code.PICKLE_TRAILING,
                f"{len(graphs)} more pickles follow the first; an unpickler reads one at a time",
                severity=Severity.WARNING,
                offset_bytes=first_bytes,
            )
        )
    if position < source.size:
        findings.append(
            finding(
                Code.PICKLE_TRAILING,
                f"{source.size - position:,} bytes follow the last pickle",
                severity=Severity.WARNING,
                offset_bytes=position,
            )
        )
    return position
