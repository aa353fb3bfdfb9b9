"""A root folder with `data.pkl` and `data/`: a torch zip, its unpacked folder, or one in a wrapper.

Enters: a table of members and a root. Leaves: `Contents`. Reads the directory and the pickles,
never a storage.

Source: `torch/serialization.py` (`_save`, `_load`) and `caffe2/serialize/inline_container.cc`.
"""

from functools import partial

from ckptscope.containers.contents import Contents, finding, oddity_findings
from ckptscope.containers.further_pickles import PICKLE_ENDINGS, FurtherPickles
from ckptscope.containers.marks import PICKLE_NAME
from ckptscope.containers.member_storages import MemberStorages
from ckptscope.containers.members import MemberTable
from ckptscope.containers.torchscript import read_script_classes
from ckptscope.containers.zip_headers import is_loadable
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.pickles import trace_pickle

_STORAGE_FOLDER = "data/"
#: Members that say something of the archive, and how much of them is worth showing.
_FACT_MEMBERS = ("version", "byteorder", ".format_version", ".storage_alignment")
_FACT_BYTES = 64
_KNOWN_MEMBERS = (*_FACT_MEMBERS, ".data/serialization_id")


def read_torch_layout(
    members: MemberTable, root: str, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the checkpoint below `root`.

    Args:
        members: The archive or folder.
        root: Prefix of its members, as `find_roots` gives it.
        limits: Bounds of the run.
        containers: Chain up to and including this one.

    Raises:
        ArtifactError: `data.pkl` cannot be read, or breaks the rules of its format.
    """
    findings: list[Finding] = []
    main = root + PICKLE_NAME
    graph = _trace(members, main, limits)
    findings += oddity_findings(graph)
    findings += behind_stop(members.entries[main].size_bytes, graph)
    facts = _format_facts(members, root)
    byteorder = _byteorder(dict(facts).get("byteorder"), root, findings)
    storages, names = _split(members, root)
    further = FurtherPickles(limits, findings, containers=containers)
    unclaimed: list[str] = []
    code = [name for name in names if name.startswith(root + "code/")]
    for name in names:
        if name == main:
            continue
        if name.endswith(PICKLE_ENDINGS):
            further.read_member(members, name)
        else:
            # Whatever it is called: a loader that is told its name takes it for what it is.
            further.look_at_member(members, name)
        if not name.endswith(".pkl") and name[len(root) :] not in _KNOWN_MEMBERS:
            unclaimed.append(name)
    _look_at_storages(members, root, graph, storages, further)
    if graph.size_bytes < members.entries[main].size_bytes:
        further.read_rest(members.open(main), graph.size_bytes)
    for storage in storages.values():
        if storage.compressed:
            members.believable(storage.member or "")
    return Contents(
        source=members.source,
        containers=_refined(containers, code, members, root),
        script_classes=read_script_classes(members, root, code) if code else {},
        graph=graph,
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        storages=storages,
        byteorder=byteorder,
        pickle_bytes=sum(
            members.entries[n].stored_bytes for n in names if n.endswith((".pkl", ".debug_pkl"))
        ),
        format_facts=(*facts, *([("code members", str(len(code)))] if code else [])),
        unclaimed_members=tuple(unclaimed),
        code_members=tuple(name for name in code if name.endswith(".py")),
        findings=findings,
        read_storage=MemberStorages(members),
        open_pickle=partial(members.open, main),
    )


def _look_at_storages(
    members: MemberTable,
    root: str,
    graph: PickleGraph,
    storages: dict[str, Storage],
    further: FurtherPickles,
) -> None:
    """Trace storages that are pickles: all that no tensor uses, others if they start like one."""
    used = {one.pid[2] for one in graph.persistent if type(one.pid) is tuple and len(one.pid) > 2}
    for key, storage in storages.items():
        if key not in used and storage.member is not None:
            further.look_at_member(members, storage.member)
    folder = root + _STORAGE_FOLDER
    for name, start in members.starts(folder):
        if name[len(folder) :] in used and is_loadable(start):
            further.look_at_member(members, name)


def _trace(members: MemberTable, name: str, limits: Limits) -> PickleGraph:
    contents = members.read_checked(name)
    return trace_pickle(contents, limits=limits, size_bytes=contents.size, member=name)


def behind_stop(size_bytes: int, graph: PickleGraph) -> list[Finding]:
    """Note bytes that follow the end of a pickle in its member."""
    behind = size_bytes - graph.size_bytes
    if not behind:
        return []
    return [
        finding(
            Code.PICKLE_TRAILING,
            f"{behind:,} bytes follow the end of the pickle; an unpickler never sees them",
            member=graph.member,
            offset_bytes=graph.size_bytes,
        )
    ]


def _split(members: MemberTable, root: str) -> tuple[dict[str, Storage], list[str]]:
    """Return the storages below a root, and the names of its other members."""
    prefix = root + _STORAGE_FOLDER
    start = len(prefix)
    on_disk = members.kind is ContainerKind.DIRECTORY
    storages: dict[str, Storage] = {}
    names: list[str] = []
    for name, entry in members.entries.items():
        if name.startswith(prefix):
            key = name[start:]
            storages[key] = Storage(
                key=key,
                size_bytes=entry.size_bytes,
                stored_bytes=entry.stored_bytes,
                member=name,
                offset_bytes=entry.offset_bytes,
                compressed=entry.offset_bytes is None and not on_disk,
            )
        elif name.startswith(root):
            names.append(name)
    return storages, names


def _format_facts(members: MemberTable, root: str) -> tuple[tuple[str, str], ...]:
    facts = []
    for name in _FACT_MEMBERS:
        if root + name in members.entries:
            text = members.head(root + name, _FACT_BYTES).decode("utf-8", "replace").strip()
            facts.append((name, text))
    return tuple(facts)


def _byteorder(recorded: str | None, root: str, findings: list[Finding]) -> str:
    if recorded is None or recorded in ("little", "big"):
        return recorded or "little"
    findings.append(
        finding(
            Code.BYTEORDER_UNKNOWN,
            f"expected byteorder little or big, found {recorded!r}; little is assumed",
            member=f"{root}byteorder",
        )
    )
    return "little"


def _refined(
    containers: tuple[ContainerKind, ...], code: list[str], members: MemberTable, root: str
) -> tuple[ContainerKind, ...]:
    if code or f"{root}constants.pkl" in members.entries:
        return (*containers[:-1], ContainerKind.TORCHSCRIPT)
    return containers
