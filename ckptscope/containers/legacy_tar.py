"""The real legacy tar of torch up to 0.1.9: members `sys_info`, `pickle`, `tensors`, `storages`.

Enters: a tar's members. Leaves: `Contents`. Shapes come from `tensors` and `pickle` alone; of
`storages` only the headers are read, to know where values stand, and damage there is a finding.

Source: `torch/serialization.py`, `legacy_load` inside `_legacy_load`. A variant without `tensors`,
whose pickle holds `_rebuild_tensor_v2` and ('storage', ...) tuples, is met in test files of others.
"""

import struct
from functools import partial

import msgspec

from ckptscope.containers.contents import Contents, finding, oddity_findings, system_facts
from ckptscope.containers.further_pickles import FurtherPickles
from ckptscope.containers.tar_members import TarMembers
from ckptscope.containers.torch_layout import behind_stop
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.dtypes import STORAGE_DTYPES, TENSOR_DTYPES, storage_bytes
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import GlobalRef, Import
from ckptscope.facts.tensors import ExternalTensor, StorageUse
from ckptscope.pickles import trace_pickle
from ckptscope.pickles.persistent import MOST, storage_uses
from ckptscope.pickles.views import short
from ckptscope.sources import ByteSource, Window

_REQUIRED = ("sys_info", "pickle", "storages")
#: A record's pickle is short; what is read beyond it is read again for the next.
_RECORD_BYTES = 256
#: Bytes of the shortest entry: a pickle of three items and a count.
_SHORTEST_ENTRY = 12


def is_legacy_tar(members: TarMembers) -> bool:
    """Whether a tar holds what torch 0.1.x wrote, whatever the tar is called."""
    return all(name in members.entries for name in _REQUIRED)


def read_legacy_tar(
    members: TarMembers, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the object, the tensors' descriptions and the storages' headers.

    Raises:
        ArtifactError: `pickle` or `tensors` are damaged.
    """
    findings: list[Finding] = []
    contents = members.open("pickle")
    graph = trace_pickle(contents, limits=limits, size_bytes=contents.size, member="pickle")
    findings += oddity_findings(graph)
    findings += behind_stop(contents.size, graph)
    further = FurtherPickles(limits, findings, containers=containers)
    further.read_rest(contents, graph.size_bytes)
    tensors: dict[str, ExternalTensor] = {}
    if "tensors" in members.entries:
        tensors = TensorRecords(members.open("tensors"), limits, further).read()
    reader = StorageRecords(members.open("storages"), limits, further)
    try:
        reader.read(storage_uses(graph.persistent))
    except ArtifactError as error:
        further.reached += [one for one in error.reached if isinstance(one, Import)]
        findings.append(
            finding(
                Code.ARCHIVE_TRUNCATED,
                f"the storages cannot be walked: {error.message}",
                member="storages",
                offset_bytes=error.offset_bytes,
            )
        )
    system = _trace_system(members, limits, further, findings)
    used = set(_REQUIRED) | {"tensors"}
    for name in members.entries:
        if name not in used:
            further.look_at_member(members, name)
    return Contents(
        source=members.source,
        containers=containers,
        graph=graph,
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        external_tensors={pid: reader.resolve(tensor) for pid, tensor in tensors.items()},
        storages=reader.storages,
        storage_uses=reader.uses,
        pickle_bytes=sum(members.entries[n].size_bytes for n in used if n in members.entries)
        - sum(storage.size_bytes for storage in reader.storages.values()),
        format_facts=system,
        unclaimed_members=tuple(name for name in members.entries if name not in used),
        findings=findings,
        read_storage=reader.open,
        open_pickle=partial(members.open, "pickle"),
        storages_complete=reader.complete,
    )


def _trace_system(
    members: TarMembers, limits: Limits, further: FurtherPickles, findings: list[Finding]
) -> tuple[tuple[str, str], ...]:
    source = members.open("sys_info")
    try:
        graph = trace_pickle(source, limits=limits, size_bytes=source.size, member="sys_info")
    except ArtifactError as error:
        further.note_broken(error, "sys_info")
        return ()
    further.graphs.append(graph)
    further.follow_payloads(graph, source)
    findings += oddity_findings(graph)
    further.read_rest(source, graph.size_bytes)
    return system_facts(graph)


class _Records:
    """Steps through a member of pickles and raw fields."""

    def __init__(self, source: ByteSource, limits: Limits, further: FurtherPickles) -> None:
        self._source = source
        self._limits = limits
        self._further = further
        self._position = 0

    def _pickle(self) -> object:
        graph = trace_pickle(
            self._source,
            limits=self._limits,
            offset_bytes=self._position,
            member=self._source.name,
            first_read_bytes=_RECORD_BYTES,
        )
        if graph.imports:
            self._further.graphs.append(graph)
            self._further.follow_payloads(graph, self._source)
        self._position += graph.size_bytes
        return graph.root

    def _count(self, shortest: int) -> int:
        """Read the pickled number of entries; a number that cannot fit is refused at once."""
        start = self._position
        count = self._pickle()
        if type(count) is not int or count < 0:
            raise self._wrong(f"expected a count, found {short(count)}", start)
        left = self._source.size - self._position
        if count * shortest > left:
            raise self._wrong(
                f"expected {short(count)} entries, found {left:,} bytes for them", start
            )
        return count

    def _key(self, node: object, start: int) -> str:
        """Return a key, which is an address: digits, or a number."""
        if type(node) is str:
            return node
        if type(node) is int and abs(node) <= MOST:
            return str(node)
        raise self._wrong(f"expected a key, found {short(node)}", start)

    def _fields(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize(layout)
        values = struct.unpack(layout, self._source.read(self._position, size))
        self._position += size
        return values

    def _wrong(self, message: str, offset_bytes: int) -> ContainerFormatError:
        return ContainerFormatError(message, member=self._source.name, offset_bytes=offset_bytes)


class TensorRecords(_Records):
    """The member `tensors`.

    A count, then for each a pickled (key, storage key, class), int32 ndim, 4 bytes of padding,
    int64 sizes, int64 strides, int64 offset.
    """

    def __init__(self, source: ByteSource, limits: Limits, further: FurtherPickles) -> None:
        super().__init__(source, limits, further)
        self.tensors: dict[str, ExternalTensor] = {}

    def read(self, *, is_cut: bool = False) -> dict[str, ExternalTensor]:
        """Return the descriptions by the tensors' persistent ids; those before an error stay.

        Args:
            is_cut: Whether the member is known to be cut off, so that its count is no lie.
        """
        for _ in range(self._count(0 if is_cut else _SHORTEST_ENTRY)):
            key, tensor = self._one()
            self.tensors[key] = tensor
        return self.tensors

    def _one(self) -> tuple[str, ExternalTensor]:
        start = self._position
        entry = self._pickle()
        if type(entry) is not tuple or len(entry) != 3:
            raise self._wrong("expected (key, storage key, tensor class)", start)
        key, storage = self._key(entry[0], start), self._key(entry[1], start)
        cls = entry[2]
        dtype = TENSOR_DTYPES.get(cls.name) if isinstance(cls, GlobalRef) else None
        if dtype is None:
            raise self._wrong(f"expected a tensor class of torch, found {short(cls)}", start)
        (dims, _) = self._fields("<ii")
        if dims < 0:
            raise self._wrong(f"expected a number of dimensions, found {dims}", start)
        if dims > self._limits.tensor_dims:
            raise LimitError(
                "tensor_dims",
                allowed=self._limits.tensor_dims,
                actual=dims,
                member=self._source.name,
                offset_bytes=start,
            )
        shape = self._fields(f"<{dims}q")
        stride = self._fields(f"<{dims}q")
        (offset,) = self._fields("<q")
        return key, ExternalTensor(
            dtype=dtype, shape=shape, stride=stride, offset=offset, storage=storage
        )


class StorageRecords(_Records):
    """The member `storages`.

    A count, then for each a pickled (key, location, class), an int64 count and the raw elements;
    last a pickled list of views (key, root key, offset, count).
    """

    def __init__(self, source: ByteSource, limits: Limits, further: FurtherPickles) -> None:
        super().__init__(source, limits, further)
        self.storages: dict[str, Storage] = {}
        self.uses: dict[str, StorageUse] = {}
        self.complete = False
        #: The storage that the member ends inside, with what is left of it.
        self.cut: Storage | None = None
        #: View → (root storage, first element of the view in it).
        self.views: dict[str, tuple[str, int]] = {}

    def read(self, declared: dict[str, StorageUse], *, is_cut: bool = False) -> None:
        """Walk the headers; what was walked before an error stays.

        Args:
            declared: Storages that the object itself tells of.
            is_cut: Whether the member is known to be cut off, so that its count is no lie.
        """
        for _ in range(self._count(0 if is_cut else _SHORTEST_ENTRY)):
            self._one(declared)
        if self._position < self._source.size:
            self._views(self._pickle())
        self.complete = True

    def _one(self, declared: dict[str, StorageUse]) -> None:
        start = self._position
        entry = self._pickle()
        if type(entry) is not tuple or len(entry) != 3:
            raise self._wrong("expected (key, location, storage class)", start)
        key, location, cls = self._key(entry[0], start), entry[1], entry[2]
        dtype = STORAGE_DTYPES.get(cls.name) if isinstance(cls, GlobalRef) else None
        if dtype is None and key in declared:
            dtype = declared[key].dtype
        (count,) = self._fields("<q")
        size = storage_bytes(count, dtype) if dtype is not None else None
        if size is None or count < 0:
            raise self._wrong(f"expected a storage class of torch, found {short(cls)}", start)
        if self._position + size > self._source.size:
            left = self._source.size - self._position
            self.cut = Storage(
                key=key,
                size_bytes=left,
                stored_bytes=left,
                member="storages",
                offset_bytes=self._position,
            )
            raise self._wrong(
                f"expected {size:,} bytes of elements, found "
                f"{self._source.size - self._position:,}",
                self._position,
            )
        self._add(key, dtype, count, self._position, size, location)
        self._position += size

    def _add(
        self, key: str, dtype: str | None, count: int, start: int, size: int, location: object
    ) -> None:
        self.storages[key] = Storage(
            key=key, size_bytes=size, stored_bytes=size, member="storages", offset_bytes=start
        )
        self.uses[key] = StorageUse(
            key=key,
            dtype=dtype,
            elements=count,
            device=location if isinstance(location, str) else None,
        )

    def _views(self, views: object) -> None:
        if not isinstance(views, list):
            raise self._wrong("expected a list of storage views", self._position)
        for view in views:
            if type(view) is not tuple or len(view) != 4:
                raise self._wrong("expected (key, root key, offset, count)", self._position)
            key, root_key = self._key(view[0], 0), self._key(view[1], 0)
            offset, count = view[2:]
            root, use = self.storages.get(root_key), self.uses.get(root_key)
            if root is None or use is None or type(offset) is not int or type(count) is not int:
                raise self._wrong(f"a view of storage {short(root_key)}, unknown", self._position)
            item = storage_bytes(1, use.dtype) or 1
            if offset < 0 or count < 0 or (offset + count) * item > root.size_bytes:
                raise self._wrong(f"a view outside storage {short(root_key)}", self._position)
            self.views[key] = (root.key, offset)

    def resolve(self, tensor: ExternalTensor) -> ExternalTensor:
        """Return a tensor on a view of a storage as one on the storage itself."""
        root, offset = self.views.get(tensor.storage, (tensor.storage, 0))
        if root == tensor.storage:
            return tensor
        return msgspec.structs.replace(tensor, storage=root, offset=tensor.offset + offset)

    def open(self, storage: Storage) -> ByteSource:
        """Return the elements of a storage."""
        return Window(self._source, storage.offset_bytes or 0, storage.size_bytes, "storages")
