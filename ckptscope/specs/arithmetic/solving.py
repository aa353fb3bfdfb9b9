"""Whole numbers that meet sums: which values of a setting give the totals that are claimed?

Enters: a way to build a network for each value of one setting. Leaves: ranges of values. Sums grow
with every size of a network, so that both ends of a range are found by halving; whoever uses a
range builds its networks again and looks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.families.registry import AnyFamily
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.fitting import Case, patterns, patterns_bear, usual_values
from ckptscope.specs.arithmetic.kinds import is_amount, is_size, is_whole
from ckptscope.specs.arithmetic.statements import Statement
from ckptscope.specs.arithmetic.tensors import is_large

#: Both ends belong to it.
Range: TypeAlias = tuple[int, int]

#: Values of an open setting that are looked at beyond the usual ones.
MOST_VALUE: Final = 1024
#: Combinations of the other open settings.
_MOST_COMBINATIONS: Final = 400
_MOST_RANGES: Final = 16


class Line:
    """Networks along one setting."""

    def __init__(self, build: Callable[[int], Numbers], *, low: int, high: int) -> None:
        self._build = build
        self._known: dict[int, Numbers | None] = {}
        self.low, self.high = low, high

    def at(self, value: int) -> Numbers | None:
        """Return the network with a value, or None if there is none."""
        if value not in self._known:
            try:
                self._known[value] = self._build(value)
            except UsageError:
                self._known[value] = None
        return self._known[value]

    def meeting(self, statements: Iterable[Statement]) -> list[Range]:
        """Return the ranges of values that meet all numeric statements."""
        found: list[Range] = [(self.low, self.high)]
        for statement in statements:
            own = [
                self._between(option.fact, option.low, option.high)
                for option in statement.options
                if option.low is not None and option.high is not None
            ]
            if own:
                found = _intersect(found, [one for one in own if one is not None])
        return found

    def _between(self, fact: str, low: float, high: float) -> Range | None:
        first = self._first(fact, low, strictly=False)
        beyond = self._first(fact, high, strictly=True)
        if first is None:
            return None
        last = self.high if beyond is None else beyond - 1
        return (first, last) if first <= last else None

    def _first(self, fact: str, bound: float, *, strictly: bool) -> int | None:
        """Return the least value from which on a fact has reached a bound, or None."""

        def reached(value: int) -> bool:
            number = self._number(value, fact)
            return number is not None and (number > bound if strictly else number >= bound)

        if not reached(self.high):
            return None
        low, high = self.low - 1, self.high  # not reached at `low`, reached at `high`
        for guess in self._guesses(fact, bound):
            if low < guess < high:
                low, high = (low, guess) if reached(guess) else (guess, high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high

    def _guesses(self, fact: str, bound: float) -> Iterator[int]:
        """Yield values where a sum that grows evenly would reach a bound."""
        least, most = self._number(self.low, fact), self._number(self.high, fact)
        if least is None or most is None or most <= least:
            return
        share = (bound - least) / (most - least)
        guess = self.low + int(share * (self.high - self.low))
        yield from (guess, guess + 1, guess + 2, guess - 1)

    def _number(self, value: int, fact: str) -> float | None:
        numbers = self.at(value)
        number = numbers.value(fact) if numbers is not None else None
        return number if is_amount(number) else None


def _intersect(some: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    pairs = [(max(a[0], b[0]), min(a[1], b[1])) for a in some for b in list(others)]
    return [pair for pair in dict.fromkeys(pairs) if pair[0] <= pair[1]][:_MOST_RANGES]


class OpenRanges(msgspec.Struct, frozen=True, eq=False):
    """Which values of open settings meet a claim, usual or not.

    Attributes:
        solved: The setting that the ranges are of: joints.
        others: Names of the other open settings: depth_bins.
        by_others: Ranges of `solved` for each combination of values of the others.
        powers: Names of the settings of which only powers of two were looked at.
    """

    solved: str
    others: tuple[str, ...]
    by_others: dict[tuple[FactValue, ...], list[Range]]
    powers: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no value meets the claim."""
        return not any(self.by_others.values())

    @property
    def bounds(self) -> str:
        """Which values were looked at, in words."""
        most = f"{self.solved} up to {MOST_VALUE:,}"
        return f"{most}, powers of two of {', '.join(self.powers)}" if self.powers else most

    def examples(self, family: AnyFamily) -> list[dict[str, FactValue]]:
        """Return the ends of every range as settings, the least unusual first."""
        found: list[dict[str, FactValue]] = []
        for values, ranges in self.by_others.items():
            others = dict(zip(self.others, values, strict=True))
            found += [
                {self.solved: solved, **others}
                for low, high in ranges
                for solved in dict.fromkeys((low, high))
            ]
        return sorted(found, key=lambda one: _oddness(one, family))

    def shared_with(self, other: "OpenRanges") -> "OpenRanges":
        """Return what meets both claims."""
        both = {
            values: _intersect(ranges, other.by_others.get(values, ()))
            for values, ranges in self.by_others.items()
        }
        return msgspec.structs.replace(self, by_others=both)


def _oddness(values: Mapping[str, FactValue], family: AnyFamily) -> tuple[int, float]:
    """Return how many values are unusual, and how far they are from usual ones."""
    odd, distance = 0, 0.0
    for name, value in values.items():
        known = family.usual[name][0]
        odd += value not in known
        sizes = [one for one in known if is_size(one)]
        if is_size(value) and sizes:
            distance += min(max(value, one) / min(value, one) for one in sizes)
    return odd, distance


def solve_open(case: Case) -> OpenRanges | None:
    """Find every value of the open settings that meets a claim's numbers.

    One setting is solved for; of the others, powers of two are tried where their usual values are
    such, else the whole numbers up to a bound.

    Returns:
        None where nothing is open, or no whole number is.
    """
    said = case.said()
    usual = case.builder.family.usual
    names = [
        name for name in case.open_names(said) if all(is_whole(value) for value in usual[name][0])
    ]
    if not names:
        return None
    solved, others = names[0], tuple(names[1:])
    start = usual_values(case, said)[0]
    domains = [_domain(usual[name][0]) for name in others]
    by_others: dict[tuple[FactValue, ...], list[Range]] = {}
    varied = [{}, *patterns(case, said, start)] if patterns_bear(case, said, start) else [{}]
    for values in _combinations(domains):
        found: list[Range] = []
        for pattern in varied:
            fixed = {**start, **dict(zip(others, values, strict=True)), **pattern}
            line = _line_of(case, said, solved, fixed)
            found += line.meeting(case.statements) if line is not None else []
        by_others[values] = list(dict.fromkeys(found))
    powers = tuple(name for name in others if _are_powers(usual[name][0]))
    return OpenRanges(solved, others, by_others, powers)


def _line_of(
    case: Case, said: Mapping[str, FactValue], name: str, fixed: Mapping[str, FactValue]
) -> Line | None:
    line = Line(
        lambda value: case.builder.build(said, {**fixed, name: value}), low=1, high=MOST_VALUE
    )
    first = line.at(1)
    return None if first is None or is_large(first) else line


def _are_powers(values: tuple[FactValue, ...]) -> bool:
    return all(is_whole(value) and value & (value - 1) == 0 for value in values)


def _domain(values: tuple[FactValue, ...]) -> list[FactValue]:
    if _are_powers(values):
        return [1 << exponent for exponent in range(MOST_VALUE.bit_length())]
    most = max(value for value in values if is_whole(value))
    return list(range(1, min(4 * most, _MOST_COMBINATIONS)))


def _combinations(domains: list[list[FactValue]]) -> list[tuple[FactValue, ...]]:
    found: list[tuple[FactValue, ...]] = [()]
    for domain in domains:
        found = [(*one, value) for one in found for value in domain][:_MOST_COMBINATIONS]
    return found
