"""What the bytes of a checkpoint are spent on.

Enters: state_dicts, storages and the container's size. Leaves: `Spending`s that add up to it. A
storage that several groups use counts for the first of them: networks before EMA copies before
others before optimizers.
"""

from collections.abc import Iterator, Mapping, Sequence

from ckptscope.facts.containers import Storage
from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.tensors import ArrayInfo, Role, Spending, StateDict, TensorInfo

_WORDS = {
    Role.NETWORK: "network",
    Role.EMA: "ema",
    Role.OTHER: "other tensors",
    Role.OPTIMIZER: "optimizer",
}


def with_parts(tensors: Sequence[TensorInfo]) -> Iterator[TensorInfo]:
    """Yield the tensors and what sparse or quantized ones are made of."""
    for tensor in tensors:
        yield tensor
        if tensor.parts:
            yield from with_parts(tensor.parts)


def view_span(tensor: TensorInfo) -> tuple[int, int]:
    """First element and one past the last that a strided tensor uses of its storage.

    Raises:
        ValueError: The tensor has no stride.
    """
    if tensor.stride is None:
        raise ValueError(tensor.key)
    first = last = tensor.offset
    # As long as each other, or no rule had made the tensor; this runs once for every tensor.
    for size, step in zip(tensor.shape, tensor.stride):  # noqa: B905
        if size == 0:
            return first, first
        last += (size - 1) * step
    return first, last + 1


def spend_bytes(
    state_dicts: Sequence[StateDict],
    storages: Mapping[str, Storage],
    arrays: Sequence[ArrayInfo],
    *,
    pickle_bytes: int,
    size_bytes: int,
) -> tuple[tuple[Spending, ...], dict[str, int]]:
    """Divide `size_bytes` among what was found; also return how far each storage is used."""
    spent: list[tuple[str, str | None, int]] = []
    seen: dict[str, list[tuple[int, int]]] = {}
    for group in state_dicts:
        total = 0
        for tensor in with_parts(group.tensors):
            key = tensor.storage
            if key is None or key not in storages:
                continue
            spans = seen.get(key)
            if spans is None:
                seen[key] = [_byte_span(tensor)]
                total += storages[key].stored_bytes
            else:
                spans.append(_byte_span(tensor))
        spent.append((_WORDS[group.role], group.path, total))
    unused, parts = _unused(storages, seen)
    parts_of = _parts_by_group(state_dicts, parts)
    spent = [(w, p, total - parts_of.get(i, 0)) for i, (w, p, total) in enumerate(spent)]
    spent.append(("unused", None, unused + sum(parts.values())))
    in_arrays = sum(array.size_bytes or 0 for array in arrays)
    if in_arrays:
        spent.append(("arrays", None, min(in_arrays, pickle_bytes)))
        pickle_bytes -= min(in_arrays, pickle_bytes)
    spent.append(("pickle", None, pickle_bytes))
    rest = size_bytes - sum(amount for _, _, amount in spent)
    spent.append(("container", None, max(rest, 0)))
    extents = {
        key: spans[0][1] if len(spans) == 1 else max(end for _, end in spans)
        for key, spans in seen.items()
    }
    return tuple(
        Spending(
            what=what,
            path=path,
            size_bytes=amount,
            share=amount / size_bytes if size_bytes else 0.0,
        )
        for what, path, amount in spent
        if amount
    ), extents


def _byte_span(tensor: TensorInfo) -> tuple[int, int]:
    if tensor.stride is None:
        return 0, 0
    item = ITEM_BYTES.get(tensor.dtype, 1)
    start, end = view_span(tensor)
    return start * item, end * item


def _unused(
    storages: Mapping[str, Storage], seen: Mapping[str, list[tuple[int, int]]]
) -> tuple[int, dict[str, int]]:
    """Return bytes of storages that no tensor uses, and of parts of storages, by key."""
    whole = sum(s.stored_bytes for key, s in storages.items() if key not in seen)
    parts: dict[str, int] = {}
    for key, spans in seen.items():
        storage = storages[key]
        whole_span = (0, storage.size_bytes)
        if spans[0] == whole_span or storage.stored_bytes != storage.size_bytes:
            continue
        covered = position = 0
        for start, end in sorted(spans):
            covered += max(min(end, storage.size_bytes) - max(start, position, 0), 0)
            position = max(position, end)
        if covered < storage.size_bytes:
            parts[key] = storage.size_bytes - covered
    return whole, parts


def _parts_by_group(state_dicts: Sequence[StateDict], parts: dict[str, int]) -> dict[int, int]:
    """Attribute partly used storages to the group that was charged for them, by its place."""
    if not parts:
        return {}
    charged: dict[int, int] = {}
    seen: set[str] = set()
    for index, group in enumerate(state_dicts):
        for tensor in with_parts(group.tensors):
            if tensor.storage in parts and tensor.storage not in seen:
                seen.add(tensor.storage)
                charged[index] = charged.get(index, 0) + parts[tensor.storage]
    return charged
