"""Contents → `Manifest`: the walk, the groups, the bytes, put together.

Enters: one checkpoint, laid open. Leaves: its table of contents, and a way to open its storages.
"""

import msgspec

from ckptscope.containers import Contents, load_unvisited
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.facts.tensors import Manifest, PickleInfo, StorageUse, TensorInfo, TreeNode
from ckptscope.sources import ByteSource
from ckptscope.tensors.grouping import build_state_dicts
from ckptscope.tensors.optimizers import MOST_COUNT
from ckptscope.tensors.scalars import read_number
from ckptscope.tensors.sharding import walk_shards
from ckptscope.tensors.spending import spend_bytes, with_parts
from ckptscope.tensors.walk import Walker

#: Layers that are no file: their size is that of what they hold.
_FOLDERS = (ContainerKind.DIRECTORY, ContainerKind.DISTRIBUTED, ContainerKind.SHARDED)
#: Step counters that are read; those of a larger network are all the same in practice.
_MOST_COUNTERS = 4096


class _Access:
    """Ways to the storages of a checkpoint and of those inside its pickle."""

    def __init__(
        self, contents: Contents, nested: dict[str, Contents], storages: dict[str, Storage]
    ) -> None:
        self._contents = contents
        self._nested = nested
        self._storages = storages

    @property
    def contents(self) -> Contents:
        """The checkpoint, without those inside its pickle."""
        return self._contents

    def open(self, key: str) -> ByteSource:
        """Return a storage's elements.

        Raises:
            ContainerFormatError: There is no such storage, or it is damaged.
        """
        storage = self._storages.get(key)
        if storage is None:
            raise ContainerFormatError(f"storage {key!r} is missing")
        prefix, owner = self._owner(key)
        return owner.read_storage(owner.storages[key[len(prefix) :]])

    def byteorder(self, key: str) -> str:
        """Return the byte order of a storage's elements."""
        return self._owner(key)[1].byteorder

    def _owner(self, key: str) -> tuple[str, Contents]:
        """Return the checkpoint that holds a storage; of nested ones the innermost."""
        best = ""
        for prefix in self._nested:
            if len(prefix) > len(best) and key.startswith(prefix):
                best = prefix
        return best, self._nested[best] if best else self._contents

    def graphs(self) -> list[PickleGraph]:
        """Return every pickle of the checkpoint and of those inside it."""
        return _all_graphs(self._contents, self._nested)

    def numbers(self, tensors: list[TensorInfo]) -> set[float]:
        """Return the distinct values of tensors of one element; damaged ones are left out."""
        values: set[float] = set()
        for tensor in tensors[:_MOST_COUNTERS]:
            if tensor.storage is None or tensor.storage not in self._storages:
                continue
            if self._storages[tensor.storage].compressed:
                continue
            source = self.open(tensor.storage)
            value = read_number(tensor, source, self.byteorder(tensor.storage))
            # Neither NaN nor an infinity is below the bound.
            if value is not None and abs(value) < MOST_COUNT:
                values.add(value)
        return values


class ManifestBuild(msgspec.Struct, frozen=True, eq=False):
    """A manifest, and the way to the storages behind it."""

    manifest: Manifest
    access: _Access

    @property
    def contents(self) -> Contents:
        """The checkpoint that it was built from."""
        return self.access.contents

    @property
    def graphs(self) -> tuple[PickleGraph, ...]:
        """Every pickle of the checkpoint and of those inside it, as the manifest's imports are."""
        return tuple(self.access.graphs())

    def open_storage(self, key: str) -> ByteSource:
        """Return a storage's elements.

        Raises:
            ContainerFormatError: There is no such storage, or it is damaged.
        """
        return self.access.open(key)

    def byteorder_of(self, key: str) -> str:
        """Return the byte order of a storage's elements."""
        return self.access.byteorder(key)


def build_manifest(contents: Contents, limits: Limits) -> ManifestBuild:
    """Find every tensor of a checkpoint and everything else that it holds.

    Raises:
        LimitError: The graph unfolds to more than may be walked.
    """
    walker = Walker(contents, limits)
    tree = walk_shards(walker) if contents.shards else _walk(walker, contents)
    for one in (contents, *walker.nested.values()):
        # Loading runs these too, though no tensor needs them.
        load_unvisited(one, limits)
    storages = _all_storages(contents, walker.nested)
    uses: dict[str, StorageUse] = dict(contents.storage_uses)
    for rules in walker.all_rules:
        uses |= rules.uses
    access = _Access(contents, walker.nested, storages)
    optimizers = tuple(
        draft.finish(_storage_bytes(draft.tensors, storages), access.numbers(draft.counters()))
        for draft in walker.optimizers
    )
    state_dicts = tuple(build_state_dicts(walker.groups, optimizers))
    size_bytes = _size(contents)
    graphs = _all_graphs(contents, walker.nested)
    spending, extents = spend_bytes(
        state_dicts,
        storages,
        walker.arrays,
        pickle_bytes=_pickle_bytes(contents, walker.nested),
        size_bytes=size_bytes,
    )
    manifest = Manifest(
        containers=contents.containers,
        location=contents.location,
        size_bytes=size_bytes,
        byteorder=contents.byteorder,
        format_facts=contents.format_facts,
        pickles=tuple(
            PickleInfo(member=graph.member, protocol=graph.protocol, size_bytes=graph.size_bytes)
            for graph in graphs
        ),
        state_dicts=state_dicts,
        optimizers=optimizers,
        arrays=tuple(walker.arrays),
        scalars=tuple(walker.scalars),
        tree=tree,
        storages=storages,
        storage_uses=uses,
        storages_complete=contents.storages_complete
        and all(inner.storages_complete for inner in walker.nested.values()),
        spending=spending,
        storage_extents=extents,
        imports=(
            *(entry for graph in graphs for entry in graph.imports),
            *(entry for one in (contents, *walker.nested.values()) for entry in one.reached),
        ),
        unclaimed_members=contents.unclaimed_members,
        metadata=contents.metadata,
        findings=(
            *contents.findings,
            *(found for inner in walker.nested.values() for found in inner.findings),
            *(found for rules in walker.all_rules for found in rules.findings),
            *walker.findings,
        ),
    )
    return ManifestBuild(manifest, access)


def _all_storages(contents: Contents, nested: dict[str, Contents]) -> dict[str, Storage]:
    """Return the storages of a checkpoint and of those inside it, under keys of one name space."""
    storages = dict(contents.storages)
    for prefix, inner in nested.items():
        for key, storage in inner.storages.items():
            storages[prefix + key] = msgspec.structs.replace(storage, key=prefix + key)
    return storages


def _all_graphs(contents: Contents, nested: dict[str, Contents]) -> list[PickleGraph]:
    graphs: list[PickleGraph] = []
    for one in (contents, *nested.values()):
        graphs += [one.graph] if one.graph is not None else []
        graphs += one.further_graphs
    return graphs


def _pickle_bytes(contents: Contents, nested: dict[str, Contents]) -> int:
    """Bytes of pickles and headers, less the storages that stand inside a pickle."""
    shards = list(contents.shards.values())
    inside = [one for one in nested.values() if not any(one is shard for shard in shards)]
    held = sum(storage.stored_bytes for one in inside for storage in one.storages.values())
    return max(contents.pickle_bytes + sum(one.pickle_bytes for one in shards) - held, 0)


def _walk(walker: Walker, contents: Contents) -> TreeNode:
    if contents.graph is not None:
        return walker.run(contents.graph.root)
    return walker.run_tables()


def _storage_bytes(tensors: list[TensorInfo], storages: dict[str, Storage]) -> int:
    keys = {tensor.storage for tensor in with_parts(tensors) if tensor.storage is not None}
    return sum(storages[key].size_bytes for key in keys if key in storages)


def _size(contents: Contents) -> int:
    """Bytes of the innermost container; of a folder, of its files; of shards, of all of them."""
    if contents.shards:
        return contents.pickle_bytes + sum(_size(shard) for shard in contents.shards.values())
    if contents.containers[-1] in _FOLDERS:
        held = sum(storage.stored_bytes for storage in contents.storages.values())
        return held + contents.pickle_bytes
    return contents.source.size
