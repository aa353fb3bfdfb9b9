"""Pickles beside the one that holds the object, traced for the imports that they name.

Enters: members one by one: some are pickles by their name, others are looked at, whatever they are
called. Leaves: graphs, what broken pickles had named before they broke, and damage as findings. An
archive inside a member is followed like a file of its own. A pickle that breaks a limit is the last
one that is tried: a file that hides many of them must not cost as many times.

What counts as a pickle: whatever starts as one (`pickle_starts`), if it can be followed to its STOP
or names something first. A text that reads as opcodes by accident names nothing that could be
imported, or calls nothing of it.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ckptscope.containers.contents import Contents, finding, no_storage, oddity_findings
from ckptscope.containers.members import MemberTable
from ckptscope.containers.pickle_starts import could_be_pickle, could_call, could_import, is_binary
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.errors import ArtifactError, LimitError, PickleFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import Import, PickleGraph
from ckptscope.pickles import trace_pickle
from ckptscope.sources import ByteSource, MemorySource, Window

if TYPE_CHECKING:
    from ckptscope.containers.reading import Outcome, Unread

#: Pickles in one member beyond which the rest is left; joblib and loggers write a handful.
MOST_PICKLES = 64
#: Members of one checkpoint that are looked at though nothing says that they are pickles.
_MOST_LOOKS = 4096
_PICKLES = (Format.PICKLE, Format.MAYBE_PICKLE)
_COMPRESSED = ((ContainerKind.GZIP,), (ContainerKind.BZIP2,), (ContainerKind.XZ,))
_NO_PICKLES = (Format.UNKNOWN, Format.SAFETENSORS)
#: Names under which torch stores pickles beside the object.
PICKLE_ENDINGS = (".pkl", ".debug_pkl")
_SHOWN = 5
#: Bytes that are read at first of what nothing says is a pickle: most of it breaks off at once.
_SHORT_LOOK_BYTES = 512

OpenSource = Callable[[], ByteSource]


class FurtherPickles:
    """Collects the imports of one checkpoint's further pickles.

    Args:
        limits: Bounds of the run.
        findings: Where damage is noted.
        containers: Chain that leads to the members.
        is_second_look: Whether a finding says already that something is wrong with what is read:
            damage is then worth a word only where a name was reached.

    Attributes:
        graphs: Pickles that were followed to their end.
        reached: What broken ones had named.
    """

    def __init__(
        self,
        limits: Limits,
        findings: list[Finding],
        *,
        containers: tuple[ContainerKind, ...] = (),
        is_second_look: bool = False,
    ) -> None:
        self.graphs: list[PickleGraph] = []
        self.reached: list[Import] = []
        self._limits = limits
        self._findings = findings
        self._containers = containers
        self._is_second_look = is_second_look
        self._stopped = False
        self._looks = 0
        #: Texts that may still be stepped over because they read as pickles and name nothing.
        self._plain_left = _MOST_LOOKS
        #: Layers of bare compression around what is followed.
        self._layers = 0
        self._left_out: list[str] = []

    @property
    def imports(self) -> tuple[Import, ...]:
        """Every name that was found, of whole pickles and broken ones."""
        return (*(one for graph in self.graphs for one in graph.imports), *self.reached)

    def read_member(self, members: MemberTable, name: str) -> None:
        """Trace a member that is a pickle by its name."""
        self.read_source(partial(members.read_checked, name), name)

    def read_source(self, open_source: OpenSource, name: str) -> None:
        """Trace a source that should be a pickle as a whole."""
        self._try(open_source, name, is_certain=True)

    def look_at_member(self, members: MemberTable, name: str) -> bool:
        """Trace a member if it is a pickle, or holds some; return whether it does."""
        return self.look_at(partial(members.open, name), name)

    def look_at(self, open_source: OpenSource, name: str) -> bool:
        """Trace a source if it is a pickle, or holds some; return whether it does."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            self._left_out.append(name)
            return False
        return self._try(open_source, name, is_certain=False)

    def read_rest(self, source: ByteSource, position: int) -> int:
        """Trace the pickles that follow another one; return where the last of them ends."""
        return self._follow(source, source.name or "", position, is_certain=False, enters=False)

    def read_as_pickle(self, source: ByteSource) -> bool:
        """Trace a source that was taken for something else; return whether it names anything."""
        before = len(self.imports)
        self._follow(source, source.name or "", 0, is_certain=False, enters=False)
        return len(self.imports) > before

    def take(self, outcomes: "Iterator[Outcome]", name: str) -> None:
        """Take up the imports of everything that was read in a part of this one."""
        from ckptscope.containers.reading import Unread

        try:
            for outcome in outcomes:
                if self._stopped:
                    return
                way = " > ".join((name, *outcome.location) if name else outcome.location)
                if not isinstance(outcome, Unread):
                    self.absorb(outcome, way)
                elif not outcome.is_something_else and not _is_text(outcome):
                    self.note_broken(outcome.error, way)
        except ArtifactError as error:
            self.note_broken(error, name)

    def finish(self) -> tuple[PickleGraph, ...]:
        """Say what was not read, and return the graphs."""
        if self._left_out:
            self._findings.append(
                finding(
                    Code.NOT_READ,
                    f"{len(self._left_out):,} further members were not looked into for pickles, "
                    "or not to their end, after one broke a limit or there were too many",
                    evidence=tuple(name[:200] for name in self._left_out[:_SHOWN]),
                )
            )
            self._left_out = []
        return tuple(self.graphs)

    def give(self, contents: Contents) -> None:
        """Add everything that was found to a checkpoint."""
        contents.further_graphs = (*contents.further_graphs, *self.finish())
        contents.reached = (*contents.reached, *self.reached)

    def absorb(self, contents: Contents, name: str) -> None:
        """Take up the imports and findings of a checkpoint that is part of this one."""
        from ckptscope.containers.nested import load_unvisited

        load_unvisited(contents, self._limits)
        graphs = [contents.graph] if contents.graph is not None else []
        for graph in (*graphs, *contents.further_graphs):
            # The objects of it are of no further use: only what it names counts.
            self.graphs.append(
                msgspec.structs.replace(
                    graph,
                    root=None,
                    member=_inside(name, graph.member),
                    imports=tuple(_renamed(graph.imports, name)),
                    persistent=(),
                    payloads=(),
                )
            )
        self.reached += _renamed(contents.reached, name)
        self._findings += [
            msgspec.structs.replace(
                one,
                where=msgspec.structs.replace(
                    one.where, member=_inside(name, one.where.member)[:400]
                ),
            )
            for one in contents.findings
        ]

    def follow_payloads(self, graph: PickleGraph, source: ByteSource) -> None:
        """Trace the pickles inside the byte strings of a pickle that stands in `source`."""
        from ckptscope.containers.nested import attach_nested, load_unvisited

        if not graph.payloads:
            return
        holder = Contents(
            source=source,
            containers=(*self._containers, ContainerKind.PICKLE),
            graph=graph,
            read_storage=no_storage,
        )
        attach_nested(holder, self._limits)
        load_unvisited(holder, self._limits)
        holder.graph = None
        self.absorb(holder, graph.member or "")

    def note_broken(self, error: ArtifactError, name: str) -> None:
        """Keep what a broken pickle had named, and say that it is broken."""
        self._stopped = self._stopped or isinstance(error, LimitError)
        named = [one for one in error.reached if isinstance(one, Import)]
        self.reached += named
        if self._is_second_look and not named and not isinstance(error, LimitError):
            return
        self._findings.append(
            finding(
                Code.PICKLE_SECOND_UNREADABLE,
                f"a further pickle cannot be read: {error}",
                severity=Severity.WARNING,
                member=name[:400],
            )
        )

    def _try(self, open_source: OpenSource, name: str, *, is_certain: bool) -> bool:
        if self._stopped:
            self._left_out.append(name)
            return False
        before = len(self.graphs) + len(self.reached)
        try:
            self._follow(open_source(), name, 0, is_certain=is_certain)
        except ArtifactError as error:
            self.note_broken(error, name)
        return len(self.graphs) + len(self.reached) > before

    def _follow(
        self,
        source: ByteSource,
        name: str,
        position: int,
        *,
        is_certain: bool,
        enters: bool = True,
    ) -> int:
        """Trace pickles in a row; return where the last one ends.

        What reads as a text pickle and names nothing may be any text. It does not count, but what
        follows it does: an unpickler that is called again goes on there.

        Raises:
            ArtifactError: The first should be a pickle, and cannot be opened or followed.
        """
        start = end = position
        left = MOST_PICKLES
        while left and (self._plain_left > 0 or position == start):
            if self._stopped or position >= source.size > 0:
                return end
            rest = Window(source, position, source.size - position, name) if position else source
            found = sniff_format(rest)
            meant = is_certain and position == start
            size = None
            before = len(self.graphs)
            if found in _PICKLES or (meant and found in _NO_PICKLES) or _may_be(rest, found):
                size = self._trace(source, name, position, is_certain=meant)
            if found not in (*_PICKLES, *_NO_PICKLES) and enters:
                self._enter(rest, name)
                return end
            if size is None:
                if found is Format.UNKNOWN:
                    self._unpack(rest, name)
                return end
            position += size
            if len(self.graphs) > before:
                end, left = position, left - 1
            else:
                self._plain_left -= 1
        if left:
            self._left_out.append(name)
            return end
        self._findings.append(
            finding(
                Code.NOT_READ,
                f"more than {MOST_PICKLES} pickles in a row: the rest was not read",
                member=name[:400] or None,
                offset_bytes=position,
            )
        )
        return position

    def _trace(
        self, source: ByteSource, name: str, position: int, *, is_certain: bool
    ) -> int | None:
        """Trace one pickle; return its size, or None if it is none after all."""
        start = source.peek(position, 2)
        short = None if is_certain or is_binary(start) else _SHORT_LOOK_BYTES
        try:
            graph = trace_pickle(
                source,
                limits=self._limits,
                offset_bytes=position,
                member=name or None,
                first_read_bytes=short,
            )
        except ArtifactError as error:
            named = tuple(one for one in error.reached if isinstance(one, Import))
            # Who has used up what a file may ask for is not to hide a text behind that.
            is_used_up = isinstance(error, LimitError) and error.limit == "traced_bytes"
            if is_certain or is_used_up:
                meant = True
            elif is_binary(start):
                # Other data may start so, and then with an opcode that numbers a name.
                meant = isinstance(error, LimitError) or could_import(named)
            else:
                meant = could_call(source, named, error.offset_bytes)
            if meant:
                self.note_broken(error, name)
            return None
        if not is_certain and not is_binary(start) and not could_import(graph.imports):
            return graph.size_bytes
        self.graphs.append(graph)
        self._findings += oddity_findings(graph)
        self.follow_payloads(graph, source)
        return graph.size_bytes

    def _unpack(self, source: ByteSource, name: str) -> None:
        """Follow compressed data that have no magic number of their own."""
        from ckptscope.containers.compressed import unpack_bare

        if len(self._containers) + self._layers >= self._limits.container_depth:
            return
        unpacked = unpack_bare(source, self._limits)
        if unpacked is not None:
            self._layers += 1
            self._follow(unpacked, name, 0, is_certain=False)
            self._layers -= 1

    def _enter(self, source: ByteSource, name: str) -> None:
        """Follow an archive, a compressed stream or a legacy stream."""
        from ckptscope.containers.reading import read_inside

        self.take(read_inside(source, self._containers, self._limits), name)


def _is_text(outcome: "Unread") -> bool:
    """Whether unpacked bytes only seemed to be a pickle: what a member holds may be any text."""
    broken = isinstance(outcome.error, PickleFormatError) and not outcome.error.reached
    return broken and outcome.containers[-1:] in _COMPRESSED


def _may_be(source: ByteSource, found: Format) -> bool:
    """Whether an unpickler might take what is, by its first bytes, something else."""
    return found is not Format.LEGACY_STREAM and could_be_pickle(source.peek(0, 2))


def may_go_on(head: bytes, limits: Limits) -> bool:
    """Whether the first bytes of a member are a pickle, as far as they go."""
    if not could_be_pickle(head):
        return False
    try:
        trace_pickle(MemorySource(head), limits=limits)
    except ArtifactError as error:
        return bool(error.reached) or not isinstance(error, PickleFormatError) or error.is_cut_off
    return True


def _inside(name: str, member: str | None) -> str:
    """Name a member of a member."""
    if not name or member == name:
        return member or ""
    return f"{name} > {member}" if member else name


def _renamed(imports: Iterable[Import], name: str) -> list[Import]:
    return [msgspec.structs.replace(one, member=_inside(name, one.member)) for one in imports]


def scan_members(
    members: MemberTable,
    names: Iterable[str],
    limits: Limits,
    findings: list[Finding],
    *,
    containers: tuple[ContainerKind, ...] = (),
) -> FurtherPickles:
    """Trace all pickles among some members."""
    further = FurtherPickles(limits, findings, containers=containers)
    for name in names:
        if name.endswith(PICKLE_ENDINGS):
            further.read_member(members, name)
        else:
            further.look_at_member(members, name)
    return further


def keep_reached(error: ArtifactError, imports: Iterable[Import]) -> None:
    """Add names to those that an error tells of, each once."""
    error.reached = tuple(dict.fromkeys((*error.reached, *imports)))
