"""The legacy stream of torch 0.1.10 to 1.5: five pickles, then raw storages.

Enters: a source that starts with the pickled magic number. Leaves: `Contents`. Of the storages only
their 8-byte counts are read.

Source: `torch/serialization.py`, `_legacy_save` and `_legacy_load`.
"""

from ckptscope.containers.contents import Contents, finding, oddity_findings, system_facts
from ckptscope.containers.further_pickles import FurtherPickles, keep_reached
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.facts.tensors import StorageUse
from ckptscope.pickles import trace_pickle
from ckptscope.pickles.persistent import storage_uses
from ckptscope.pickles.views import short
from ckptscope.sources import ByteSource, Window

#: Torch's `PROTOCOL_VERSION` of the stream.
_PROTOCOL_VERSION = 1001
_COUNT_BYTES = 8


def read_legacy_stream(
    source: ByteSource, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the pickles and step over the storages.

    Raises:
        ArtifactError: One of the pickles is damaged.
    """
    position = 0
    graphs: list[PickleGraph] = []
    try:
        for _ in range(5):
            graph = trace_pickle(source, limits=limits, offset_bytes=position, member=source.name)
            graphs.append(graph)
            position += graph.size_bytes
        _, version, system, main, keys = graphs
        if version.root != _PROTOCOL_VERSION:
            raise ContainerFormatError(
                f"expected stream protocol {_PROTOCOL_VERSION}, found {short(version.root)}",
                member=source.name,
            )
        names = key_list(keys.root, source)
    except ArtifactError as error:
        # What the pickles before it named would have been imported by then.
        keep_reached(error, (one for graph in graphs for one in graph.imports))
        raise
    findings = [found for graph in graphs for found in oddity_findings(graph)]
    uses = storage_uses(main.persistent)
    _compare_keys(names, uses, findings)
    storages, end = walk_storages(source, position, names, uses, findings)
    if end is not None and end < source.size:
        findings.append(
            finding(
                Code.STREAM_TRAILING,
                f"{source.size - end:,} bytes follow the last storage",
                severity=Severity.WARNING,
                offset_bytes=end,
            )
        )
    further = FurtherPickles(limits, findings, containers=containers)
    for graph in (*graphs[:3], keys):
        further.follow_payloads(graph, source)
    return Contents(
        source=source,
        containers=containers,
        graph=main,
        further_graphs=(*graphs[:3], keys, *further.finish()),
        reached=tuple(further.reached),
        storages=storages,
        pickle_bytes=position,
        end_bytes=end,
        format_facts=(("stream protocol", str(version.root)), *system_facts(system)),
        findings=findings,
        read_storage=StreamStorages(source),
        storages_complete=end is not None,
    )


def key_list(root: object, source: ByteSource) -> list[str]:
    """Return the keys of the storages in the order in which they follow.

    Raises:
        ContainerFormatError: It is no list of keys.
    """
    if not isinstance(root, list) or not all(isinstance(key, str) for key in root):
        raise ContainerFormatError(
            "expected a list of storage keys after the object", member=source.name
        )
    return [str(key) for key in root]


def _compare_keys(names: list[str], uses: dict[str, StorageUse], findings: list[Finding]) -> None:
    listed = set(names)
    unknown = [name for name in names if name not in uses]
    missing = [key for key in uses if key not in listed]
    for what, keys in (("not named by the object", unknown), ("not in the list of keys", missing)):
        if keys:
            shown = ", ".join(repr(key[:40]) for key in keys[:3])
            findings.append(
                finding(
                    Code.STREAM_KEYS_DIFFER,
                    f"{len(keys):,} storages are {what}, the first: {shown}",
                    evidence=tuple(f"storage {key!r:.60}" for key in keys[:3]),
                )
            )


def walk_storages(
    source: ByteSource,
    position: int,
    names: list[str],
    uses: dict[str, StorageUse],
    findings: list[Finding],
) -> tuple[dict[str, Storage], int | None]:
    """Return the storages and where the last one ends; None if that cannot be told."""
    storages: dict[str, Storage] = {}
    for index, key in enumerate(names):
        use = uses.get(key)
        if use is None:
            return storages, None
        head = source.peek(position, _COUNT_BYTES)
        count = int.from_bytes(head, "little", signed=True)
        size = storage_bytes(count, use.dtype)
        start = position + _COUNT_BYTES
        if len(head) < _COUNT_BYTES or size is None or count < 0 or start + size > source.size:
            wanted = _expected_size(position, names[index:], uses)
            findings.append(
                finding(
                    Code.ARCHIVE_TRUNCATED,
                    f"expected storage {key[:40]!r} of {use.elements:,} elements, found "
                    f"{max(source.size - start, 0):,} bytes"
                    + (f" for a count of {count:,}" if count != use.elements else ""),
                    offset_bytes=position,
                    evidence=(f"expected file size {wanted:,}, found {source.size:,}",),
                    advice="the download is incomplete: get the file again",
                )
            )
            return storages, None
        storages[key] = Storage(
            key=key, size_bytes=size, stored_bytes=size, member=source.name, offset_bytes=start
        )
        position = start + size
    return storages, position


def _expected_size(position: int, names: list[str], uses: dict[str, StorageUse]) -> int:
    for key in names:
        use = uses.get(key)
        size = storage_bytes(use.elements, use.dtype) if use is not None else None
        position += _COUNT_BYTES + (size or 0)
    return position


class StreamStorages:
    """Opens storages that stand in the stream as they are."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source

    def __call__(self, storage: Storage) -> ByteSource:
        """Return the elements of a storage."""
        return Window(self._source, storage.offset_bytes or 0, storage.size_bytes, storage.member)
