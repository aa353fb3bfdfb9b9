"""What other readers would see in the same bytes: two files in one, members that one reader skips.

Enters: an archive or a source, and what was read of it. Leaves: the same, with the imports of every
other view, and findings that say so. A scanner that looks at one view vouches for nothing if a
loader takes the other.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from ckptscope.containers.contents import Contents, finding
from ckptscope.containers.further_pickles import FurtherPickles, keep_reached
from ckptscope.containers.members import MemberTable
from ckptscope.containers.pickle_starts import could_be_pickle
from ckptscope.containers.signatures import TAR_BLOCK, is_tar
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.containers.zip_directory import bytes_before, ends_with_archive
from ckptscope.errors import ArtifactError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, Window

if TYPE_CHECKING:
    from ckptscope.containers.reading import Outcome

_Chain = tuple[ContainerKind, ...]
_ARCHIVES = (Format.ZIP, Format.TAR, Format.GZIP, Format.BZIP2, Format.XZ)
#: What a format is called in a sentence.
_WORDS = {
    Format.LEGACY_STREAM: "a legacy stream of torch",
    Format.TAR: "a tar",
    Format.GZIP: "gzip data",
    Format.BZIP2: "bzip2 data",
    Format.XZ: "xz data",
    Format.SAFETENSORS: "a safetensors file",
    Format.NUMPY: "a numpy array",
    Format.PICKLE: "a pickle",
    Format.MAYBE_PICKLE: "a text pickle",
    Format.ZIP: "a zip",
}


def add_other_views(
    members: MemberTable, target: "Outcome | ArtifactError", limits: Limits
) -> None:
    """Trace what other readers would see in an archive, and add it to what was read of it."""
    views = members.other_views()
    is_polyglot = members.kind is ContainerKind.ZIP and is_tar(members.source.peek(0, TAR_BLOCK))
    if not views and not is_polyglot:
        return
    findings: list[Finding] = []
    chain = (members.kind,)
    listed = FurtherPickles(limits, findings, containers=chain)
    further = FurtherPickles(limits, findings, containers=chain, is_second_look=True)
    for view in views:
        if view.is_member:
            listed.look_at(view.open, view.name)
        elif further.look_at(view.open, view.name) and not view.is_noted:
            findings.append(
                _differ(f"{view.name} are a pickle or an archive of their own", view.name)
            )
    if is_polyglot:
        findings.append(_differ("the file is a zip and a tar at once", None))
        _trace_tar(members.source, further, limits)
    _give((listed, further), findings, target)


def with_other_readings(
    outcomes: "Iterator[Outcome]",
    source: ByteSource,
    found: Format,
    containers: _Chain,
    limits: Limits,
) -> "Iterator[Outcome]":
    """Hand on outcomes, the first with what a reader of another format would see in the bytes."""
    other = _Other(source, found, containers, limits)
    first = True
    try:
        for outcome in outcomes:
            if first:
                other.add_to(outcome)
                first = False
            yield outcome
    except ArtifactError as error:
        if first:
            other.add_to(error)
        raise


class _Other:
    """What a source is beside what its first bytes were taken for."""

    def __init__(
        self, source: ByteSource, found: Format, containers: _Chain, limits: Limits
    ) -> None:
        self._source = source
        self._found = found
        self._limits = limits
        self._findings: list[Finding] = []
        self._further = FurtherPickles(limits, self._findings, containers=containers)

    def add_to(self, target: "Outcome | ArtifactError") -> None:
        """Trace it, and add it to what was read of the source."""
        source, found = self._source, self._found
        start = source.peek(0, TAR_BLOCK)
        is_read = found in (Format.PICKLE, Format.MAYBE_PICKLE, Format.LEGACY_STREAM)
        may_be = found is Format.UNKNOWN or (could_be_pickle(start) and not is_read)
        if may_be and self._further.read_as_pickle(source):
            self._differ(Format.PICKLE)
        if found is Format.LEGACY_STREAM and is_tar(start):
            _trace_tar(source, self._further, self._limits)
            self._differ(Format.TAR)
        if ends_with_archive(source):
            _trace_zip(source, self._further, self._limits)
            self._differ(Format.ZIP)
        elif isinstance(target, Contents) and target.end_bytes is not None:
            self._look_behind(target.end_bytes)
        if self._further.imports or self._findings or self._further.graphs:
            _give((self._further,), self._findings, target)

    def _look_behind(self, end: int) -> None:
        left = self._source.size - end
        if left <= 0:
            return
        rest = Window(self._source, end, left, f"the bytes from {end}")
        behind = sniff_format(rest)
        if self._further.look_at(partial(_same, rest), rest.name or "") and behind in _ARCHIVES:
            self._differ(behind)

    def _differ(self, other: Format) -> None:
        mine = _WORDS.get(self._found, "other data")
        self._findings.append(_differ(f"the file is {mine} and {_WORDS[other]} at once"))


def _same(source: ByteSource) -> ByteSource:
    return source


def _differ(message: str, member: str | None = None) -> Finding:
    return finding(
        Code.READINGS_DIFFER,
        f"{message}: which contents count depends on the reader",
        member=member,
        advice="ckptscope has looked at both; publish a file that is one thing only",
    )


def _trace_zip(source: ByteSource, further: FurtherPickles, limits: Limits) -> None:
    """Trace a zip at the end of a source."""
    from ckptscope.containers.reading import read_members_of
    from ckptscope.containers.zip_members import read_zip_members

    name = "the zip at the end"
    try:
        start = bytes_before(source)
        members = read_zip_members(Window(source, start, source.size - start), limits)
    except ArtifactError as error:
        further.note_broken(error, name)
        return
    further.take(read_members_of(members, (), limits), name)


def _trace_tar(source: ByteSource, further: FurtherPickles, limits: Limits) -> None:
    """Trace a source as a tar, though it starts like something else."""
    from ckptscope.containers.reading import read_members_of
    from ckptscope.containers.tar_members import read_tar_members

    try:
        members = read_tar_members(source, limits)
    except ArtifactError as error:
        further.note_broken(error, "the tar")
        return
    further.take(read_members_of(members, (), limits), "the tar")


def _give(
    found: tuple[FurtherPickles, ...],
    findings: list[Finding],
    target: "Outcome | ArtifactError",
) -> None:
    for further in found:
        if isinstance(target, Contents):
            further.give(target)
        else:
            error = target if isinstance(target, ArtifactError) else target.error
            keep_reached(error, further.imports)
    if isinstance(target, Contents):
        target.findings = [*target.findings, *findings]
