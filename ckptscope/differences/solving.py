"""Lines of an error → the settings of both networks.

Enters: keys and shapes that differ, under the names of one family and without prefixes; networks of
that family that are known. Leaves: a `Solution`: two configurations whose difference is, as far as
it can be, exactly the lines. A traceback lists only what differs, so that whatever it does not
mention is the same on both sides.

From one known network on: sizes on axes with one setting give it; numbers of layers that only one
side has give depths; sizes that are products are factored by what is usual; what is left is tried,
one setting after the other. Every known network is tried as the beginning, and the pair that
reproduces most lines wins.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ckptscope.differences.configuring import Settings, override_settings
from ckptscope.differences.factors import Guess, make_guess, rank_guesses, usual_values
from ckptscope.differences.grounds import Table, table_of, values_of
from ckptscope.differences.templates import Template
from ckptscope.differences.trying import Wrong, improve, wrong_lines
from ckptscope.differences.values import Values, split_name, value_of
from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.differences import KeyDifferences, ShapeMismatch
from ckptscope.families.registry import AnyFamily

#: Known networks that fit a side best and are tried as its beginning.
_MOST_BASES = 3
#: How much a line that does not come out weighs against one that comes out besides.
_LACKING = 4
#: Beginnings from which settings are tried one by one.
_MOST_IMPROVED = 4
#: Layers of one sort that a network may have.
_MOST_LAYERS = 4096

Shape = tuple[int, ...]


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A network that is known: a row of a table.

    Attributes:
        row: Name of the row.
        table: Name of the table.
        settings: All that it is built from.
    """

    row: str
    table: str
    settings: Mapping[str, FactValue]


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """Two configurations that differ as the lines do.

    Attributes:
        found: Settings of the file's network.
        expected: Settings of the network that it was loaded into.
        told: Settings that the lines themselves tell, on either side.
        guesses: Factors of products, the likeliest first, by the settings that they are about.
        wrong: Lines that the two do not give, and lines that they give beyond.
    """

    found: Settings
    expected: Settings
    told: frozenset[str]
    guesses: tuple[tuple[Guess, ...], ...]
    wrong: Wrong


def solve(
    family: AnyFamily, lines: KeyDifferences, references: Sequence[Reference], dialect: str
) -> Solution | None:
    """Find the settings of both networks; None if no network that is known can be a beginning.

    Args:
        family: Whose keys they are.
        lines: Names as the family gives them in one dialect.
        references: Networks that are known.
        dialect: That dialect.
    """
    bases = [
        (one, table) for one in references if (table := table_of(family, one.settings, dialect))
    ]
    found = _closest(bases, {line.key: line.found for line in lines.mismatched}, lines.unexpected)
    expected = _closest(
        bases, {line.key: line.expected for line in lines.mismatched}, lines.missing
    )
    templates = {
        index: Template(bases[index][1], values_of(family, bases[index][0].settings))
        for index in dict.fromkeys((*found, *expected))
    }
    pairs = [(one, one) for one in templates]
    pairs += [(one, other) for one in found for other in expected if one != other]
    attempts = []
    for one, other in pairs:
        starts = (bases[one][0], bases[other][0])
        attempt = _Attempt(family, lines, references, dialect, starts)
        if attempt.solve((templates[one], templates[other])):
            attempts.append(attempt)
    if not attempts:
        return None
    attempts.sort(key=lambda attempt: attempt.rank())
    for attempt in attempts[:_MOST_IMPROVED]:
        attempt.improve()
    return min(attempts, key=lambda attempt: attempt.rank()).solution()


def _closest(
    bases: Sequence[tuple[Reference, Table]], shapes: Mapping[str, Shape], present: Sequence[str]
) -> list[int]:
    """Return the known networks that fit what is known of one side best."""

    def misfits(index: int) -> tuple[int, int]:
        table = bases[index][1]
        wrong = sum(key not in table or table[key].shape != shape for key, shape in shapes.items())
        return wrong + sum(key not in table for key in present), index

    return sorted(range(len(bases)), key=misfits)[:_MOST_BASES]


class _Attempt:
    """The search from one known network for the file's side, and one for the other's."""

    def __init__(
        self,
        family: AnyFamily,
        lines: KeyDifferences,
        references: Sequence[Reference],
        dialect: str,
        bases: tuple[Reference, Reference],
    ) -> None:
        self._family = family
        self._lines = lines
        self._references = references
        self._dialect = dialect
        self._bases = bases
        self._told: set[str] = set()
        self._guesses: list[tuple[Guess, ...]] = []

    def solve(self, templates: tuple[Template, Template]) -> bool:
        """Find the settings of both sides, and say whether they could be found."""
        self._templates = templates
        try:
            sides = [dict(base.settings) for base in self._bases]
            sides = [self._count(side, settings) for side, settings in enumerate(sides)]
            sides = [self._measure(side, settings) for side, settings in enumerate(sides)]
            self._sides = self._factor(sides)
        except UsageError:
            return False
        self._wrong = wrong_lines(
            self._family, self._lines, self._dialect, (self._sides[0], self._sides[1])
        )
        return True

    def rank(self) -> tuple[float, ...]:
        """Return how much there is against the settings that were found."""
        found, expected = self._sides
        changed = sum(found[name] != expected.get(name) for name in found)
        moved = sum(
            side[name] != base.settings.get(name)
            for side, base in zip(self._sides, self._bases, strict=True)
            for name in side
        )
        cost = sum(guesses[0].cost for guesses in self._guesses)
        # A paste may be a part of the lines; that all of it comes out weighs more than what else.
        wrong = _LACKING * self._wrong.lacking + self._wrong.beyond
        return self._wrong.lacking > 0, wrong, cost, changed, moved

    def improve(self) -> None:
        """Try settings that nothing measures, if lines are left that the two do not give."""
        sides = (self._sides[0], self._sides[1])
        found, expected, self._wrong = improve(
            self._family, self._lines, self._dialect, sides, self._choices()
        )
        self._sides = [found, expected]

    def solution(self) -> Solution:
        """Return what was found."""
        return Solution(
            found=self._sides[0],
            expected=self._sides[1],
            told=frozenset(self._told),
            guesses=tuple(self._guesses),
            wrong=self._wrong,
        )

    def _count(self, side: int, settings: Settings) -> Settings:
        """Set the numbers of layers that only one side has."""
        template = self._templates[side]
        for has, keys in (
            (side == 0, self._lines.unexpected),
            (side == 1, self._lines.missing),
        ):
            for setting, indices in _whole_repeats(template, keys).items():
                count = max(indices) + 1 if has else min(indices)
                if count > _MOST_LAYERS:
                    continue
                self._told.add(setting)
                settings = self._set(settings, setting, count, template)
        return settings

    def _set(self, settings: Settings, name: str, value: int, template: Template) -> Settings:
        """Give one setting a value: an item of a list, a number, or the length of a list."""
        bare, index = split_name(name)
        held = settings.get(bare)
        if index is not None:
            if not isinstance(held, tuple) or index >= len(held):
                return settings
            changed: FactValue = (*held[:index], value, *held[index + 1 :])
            return self._override(settings, {bare: changed})
        if bare in settings:
            return self._override(settings, {bare: value})
        return self._resize(settings, name, value, template)

    def _resize(self, settings: Settings, name: str, count: int, template: Template) -> Settings:
        """Give the lists that a number of layers is the length of that length."""
        if count < 1:
            return settings
        lists: dict[str, FactValue] = {}
        for tensor in template.table.values():
            if name in tensor.presence:
                for bare in (split_name(term)[0] for terms in tensor.terms for term in terms):
                    held = settings.get(bare)
                    if isinstance(held, tuple) and len(held) == value_of(
                        values_of(self._family, settings), name
                    ):
                        lists[bare] = (*held, *[held[-1]] * (count - len(held)))[:count]
        return self._override(settings, lists) if lists else settings

    def _override(self, settings: Settings, changes: Mapping[str, FactValue]) -> Settings:
        """Put settings in place of others; what cannot be built is left as it was."""
        try:
            return override_settings(self._family, settings, changes)[0]
        except UsageError:
            return settings

    def _measure(self, side: int, settings: Settings) -> Settings:
        """Set what stands alone on an axis; of several sizes the commonest."""
        votes: dict[str, dict[int, int]] = {}
        for line in self._lines.mismatched:
            shape = (line.found, line.expected)[side]
            for names, size in zip(self._terms(line, side), shape, strict=False):
                if len(names) == 1:
                    held = votes.setdefault(names[0], {})
                    held[size] = held.get(size, 0) + 1
        for name, sizes_of in votes.items():
            self._told.add(name)
            size = max(sizes_of, key=lambda one: sizes_of[one])
            settings = self._set(settings, name, size, self._templates[side])
        return settings

    def _terms(self, line: ShapeMismatch, side: int) -> tuple[tuple[str, ...], ...]:
        """Return the settings on each axis of a tensor, as the network of one side has it."""
        for template in (self._templates[side], self._templates[1 - side]):
            tensor = template.find(line.key)
            if tensor is not None:
                shape = (line.found, line.expected)[side]
                return tensor.terms if len(tensor.terms) == len(shape) else ()
        return ()

    def _axes(self) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
        """Yield the settings of every axis that both networks have for the same, and its sizes."""
        for line in self._lines.mismatched:
            found, expected = self._terms(line, 0), self._terms(line, 1)
            sizes = zip(line.found, line.expected, strict=False)
            for names, other, both in zip(found, expected, sizes, strict=False):
                if names and names == other:
                    yield names, both

    def _factor(self, sides: list[Settings]) -> list[Settings]:
        """Set the factors of sizes that are products."""
        values: list[Values] = [values_of(self._family, settings) for settings in sides]
        seen: set[tuple[str, ...]] = set()
        for names, sizes in self._axes():
            open_names = tuple(name for name in names if name not in self._told)
            if len(names) < 2 or names in seen or not open_names:
                continue
            seen.add(names)
            rest = [_quotient(sizes[side], names, open_names, values[side]) for side in (0, 1)]
            if rest[0] is None or rest[1] is None:
                continue
            guesses = self._guess(open_names, (rest[0], rest[1]), values)
            if not guesses:
                continue
            best = guesses[0]
            for side, factors in enumerate((best.found, best.expected)):
                for name, factor in zip(best.names, factors, strict=True):
                    sides[side] = self._set(sides[side], name, factor, self._templates[side])
            if len(open_names) > 1:
                self._guesses.append(guesses)
        return sides

    def _guess(
        self, names: tuple[str, ...], sizes: tuple[int, int], values: Sequence[Values]
    ) -> tuple[Guess, ...]:
        """Return the factors of both sizes, ranked; those of the known networks first."""
        if len(names) == 1:
            return (make_guess(names, sizes[:1], sizes[1:]),)
        known = [values_of(self._family, one.settings) for one in self._references]
        ranked = rank_guesses(names, sizes, usual_values(names, self._family.usual, known))
        held = [_factors(side, names) for side in values]
        if [math.prod(factors) for factors in held] != list(sizes):
            return ranked
        first = make_guess(names, held[0], held[1])
        others = [one for one in ranked if (one.found, one.expected) != (held[0], held[1])]
        return (first, *others)

    def _choices(self) -> dict[str, tuple[FactValue, ...]]:
        """Return values that a setting has in networks that are known; of a switch, both."""
        choices: dict[str, dict[FactValue, None]] = {}
        for one in self._references:
            for name, value in one.settings.items():
                held = choices.setdefault(name, {})
                held.setdefault(value)
                if isinstance(value, bool):
                    held.setdefault(not value)
        for key in (*self._lines.missing, *self._lines.unexpected):
            tensor = self._templates[0].find(key) or self._templates[1].find(key)
            for name in tensor.presence if tensor is not None else ():
                if not isinstance(self._bases[0].settings.get(name, ()), tuple | bool):
                    choices[name].setdefault(None)
        return {name: tuple(values) for name, values in choices.items() if len(values) > 1}


def _factors(values: Values, names: Sequence[str]) -> tuple[int, ...]:
    """Return the values of settings; 0 for one that is no size."""
    found = [value_of(values, name) for name in names]
    return tuple(one if isinstance(one, int) else 0 for one in found)


def _quotient(
    size: int, names: Sequence[str], open_names: Sequence[str], values: Values
) -> int | None:
    """Return what is left of a size for the settings that are not known yet."""
    for name in names:
        if name not in open_names:
            value = value_of(values, name)
            if not isinstance(value, int) or value < 1 or size % value:
                return None
            size //= value
    return size


def _whole_repeats(template: Template, keys: Sequence[str]) -> dict[str, set[int]]:
    """Return which repetitions of each setting are among keys with all that belongs to them."""
    counts: dict[tuple[str, int], int] = {}
    for key in keys:
        repeat = template.repeat(key)
        if repeat is not None:
            place = (repeat.setting, repeat.index)
            counts[place] = counts.get(place, 0) + 1
    whole: dict[str, set[int]] = {}
    for (setting, index), count in counts.items():
        if count >= template.repeat_size(setting):
            whole.setdefault(setting, set()).add(index)
    return whole
