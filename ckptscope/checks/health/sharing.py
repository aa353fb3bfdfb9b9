"""Tensors that share a storage: tied on purpose, or by accident.

Enters: a manifest. Leaves: findings `VAL013`. No value is read; strides tell which elements of a
storage a tensor uses.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final, NamedTuple

from ckptscope.checks.health.subjects import Remark, gather
from ckptscope.errors import TensorLayoutError
from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import Manifest, Role, StateDict, TensorInfo
from ckptscope.tensors.blocks import Dimensions, dimensions_of

#: Stretches of storages that are compared; a matrix that is no whole one has one for each row. What
#: is cut into more than that is left alone.
_MOST_STRETCHES: Final = 1 << 18


class _Elements(NamedTuple):
    """Which elements of a storage a tensor uses, whatever their order."""

    storage: str
    dtype: str
    start: int
    dimensions: Dimensions


class _Holder(NamedTuple):
    """A name of such elements."""

    state_dict: StateDict
    key: str

    @property
    def name(self) -> str:
        path = self.state_dict.path
        return f"{path}/{self.key}" if path else self.key


def check_sharing(manifest: Manifest) -> Iterator[Finding]:
    """Find tensors under several names, and tensors that overlap in their storage."""
    holders = _holders(manifest)
    yield from _tied(holders)
    yield from _overlapping(holders)


def _holders(manifest: Manifest) -> dict[_Elements, list[_Holder]]:
    """Return the names of all elements that networks and other tensors use."""
    found: dict[_Elements, list[_Holder]] = {}
    for state_dict in manifest.state_dicts:
        if state_dict.role is Role.OPTIMIZER:
            continue
        for tensor in state_dict.tensors:
            elements = _elements(tensor)
            if elements is not None:
                found.setdefault(elements, []).append(_Holder(state_dict, tensor.key))
    return found


def _elements(tensor: TensorInfo) -> _Elements | None:
    if tensor.storage is None or tensor.stride is None or not tensor.elements:
        return None
    try:
        _, dimensions = dimensions_of(tensor)
    except TensorLayoutError:
        # Its own elements overlap, so which of them others use says little.
        return None
    return _Elements(tensor.storage, tensor.dtype, tensor.offset, dimensions)


def _tied(holders: Mapping[_Elements, Sequence[_Holder]]) -> Iterator[Finding]:
    """Tell of elements with several names: within one state_dict, or the same ones in several."""
    groups: dict[tuple[str, ...], list[Sequence[_Holder]]] = {}
    for names in holders.values():
        if len({one.name for one in names}) > 1:
            paths = tuple(dict.fromkeys(one.state_dict.path for one in names))
            groups.setdefault(paths, []).append(names)
    for paths, tied in groups.items():
        across = f"by {' and '.join(f'{path!r:.100}' for path in paths[:3])}, which hold the same"
        remarks = [
            Remark(
                name=names[0].name,
                message="one tensor under several names (tied weights)"
                if len(paths) == 1
                else f"one tensor, shared {across}",
                detail="also " + ", ".join(f"{one.name!r:.200}" for one in names[1:4]),
            )
            for names in tied
        ]
        many = "stand under several names" if len(paths) == 1 else f"are shared {across}"
        state_dict = tied[0][0].state_dict
        yield from gather(state_dict, Code.STORAGE_SHARED, Severity.INFO, remarks, many)


def _overlapping(holders: Mapping[_Elements, Sequence[_Holder]]) -> Iterator[Finding]:
    """Tell of tensors that have a part of their elements in common."""
    by_storage: dict[str, list[_Elements]] = {}
    for elements in holders:
        by_storage.setdefault(elements.storage, []).append(elements)
    left = _MOST_STRETCHES
    found: dict[str, tuple[StateDict, list[Remark]]] = {}
    for members in by_storage.values():
        if len(members) == 1:
            continue
        count = sum(_stretch_count(one) for one in members)
        if count > left:
            continue
        left -= count
        for first, second in _overlaps(members):
            one, other = holders[first][0], holders[second][0]
            remark = Remark(
                name=one.name,
                message=f"shares a part of its elements with {other.name!r:.200}, not all",
                detail=f"storage {first.storage!r:.60}; overlaps {other.name!r:.200}",
            )
            found.setdefault(one.state_dict.path, (one.state_dict, []))[1].append(remark)
    many = "share a part of their elements with another tensor, not all"
    for state_dict, remarks in found.values():
        yield from gather(state_dict, Code.STORAGE_SHARED, Severity.WARNING, remarks, many)


def _stretch_count(elements: _Elements) -> int:
    count = 1
    for one in elements.dimensions:
        count *= one.size if one.step > 1 else 1
    return count


def _stretches(elements: _Elements) -> Iterator[tuple[int, int]]:
    """Yield first byte and end of each run of neighbouring elements."""
    item = ITEM_BYTES.get(elements.dtype, 1)
    length = next((one.size for one in elements.dimensions if one.step == 1), 1)
    steps = [range(0, one.size * one.step, one.step) for one in elements.dimensions if one.step > 1]
    for place in product(*steps):
        start = elements.start + sum(place)
        yield start * item, (start + length) * item


def _overlaps(members: Sequence[_Elements]) -> Iterator[tuple[_Elements, _Elements]]:
    """Yield each pair that has bytes in common, once; the one that begins earlier comes second."""
    runs = sorted(
        (start, end, index)
        for index, elements in enumerate(members)
        for start, end in _stretches(elements)
    )
    told: set[tuple[int, int]] = set()
    furthest, owner = -1, -1
    for start, end, index in runs:
        if start < furthest and owner != index and (index, owner) not in told:
            told |= {(index, owner), (owner, index)}
            yield members[index], members[owner]
        if end > furthest:
            furthest, owner = end, index
