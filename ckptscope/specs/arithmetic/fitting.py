"""Is there a network that meets everything a claim says?

Enters: a `Case`: what is said of one network, and what completes it. Leaves: `Attempt`s: a network
with values for what the claim leaves open, and what of the claim it does not meet.

Open are the settings that shapes leave open (`Family.usual`: joints × depth bins) and those without
weights. They are tried in this order: as in the row that the claim is about; the usual values; and
both with other settings that have no weights.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.specs.arithmetic.building import Builder
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.kinds import is_pattern
from ckptscope.specs.arithmetic.statements import Statement, unmet
from ckptscope.specs.arithmetic.tensors import is_large

#: Combinations of open values that are tried; families name a few values each.
MOST_ATTEMPTS: Final = 4000
#: Layers up to which every pattern of truth values is tried.
_MOST_LAYERS: Final = 4
#: Layers that a head may have to be searched for a pattern.
_MOST_LENGTH: Final = 16
_MOST_CHOICES: Final = 64


class Case(msgspec.Struct, frozen=True, eq=False):
    """What is said of one network.

    Attributes:
        builder: What completes it.
        statements: Everything that is said; settings among them.
        name: Of the network.
    """

    builder: Builder
    statements: tuple[Statement, ...]
    name: str = ""

    def choices(self) -> Iterator[dict[str, FactValue]]:
        """Yield what is said to the family; where the claim says one of several, each of them."""
        names: list[str] = []
        values: list[list[FactValue]] = []
        for statement in self.statements:
            facts = statement.facts
            if len(facts) == 1 and self.builder.takes(facts[0]):
                names.append(facts[0])
                values.append([option.value for option in statement.options])
        for chosen in itertools.islice(itertools.product(*values), _MOST_CHOICES):
            yield dict(zip(names, chosen, strict=True))

    def said(self) -> dict[str, FactValue]:
        """Return what is said to the family, of several values the first."""
        return next(self.choices(), {})

    def open_names(self, said: Mapping[str, FactValue]) -> tuple[str, ...]:
        """Return the open settings that the claim does not say."""
        return tuple(name for name in self.builder.family.usual if name not in said)

    def with_statements(self, statements: tuple[Statement, ...]) -> "Case":
        """Return the same network with other things said of it."""
        return msgspec.structs.replace(self, statements=statements)


class Attempt(msgspec.Struct, frozen=True, eq=False):
    """One network.

    Attributes:
        said: What the claim says to the family.
        opened: Values of open settings that are not those of the row.
        is_usual: Whether they are usual ones.
        varied: Settings without weights that are not those of the row.
        numbers: What follows.
        unmet: What of the claim it does not meet.
    """

    said: dict[str, FactValue]
    opened: dict[str, FactValue]
    varied: dict[str, FactValue]
    numbers: Numbers
    unmet: tuple[Statement, ...]
    is_usual: bool = True


def find_fit(case: Case) -> Attempt | None:
    """Return the first network that meets all that is said, or None."""
    for attempt in attempts(case):
        if not attempt.unmet:
            return attempt
    return None


def fit_with(case: Case, opened: Mapping[str, FactValue]) -> Attempt | None:
    """Return a network with given values of open settings that meets all that is said, or None."""
    said = case.said()
    for is_varied in (False, True):
        for attempt in _varied(case, said, opened, is_varied=is_varied):
            if not attempt.unmet:
                return attempt
    return None


def find_closest(case: Case) -> Attempt:
    """Return the network that comes closest.

    What is said of shapes and planes counts more than sums, the row's own values more than others.

    Raises:
        UsageError: No network can be built at all.
    """
    best: tuple[tuple[float, ...], Attempt] | None = None
    has_row = case.builder.base.row is not None
    for order, attempt in enumerate(attempts(case)):
        exact = sum(not one.is_total for one in attempt.unmet)
        off = sum(min(one.distance(attempt.numbers), 1.0) for one in attempt.unmet)
        rank = (exact, order if has_row else 0, len(attempt.unmet), off)
        if best is None or rank < best[0]:
            best = (rank, attempt)
    if best is None:
        _build_first(case)
        raise UsageError("no network meets what is said")
    return best[1]


def attempts(case: Case) -> Iterator[Attempt]:
    """Yield networks in the order in which they are likely; what cannot be built is left out.

    A large network is tried as it is and no further. Where something is not met on which open
    settings have no bearing, their other values are not tried.
    """
    count = 0
    for is_varied in (False, True):
        for said in case.choices():
            is_stuck = False
            values = _open_values(case, said)
            if is_varied and not patterns_bear(case, said, values[0]):
                continue
            for opened in values:
                for attempt in _varied(case, said, opened, is_varied=is_varied):
                    yield attempt
                    count += 1
                    if count >= MOST_ATTEMPTS or is_large(attempt.numbers):
                        return
                    is_stuck = is_stuck or _is_stuck(case, attempt)
                if is_stuck:
                    break


def _is_stuck(case: Case, attempt: Attempt) -> bool:
    """Whether an attempt, the first of its kind, misses what no open setting bears on."""
    if attempt.opened:
        return False
    names = case.open_names(attempt.said)
    return any(not depends_on(case, attempt, names, one.facts) for one in attempt.unmet)


def _varied(
    case: Case,
    said: Mapping[str, FactValue],
    opened: Mapping[str, FactValue],
    *,
    is_varied: bool,
) -> Iterator[Attempt]:
    if not is_varied:
        plain = _built(case, said, opened)
        if plain is not None:
            yield _attempt(case, said, opened, {}, plain)
        return
    for varied in patterns(case, said, opened):
        numbers = _built(case, said, {**opened, **varied})
        if numbers is not None:
            yield _attempt(case, said, opened, varied, numbers)


def _attempt(
    case: Case,
    said: Mapping[str, FactValue],
    opened: Mapping[str, FactValue],
    varied: Mapping[str, FactValue],
    numbers: Numbers,
) -> Attempt:
    missed = unmet(case.statements, numbers)
    return Attempt(dict(said), dict(opened), dict(varied), numbers, missed)


def _built(
    case: Case, said: Mapping[str, FactValue], opened: Mapping[str, FactValue]
) -> Numbers | None:
    try:
        return case.builder.build(said, opened)
    except UsageError:
        return None


def _build_first(case: Case) -> None:
    """Let the family say why nothing can be built."""
    case.builder.build(case.said(), usual_values(case, case.said())[0])


def _open_values(case: Case, said: Mapping[str, FactValue]) -> list[dict[str, FactValue]]:
    """Return values for what is open: nothing, which leaves the row's, then the usual ones."""
    has_own = all(name in case.builder.base.fields for name in case.open_names(said))
    usual = [one for one in usual_values(case, said) if one]
    return [{}, *usual] if has_own else usual or [{}]


def usual_values(case: Case, said: Mapping[str, FactValue]) -> list[dict[str, FactValue]]:
    """Return every combination of usual values; one empty one where nothing is open."""
    names = case.open_names(said)
    usual = case.builder.family.usual
    combined = itertools.product(*(usual[name][0] for name in names))
    found = [dict(zip(names, values, strict=True)) for values in combined]
    return found[:MOST_ATTEMPTS]


def patterns(
    case: Case, said: Mapping[str, FactValue], opened: Mapping[str, FactValue]
) -> Iterator[dict[str, FactValue]]:
    """Yield values for lists of truth values that have no weights, where the claim says none.

    Those that begin with all their true values come first; of short lists every other follows.
    """
    names = {name.partition("[")[0] for name in said}
    for name in case.builder.family.weightless:
        governing = {short for short, own in case.builder.base.governs.items() if name in own}
        if name not in names and not governing & names:
            for pattern in _pattern_values(case, said, opened, name):
                yield {name: pattern}


def patterns_bear(
    case: Case, said: Mapping[str, FactValue], opened: Mapping[str, FactValue]
) -> bool:
    """Whether lists of truth values without weights bear on anything that is claimed."""
    plain = _built(case, said, opened)
    facts = {fact for one in case.statements for fact in one.facts}
    for pattern in itertools.islice(patterns(case, said, opened), _MOST_LAYERS):
        other = _built(case, said, {**opened, **pattern})
        if other is not None and (
            plain is None or any(other.value(fact) != plain.value(fact) for fact in facts)
        ):
            return True
    return False


def _pattern_values(
    case: Case, said: Mapping[str, FactValue], opened: Mapping[str, FactValue], name: str
) -> Iterator[tuple[bool, ...]]:
    plain = _built(case, said, opened)
    value = plain.value(name) if plain is not None else None
    if value is None:
        value = _shortest(case, said, opened, name)
    if not is_pattern(value):
        return
    length = len(value)
    counts = range(length + 1) if length <= _MOST_LENGTH else (0, length)
    first = [tuple(i < count for i in range(length)) for count in counts]
    every = itertools.product((True, False), repeat=length) if length <= _MOST_LAYERS else ()
    seen = {value} if plain is not None and plain.value(name) is not None else set()
    for pattern in (*first, *every):
        if pattern not in seen:
            seen.add(pattern)
            yield pattern


def _shortest(
    case: Case, said: Mapping[str, FactValue], opened: Mapping[str, FactValue], name: str
) -> FactValue:
    """Return a list of truth values of the length that the network wants; None for none."""
    for length in range(1, _MOST_LENGTH + 1):
        value = (False,) * length
        if _built(case, said, {**opened, name: value}) is not None:
            return value
    return None


def depends_on(case: Case, attempt: Attempt, names: Iterable[str], facts: Iterable[str]) -> bool:
    """Whether any of some facts would be another with other values of open settings.

    Args:
        case: What is said.
        attempt: A network of it.
        names: Open settings that are varied, one at a time.
        facts: The facts that are looked at.
    """
    numbers = attempt.numbers
    looked_at = tuple(facts)
    for name in names:
        current = numbers.value(name)
        usual = case.builder.family.usual.get(name, ((), ""))[0]
        for value in usual:
            if value == current:
                continue
            others = {**attempt.opened, **attempt.varied, name: value}
            said = {key: one for key, one in attempt.said.items() if key != name}
            other = _built(case, said, others)
            if other is not None and any(
                other.value(fact) != numbers.value(fact) for fact in looked_at
            ):
                return True
            break
    return False
