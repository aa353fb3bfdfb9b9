"""What is left of a legacy stream that breaks off or is damaged.

Enters: a source that starts with the pickled magic number. Leaves: a `Salvage`; None for a sound
stream. The object stands before the storages: a stream that was cut off behind it has lost storages
and no names. Where the object itself is damaged its end is not known, and nothing behind it can be
found: neither counts nor elements carry a mark.

Source: `torch/serialization.py`, `_legacy_save`: the storages stand in the order of their sorted
keys, which are addresses; the order of saving is that in which the object mentions them.
"""

from typing import Final

from ckptscope.containers.legacy_stream import StreamStorages, key_list, walk_storages
from ckptscope.containers.salvage_parts import Said, Salvage, in_order, read_said, reason_of
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.carving import Survivor
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.limits import Limits
from ckptscope.pickles import trace_pickle
from ckptscope.sources import ByteSource

#: Magic number, version, system.
_PICKLES_BEFORE: Final = 3
_COUNT_BYTES: Final = 8
_CHAIN: Final = (ContainerKind.LEGACY_STREAM,)


def salvage_stream(source: ByteSource, limits: Limits) -> Salvage | None:
    """Return what is left of a legacy stream."""
    position = 0
    try:
        for _ in range(_PICKLES_BEFORE):
            position += trace_pickle(
                source, limits=limits, offset_bytes=position, member=source.name
            ).size_bytes
    except ArtifactError:
        # Nothing of the checkpoint stands before.
        return None
    said = read_said(source, limits, member=source.name, offset_bytes=position)
    if said.error is not None:
        if not said.declared:
            return None
        why = "what stands behind it cannot be found, storages included"
        damage = f"the object is damaged: {reason_of(said.error)}; {why}"
        return _salvage(source, said, damage, [], {})
    return _salvage_storages(source, said, position + said.size_bytes, limits)


def _salvage_storages(
    source: ByteSource, said: Said, position: int, limits: Limits
) -> Salvage | None:
    """Walk the storages of a sound object as far as they go."""
    try:
        graph = trace_pickle(source, limits=limits, offset_bytes=position, member=source.name)
        keys = key_list(graph.root, source)
    except ArtifactError as error:
        damage = f"the list of storages behind the object is damaged: {reason_of(error)}"
        return _salvage(source, said, damage, [], {})
    position += graph.size_bytes
    storages, end = walk_storages(source, position, keys, said.declared, [])
    if end is not None:
        return None
    numbers = {key: number for number, key in enumerate(said.declared)}
    survivors = [
        Survivor(key=key, number=numbers[key], size_bytes=one.size_bytes)
        for key, one in storages.items()
    ]
    ends = ((one.offset_bytes or 0) + one.size_bytes for one in storages.values())
    key, start = keys[len(storages)], max(ends, default=position) + _COUNT_BYTES
    left = source.size - start
    if left > 0 and key in said.declared and key not in storages:
        storages[key] = Storage(
            key=key, size_bytes=left, stored_bytes=left, member=source.name, offset_bytes=start
        )
        survivors.append(Survivor(key=key, number=numbers[key], size_bytes=left, is_whole=False))
    lost = len(keys) - sum(one.is_whole for one in survivors)
    damage = f"the stream breaks off: {lost:,} of {len(keys):,} storages are not all there"
    return _salvage(source, said, damage, survivors, storages)


def _salvage(
    source: ByteSource,
    said: Said,
    damage: str,
    survivors: list[Survivor],
    storages: dict[str, Storage],
) -> Salvage:
    def open_storage(key: str) -> ByteSource:
        if key not in storages:
            raise ContainerFormatError(f"expected storage {key!r:.100} to be left, found none")
        return StreamStorages(source)(storages[key])

    return Salvage(
        damage=damage,
        containers=_CHAIN,
        survivors=in_order(survivors),
        observed=said.observed,
        places={key: number for number, key in enumerate(said.declared)},
        declared=said.declared,
        is_pickle_whole=said.error is None,
        size_bytes=source.size,
        open_storage=open_storage,
    )
