"""A bare pickle: tensors by `_load_from_bytes`, numpy arrays, plain values; or several in a row.

Enters: a source. Leaves: `Contents` around the first pickle; what follows it is traced for its
imports.
"""

from ckptscope.containers.contents import Contents, finding, no_storage, oddity_findings
from ckptscope.errors import ArtifactError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.pickles import trace_pickle
from ckptscope.sources import ByteSource

#: Pickles in one file beyond which the rest is left; joblib and loggers write a handful.
_MOST_PICKLES = 64


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
    further, end = _trace_rest(source, graph.size_bytes, limits, findings)
    return Contents(
        source=source,
        containers=containers,
        graph=graph,
        further_graphs=tuple(further),
        pickle_bytes=end,
        findings=findings,
        read_storage=no_storage,
    )


def _trace_rest(
    source: ByteSource, position: int, limits: Limits, findings: list[Finding]
) -> tuple[list[PickleGraph], int]:
    graphs: list[PickleGraph] = []
    while position < source.size and len(graphs) < _MOST_PICKLES:
        try:
            graph = trace_pickle(source, limits=limits, offset_bytes=position, member=source.name)
        except ArtifactError:
            # What follows is no pickle; it is reported below as bytes that nobody reads.
            break
        graphs.append(graph)
        position += graph.size_bytes
    if graphs:
        findings.append(
            finding(
                Code.PICKLE_TRAILING,
                f"{len(graphs)} more pickles follow the first; an unpickler reads one at a time",
                severity=Severity.WARNING,
                offset_bytes=graphs[0].size_bytes,
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
    return graphs, position
