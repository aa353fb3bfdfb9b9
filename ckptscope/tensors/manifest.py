"""Contents → `Manifest`: the walk, the groups, the bytes, put together.

Enters: one checkpoint, laid open. Leaves: its table of contents, and a way to open its storages.
"""

import msgspec

from ckptscope.containers import Contents
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import Manifest, PickleInfo, StorageUse, TensorInfo, TreeNode
from ckptscope.sources import ByteSource
from ckptscope.tensors.grouping import build_state_dicts
from ckptscope.tensors.groups import Group
from ckptscope.tensors.spending import spend_bytes, with_parts
from ckptscope.tensors.walk import Walker


class ManifestBuild(msgspec.Struct, frozen=True, eq=False):
    """A manifest, and the storages behind it.

    Attributes:
        manifest: The table of contents.
        contents: The checkpoint that it was built from.
        nested: Checkpoints inside its pickle, by the prefix of their storage keys.
    """

    manifest: Manifest
    contents: Contents
    nested: dict[str, Contents]

    def open_storage(self, key: str) -> ByteSource:
        """Return a storage's elements.

        Raises:
            ContainerFormatError: There is no such storage, or it is damaged.
        """
        storage = self.manifest.storages.get(key)
        if storage is None:
            raise ContainerFormatError(f"storage {key!r} is missing")
        owner = self.contents
        for prefix, inner in self.nested.items():
            if key.startswith(prefix) and key[len(prefix) :] in inner.storages:
                owner, storage = inner, inner.storages[key[len(prefix) :]]
        return owner.read_storage(storage)

    def byteorder_of(self, key: str) -> str:
        """Return the byte order of a storage's elements."""
        for prefix, inner in self.nested.items():
            if key.startswith(prefix):
                return inner.byteorder
        return self.contents.byteorder


def build_manifest(contents: Contents, limits: Limits) -> ManifestBuild:
    """Find every tensor of a checkpoint and everything else that it holds.

    Raises:
        LimitError: The graph unfolds to more than may be walked.
    """
    walker = Walker(contents, limits)
    tree = _walk(walker, contents)
    storages = dict(contents.storages)
    nested_pickle_bytes = 0
    for prefix, inner in walker.nested.items():
        nested_pickle_bytes += sum(s.stored_bytes for s in inner.storages.values())
        for key, storage in inner.storages.items():
            storages[prefix + key] = msgspec.structs.replace(storage, key=prefix + key)
    uses: dict[str, StorageUse] = dict(contents.storage_uses)
    for rules in walker.all_rules:
        uses |= rules.uses
    optimizers = tuple(
        draft.finish(_storage_bytes(draft.tensors, storages)) for draft in walker.optimizers
    )
    state_dicts = tuple(build_state_dicts(walker.groups, optimizers))
    size_bytes = _size(contents)
    graphs = ([contents.graph] if contents.graph else []) + list(contents.further_graphs)
    for inner in walker.nested.values():
        graphs += [inner.graph] if inner.graph else []
        graphs += inner.further_graphs
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
        spending=spend_bytes(
            state_dicts,
            storages,
            walker.arrays,
            pickle_bytes=max(contents.pickle_bytes - nested_pickle_bytes, 0),
            size_bytes=size_bytes,
        ),
        imports=tuple(entry for graph in graphs for entry in graph.imports),
        unclaimed_members=contents.unclaimed_members,
        metadata=contents.metadata,
        findings=(
            *contents.findings,
            *(found for inner in walker.nested.values() for found in inner.findings),
            *(found for rules in walker.all_rules for found in rules.findings),
            *walker.findings,
        ),
    )
    return ManifestBuild(manifest, contents, walker.nested)


def _walk(walker: Walker, contents: Contents) -> TreeNode:
    if contents.graph is not None:
        return walker.run(contents.graph.root)
    walker.groups.append(Group("", "header", list(contents.tensors)))
    return TreeNode(name="", kind="state_dict", length=len(contents.tensors))


def _storage_bytes(tensors: list[TensorInfo], storages: dict[str, Storage]) -> int:
    keys = {tensor.storage for tensor in with_parts(tensors) if tensor.storage is not None}
    return sum(storages[key].size_bytes for key in keys if key in storages)


def _size(contents: Contents) -> int:
    """Bytes of the innermost container; of a folder, of its files."""
    if contents.containers[-1] is ContainerKind.DIRECTORY:
        held = sum(storage.stored_bytes for storage in contents.storages.values())
        return held + contents.pickle_bytes
    return contents.source.size
