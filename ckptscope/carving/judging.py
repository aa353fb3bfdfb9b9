"""Which of the tables that fit is the one, and how sure that is.

Enters: a shelf. Leaves: a `Judgement`: the best fit, what comes near, what no storage shows.

Certain is what explains nearly everything, is contradicted by nothing, leaves no setting open, and
has no other beside it. A size tells as many bits as it is rare among the file's storages, and what
a table was made to fit tells none.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from ckptscope.carving.alignment import Fit, fit_table
from ckptscope.carving.equations import solve_settings
from ckptscope.carving.neighbours import neighbours
from ckptscope.carving.shelf import Shelf
from ckptscope.carving.solving import solve_tables
from ckptscope.carving.tables import DTYPES, Table, in_other_orders, named_tables

#: Sizes of a table that storages must have for a close look, by share of the storages.
_FEWEST_SIZES: Final = 0.4
#: A table that explains less than half of the storages is not what the file held.
_FEWEST_EXPLAINED: Final = 0.5
#: The same where storages have no numbers: a common subsequence contradicts nothing.
_FEWEST_IN_ORDER: Final = 0.9
#: More storages of another size, by those that agree, and it is another network.
_MOST_CONTRADICTED: Final = 0.02
#: Storages beside the table that do not shake it: a random state, a schedule.
_MOST_UNEXPLAINED: Final = 0.02
#: Bits beyond what the table was made to fit, before it is named: one chance in 2^20; and before
#: that is certain.
_FEWEST_BITS: Final = 20.0
_CERTAIN_BITS: Final = 64.0
#: A table that explains less by fewer bits comes near: one rare size, which it may have by chance.
NEAR_BITS: Final = 16.0


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the sizes say.

    Attributes:
        best: None if no table fits.
        runner_up: The next best of other settings.
        alike: Tables of other settings that explain as many storages.
        tried: Tables that were tried.
        open_settings: Of the best, those that no storage shows.
        bits: What the best one's sizes tell, less what it was made to fit.
        is_exchangeable: Whether what is taken for the network may be an optimizer's momentum.
        has_room: Whether it may be a copy: all of another one before it may be lost.
        is_certain: Whether it is the one.
    """

    best: Fit | None
    runner_up: Fit | None
    alike: int
    tried: int
    open_settings: tuple[str, ...] = ()
    bits: float = 0.0
    is_exchangeable: bool = False
    has_room: bool = False
    is_certain: bool = False


class _Race:
    """The tables that were tried, each once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.fits: list[Fit] = []
        self.tried = 0
        self._seen: dict[object, None] = {}

    def enter(self, table: Table, item: int, *, is_thorough: bool = False) -> None:
        """Try a table, unless its like was tried."""
        mark = (item, _mark(table))
        if mark in self._seen and not is_thorough:
            return
        self._seen[mark] = None
        self.tried += not is_thorough
        fit = fit_table(table, item, self._shelf, is_thorough=is_thorough)
        if fit is not None:
            self.fits.append(fit)

    def best(self) -> Fit | None:
        """Return the one that explains most, and of equals the one that leaves fewest gaps."""
        return max(self.fits, key=_rank, default=None)


def judge(shelf: Shelf) -> Judgement:
    """Find out what the storages were."""
    race = _Race(shelf)
    tried = 0
    for table in named_tables():
        for item in DTYPES:
            tried += 1
            if _is_likely(table, item, shelf):
                race.enter(table, item)
                for other in in_other_orders(table):
                    race.enter(other, item)
    best = race.best()
    if best is None or not _explains_all(best, shelf):
        for table, item in solve_tables(shelf):
            race.enter(table, item)
    best = race.best()
    if best is not None and not _explains_all(best, shelf):
        race.enter(best.table, best.item, is_thorough=True)
        best = race.best()
    if best is None or not _is_fit(best, shelf, tried + race.tried):
        return Judgement(best=None, runner_up=best, alike=0, tried=tried + race.tried)
    is_grouped = best.layout is not None and best.layout.order != "listed"
    for table in neighbours(best, shelf):
        race.enter(table, best.item, is_thorough=is_grouped)
    best = race.best() or best
    return _conclude(best, race.fits, shelf, tried + race.tried)


def _conclude(best: Fit, fits: Iterable[Fit], shelf: Shelf, tried: int) -> Judgement:
    others = sorted(_others(best, fits), key=_rank, reverse=True)
    alike = [
        one
        for one in others
        if one.explained >= best.explained and one.contradicted <= best.contradicted
    ]
    near = [
        one
        for one in others
        if one.contradicted <= best.contradicted and best.bits - one.bits < NEAR_BITS
    ]
    open_ = open_settings(best, shelf)
    bits = told_bits(best, tried)
    has_room = _has_room(best, shelf)
    is_certain = (
        shelf.is_numbered
        and not has_room
        and not near
        and not open_
        and not best.contradicted
        and _unexplained(best, shelf) <= _MOST_UNEXPLAINED * len(shelf)
        and bits >= _CERTAIN_BITS
    )
    return Judgement(
        best=best,
        runner_up=others[0] if others else None,
        alike=len(alike),
        tried=tried,
        open_settings=open_,
        bits=bits,
        is_exchangeable=_is_exchangeable(best),
        has_room=has_room,
        is_certain=is_certain,
    )


def _mark(table: Table) -> object:
    """What two tables of the same sizes share, whatever they call it."""
    shapes = [tuple([size for size in one.shape if size != 1]) for one in table.tensors]
    return table.family.name, tuple(shapes)


def _rank(fit: Fit) -> tuple[int, int, bool, int]:
    end = max(one.end for one in fit.blocks)
    return fit.score, fit.explained - end, bool(fit.table.variants), fit.places


def _others(best: Fit, fits: Iterable[Fit]) -> Iterator[Fit]:
    """Yield the fits of other settings, each settings once, at its best."""
    own = (best.table.family.name, best.item, best.table.settings())
    seen = [own]
    for one in sorted(fits, key=_rank, reverse=True):
        settings = (one.table.family.name, one.item, one.table.settings())
        if settings not in seen:
            seen.append(settings)
            yield one


def _is_likely(table: Table, item: int, shelf: Shelf) -> bool:
    """Whether enough storages have sizes of a table; those as small as counters tell nothing."""
    sizes = table.sizes(item)
    counts = [(n, size in sizes) for size, n in shelf.counts.items() if size > max(DTYPES)]
    return sum(n for n, is_in in counts if is_in) >= _FEWEST_SIZES * sum(n for n, _ in counts)


def _unexplained(fit: Fit, shelf: Shelf) -> int:
    return len(shelf) - fit.explained - fit.contradicted


def _explains_all(fit: Fit, shelf: Shelf) -> bool:
    return fit.explained == len(shelf)


def _is_fit(fit: Fit, shelf: Shelf, tried: int) -> bool:
    fewest = _FEWEST_EXPLAINED if shelf.is_numbered else _FEWEST_IN_ORDER
    return (
        fit.explained >= fewest * len(shelf)
        and fit.contradicted <= _MOST_CONTRADICTED * fit.explained
        and told_bits(fit, tried) >= _FEWEST_BITS
    )


def told_bits(fit: Fit, tried: int) -> float:
    """Return the bits of the sizes that agree, less those that chose the table.

    A named variant is one of those tried; of one that was solved for, each number was chosen among
    about as many sizes as there are places.
    """
    chosen = math.log2(max(2, tried))
    if not fit.table.variants:
        numbers = sum(
            len(value) if isinstance(value, tuple) else 1
            for value in fit.table.settings().values()
            if isinstance(value, int | tuple)
        )
        chosen += numbers * math.log2(max(2, len(set(fit.table.elements))))
    return fit.bits - chosen


def open_settings(fit: Fit, shelf: Shelf) -> tuple[str, ...]:
    """Return the settings that do not follow from the storages that agree."""
    table = fit.table
    terms = frozenset(term for one in table.tensors for axis in one.terms for term in axis)
    seen = {i: table.elements[i] for i in fit.seen() if not table.tensors[i].is_counter}
    solved = solve_settings(table.tensors, seen, table.configuration, terms)
    found = sorted(terms - solved.keys())
    if not _has_known_end(fit):
        found.append("head")
    return tuple(found)


def _is_exchangeable(fit: Fit) -> bool:
    """Whether a momentum would have the same sizes where the network is taken to be.

    A network without buffers has those of its momentum: of two such rows either may be the network.
    """
    network = fit.network
    return network is not None and any(
        one.block.layout is not None and one.block.sizes == network.block.sizes
        for one in fit.blocks
    )


def _has_room(fit: Fit, shelf: Shelf) -> bool:
    """Whether the network could have stood as a whole before what is taken for it.

    Of a network and its copy the second one is left then, or of one without buffers its momentum.
    """
    network = fit.network
    if network is None:
        return False
    before = range(network.start - len(network.block.sizes), network.start)
    is_taken = any(one.start < network.start and one.end > before.start for one in fit.blocks)
    return before.start >= 0 and not is_taken and not any(n in shelf.present for n in before)


def _has_known_end(fit: Fit) -> bool:
    """Whether a network that is a trunk alone is known to be no more than that.

    Others have something behind it, and their trunk looks the same.
    """
    if any(one.part != "backbone" for one in fit.table.tensors):
        return True
    network = fit.network
    if network is None or not network.explained:
        return False
    return any(
        one.explained and (one.start == network.end or one.end == network.start)
        for one in fit.blocks
        if one is not network
    )
