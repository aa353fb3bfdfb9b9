"""What a reader of a container hands on.

Enters: nothing. Leaves: `Contents`, one checkpoint laid open: its pickle graphs or its table of
tensors, its storages, and what was noticed.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from ckptscope.containers.members import MemberTable
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.pickled import BytesRef, Import, Instance, PickleGraph
from ckptscope.facts.tensors import ArrayInfo, ExternalTensor, StorageUse, TensorInfo
from ckptscope.pickles.state import ONLY_PYTHON
from ckptscope.pickles.views import plain_text
from ckptscope.sources import ByteSource


class TensorTable(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors that a header and no pickle names: a path in the tree, and its tensors in order."""

    path: str
    tensors: tuple[TensorInfo, ...]


class ScriptClass(msgspec.Struct, frozen=True):
    """What the code of a TorchScript class says of its attributes."""

    parameters: frozenset[str]
    buffers: frozenset[str]


class StorageReader(Protocol):
    """Opens the elements of one storage as a source, inflated if need be."""

    def __call__(self, storage: Storage) -> ByteSource:
        """Return a source of exactly `storage.size_bytes` bytes."""


class Contents(msgspec.Struct, kw_only=True, eq=False):
    """One checkpoint, laid open.

    Attributes:
        source: The checkpoint's own bytes.
        containers: Chain from the file to it, outermost first.
        location: Member names through the wrappers.
        graph: The object's pickle; None for safetensors.
        further_graphs: Other pickles of the same archive, for their imports.
        reached: What broken pickles had named before they broke: an unpickler imports it by then.
        tables: Tensors where no pickle names them (safetensors, torch.export, ...).
        arrays: numpy arrays that are members of their own.
        values: Plain values that stand beside the tensors, by path.
        script_classes: Classes of a TorchScript archive, by qualified name.
        shards: Checkpoints that together make this one, by file name.
        shard_of: Which file the index says that a tensor is in; empty without shards.
        external_tensors: By persistent id (legacy tar).
        storages: By key, as far as the container lists them.
        storage_uses: Declared storages that stand outside the pickle (legacy tar).
        byteorder: little or big.
        pickle_bytes: What the pickles and headers take up in the file.
        end_bytes: First byte of the source behind what belongs to the checkpoint; None where that
            cannot be told, or the container says it itself.
        format_facts: What the container says of itself.
        metadata: Free text of a safetensors header.
        unclaimed_members: Members that belong to nothing that was understood.
        code_members: Members that are code which a loader of this format compiles or imports.
        archives: Members of every archive or folder on the way, outermost first.
        findings: What was noticed.
        read_storage: Opens a storage's elements.
        open_pickle: Opens the source in which the graph's offsets count, where that is a member;
            None where it is `source` itself.
        load_nested: Reads a checkpoint out of a byte string of the pickle.
        loaded: What it has read, by the offset of the call; None for what is no checkpoint.
        storages_complete: Whether `storages` lists everything, so that a key that is not there is
            missing.
    """

    source: ByteSource
    containers: tuple[ContainerKind, ...]
    location: tuple[str, ...] = ()
    graph: PickleGraph | None = None
    further_graphs: tuple[PickleGraph, ...] = ()
    reached: tuple[Import, ...] = ()
    tables: tuple[TensorTable, ...] = ()
    arrays: tuple[ArrayInfo, ...] = ()
    values: tuple[tuple[str, object], ...] = ()
    script_classes: Mapping[str, ScriptClass] = {}
    shards: "Mapping[str, Contents]" = {}
    shard_of: Mapping[str, str] = {}
    external_tensors: Mapping[str, ExternalTensor] = {}
    storages: dict[str, Storage] = {}
    storage_uses: dict[str, StorageUse] = {}
    byteorder: str = "little"
    pickle_bytes: int = 0
    end_bytes: int | None = None
    format_facts: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    unclaimed_members: tuple[str, ...] = ()
    code_members: tuple[str, ...] = ()
    archives: tuple[MemberTable, ...] = ()
    findings: list[Finding] = []
    read_storage: StorageReader
    open_pickle: Callable[[], ByteSource] | None = None
    load_nested: "Callable[[Instance, bytes | BytesRef], Contents] | None" = None
    loaded: "dict[int, Contents | None]" = {}
    storages_complete: bool = True


def finding(
    code: Code,
    message: str,
    *,
    severity: Severity = Severity.ERROR,
    member: str | None = None,
    key: str | None = None,
    offset_bytes: int | None = None,
    evidence: tuple[str, ...] = (),
    advice: str = "",
) -> Finding:
    """Make a finding about a container."""
    return Finding(
        code=code,
        severity=severity,
        message=message,
        where=Where(member=member, key=key, offset_bytes=offset_bytes),
        evidence=evidence,
        help=advice,
    )


def oddity_findings(graph: PickleGraph) -> list[Finding]:
    """Turn what the machine let pass into findings."""
    return [
        finding(
            Code.PICKLE_EXTENSION if text.startswith("EXT") else Code.PICKLE_BUILD_ODD,
            text,
            severity=Severity.ERROR if text.startswith(("EXT", ONLY_PYTHON)) else Severity.WARNING,
            member=graph.member,
            offset_bytes=offset,
        )
        for offset, text in graph.oddities
    ]


def no_storage(storage: Storage) -> ByteSource:
    """Refuse to open a storage of contents that hold none of their own.

    Raises:
        ContainerFormatError: Always.
    """
    raise ContainerFormatError(f"storage {storage.key!r:.200}: this container holds no storages")


def system_facts(graph: PickleGraph) -> tuple[tuple[str, str], ...]:
    """Return what a legacy file says of the machine that wrote it."""
    pairs = getattr(graph.root, "pairs", None) or []
    return tuple(
        (key, plain_text(value))
        for key, value in pairs
        if isinstance(key, str) and isinstance(value, bool | int)
    )
