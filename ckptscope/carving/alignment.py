"""Where in the order of saving a table lies.

Enters: a table's blocks and a shelf. Leaves: a `Fit`: where each block begins, and how many
storages agree.

Storages keep their numbers, so a block lies at one start; that is found by voting over number minus
index of equal sizes, the sizes that occur least first. Where a container does not number them, the
longest common subsequence is found, by bits: L. Allison, T. I. Dix, "A bit-string
longest-common-subsequence algorithm", Information Processing Letters 23 (1986), 305-310.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.carving.shelf import Shelf
from ckptscope.carving.tables import (
    Block,
    Layout,
    Table,
    layouts_for,
    network_block,
    optimizer_block,
)
from ckptscope.facts.carving import Slot

#: Pairs of equal sizes that one vote counts; those of the rarest sizes come first.
_MOST_PAIRS: Final = 12_000
#: Starts that are looked at closely after a vote.
_MOST_STARTS: Final = 4
#: A storage of another size outweighs so many that agree: sizes are exact.
CONTRADICTION: Final = 4
#: A copy of the network, averaged or not, is one only if so much of what lies there agrees.
_COPY_SHARE: Final = 0.9
#: One storage in so many at most is as small as a counter where an optimizer has none; where it has
#: them, a third or a quarter of its storages are.
_FEW: Final = 8
#: Storages that are left over before another block is looked for.
_FEWEST: Final = 3


class Placement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A block at a number.

    Attributes:
        block: Which.
        start: Number of its first storage.
        explained: Storages that have the size which the block has there.
        contradicted: Storages that have another.
    """

    block: Block
    start: int
    explained: int
    contradicted: int

    @property
    def end(self) -> int:
        """Number behind its last storage."""
        return self.start + len(self.block.sizes)

    @property
    def score(self) -> int:
        """What speaks for it, less what speaks against it."""
        return self.explained - CONTRADICTION * self.contradicted

    def meets(self, other: "Placement") -> bool:
        """Whether the two would share a storage."""
        return self.start < other.end and other.start < self.end


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A table in its place.

    Attributes:
        table: Which.
        item: Bytes of an element.
        blocks: Where each block lies, in the order of saving.
        matches: Number of the storage by the place in the blocks laid end to end.
        explained: How many there are of these.
        contradicted: Storages of another size at a place of a block.
        bits: What the sizes that agree tell, together.
    """

    table: Table
    item: int
    blocks: tuple[Placement, ...]
    matches: dict[int, int]
    explained: int
    contradicted: int
    bits: float

    @property
    def score(self) -> int:
        """What speaks for it, less what speaks against it."""
        return self.explained - CONTRADICTION * self.contradicted

    @property
    def places(self) -> int:
        """Storages that the blocks have."""
        return sum(len(one.block.sizes) for one in self.blocks)

    @property
    def layout(self) -> Layout | None:
        """Of the optimizer."""
        return next((one.block.layout for one in self.blocks if one.block.layout), None)

    @property
    def network(self) -> Placement | None:
        """Where the network itself lies."""
        found = (one for one in self.blocks if one.block.entries[:1])
        return next((one for one in found if one.block.entries[0][1] is Slot.NETWORK), None)

    def seen(self) -> frozenset[int]:
        """Return the indices of the tensors whose size some storage confirms."""
        return frozenset(
            index
            for place, (index, slot) in enumerate(self.entries())
            if place in self.matches and slot is not Slot.STEP
        )

    def entries(self) -> Iterator[tuple[int, Slot]]:
        """Yield what each place is: index of the tensor, and slot."""
        for one in self.blocks:
            yield from one.block.entries


def place_block(block: Block, shelf: Shelf) -> list[Placement]:
    """Return the best places of a block, the best first; none where more differs than agrees."""
    votes = _vote(block.sizes, shelf)
    placed = [_place(block, start, shelf) for start, _ in votes.most_common(_MOST_STARTS)]
    placed.sort(key=lambda one: (-one.score, one.start))
    return [one for one in placed if one.score > 0]


def _vote(sizes: Sequence[int], shelf: Shelf) -> Counter[int]:
    """Count for each start how many storages agree, by the sizes that occur least."""
    places: dict[int, list[int]] = {}
    for index, size in enumerate(sizes):
        if size in shelf.numbers:
            places.setdefault(size, []).append(index)
    by_pairs = sorted(places, key=lambda size: len(places[size]) * len(shelf.numbers[size]))
    votes: Counter[int] = Counter()
    left = _MOST_PAIRS
    for size in by_pairs:
        left -= len(places[size]) * len(shelf.numbers[size])
        if left < 0 and votes:
            break
        for index in places[size]:
            votes.update([n - index for n in shelf.numbers[size][:_MOST_PAIRS] if n >= index])
    return votes


def _place(block: Block, start: int, shelf: Shelf) -> Placement:
    present = shelf.present
    explained = contradicted = 0
    for number, size in enumerate(block.sizes, start):
        found = present.get(number)
        if found == size:
            explained += 1
        elif found is not None:
            contradicted += 1
    return Placement(block=block, start=start, explained=explained, contradicted=contradicted)


def fit_table(table: Table, item: int, shelf: Shelf, *, is_thorough: bool = False) -> Fit | None:
    """Find the best place of a table's network and of its optimizer; None where it has none.

    Args:
        table: Which.
        item: Bytes of an element.
        shelf: What is left.
        is_thorough: Whether to try the parameters in other orders, too.
    """
    layouts = likely_layouts(item, shelf, is_thorough=is_thorough)
    if not shelf.is_numbered:
        return _fit_by_order(table, item, shelf, layouts)
    networks: list[Placement | None] = [*place_block(network_block(table, item), shelf), None]
    best: tuple[tuple[int, ...], tuple[Placement, ...]] | None = None
    for layout in (None, *layouts):
        states: list[Placement | None] = [None]
        if layout is not None:
            if len(shelf) - (networks[0].explained if networks[0] else 0) < _FEWEST:
                break
            states += place_block(optimizer_block(table, item, layout), shelf)
        for network in networks:
            for state in states:
                chosen = _together(network, state)
                if chosen is not None and (best is None or chosen[0] > best[0]):
                    best = chosen
    if best is None:
        return None
    blocks = _with_copy(table, item, best[1], networks)
    return _fit(table, item, _with_network(table, item, blocks, shelf), shelf)


def likely_layouts(item: int, shelf: Shelf, *, is_thorough: bool = False) -> list[Layout]:
    """Return the layouts that the number of storages as small as a counter allows."""
    found: list[Layout] = []
    for one in layouts_for(item):
        counters = shelf.counts.get(one.step_bytes, 0)
        is_likely = counters > 0 if one.step == "tensor" else counters * _FEW <= len(shelf)
        if is_likely and (is_thorough or one.order == "listed"):
            found.append(one)
    return found


def _together(
    network: Placement | None, state: Placement | None
) -> tuple[tuple[int, ...], tuple[Placement, ...]] | None:
    """Return a network and an optimizer with what speaks for them; None where they overlap.

    Where either may be the other the first one is the network, as torch's examples save it.
    """
    both = [one for one in (network, state) if one is not None]
    if not both or (network is not None and state is not None and network.meets(state)):
        return None
    is_joined = len(both) == 2 and (both[0].end == both[1].start or both[1].end == both[0].start)
    is_usual = len(both) == 2 and both[0].start < both[1].start
    return (sum(one.score for one in both), is_joined, is_usual), tuple(both)


def _with_copy(
    table: Table, item: int, chosen: tuple[Placement, ...], networks: Sequence[Placement | None]
) -> tuple[Placement, ...]:
    """Add a second copy of the network, if there is one; the later of the two is the average."""
    if not any(one.block.layout is None for one in chosen):
        return chosen
    for other in networks:
        if other is None or any(other.meets(one) for one in chosen):
            continue
        present = other.explained + other.contradicted
        if present < _FEWEST or other.explained < _COPY_SHARE * present:
            continue
        own = next(one for one in chosen if one.block.layout is None)
        rest = tuple(one for one in chosen if one.block.layout is not None)
        first, second = sorted((own, other), key=lambda one: one.start)
        average = msgspec.structs.replace(second, block=network_block(table, item, Slot.EMA))
        return (first, average, *rest)
    return chosen


def _with_network(
    table: Table, item: int, blocks: tuple[Placement, ...], shelf: Shelf
) -> tuple[Placement, ...]:
    """Add a network of which nothing is left where it usually lies: before its optimizer."""
    if any(one.block.layout is None for one in blocks):
        return blocks
    block = network_block(table, item)
    for start in (blocks[0].start - len(block.sizes), blocks[0].end):
        if start >= 0:
            placed = _place(block, start, shelf)
            if not placed.contradicted:
                return (placed, *blocks)
    return blocks


def _fit(table: Table, item: int, blocks: tuple[Placement, ...], shelf: Shelf) -> Fit:
    """Match the storages, one by one."""
    blocks = tuple(sorted(blocks, key=lambda one: one.start))
    matches: dict[int, int] = {}
    contradicted, bits, place = 0, 0.0, 0
    for one in blocks:
        for number, size in enumerate(one.block.sizes, one.start):
            found = shelf.present.get(number)
            if found == size:
                matches[place] = number
                bits += shelf.bits(size)
            elif found is not None:
                contradicted += 1
            place += 1
    return Fit(
        table=table,
        item=item,
        blocks=blocks,
        matches=matches,
        explained=len(matches),
        contradicted=contradicted,
        bits=bits,
    )


def _fit_by_order(table: Table, item: int, shelf: Shelf, layouts: Sequence[Layout]) -> Fit | None:
    """Fit a table where storages have an order and no numbers: nothing is contradicted then."""
    network = network_block(table, item)
    orders: list[tuple[Block, ...]] = [(network,)]
    for layout in layouts:
        state = optimizer_block(table, item, layout)
        orders += [(network, state), (state, network)]
    found = list(shelf.present.values())
    lengths = [_common(found, [size for one in order for size in one.sizes]) for order in orders]
    # Of those that explain as much, the shortest: nothing speaks for the rest.
    best = max(
        range(len(orders)),
        key=lambda i: (lengths[i], -sum(len(one.sizes) for one in orders[i])),
    )
    if not lengths[best]:
        return None
    blocks: list[Placement] = []
    start = 0
    for block in orders[best]:
        blocks.append(Placement(block=block, start=start, explained=0, contradicted=0))
        start += len(block.sizes)
    sizes = [size for one in orders[best] for size in one.sizes]
    matches = _trace(found, sizes)
    return Fit(
        table=table,
        item=item,
        blocks=tuple(blocks),
        matches=matches,
        explained=len(matches),
        contradicted=0,
        bits=sum(shelf.bits(sizes[place]) for place in matches),
    )


def _rows(found: Sequence[int], sizes: Sequence[int]) -> Iterator[int]:
    """Yield for each prefix of what was found a bit row: a zero where the length grows."""
    masks: dict[int, int] = {}
    for place, size in enumerate(sizes):
        masks[size] = masks.get(size, 0) | 1 << place
    full = (1 << len(sizes)) - 1
    row = full
    for size in found:
        common = row & masks.get(size, 0)
        row = (row + common | row - common) & full
        yield row


def _common(found: Sequence[int], sizes: Sequence[int]) -> int:
    """Return the length of the longest common subsequence."""
    *_, last = (1 << len(sizes)) - 1, *_rows(found, sizes)
    return len(sizes) - last.bit_count()


def _trace(found: Sequence[int], sizes: Sequence[int]) -> dict[int, int]:
    """Return one longest common subsequence: place in `found` by place in `sizes`."""
    rows = [(1 << len(sizes)) - 1, *_rows(found, sizes)]
    matches: dict[int, int] = {}
    i, j = len(found), len(sizes)
    while i and j:
        bit = 1 << j - 1
        if rows[i] & bit:
            # The length does not grow with this size: it is matched by none.
            j -= 1
        elif rows[i - 1] & bit:
            # It grows here by what was found last.
            matches[j - 1] = i - 1
            i, j = i - 1, j - 1
        else:
            i -= 1
    return matches
