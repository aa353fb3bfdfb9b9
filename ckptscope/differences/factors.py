"""Sizes that are products → the factors of two networks.

Enters: one size of the file and one of the network, the settings whose product both are, values
that these usually have. Leaves: factors, ranked: 1152 against 1088 is 18 × 64 against 17 × 64
rather than 36 × 32 against 34 × 32. A guess is told as such, with the others beside it.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ckptscope.differences.values import Values, value_of
from ckptscope.facts.architecture import FactValue

#: Factors beyond are not tried one by one.
_MOST_DIVISOR = 4096
#: What it costs that two settings differ where one would do, in values that are not usual.
_FURTHER_CHANGE = 0.5
_MOST_GUESSES = 64

Usual = Mapping[str, Sequence[int]]


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """Factors of one size in the file and one in the network.

    Attributes:
        names: The settings, in the order of the product.
        found: Their values in the file.
        expected: Their values in the network.
        cost: How much has to be believed; 0 if every value is a usual one and one differs.
        place: Where the values stand among the usual ones, added up; the lower the more common.
    """

    names: tuple[str, ...]
    found: tuple[int, ...]
    expected: tuple[int, ...]
    cost: float
    place: int


def make_guess(names: Sequence[str], found: tuple[int, ...], expected: tuple[int, ...]) -> Guess:
    """Return factors that nothing speaks against."""
    return Guess(names=tuple(names), found=found, expected=expected, cost=0.0, place=0)


def rank_guesses(names: Sequence[str], sizes: tuple[int, int], usual: Usual) -> tuple[Guess, ...]:
    """Return factors of both sizes, the likeliest first.

    Args:
        names: Settings whose product both sizes are; two of them or more.
        sizes: In the file, and in the network.
        usual: Values that a setting often has, the commonest first.
    """
    if min(sizes) < 1:
        return ()
    seen: dict[tuple[tuple[int, ...], tuple[int, ...]], Guess] = {}
    for found, expected in _pairs(names, sizes, usual):
        if (found, expected) not in seen:
            seen[found, expected] = _judge(names, found, expected, usual)
    ranked = sorted(seen.values(), key=lambda guess: (guess.cost, guess.place))
    # A factor of one means that there is no product; that is the last thing to believe.
    real = [guess for guess in ranked if 1 not in (*guess.found, *guess.expected)]
    return tuple((real or ranked)[:_MOST_GUESSES])


def usual_values(
    names: Sequence[str],
    known: Mapping[str, tuple[tuple[FactValue, ...], str]],
    bases: Sequence[Values],
) -> dict[str, tuple[int, ...]]:
    """Return the values that settings often have: those of the family, then those of its tables.

    Args:
        names: Settings.
        known: Usual values by setting, and the reason.
        bases: What networks that are known have.
    """
    usual: dict[str, tuple[int, ...]] = {}
    for name in names:
        values = [*known.get(name, ((), ""))[0], *(value_of(base, name) for base in bases)]
        usual[name] = tuple(
            dict.fromkeys(
                value
                for value in values
                if isinstance(value, int) and not isinstance(value, bool) and value > 0
            )
        )
    return usual


def _pairs(
    names: Sequence[str], sizes: tuple[int, int], usual: Usual
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield factors in which one setting differs, then those of usual values alone."""
    shared = math.gcd(*sizes)
    for index, name in enumerate(names):
        others = [other for other in names if other != name]
        for common in _commons(others, shared, usual):
            product = math.prod(common)
            if product and not sizes[0] % product and not sizes[1] % product:
                made = [(*common[:index], size // product, *common[index:]) for size in sizes]
                yield made[0], made[1]
    for one in _of_usual(names, sizes[0], usual):
        for other in _of_usual(names, sizes[1], usual):
            yield one, other


def _commons(names: Sequence[str], shared: int, usual: Usual) -> Iterator[tuple[int, ...]]:
    """Yield values that settings may have in both networks."""
    last, before = names[-1], [usual.get(name, ())[:4] or (1,) for name in names[:-1]]
    for chosen in itertools.product(*before):
        rest = shared // math.prod(chosen)
        values = dict.fromkeys((*usual.get(last, ()), *_divisors(rest)))
        for value in values:
            yield (*chosen, value)


def _of_usual(names: Sequence[str], size: int, usual: Usual) -> list[tuple[int, ...]]:
    choices = [usual.get(name, ())[:16] for name in names]
    if len(names) > 3:
        return []
    return [one for one in itertools.product(*choices) if math.prod(one) == size]


def _divisors(number: int) -> list[int]:
    """Return the divisors of a number that are small, or stand opposite of small ones."""
    if number < 1:
        return []
    small = [
        one for one in range(1, min(math.isqrt(number), _MOST_DIVISOR) + 1) if not number % one
    ]
    return [*small, *(number // one for one in reversed(small))]


def _judge(
    names: Sequence[str], found: tuple[int, ...], expected: tuple[int, ...], usual: Usual
) -> Guess:
    changes = sum(one != other for one, other in zip(found, expected, strict=True))
    cost = max(changes - 1, 0) * _FURTHER_CHANGE
    place = 0
    for name, one, other in zip(names, found, expected, strict=True):
        known = list(usual.get(name, ()))
        for value in {one, other}:
            if value in known:
                place += known.index(value)
            else:
                cost += 1
                place += len(known)
    return Guess(names=tuple(names), found=found, expected=expected, cost=cost, place=place)
