"""torch.package archives: pickles of any name, storages under `.data/`, code beside them.

Enters: members below a root with `.data/extern_modules` or `.data/python_version`. Leaves: one
`Contents` for each pickle.

Source: `torch/package/package_exporter.py`.
"""

from functools import partial

from ckptscope.containers.contents import Contents, oddity_findings
from ckptscope.containers.member_storages import MemberStorages
from ckptscope.containers.members import MemberTable
from ckptscope.containers.torch_layout import behind_stop
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.limits import Limits
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
) -> Contents:
    """Read one pickle of the package.

    Raises:
        ArtifactError: It is damaged.
    """
    contents = members.read_checked(name)
    graph = trace_pickle(contents, limits=limits, size_bytes=contents.size, member=name)
    folder = f"{root}.data/"
    used = storage_uses(graph.persistent)
    storages = {}
    for member, entry in members.entries.items():
        key = member.removeprefix(folder).removesuffix(_STORAGE_ENDING)
        if not member.startswith(folder) or not member.endswith(_STORAGE_ENDING):
            continue
        # Pickles share the storages of the archive; each is charged for those that it names.
        if key in used:
            storages[key] = Storage(
                key=key,
                size_bytes=entry.size_bytes,
                stored_bytes=entry.stored_bytes,
                member=member,
                offset_bytes=entry.offset_bytes,
                compressed=entry.offset_bytes is None,
            )
    code = sum(member.endswith(".py") and member.startswith(root) for member in members.entries)
    return Contents(
        source=members.source,
        containers=containers,
        graph=graph,
        storages=storages,
        pickle_bytes=members.entries[name].stored_bytes,
        format_facts=(("code members", str(code)),) if code else (),
        findings=[*oddity_findings(graph), *behind_stop(contents.size, graph)],
        read_storage=MemberStorages(members),
        open_pickle=partial(members.open, name),
    )
