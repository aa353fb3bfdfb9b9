"""From a file to the checkpoints inside it, through wrappers of any nesting.

Enters: a source, or a folder. Leaves: for each checkpoint its `Contents`; for each member that is
none, or is damaged, an `Unread` that says why. Nothing is extracted to disk; a compressed wrapper
or member is spooled to a file without a name. Readers are loaded when a file needs them.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from ckptscope.containers import triage
from ckptscope.containers.contents import Contents
from ckptscope.containers.folder_members import pick_folder_members, read_folder_members
from ckptscope.containers.further_pickles import keep_reached, may_go_on, scan_members
from ckptscope.containers.layouts import Place as CheckpointPlace
from ckptscope.containers.layouts import find_places
from ckptscope.containers.marks import PIECES_ENDING, is_headless
from ckptscope.containers.members import MemberTable
from ckptscope.containers.nested import attach_nested
from ckptscope.containers.readings import add_other_views, with_other_readings
from ckptscope.containers.sharded import Index, find_indexes, read_index, read_sharded
from ckptscope.containers.singles import read_single
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.containers.zip_rows import row_finding, split_archives
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError, UnknownContainerError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import Import
from ckptscope.sources import ByteSource, MemorySource, open_local

_Chain = tuple[ContainerKind, ...]
_COMPRESSED = {
    Format.GZIP: ContainerKind.GZIP,
    Format.BZIP2: ContainerKind.BZIP2,
    Format.XZ: ContainerKind.XZ,
}


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Something that gave no checkpoint.

    Attributes:
        containers: Chain up to it.
        location: Member names up to it.
        error: Why; an `UnknownContainerError` where it simply is something else.
    """

    containers: _Chain
    location: tuple[str, ...]
    error: ArtifactError

    @property
    def is_something_else(self) -> bool:
        """Whether it is no checkpoint at all, and names nothing that loading it would import."""
        return isinstance(self.error, UnknownContainerError) and not self.error.reached


Outcome = Contents | Unread


class _Place(msgspec.Struct, frozen=True):
    """Where the reading stands."""

    containers: _Chain = ()
    location: tuple[str, ...] = ()
    name: str = ""

    def inside(self, kind: ContainerKind) -> "_Place":
        return _Place((*self.containers, kind), self.location, self.name)

    def at(self, member: str) -> "_Place":
        return _Place(self.containers, (*self.location, member), member)


def read_file(source: ByteSource, limits: Limits, name: str = "") -> Iterator[Outcome]:
    """Read all checkpoints of one file, in the order of its members.

    Args:
        source: Its bytes.
        limits: Bounds of the reading.
        name: What the file is called. Nothing is told by it but whether several archives in a row
            are what such a file should hold.

    Raises:
        LimitError: It holds more checkpoints than may be reported.
    """
    limits = limits.metered(source.size)
    return _read(source, _Place(name=name), limits)


def read_inside(source: ByteSource, containers: _Chain, limits: Limits) -> Iterator[Outcome]:
    """Read all checkpoints in a part of a file that is being read already.

    Args:
        source: The part.
        containers: Chain that leads to it.
        limits: The limits of the file, with what has been spent.
    """
    return _read(source, _Place(containers), limits)


def read_members_of(members: MemberTable, containers: _Chain, limits: Limits) -> Iterator[Outcome]:
    """Read all checkpoints among members of an archive; `containers` leads to the archive."""
    return _read_archive(members, _Place(containers), limits)


def read_folder(path: Path, limits: Limits) -> Iterator[Outcome]:
    """Read a folder that is a checkpoint: an unpacked torch zip, a distributed one, shards.

    Raises:
        ArtifactError: The folder cannot be read.
        LimitError: It holds more files or checkpoints than allowed.
    """
    members = read_folder_members(path, limits)
    limits = limits.metered(members.size_bytes)
    return _read_archive(members, _Place(), limits)


def read_index_file(path: Path, limits: Limits) -> Iterator[Outcome]:
    """Read a sharded checkpoint by its index; only the files that it names are touched.

    Raises:
        ArtifactError: The index is damaged.
    """
    with open_local(path) as source:
        index = read_index(source, path.name, limits)
    members = pick_folder_members(path.parent, [path.name, *index.files])
    limits = limits.metered(members.size_bytes)
    return _read_archive(members, _Place(), limits)


def _read(source: ByteSource, place: _Place, limits: Limits) -> Iterator[Outcome]:
    """Read one source; errors become `Unread`, so that the siblings are still read."""
    try:
        yield from _dispatch(source, place, limits)
    except ArtifactError as error:
        if isinstance(error, LimitError) and error.final:
            raise
        yield Unread(containers=place.containers, location=place.location, error=error)


def _dispatch(source: ByteSource, place: _Place, limits: Limits) -> Iterator[Outcome]:
    if len(place.containers) >= limits.container_depth:
        raise LimitError(
            "container_depth",
            allowed=limits.container_depth,
            actual=len(place.containers) + 1,
            member=source.name,
        )
    limits.count_opened()
    found = sniff_format(source)
    if found is Format.ZIP:
        archives = split_archives(source, limits)
        if archives:
            yield from _read_row(archives, place, limits)
        else:
            yield from _read_archive(_open_zip(source, place, limits), place, limits)
    else:
        yield from with_other_readings(
            _read_other(source, found, place, limits), source, found, place.containers, limits
        )


def _read_other(
    source: ByteSource, found: Format, place: _Place, limits: Limits
) -> Iterator[Outcome]:
    if found is Format.TAR:
        yield from _read_tar(source, place, limits)
    elif found in _COMPRESSED:
        from ckptscope.containers.compressed import unpack

        inner = place.inside(_COMPRESSED[found])
        yield from _read(unpack(source, inner.containers, limits), inner, limits)
    else:
        contents = read_single(source, found, place.containers, limits)
        contents.location = place.location
        yield contents


def _read_row(archives: list[ByteSource], place: _Place, limits: Limits) -> Iterator[Outcome]:
    """Read archives that stand one after the other in one file."""
    inner = place.inside(ContainerKind.CONCATENATED)
    start = 0
    for index, archive in enumerate(archives):
        for outcome in _read(archive, inner.at(f"archive {index} at byte {start}"), limits):
            if isinstance(outcome, Contents) and index == 0:
                noted = row_finding(archives, is_format=place.name.endswith(PIECES_ENDING))
                outcome.findings = [noted, *outcome.findings]
            yield outcome
        start += archive.size


def _open_zip(source: ByteSource, place: _Place, limits: Limits) -> MemberTable:
    from ckptscope.containers.zip_members import read_zip_members

    try:
        return read_zip_members(source, limits)
    except ContainerFormatError as error:
        from ckptscope.containers.cut_off import explain_cut_off, imports_by_headers

        explained = explain_cut_off(source, limits, error)
        keep_reached(explained, imports_by_headers(source, place.containers, limits))
        raise explained from error


def _read_tar(source: ByteSource, place: _Place, limits: Limits) -> Iterator[Outcome]:
    from ckptscope.containers.legacy_tar import is_legacy_tar, read_legacy_tar
    from ckptscope.containers.tar_members import read_tar_members

    members = read_tar_members(source, limits)
    if not is_legacy_tar(members):
        yield from _read_archive(members, place, limits)
        return
    chain = place.inside(ContainerKind.LEGACY_TAR).containers
    try:
        contents = read_legacy_tar(members, limits, containers=chain)
    except ArtifactError as error:
        keep_reached(error, _imports_of(members, members.entries, chain, limits))
        raise
    contents.archives = (members,)
    add_other_views(members, contents, limits)
    contents.location = place.location
    contents.findings = [*members.findings, *contents.findings]
    attach_nested(contents, limits)
    yield contents


def _read_archive(members: MemberTable, place: _Place, limits: Limits) -> Iterator[Outcome]:
    """Read what members lay out, and say so if there is nothing in them."""
    first = sound = True
    found = False
    try:
        for outcome in _read_members(members, place, limits):
            if isinstance(outcome, Contents):
                outcome.archives = (members, *outcome.archives)
                if not found or members.kind is ContainerKind.ZIP:
                    outcome.findings = [*members.findings, *outcome.findings]
                found = True
            elif not outcome.is_something_else:
                sound = False
            if first:
                add_other_views(members, outcome, limits)
                first = False
            yield outcome
    except ArtifactError as error:
        if first:
            add_other_views(members, error, limits)
        raise
    if not found and sound:
        nothing = _nothing_inside(members)
        if first:
            add_other_views(members, nothing, limits)
        raise nothing


def _read_members(members: MemberTable, place: _Place, limits: Limits) -> Iterator[Outcome]:
    """Read whole formats first, then every other member by its bytes."""
    places = find_places(members, limits)
    for found in places:
        yield _read_place(members, found, place, limits)
    indexes = find_indexes(members)
    shards: set[str] = set(indexes)
    for name in indexes:
        try:
            index = read_index(members.open(name), name, limits)
        except ArtifactError as error:
            # A damaged index does not hide the files beside it.
            chain = (*place.containers, members.kind, ContainerKind.SHARDED)
            yield Unread(containers=chain, location=(*place.location, name), error=error)
            continue
        shards |= {index.folder + file for file in index.files}
        yield _read_shards(members, index, place, limits)
    names = list(members.entries)
    if not places and not indexes and is_headless(names):
        raise _headless(members)
    rest = [name for name in names if name not in shards]
    for found in places:
        rest = [name for name in rest if not found.claims(name)]
    inner = place.inside(_wrapper_kind(members))
    for name in rest:
        yield from _read_member(members, name, inner.at(name), limits)


def _wrapper_kind(members: MemberTable) -> ContainerKind:
    """A torch.export archive of 2024 wraps torch zips."""
    if "serialized_exported_program.json" in members.entries:
        return ContainerKind.TORCH_EXPORT
    return members.kind


def _read_place(
    members: MemberTable, found: CheckpointPlace, place: _Place, limits: Limits
) -> Outcome:
    chain = (*place.containers, *found.containers)
    location = (*place.location, *found.location)
    limits.count_checkpoint()
    try:
        contents = found.read(chain)
    except ArtifactError as error:
        claimed = [name for name in members.entries if found.claims(name)]
        keep_reached(error, _imports_of(members, claimed, chain, limits))
        return Unread(containers=chain, location=location, error=error)
    contents.location = location
    contents.findings = [*found.findings, *contents.findings]
    attach_nested(contents, limits)
    return contents


def _imports_of(
    members: MemberTable, names: Iterable[str], chain: _Chain, limits: Limits
) -> tuple[Import, ...]:
    """Trace what can be of a checkpoint that cannot be read: its names count all the same."""
    named = [name for name in names if not name[-1:].isdigit()]
    notable = [name for name, _ in members.starts("") if name[-1:].isdigit()]
    return scan_members(members, [*named, *notable], limits, [], containers=chain).imports


def _read_shards(members: MemberTable, index: Index, place: _Place, limits: Limits) -> Contents:
    """Read a sharded checkpoint."""
    limits.count_checkpoint()
    contents = read_sharded(
        members,
        index,
        partial(_read_shard, members, limits),
        containers=(*place.containers, members.kind, ContainerKind.SHARDED),
    )
    contents.location = (*place.location, index.name)
    return contents


def _read_shard(members: MemberTable, limits: Limits, name: str) -> Contents:
    """Read the one checkpoint that a shard must be.

    Raises:
        ArtifactError: It is none, or several.
    """
    outcomes = list(_dispatch(members.open(name), _Place(), limits))
    for outcome in outcomes:
        if isinstance(outcome, Unread):
            raise outcome.error
    found = [one for one in outcomes if isinstance(one, Contents)]
    if len(found) != 1:
        raise ContainerFormatError(
            f"expected one checkpoint in a shard, found {len(found)}", member=name
        )
    return found[0]


def _read_member(
    members: MemberTable, name: str, place: _Place, limits: Limits
) -> Iterator[Outcome]:
    try:
        _refuse_by_head(members, name, limits)
        source = members.open(name)
    except ArtifactError as error:
        yield Unread(containers=place.containers, location=place.location, error=error)
        return
    yield from _read(source, place, limits)


def _refuse_by_head(members: MemberTable, name: str, limits: Limits) -> None:
    """Look at the start of a compressed member, so that what is no checkpoint is not unpacked.

    Raises:
        UnknownContainerError: It is no checkpoint.
    """
    entry = members.entries[name]
    if entry.offset_bytes is not None or members.kind is ContainerKind.DIRECTORY:
        return
    head = members.head(name, triage.HEAD_BYTES)
    start = MemorySource(head, name, entry.size_bytes)
    is_whole = len(head) >= entry.size_bytes
    if not is_whole and sniff_format(start) is Format.UNKNOWN and not may_go_on(head, limits):
        raise triage.describe(start)


def _headless(members: MemberTable) -> ContainerFormatError:
    return ContainerFormatError(
        f"expected data.pkl beside {len(members.entries):,} members laid out as by torch.save, "
        "found none",
        member=members.source.name,
        advice="the storages have no names without it: get the file again",
    )


def _nothing_inside(members: MemberTable) -> UnknownContainerError:
    names = ", ".join(repr(name[:60]) for name in list(members.entries)[:3]) or "nothing"
    more = f" and {len(members.entries) - 3:,} more" if len(members.entries) > 3 else ""
    noted = f"; {members.findings[0].message}" if members.findings else ""
    return UnknownContainerError(
        f"expected a checkpoint inside the {members.kind.value}, found {names}{more}{noted}",
        member=members.source.name,
    )
