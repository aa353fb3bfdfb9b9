"""What a pass over all values has to go over.

Enters: a manifest. Leaves: an `Entry` for every tensor and every part of one, in order, and an
`Errand` for every storage with its distinct views. Nothing is read, and numpy is not needed.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import msgspec

from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.tensors import Manifest, Role, StateDict, TensorInfo
from ckptscope.tensors.spending import view_span

#: What makes two tensors the same elements.
View: TypeAlias = tuple[object, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tensor under one of its names, or a part of it.

    Attributes:
        state_dict: Where it stands.
        key: Name in it.
        part: Name of the part; empty for the tensor itself.
        tensor: The tensor, or the part.
    """

    state_dict: StateDict
    key: str
    part: str
    tensor: TensorInfo


class Task(NamedTuple):
    """A view to be gone over.

    Attributes:
        view: What tells it from others.
        tensor: The first tensor that is it.
        has_channels: Whether its rows may be channels; those of an optimizer's tensors are none.
    """

    view: View
    tensor: TensorInfo
    has_channels: bool


class Errand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A storage, and what is to be gone over in it."""

    storage: str
    tasks: tuple[Task, ...]


def list_entries(manifest: Manifest) -> Iterator[Entry]:
    """Yield every tensor, and behind it what it is made of.

    A tensor that has no elements but in its parts is left out.
    """
    for state_dict in manifest.state_dicts:
        for tensor in state_dict.tensors:
            if tensor.storage is not None or not tensor.parts:
                yield Entry(state_dict=state_dict, key=tensor.key, part="", tensor=tensor)
            if tensor.parts:
                yield from _parts(state_dict, tensor.key, "", tensor)


def _parts(state_dict: StateDict, key: str, above: str, tensor: TensorInfo) -> Iterator[Entry]:
    for one in tensor.parts:
        name = f"{above}/{one.key}" if above else one.key
        if one.storage is not None or not one.parts:
            yield Entry(state_dict=state_dict, key=key, part=name, tensor=one)
        yield from _parts(state_dict, key, name, one)


def view_of(tensor: TensorInfo) -> View:
    """Return what is the same for two names of the same elements."""
    return tensor.storage, tensor.dtype, tensor.offset, tensor.shape, tensor.stride, tensor.lazy


def plan_errands(entries: Iterable[Entry]) -> tuple[Errand, ...]:
    """Return what is to be read, in the order in which its storages are first used."""
    storages: dict[str, dict[View, Task]] = {}
    for entry in entries:
        tensor = entry.tensor
        if tensor.storage is not None:
            tasks = storages.setdefault(tensor.storage, {})
            view = view_of(tensor)
            known = tasks.get(view)
            has_channels = entry.state_dict.role is not Role.OPTIMIZER
            if known is None:
                tasks[view] = Task(view, tensor, has_channels)
            elif has_channels and not known.has_channels:
                tasks[view] = known._replace(has_channels=True)
    return tuple(
        Errand(storage=storage, tasks=tuple(tasks.values())) for storage, tasks in storages.items()
    )


def span_bytes(tensor: TensorInfo) -> int:
    """Bytes of its storage from the first element of a tensor to its last."""
    if tensor.stride is None:
        return 0
    start, end = view_span(tensor)
    return (end - start) * ITEM_BYTES.get(tensor.dtype, 0)


def bytes_to_scan(manifest: Manifest) -> int:
    """Return how many bytes a pass over all values goes over."""
    return bytes_of(plan_errands(list_entries(manifest)))


def bytes_of(errands: Iterable[Errand]) -> int:
    """Return how many bytes some errands go over."""
    return sum(span_bytes(task.tensor) for errand in errands for task in errand.tasks)
