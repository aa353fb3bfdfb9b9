"""How often the blocks of each stage repeat, read off the sizes.

Enters: a table with two blocks in each stage, and a shelf. Leaves: the depths under which most
storages agree.

The second block of a stage may be left out or repeated, so the sequence of sizes is what a chain
with loops emits; the best way through it is Viterbi's. A number without a storage fits everywhere.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from ckptscope.carving.alignment import CONTRADICTION
from ckptscope.carving.shelf import Shelf
from ckptscope.carving.tables import Block

#: Below every score.
_NEVER: Final = -(1 << 40)
#: No stage of a known network is deeper; a hostile count of storages must not cost more.
MOST_DEPTH: Final = 64
#: What one more block must explain: the first sizes of one also occur by chance behind the last.
_ONCE_MORE: Final = 4
#: Numbers times states that one way may cost.
_MOST_STEPS: Final = 1 << 19


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The best way through a chain.

    Attributes:
        depths: Blocks of each stage.
        score: Storages that agree, less those that do not, each weighed as in an alignment.
    """

    depths: tuple[int, ...]
    score: int


class _Chain:
    """States in a row, and where the way may jump.

    Attributes:
        sizes: Emitted by each state.
        sources: By target of a jump, the states that it may come from beside the one before it.
    """

    def __init__(self, block: Block, loops: Sequence[tuple[int, int]]) -> None:
        self.sizes = block.sizes
        self.sources: dict[int, list[int]] = {}
        for first, last in loops:
            # Once more.
            self.sources.setdefault(first, []).append(last)
            if last + 1 < len(self.sizes) and first:
                # Not at all.
                self.sources.setdefault(last + 1, []).append(first - 1)
        self.by_size: dict[int, list[int]] = {}
        for state, size in enumerate(self.sizes):
            self.by_size.setdefault(size, []).append(state)


def read_depths(block: Block, repeated: Sequence[frozenset[int]], shelf: Shelf) -> Reading | None:
    """Find the depths under which most storages agree; None if none do.

    Args:
        block: A table, each stage of which has two blocks.
        repeated: Indices of the tensors of each stage's second block.
        shelf: What is left.
    """
    runs = [_runs(block, indices) for indices in repeated]
    loops = [loop for stage in runs for loop in stage]
    if len(block.sizes) * shelf.end > _MOST_STEPS:
        return None
    chain = _Chain(block, loops)
    came_from, last, score = _walk(chain, shelf)
    if score <= 0:
        return None
    path = _retrace(came_from, last)
    visits = Counter(path)
    # An optimizer that groups its parameters has several runs of a stage, all of one depth.
    depths = tuple(1 + max(visits[first] for first, _ in stage) for stage in runs)
    return Reading(depths=depths, score=score) if max(depths, default=1) <= MOST_DEPTH else None


def _runs(block: Block, indices: frozenset[int]) -> list[tuple[int, int]]:
    """Return first and last place of each run of entries of these tensors."""
    runs: list[tuple[int, int]] = []
    for place, (index, _) in enumerate(block.entries):
        if index not in indices:
            continue
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _walk(chain: _Chain, shelf: Shelf) -> tuple[list[dict[int, int]], tuple[int, int], int]:
    """Score every way.

    Returns:
        For each number, where the ways to a target of a jump came from; number and state at which
        the best way ends; its score.
    """
    count = len(chain.sizes)
    scores = [_NEVER] * count
    came_from: list[dict[int, int]] = []
    best, end = 0, (0, 0)
    for number in range(shelf.end):
        moved = [0, *scores[:-1]]
        jumps: dict[int, int] = {}
        for target, sources in chain.sources.items():
            for source in sources:
                cost = _ONCE_MORE if source > target else 0
                if scores[source] - cost > moved[target]:
                    moved[target] = scores[source] - cost
                    jumps[target] = source
        came_from.append(jumps)
        size = shelf.present.get(number)
        if size is not None:
            scores = [score - CONTRADICTION for score in moved]
            for state in chain.by_size.get(size, ()):
                scores[state] = moved[state] + 1
            top = max(scores)
            if top > best:
                best, end = top, (number, scores.index(top))
        else:
            scores = moved
    return came_from, end, best


def _retrace(came_from: Sequence[dict[int, int]], last: tuple[int, int]) -> list[int]:
    """Return the states of the best way, the last one first."""
    number, state = last
    path: list[int] = []
    while number >= 0 and state >= 0:
        path.append(state)
        state = came_from[number].get(state, state - 1)
        number -= 1
    return path
