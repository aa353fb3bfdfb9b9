"""From a file to the checkpoints inside it, through wrappers of any nesting.

Enters: a source, or a folder. Leaves: for each checkpoint its `Contents`; for each member that is
none, or is damaged, an `Unread` that says why. Nothing is extracted to disk; a compressed wrapper
is spooled to a file without a name.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ckptscope.containers import triage
from ckptscope.containers.compressed import unpack
from ckptscope.containers.contents import Contents, finding
from ckptscope.containers.cut_off import explain_cut_off
from ckptscope.containers.folder_members import read_folder_members
from ckptscope.containers.legacy_stream import read_legacy_stream
from ckptscope.containers.legacy_tar import is_legacy_tar, read_legacy_tar
from ckptscope.containers.members import MemberTable
from ckptscope.containers.nested import attach_nested
from ckptscope.containers.plain_pickle import read_plain_pickle
from ckptscope.containers.safetensors import read_safetensors
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.containers.tar_members import read_tar_members
from ckptscope.containers.torch_layout import find_roots, is_headless, read_torch_layout
from ckptscope.containers.zip_members import read_zip_members
from ckptscope.errors import (
    ArtifactError,
    ContainerFormatError,
    LimitError,
    PickleFormatError,
    UnknownContainerError,
)
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

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


Outcome = Contents | Unread


class _Place(msgspec.Struct, frozen=True):
    """Where the reading stands."""

    containers: _Chain = ()
    location: tuple[str, ...] = ()

    def inside(self, kind: ContainerKind) -> "_Place":
        return _Place((*self.containers, kind), self.location)

    def at(self, member: str) -> "_Place":
        return _Place(self.containers, (*self.location, member))


def read_file(source: ByteSource, limits: Limits) -> Iterator[Outcome]:
    """Read all checkpoints of one file, in the order of its members.

    Raises:
        LimitError: It holds more checkpoints than may be reported.
    """
    return _bounded(_read(source, _Place(), limits), limits)


def read_folder(path: Path, limits: Limits) -> Iterator[Outcome]:
    """Read the unpacked folder of a torch zip.

    Raises:
        ArtifactError: The folder cannot be read.
        LimitError: It holds more files or checkpoints than allowed.
    """
    members = read_folder_members(path, limits)
    return _bounded(_read_roots(members, _Place(), limits, folder=True), limits)


def _bounded(outcomes: Iterator[Outcome], limits: Limits) -> Iterator[Outcome]:
    for count, outcome in enumerate(outcomes, start=1):
        if count > limits.checkpoints:
            raise LimitError("checkpoints", allowed=limits.checkpoints, actual=count)
        yield outcome


def _read(source: ByteSource, place: _Place, limits: Limits) -> Iterator[Outcome]:
    """Read one source; errors become `Unread`, so that the siblings are still read."""
    try:
        yield from _dispatch(source, place, limits)
    except ArtifactError as error:
        yield Unread(containers=place.containers, location=place.location, error=error)


def _dispatch(source: ByteSource, place: _Place, limits: Limits) -> Iterator[Outcome]:
    if len(place.containers) >= limits.container_depth:
        raise LimitError(
            "container_depth",
            allowed=limits.container_depth,
            actual=len(place.containers) + 1,
            member=source.name,
        )
    found = sniff_format(source)
    if found is Format.ZIP:
        yield from _read_archive(_open_zip(source, limits), place, limits)
    elif found is Format.TAR:
        yield from _read_tar(source, place, limits)
    elif found in _COMPRESSED:
        kind = _COMPRESSED[found]
        yield from _read(unpack(source, kind, limits), place.inside(kind), limits)
    else:
        yield _read_single(source, found, place, limits)


def _open_zip(source: ByteSource, limits: Limits) -> MemberTable:
    try:
        return read_zip_members(source, limits)
    except ContainerFormatError as error:
        raise explain_cut_off(source, limits, error) from error


def _read_single(source: ByteSource, found: Format, place: _Place, limits: Limits) -> Contents:
    """Read a format that holds exactly one checkpoint."""
    if found is Format.LEGACY_STREAM:
        chain = place.inside(ContainerKind.LEGACY_STREAM).containers
        contents = read_legacy_stream(source, limits, containers=chain)
    elif found is Format.SAFETENSORS:
        chain = place.inside(ContainerKind.SAFETENSORS).containers
        contents = read_safetensors(source, limits, containers=chain)
    elif found in (Format.PICKLE, Format.MAYBE_PICKLE):
        contents = _read_pickle(source, found, place, limits)
    else:
        raise triage.describe(source)
    contents.location = place.location
    attach_nested(contents, limits)
    return contents


def _read_pickle(source: ByteSource, found: Format, place: _Place, limits: Limits) -> Contents:
    chain = place.inside(ContainerKind.PICKLE).containers
    try:
        return read_plain_pickle(source, limits, containers=chain)
    except PickleFormatError as error:
        # Text pickles have no magic number: what breaks off at once is most likely plain text.
        if found is Format.MAYBE_PICKLE and (error.offset_bytes or 0) < 2 * len(b"cos\n"):
            raise triage.describe(source) from error
        raise


def _read_tar(source: ByteSource, place: _Place, limits: Limits) -> Iterator[Outcome]:
    members = read_tar_members(source, limits)
    if not is_legacy_tar(members):
        yield from _read_archive(members, place, limits)
        return
    chain = place.inside(ContainerKind.LEGACY_TAR).containers
    contents = read_legacy_tar(members, limits, containers=chain)
    contents.location = place.location
    contents.findings = [*members.findings, *contents.findings]
    attach_nested(contents, limits)
    yield contents


def _read_archive(members: MemberTable, place: _Place, limits: Limits) -> Iterator[Outcome]:
    """Read what an archive holds: torch layouts first, then every other member by its bytes."""
    names = list(members.entries)
    roots = find_roots(names)
    if not roots and is_headless(names):
        raise _headless(members)
    yielded = [outcome for outcome in _read_roots(members, place, limits)]
    others = [name for name in names if not any(name.startswith(root) for root in roots)]
    inner = place.inside(members.kind)
    unread: list[Unread] = []
    for name in others:
        for outcome in _read_member(members, name, inner.at(name), limits):
            if isinstance(outcome, Contents):
                yielded.append(outcome)
            else:
                unread.append(outcome)
    for outcome in yielded:
        if isinstance(outcome, Contents):
            outcome.findings = [*members.findings, *outcome.findings]
    yield from yielded
    yield from unread
    if not any(isinstance(outcome, Contents) for outcome in yielded) and not _any_damage(
        [*yielded, *unread]
    ):
        raise _nothing_inside(members)


def _any_damage(outcomes: list[Outcome]) -> bool:
    return any(
        isinstance(outcome, Unread) and not isinstance(outcome.error, UnknownContainerError)
        for outcome in outcomes
    )


def _read_member(
    members: MemberTable, name: str, place: _Place, limits: Limits
) -> Iterator[Outcome]:
    try:
        source = members.open(name)
    except ArtifactError as error:
        yield Unread(containers=place.containers, location=place.location, error=error)
        return
    yield from _read(source, place, limits)


def _read_roots(
    members: MemberTable, place: _Place, limits: Limits, *, folder: bool = False
) -> Iterator[Outcome]:
    """Read every folder with a `data.pkl`."""
    roots = find_roots(list(members.entries))
    if not roots and folder:
        if is_headless(list(members.entries)):
            raise _headless(members)
        raise _nothing_inside(members)
    for root in roots:
        chain, location = _root_place(members, root, place)
        try:
            contents = read_torch_layout(members, root, limits, containers=chain)
        except ArtifactError as error:
            yield Unread(containers=chain, location=location, error=error)
            continue
        contents.location = location
        if members.kind is ContainerKind.ZIP and len(roots) > 1:
            contents.findings.append(_two_roots(roots))
        if folder:
            contents.findings = [*members.findings, *contents.findings]
        attach_nested(contents, limits)
        yield contents


def _root_place(members: MemberTable, root: str, place: _Place) -> tuple[_Chain, tuple[str, ...]]:
    """Return chain and location: a zip with one folder at its top is a torch zip as it stands."""
    if members.kind is ContainerKind.DIRECTORY:
        location = (root.rstrip("/"),) if root else ()
        return (*place.containers, ContainerKind.DIRECTORY), (*place.location, *location)
    if members.kind is ContainerKind.ZIP and root.count("/") <= 1:
        only = sum(name.endswith("/" + "data.pkl") for name in members.entries) <= 1
        location = () if only else (root.rstrip("/"),)
        return (*place.containers, ContainerKind.TORCH_ZIP), (*place.location, *location)
    chain = (*place.containers, members.kind, ContainerKind.DIRECTORY)
    return chain, (*place.location, root.rstrip("/"))


def _two_roots(roots: list[str]) -> Finding:
    return finding(
        Code.ARCHIVE_ROOTS,
        f"{len(roots)} folders with a data.pkl; torch.load takes the first member's folder",
        evidence=tuple(root[:100] for root in roots[:8]),
    )


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
