"""Every layout of members that is a checkpoint, in one table.

Enters: a table of members. Leaves: the places at which a layout starts, what each claims, and the
way to read it. A further format is a further row. Readers are loaded when they are first needed.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import msgspec

from ckptscope.containers.contents import Contents, finding
from ckptscope.containers.marks import (
    PICKLE_NAME,
    Names,
    claimed_by,
    find_distributed_roots,
    find_export_roots,
    find_model_json_roots,
    find_package_roots,
    find_roots,
    is_numpy_archive,
    named_members,
    package_pickles,
)
from ckptscope.containers.members import MemberTable
from ckptscope.errors import LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits

_Chain = tuple[ContainerKind, ...]


class Place(msgspec.Struct, frozen=True):
    """One checkpoint among the members.

    Attributes:
        root: Prefix of its members.
        claims: Whether a member belongs to it.
        containers: What the layout adds to the chain of containers.
        location: What it adds to the way to the checkpoint.
        read: Reads it, given the whole chain.
        findings: What is known before reading.
    """

    root: str
    claims: Callable[[str], bool]
    containers: _Chain
    location: tuple[str, ...]
    read: Callable[[_Chain], Contents]
    findings: tuple[Finding, ...] = ()


def find_places(members: MemberTable, limits: Limits) -> list[Place]:
    """Return every checkpoint that the members lay out, the special formats first."""
    places: list[Place] = []
    names = named_members(members)
    for finder in (_numpy, _packages, _exports, _model_json, _distributed, _torch_layouts):
        _require_few(members, places, limits)
        # An archive of one format holds members that look like another.
        places += [
            place
            for place in finder(members, names, limits)
            if not any(known.claims(place.root + PICKLE_NAME) for known in places)
        ]
    _require_few(members, places, limits)
    return places


def _require_few(members: MemberTable, places: list[Place], limits: Limits) -> None:
    visits = len(members.entries) * len(places)
    if visits > limits.member_visits:
        raise LimitError("member_visits", allowed=limits.member_visits, actual=visits)


def _below(root: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(root)


def _numpy(members: MemberTable, names: Names, limits: Limits) -> Iterator[Place]:
    if is_numpy_archive(members):
        yield Place(
            root="",
            claims=_below(""),
            containers=(ContainerKind.NUMPY_ARCHIVE,),
            location=(),
            read=partial(_read_numpy, members, limits),
        )


def _read_numpy(members: MemberTable, limits: Limits, chain: _Chain) -> Contents:
    from ckptscope.containers.numpy_files import read_numpy_archive

    return read_numpy_archive(members, limits, containers=chain)


def _packages(members: MemberTable, names: Names, limits: Limits) -> Iterator[Place]:
    for root in find_package_roots(names):
        pickles = package_pickles(members, root)
        for name in pickles:
            yield Place(
                root=root,
                claims=_below(root),
                containers=_special(members, root, ContainerKind.TORCH_PACKAGE),
                location=(name,) if len(pickles) > 1 else (),
                read=partial(_read_package, members, root, name, limits, name == pickles[0]),
            )


def _read_package(
    members: MemberTable, root: str, name: str, limits: Limits, is_first: bool, chain: _Chain
) -> Contents:
    from ckptscope.containers.torch_package import read_package_pickle

    return read_package_pickle(members, root, name, limits, containers=chain, with_rest=is_first)


def _exports(members: MemberTable, names: Names, limits: Limits) -> Iterator[Place]:
    for root in find_export_roots(members, names):
        from ckptscope.containers.torch_export import read_torch_export

        yield _special_place(members, root, limits, ContainerKind.TORCH_EXPORT, read_torch_export)


def _model_json(members: MemberTable, names: Names, limits: Limits) -> Iterator[Place]:
    for root in find_model_json_roots(names):
        from ckptscope.containers.model_json import read_model_json

        yield _special_place(members, root, limits, ContainerKind.TORCHSCRIPT, read_model_json)


class _Reader(Protocol):
    def __call__(
        self, members: MemberTable, root: str, limits: Limits, *, containers: _Chain
    ) -> Contents: ...


def _special_place(
    members: MemberTable, root: str, limits: Limits, kind: ContainerKind, reader: _Reader
) -> Place:
    return Place(
        root=root,
        claims=_below(root),
        containers=_special(members, root, kind),
        location=(),
        read=lambda chain: reader(members, root, limits, containers=chain),
    )


def _special(members: MemberTable, root: str, kind: ContainerKind) -> _Chain:
    """Name a zip of one format by the format; deeper in an archive the archive is named too."""
    at_top = members.kind is ContainerKind.ZIP and root.count("/") <= 1
    return (kind,) if at_top else (members.kind, kind)


def _distributed(members: MemberTable, names: Names, limits: Limits) -> Iterator[Place]:
    for root in find_distributed_roots(members, names):
        yield Place(
            root=root,
            claims=frozenset(claimed_by(members, root)).__contains__,
            containers=(members.kind, ContainerKind.DISTRIBUTED),
            location=(root.rstrip("/"),) if root else (),
            read=partial(_read_distributed, members, root, limits),
        )


def _read_distributed(members: MemberTable, root: str, limits: Limits, chain: _Chain) -> Contents:
    from ckptscope.containers.distributed import read_distributed

    return read_distributed(members, root, limits, containers=chain)


def _torch_layouts(members: MemberTable, names: Names, limits: Limits) -> Iterator[Place]:
    roots = find_roots(names)
    at_top = [root for root in roots if root.count("/") <= 1]
    noted = (_two_roots(roots),) if members.kind is ContainerKind.ZIP and len(roots) > 1 else ()
    for root in roots:
        folder = root.rstrip("/")
        if members.kind is ContainerKind.DIRECTORY:
            chain: _Chain = (ContainerKind.DIRECTORY,)
            location = (folder,) if folder else ()
        elif members.kind is ContainerKind.ZIP and root in at_top:
            # A zip with one folder at its top is a torch zip as it stands.
            chain, location = (ContainerKind.TORCH_ZIP,), (folder,) if len(roots) > 1 else ()
        else:
            chain, location = (members.kind, ContainerKind.DIRECTORY), (folder,)
        yield Place(
            root=root,
            claims=_below(root),
            containers=chain,
            location=location,
            read=partial(_read_torch_layout, members, root, limits),
            findings=noted,
        )


def _read_torch_layout(members: MemberTable, root: str, limits: Limits, chain: _Chain) -> Contents:
    from ckptscope.containers.torch_layout import read_torch_layout

    return read_torch_layout(members, root, limits, containers=chain)


def _two_roots(roots: list[str]) -> Finding:
    return finding(
        Code.ARCHIVE_ROOTS,
        f"{len(roots)} folders with a data.pkl; torch.load takes the first member's folder",
        evidence=tuple(root[:100] for root in roots[:8]),
    )
