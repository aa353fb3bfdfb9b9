"""Pickles beside the one that holds the object, traced for the imports that they name.

Enters: members one by one. Leaves: their graphs, and damage as findings. A pickle that breaks a
limit is the last one that is tried: a file that hides many of them must not cost as many times.
"""

from collections.abc import Callable
from functools import partial

from ckptscope.containers.contents import finding
from ckptscope.containers.members import MemberTable
from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.pickles import trace_pickle
from ckptscope.sources import ByteSource


class FurtherPickles:
    """Collects the graphs of one checkpoint's further pickles."""

    def __init__(self, limits: Limits, findings: list[Finding]) -> None:
        self.graphs: list[PickleGraph] = []
        self._limits = limits
        self._findings = findings
        self._stopped = False
        self._left_out: list[str] = []

    def read_member(self, members: MemberTable, name: str) -> None:
        """Trace a member."""
        self.read_source(partial(members.read_checked, name), name)

    def read_source(self, open_source: Callable[[], ByteSource], name: str) -> None:
        """Trace a source that is a pickle as a whole."""
        if self._stopped:
            self._left_out.append(name)
            return
        try:
            source = open_source()
            self.graphs.append(
                trace_pickle(source, limits=self._limits, size_bytes=source.size, member=name)
            )
        except ArtifactError as error:
            self._note(name, error)

    def finish(self) -> tuple[PickleGraph, ...]:
        """Say what was not read, and return the graphs."""
        if self._left_out:
            self._findings.append(
                finding(
                    Code.NOT_READ,
                    f"{len(self._left_out):,} further pickles were not read after one broke a "
                    "limit",
                    evidence=tuple(name[:200] for name in self._left_out[:5]),
                )
            )
        return tuple(self.graphs)

    def _note(self, name: str, error: ArtifactError) -> None:
        self._stopped = isinstance(error, LimitError)
        self._findings.append(
            finding(
                Code.PICKLE_SECOND_UNREADABLE,
                f"a further pickle cannot be read: {error}",
                severity=Severity.WARNING,
                member=name,
            )
        )
