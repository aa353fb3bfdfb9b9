"""Whole checkpoints inside byte strings of a pickle: `torch.storage._load_from_bytes`.

Enters: `Contents` whose pickle calls it. Leaves: a function on the contents that lays such a byte
string open when the graph is walked. Storages of the inner stream get keys of their own.
"""

from ckptscope.containers.contents import Contents
from ckptscope.containers.marks import find_roots
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import BytesRef, Instance
from ckptscope.sources import ByteSource, MemorySource, Window


def attach_nested(contents: Contents, limits: Limits, depth: int = 1) -> None:
    """Give contents the means to read what is nested in their pickle."""

    def load(call: Instance, payload: bytes | BytesRef) -> Contents:
        if depth > limits.container_depth:
            raise LimitError("container_depth", allowed=limits.container_depth, actual=depth + 1)
        name = f"_load_from_bytes at byte {call.offset_bytes}"
        source: ByteSource
        if isinstance(payload, bytes):
            source = MemorySource(payload, name)
        else:
            source = Window(
                _pickle_source(contents), payload.offset_bytes, payload.size_bytes, name
            )
        inner = _read(source, limits)
        attach_nested(inner, limits, depth + 1)
        return inner

    contents.load_nested = load


def _pickle_source(contents: Contents) -> ByteSource:
    """Return the source in which the main pickle's offsets count."""
    if contents.open_pickle is None:
        return contents.source
    return contents.open_pickle()


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
            contents.findings = [*members.findings, *contents.findings]
            return contents
    raise ContainerFormatError(
        "expected a checkpoint in the bytes for _load_from_bytes, found something else",
        member=source.name,
    )
