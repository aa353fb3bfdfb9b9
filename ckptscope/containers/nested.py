"""Pickles and whole checkpoints inside byte strings of a pickle: `torch.storage._load_from_bytes`.

Enters: `Contents` whose pickle calls it, or another function that unpickles a byte string. Leaves:
a function on the contents that lays a checkpoint open when the graph is walked; and for those byte
strings that no tensor leads to, their imports: loading runs them all the same. Storages of the
inner stream get keys of their own.
"""

from functools import partial

from ckptscope.containers.contents import Contents
from ckptscope.containers.marks import find_roots
from ckptscope.containers.members import MemberTable
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import BytesRef, GlobalRef, Instance
from ckptscope.pickles.views import bytes_value
from ckptscope.sources import ByteSource, MemorySource, Window


def attach_nested(contents: Contents, limits: Limits, depth: int = 1) -> None:
    """Give contents the means to read what is nested in their pickle."""
    loaded: dict[int, Contents | None] = {}

    def load(call: Instance, payload: bytes | BytesRef) -> Contents:
        if depth > limits.container_depth:
            raise LimitError("container_depth", allowed=limits.container_depth, actual=depth + 1)
        loaded[call.offset_bytes] = None
        inner = _read(_payload_source(contents, call, payload), limits)
        attach_nested(inner, limits, depth + 1)
        loaded[call.offset_bytes] = inner
        return inner

    contents.load_nested = load
    contents.loaded = loaded


def _payload_source(contents: Contents, call: Instance, payload: bytes | BytesRef) -> ByteSource:
    name = f"{_called(call)} at byte {call.offset_bytes}"
    if isinstance(payload, bytes):
        return MemorySource(payload, name)
    return Window(_pickle_source(contents), payload.offset_bytes, payload.size_bytes, name)


def _called(call: Instance) -> str:
    """Name the function that unpickles the bytes."""
    return call.callable.name[:60] if isinstance(call.callable, GlobalRef) else "unpickling"


def _pickle_source(contents: Contents) -> ByteSource:
    """Return the source in which the main pickle's offsets count."""
    if contents.open_pickle is None:
        return contents.source
    return contents.open_pickle()


def load_unvisited(contents: Contents, limits: Limits) -> None:
    """Trace the byte strings that no walk has laid open, for the imports in them."""
    from ckptscope.containers.further_pickles import FurtherPickles

    graph = contents.graph
    if graph is None or contents.load_nested is None or not graph.payloads:
        return
    findings = list(contents.findings)
    further = FurtherPickles(limits, findings, containers=contents.containers)
    again = FurtherPickles(limits, findings, containers=contents.containers, is_second_look=True)
    for call in graph.payloads:
        if contents.loaded.get(call.offset_bytes) is not None:
            continue
        payload = bytes_value(call.args[0]) if call.args else None
        if payload is None:
            # What is computed cannot be followed; that the function is named counts by itself.
            continue
        try:
            source = _payload_source(contents, call, payload)
        except ArtifactError as error:
            further.note_broken(error, graph.member or "")
            continue
        if call.offset_bytes in contents.loaded:
            # That it is no checkpoint was said by the walk; it may be a pickle all the same.
            again.look_at(partial(_same, source), source.name or "")
        else:
            further.read_source(partial(_same, source), source.name or "")
    further.give(contents)
    again.give(contents)
    contents.findings = findings


def _same(source: ByteSource) -> ByteSource:
    return source


def _read(source: ByteSource, limits: Limits) -> Contents:
    found = sniff_format(source)
    if found is Format.LEGACY_STREAM:
        from ckptscope.containers.legacy_stream import read_legacy_stream

        return read_legacy_stream(source, limits, containers=(ContainerKind.LEGACY_STREAM,))
    if found is Format.ZIP:
        from ckptscope.containers.torch_layout import read_torch_layout
        from ckptscope.containers.zip_members import read_zip_members

        members = read_zip_members(source, limits)
        roots = find_roots(list(members.entries))
        if roots:
            contents = read_torch_layout(
                members, roots[0], limits, containers=(ContainerKind.TORCH_ZIP,)
            )
            contents.archives = (members,)
            contents.findings = [*members.findings, *contents.findings]
            _add_other_members(members, roots[0], contents, limits)
            return contents
    raise ContainerFormatError(
        "expected a checkpoint in the bytes for _load_from_bytes, found something else",
        member=source.name,
    )


def _add_other_members(members: MemberTable, root: str, contents: Contents, limits: Limits) -> None:
    """Trace what stands beside the folder that was read: a loader may take another one."""
    from ckptscope.containers.further_pickles import scan_members
    from ckptscope.containers.readings import add_other_views

    findings = contents.findings
    others = [name for name in members.entries if not name.startswith(root)]
    scan_members(members, others, limits, findings, containers=contents.containers).give(contents)
    add_other_views(members, contents, limits)
