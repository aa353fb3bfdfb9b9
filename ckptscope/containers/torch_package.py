"""torch.package archives: pickles of any name, storages under `.data/`, code beside them.

Enters: members below a root with `.data/extern_modules` or `.data/python_version`. Leaves: one
`Contents` for each pickle.

Source: `torch/package/package_exporter.py`.
"""

from collections.abc import Mapping
from functools import partial

from ckptscope.containers.contents import Contents, oddity_findings
from ckptscope.containers.further_pickles import FurtherPickles
from ckptscope.containers.member_storages import MemberStorages
from ckptscope.containers.members import MemberTable
from ckptscope.containers.torch_layout import behind_stop
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import StorageUse
from ckptscope.pickles import trace_pickle
from ckptscope.pickles.persistent import storage_uses

_STORAGE_ENDING = ".storage"


def read_package_pickle(
    members: MemberTable,
    root: str,
    name: str,
    limits: Limits,
    *,
    containers: tuple[ContainerKind, ...],
    with_rest: bool,
) -> Contents:
    """Read one pickle of the package.

    Args:
        members: The archive.
        root: Prefix of the package's members.
        name: The pickle.
        limits: Bounds of the run.
        containers: Chain up to and including the package.
        with_rest: Whether to look into the members that are no pickles by their name, once for
            all pickles of the package.

    Raises:
        ArtifactError: It is damaged.
    """
    contents = members.read_checked(name)
    graph = trace_pickle(contents, limits=limits, size_bytes=contents.size, member=name)
    findings = [*oddity_findings(graph), *behind_stop(contents.size, graph)]
    further = FurtherPickles(limits, findings, containers=containers)
    further.read_rest(contents, graph.size_bytes)
    others = [
        member
        for member in members.entries
        if with_rest and member.startswith(root) and not member.endswith(".pkl")
    ]
    for member in others:
        further.look_at_member(members, member)
    folder = f"{root}.data/"
    storages = _storages(members, folder, storage_uses(graph.persistent))
    code = [one for one in members.entries if one.endswith(".py") and one.startswith(root)]
    return Contents(
        source=members.source,
        containers=containers,
        graph=graph,
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        storages=storages,
        pickle_bytes=members.entries[name].stored_bytes,
        format_facts=(("code members", str(len(code))),) if code else (),
        unclaimed_members=tuple(
            one for one in others if not one.endswith(".py") and not one.startswith(folder)
        ),
        code_members=tuple(code),
        findings=findings,
        read_storage=MemberStorages(members),
        open_pickle=partial(members.open, name),
    )


def _storages(
    members: MemberTable, folder: str, used: Mapping[str, StorageUse]
) -> dict[str, Storage]:
    """Return the storages that a pickle names; its archive's others are other pickles' to count."""
    storages = {}
    for member, entry in members.entries.items():
        key = member.removeprefix(folder).removesuffix(_STORAGE_ENDING)
        if not member.startswith(folder) or not member.endswith(_STORAGE_ENDING):
            continue
        if key in used:
            storages[key] = Storage(
                key=key,
                size_bytes=entry.size_bytes,
                stored_bytes=entry.stored_bytes,
                member=member,
                offset_bytes=entry.offset_bytes,
                compressed=entry.offset_bytes is None,
            )
    return storages
