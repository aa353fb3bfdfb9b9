"""Configurations that no paper names, solved for from the sizes.

Enters: a shelf. Leaves: tables: the trunks that the sizes suggest (`frames`), with the depths under
which most storages agree (`depths`), and with the ends whose sizes stand behind the trunk
(`equations`).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ckptscope.carving.alignment import Fit, Placement, fit_table, likely_layouts
from ckptscope.carving.depths import Reading, read_depths
from ckptscope.carving.equations import solve_settings, with_values
from ckptscope.carving.frames import Frame, build, propose_ends, propose_frames
from ckptscope.carving.shelf import Shelf
from ckptscope.carving.tables import (
    DTYPES,
    Block,
    Table,
    network_block,
    optimizer_block,
)
from ckptscope.facts.carving import Slot

#: Part of every family's network that is its trunk.
_TRUNK: Final = "backbone"
#: Widths whose trunks are read, those of them that are looked at closely, trunks of one widths,
#: those of which the optimizer is read as well where little is left of the network, and readings of
#: each kind whose ends are solved for.
_MOST_WIDTHS: Final = 7
_MOST_CLOSE: Final = 2
_MOST_OF_WIDTHS: Final = 2
_MOST_READ: Final = 6
_MOST_FOLLOWED: Final = 4
#: Trunks whose optimizer is read for depths, too.
_MOST_STATES: Final = 2
#: A trunk is followed if it explains so much of what the best one does.
_NEAR: Final = 0.5
#: Runs of three storages that a trunk must explain, by share of all.
_FEWEST_SHARE: Final = 0.3


def solve_tables(shelf: Shelf) -> Iterator[tuple[Table, int]]:
    """Yield tables that are worth a try, with the bytes of an element."""
    trunks = _likely_trunks(shelf)
    networks: list[tuple[Reading, _Trunk]] = []
    for trunk in trunks:
        reading = read_depths(network_block(trunk.table, trunk.item), trunk.seconds(), shelf)
        if reading is not None:
            networks.append((reading, trunk))
    networks.sort(key=_order)
    # Where little is left of the network, its optimizer tells which trunk it was.
    is_there = bool(networks) and 2 * networks[0][0].score >= len(shelf)
    count = _MOST_STATES if is_there else _MOST_READ
    ordered = list(dict.fromkeys([trunk for _, trunk in networks] + trunks))[:count]
    states = [(one, trunk) for trunk in ordered for one in _state_readings(trunk, shelf)]
    if ordered and 2 * max((one[0].score for one in (*networks, *states)), default=0) < len(shelf):
        # Its parameters may be grouped.
        more = _state_readings(ordered[0], shelf, is_thorough=True)
        states += [(one, ordered[0]) for one in more]
    seen: set[object] = set()
    for reading, trunk in (*_nearest(networks), *_nearest(states)):
        place = (trunk, reading.depths)
        if place not in seen:
            seen.add(place)
            for frame in trunk.frames:
                yield from solve_ends(frame, reading.depths, shelf)


def _nearest(readings: "list[tuple[Reading, _Trunk]]") -> "list[tuple[Reading, _Trunk]]":
    """Return the readings that explain about as much as the best one of their kind."""
    ordered = sorted(readings, key=_order)[:_MOST_FOLLOWED]
    return [one for one in ordered if one[0].score >= _NEAR * ordered[0][0].score]


def _order(one: "tuple[Reading, _Trunk]") -> tuple[int, int]:
    """Put what explains most first, and of equals the smallest."""
    return -one[0].score, len(one[1].table.tensors)


class _Trunk:
    """A sequence of sizes, and the frames that have it in common.

    Attributes:
        table: The first frame's.
        item: Bytes of an element.
        share: Runs of three storages that it explains, less those that it wants in vain.
        frames: Whose trunk it is.
    """

    def __init__(self, table: Table, item: int, share: int, frames: tuple[Frame, ...]) -> None:
        self.table = table
        self.item = item
        self.share = share
        self.frames = frames

    def mark(self) -> object:
        """Return what tells it from others."""
        return self.item, self.frames[0].family, self.frames[0].dialect, self.table.elements

    def seconds(self) -> list[frozenset[int]]:
        """Return the tensors that go where a stage has one block less, for each stage."""
        frame = self.frames[0]
        configuration: Any = frame.configuration
        found: list[frozenset[int]] = []
        for stage in range(len(configuration.depths)):
            fewer = with_values(configuration, {f"depths[{stage}]": 1})
            kept = {one.key for one in self.table.family.keys(fewer, frame.dialect)}
            found.append(
                frozenset(i for i, one in enumerate(self.table.tensors) if one.key not in kept)
            )
        return found


def _likely_trunks(shelf: Shelf) -> list[_Trunk]:
    """Return the trunks that explain most runs of three storages."""
    runs = _runs_of(shelf)
    most = max(1, sum(runs.values()))
    trunks: list[_Trunk] = []
    for item in DTYPES:
        layouts = likely_layouts(item, shelf)
        for frames in propose_frames(shelf, item):
            table = _trunk_of(frames[0].table())
            share = _share(network_block(table, item), runs)
            share += max(
                (_share(optimizer_block(table, item, layout), runs) for layout in layouts),
                default=0,
            )
            if share >= _FEWEST_SHARE * most:
                trunks.append(_Trunk(table, item, share, frames))
    trunks.sort(key=lambda one: (-one.share, len(one.table.tensors)))
    # Widths that stand behind the trunk are taken for stages, too: so several widths are read.
    kept: Counter[object] = Counter()
    marks: set[object] = set()
    found: list[_Trunk] = []
    for trunk in trunks:
        configuration: Any = trunk.frames[0].configuration
        widths = (trunk.item, configuration.dims)
        if trunk.mark() in marks:
            continue
        marks.add(trunk.mark())
        if len(kept) < _MOST_WIDTHS or widths in kept:
            kept[widths] += 1
            # Which parts the blocks have is close where the optimizer repeats every size.
            is_close = list(kept).index(widths) < _MOST_CLOSE
            most = 2 * _MOST_OF_WIDTHS if is_close else _MOST_OF_WIDTHS
            if kept[widths] <= most:
                found.append(trunk)
    return found


def _runs_of(shelf: Shelf) -> Counter[tuple[int, ...]]:
    """Count the sizes of three storages whose numbers follow each other."""
    numbers = list(shelf.present)
    found: Counter[tuple[int, ...]] = Counter()
    for first, last in zip(numbers, numbers[2:], strict=False):
        if last == first + 2:
            found[tuple(shelf.present[number] for number in range(first, last + 1))] += 1
    return found


def _share(block: Block, runs: Counter[tuple[int, ...]]) -> int:
    """Count the runs that a block explains, less those kinds of its own that occur nowhere."""
    sizes = block.sizes
    own = set(zip(sizes, sizes[1:], sizes[2:], strict=False))
    return max(0, sum(runs[run] or -1 for run in own))


def _trunk_of(table: Table) -> Table:
    kept = [i for i, one in enumerate(table.tensors) if one.part == _TRUNK]
    return msgspec.structs.replace(
        table,
        tensors=tuple([table.tensors[i] for i in kept]),
        elements=tuple([table.elements[i] for i in kept]),
    )


def _state_readings(trunk: _Trunk, shelf: Shelf, *, is_thorough: bool = False) -> Iterator[Reading]:
    """Read depths off an optimizer's state, which repeats every parameter."""
    for layout in likely_layouts(trunk.item, shelf, is_thorough=is_thorough):
        if is_thorough and layout.order == "listed":
            continue
        block = optimizer_block(trunk.table, trunk.item, layout)
        reading = read_depths(block, trunk.seconds(), shelf)
        if reading is not None:
            yield reading


def solve_ends(frame: Frame, depths: tuple[int, ...], shelf: Shelf) -> Iterator[tuple[Table, int]]:
    """Yield the networks of a trunk of these depths with each end whose sizes can be solved for."""
    values = {f"depths[{stage}]": depth for stage, depth in enumerate(depths)}
    configuration: Any = with_values(frame.configuration, values)
    whole = build(frame.family, configuration, frame.dialect)
    if whole is None:
        return
    trunk = _trunk_of(whole)
    fit = fit_table(trunk, frame.item, shelf)
    if fit is None:
        return
    for end in propose_ends(frame.family, configuration, frame.dialect):
        table = build(frame.family, end.configuration, frame.dialect)
        if table is None:
            continue
        found = _elements(fit, trunk, table, shelf)
        solved = solve_settings(table.tensors, found, end.configuration, end.unknown)
        if _is_torn(solved, end.unknown, table):
            continue
        made = build(frame.family, with_values(end.configuration, solved), frame.dialect)
        if made is not None:
            yield made, frame.item


def _is_torn(solved: dict[str, int], unknown: frozenset[str], table: Table) -> bool:
    """Whether some width behind the trunk is unknown, and a later one is not."""
    terms = {term for one in table.tensors for axis in one.terms for term in axis}
    lost = sorted(name for name in unknown & terms if name not in solved and "out_channels" in name)
    return bool(lost) and any("channels" in name and name > lost[0] for name in solved)


def _elements(fit: Fit, trunk: Table, table: Table, shelf: Shelf) -> dict[int, int]:
    """Return the elements of storages at the places of a table, by index of the tensor.

    Args:
        fit: Where the trunk lies.
        trunk: The table that was fitted.
        table: One with the same blocks, and perhaps more before and behind.
        shelf: What is left.
    """
    anchor = next((one.key for one in trunk.tensors if one.presence[:1] == ("depths[0]",)), None)
    at = {one.key: i for i, one in enumerate(table.tensors)}
    if anchor is None or anchor not in at:
        return {}
    old = next(i for i, one in enumerate(trunk.tensors) if one.key == anchor)
    found: dict[int, int] = {}
    for placed in fit.blocks:
        layout = placed.block.layout
        if layout is None:
            block = network_block(table, fit.item)
        elif layout.order == "listed":
            block = optimizer_block(table, fit.item, layout)
        else:
            continue
        start = placed.start + _entry(placed.block.entries, old) - _entry(block.entries, at[anchor])
        limit = _limit(placed, fit.blocks)
        for number, (index, slot) in enumerate(block.entries, start):
            size = shelf.present.get(number) if number < limit else None
            is_plain = slot is not Slot.STEP and not table.tensors[index].is_counter
            if size is not None and is_plain and not size % fit.item:
                found.setdefault(index, size // fit.item)
    return found


def _entry(entries: tuple[tuple[int, Slot], ...], index: int) -> int:
    return next(place for place, (one, _) in enumerate(entries) if one == index)


def _limit(placed: Placement, blocks: tuple[Placement, ...]) -> int:
    """Return the number at which the next block begins."""
    return min((one.start for one in blocks if one.start > placed.start), default=1 << 62)
