"""Storages of a damaged checkpoint as tables: by size, or one by one with what each was.

Enters: survivors, and the tensors that they are taken for. Leaves: `Table`s, and numbers as ranges.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ckptscope.facts.carving import CarvedTensor, Carving, Slot, Survivor
from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.reports.numerals import count_text, shape_text, size_text
from ckptscope.reports.tables import Column, Table, name, number

#: Sizes that are listed, the largest first, and storages that stand beside each.
_MOST_SIZES: Final = 20
_MOST_KEYS: Final = 6
_MOST_RANGES: Final = 6
#: A storage that is no tensor of the table.
_UNEXPLAINED: Final = "unexplained"
_CUT_OFF: Final = "cut off"


def numbers_text(numbers: Iterable[int]) -> str:
    """Return numbers as ranges: `0 to 10, 14`; of many ranges the first."""
    ranges: list[list[int]] = []
    for one in sorted(set(numbers)):
        if ranges and one == ranges[-1][1] + 1:
            ranges[-1][1] = one
        else:
            ranges.append([one, one])
    shown = [f"{a:,}" if a == b else f"{a:,} to {b:,}" for a, b in ranges[:_MOST_RANGES]]
    if len(ranges) > _MOST_RANGES:
        left = sum(b - a + 1 for a, b in ranges[_MOST_RANGES:])
        shown.append(f"and {left:,} more")
    return ", ".join(shown)


def list_by_size(survivors: Sequence[Survivor]) -> Table:
    """List storages of one size in one row, the largest first."""
    by_size: dict[int, list[Survivor]] = {}
    for one in survivors:
        by_size.setdefault(one.size_bytes, []).append(one)
    ordered = sorted(by_size.items(), key=lambda item: -item[0])
    rest = ordered[_MOST_SIZES:]
    left = sum(len(some) for _, some in rest)
    sizes = count_text(len(rest), "smaller sizes", rounded=False)
    return Table(
        columns=(
            number("bytes"),
            number("size", drop=2),
            number("storages"),
            name("which of them"),
        ),
        rows=[
            (f"{size:,}", size_text(size), f"{len(some):,}", _keys(some))
            for size, some in ordered[:_MOST_SIZES]
        ],
        closing=(("", "", f"{left:,}", f"of {sizes}"),) if rest else (),
    )


def _keys(survivors: Sequence[Survivor]) -> str:
    """Return the keys of storages: numbers as ranges, other names one by one."""
    if all(one.number is not None and one.key == str(one.number) for one in survivors):
        return numbers_text(one.number for one in survivors if one.number is not None)
    more = len(survivors) - _MOST_KEYS
    shown = ", ".join(one.key for one in survivors[:_MOST_KEYS])
    return f"{shown}, and {more:,} more" if more > 0 else shown


def list_storages(carving: Carving) -> Table:
    """List every tensor and every storage, in the order of saving."""
    sizes = {one.key: one.size_bytes for one in carving.survivors}
    used = {one.storage for one in carving.tensors}
    rows = [(one.number, 0, _tensor_row(one, sizes)) for one in carving.tensors]
    for place, survivor in enumerate(carving.survivors):
        if survivor.key not in used:
            at = place if survivor.number is None else survivor.number
            rows.append((at, 1, _survivor_row(survivor)))
    rows.sort(key=lambda row: row[:2])
    return Table(
        columns=(
            number("number"),
            name("storage", drop=2),
            number("bytes"),
            Column(title="found"),
            Column(title="what", drop=1),
            name("key", least=44),
            Column(title="shape"),
            Column(title="dtype"),
        ),
        rows=[row for _, _, row in rows],
        may_tighten=True,
    )


def _tensor_row(one: CarvedTensor, sizes: dict[str, int]) -> tuple[str, ...]:
    size = _size(one) if one.storage is None else sizes.get(one.storage, _size(one))
    return (
        f"{one.number:,}",
        one.storage or "",
        f"{size:,}",
        one.found.value,
        "" if one.slot is Slot.NETWORK else one.slot.value,
        one.key,
        shape_text(one.shape),
        one.dtype,
    )


def _size(one: CarvedTensor) -> int:
    """Return the bytes that a tensor has, both types of an open one being as wide."""
    size = ITEM_BYTES.get(one.dtype.partition(" or ")[0], 0)
    for axis in one.shape:
        size *= axis
    return size


def _survivor_row(one: Survivor) -> tuple[str, ...]:
    at = "" if one.number is None else f"{one.number:,}"
    how = _UNEXPLAINED if one.is_whole else _CUT_OFF
    return at, one.key, f"{one.size_bytes:,}", how, "", "", "", ""
