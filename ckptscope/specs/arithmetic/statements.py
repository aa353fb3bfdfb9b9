"""What a claim says of a network, ready to be held against numbers.

Enters: an attribute's meaning, and a value as TOML gives it. Leaves: a `Statement`: every value
that would meet it, as exact values or as bounds in units of the fact.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.facts.claims import Claim, Rule
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.kinds import is_amount
from ckptscope.specs.arithmetic.quantities import Quantity, read_quantity, read_sides
from ckptscope.specs.arithmetic.vocabulary import Meaning, is_total, tolerance_of
from ckptscope.specs.schema import UNITS
from ckptscope.specs.wording import claim_text, value_text

#: Items of a list that a claim may hold.
_MOST_ITEMS: Final = 1000
#: The distance between what cannot be compared.
_FAR: Final = 1e6


class Option(msgspec.Struct, frozen=True, eq=False):
    """One way to meet a statement.

    Attributes:
        fact: The fact that it is about.
        value: What the fact would be, exactly; of a rounded number the middle.
        low: Least number that meets it; None for what is compared exactly.
        high: Greatest number that meets it.
        rule: How the number was printed.
    """

    fact: str
    value: FactValue
    low: float | None = None
    high: float | None = None
    rule: Rule | None = None

    def admits(self, value: FactValue) -> bool:
        """Whether a fact's value meets it."""
        if self.low is None or self.high is None or not is_amount(value):
            return value is not None and self.value == value
        return self.low <= value <= self.high

    def distance(self, value: FactValue) -> float:
        """Return how far a fact's value is from it, as a share of what is claimed."""
        if self.admits(value):
            return 0.0
        if not is_amount(value) or not is_amount(self.value):
            return _FAR
        return abs(float(value) - float(self.value)) / max(abs(float(self.value)), 1.0)

    def scaled(self, factor: float, unit: str) -> "Option":
        """Return the same number in another unit.

        Args:
            factor: What the other unit is worth in this one.
            unit: Its name.
        """
        if self.low is None or self.high is None or not is_amount(self.value):
            return self
        rule = self.rule
        if rule is not None:
            rule = msgspec.structs.replace(rule, unit=unit, scale=rule.scale * factor)
        value = _whole(self.value * factor)
        return Option(self.fact, value, self.low * factor, self.high * factor, rule)


class Statement(msgspec.Struct, frozen=True, eq=False):
    """One thing that a claim says.

    Attributes:
        attribute: Name in the claim.
        text: Value as printed.
        options: Ways to meet it; none for what no arithmetic gives.
        keys: Place in the file.
        raw: The value as the file has it.
        of_tensor: Whether a tensor's shape says it.
    """

    attribute: str
    text: str
    options: tuple[Option, ...]
    keys: tuple[str | int, ...] = ()
    raw: FactValue = None
    of_tensor: bool = False

    @property
    def facts(self) -> tuple[str, ...]:
        """Facts that it may be about, each once."""
        return tuple(dict.fromkeys(option.fact for option in self.options))

    @property
    def is_total(self) -> bool:
        """Whether it is about a sum over the network."""
        return any(is_total(fact) for fact in self.facts)

    def met_by(self, numbers: Numbers) -> Option | None:
        """Return the first way in which numbers meet it, or None."""
        for option in self.options:
            if option.admits(numbers.value(option.fact)):
                return option
        return None

    def distance(self, numbers: Numbers) -> float:
        """Return how far numbers are from meeting it: 0 for met, else a relative deviation."""
        if self.met_by(numbers) is not None:
            return 0.0
        nearest = self.nearest(numbers)
        return _FAR if nearest is None else nearest.distance(numbers.value(nearest.fact))

    def nearest(self, numbers: Numbers) -> Option | None:
        """Return the way to meet it that numbers come closest to; None where none is known."""
        known = [one for one in self.options if numbers.value(one.fact) is not None]
        return min(known, key=lambda one: one.distance(numbers.value(one.fact)), default=None)

    def about(self, fact: str) -> "Statement":
        """Return the same values, said of another fact."""
        seen: dict[object, Option] = {}
        for option in self.options:
            seen.setdefault(option.value, msgspec.structs.replace(option, fact=fact))
        return msgspec.structs.replace(self, options=tuple(seen.values()))


def read_statement(
    attribute: str, meaning: Meaning, raw: object, keys: tuple[str | int, ...], *, of: str
) -> Statement:
    """Read a value: a number, a text, a list, or a table with `any_of` or `value`.

    Args:
        attribute: Name in the claim.
        meaning: What it is about.
        raw: As TOML gives it.
        keys: Place in the file.
        of: Name of the network.

    Raises:
        UsageError: The value is of no kind that can be read.
    """
    alternatives, tolerance = _alternatives(raw)
    if tolerance is not None:
        meaning = msgspec.structs.replace(meaning, tolerance=tolerance)
    values = [(freeze(one), _quantity(one, meaning)) for one in alternatives]
    options = tuple(
        _option(attribute, fact, meaning, plain, quantity, of)
        for fact in meaning.facts
        for plain, quantity in values
    )
    pairs = zip(alternatives, values, strict=True)
    text = " or ".join(_printed(one, quantity) for one, (_, quantity) in pairs)
    return Statement(attribute, text, options, keys, _plain(values[0][0], meaning))


def _plain(value: FactValue, meaning: Meaning) -> FactValue:
    """Return a number without the unit of its attribute: `51.80 mm` as a table has it."""
    if not isinstance(value, str):
        return value
    quantity = read_quantity(value.strip().removesuffix(meaning.unit))
    return quantity.number if quantity is not None and not quantity.unit else value


def exact_option(fact: str, value: FactValue) -> Option:
    """Return the way to meet an exact value."""
    if is_amount(value):
        number = float(value)
        return Option(fact, value, number, number, Rule(attribute=fact, fact=fact))
    return Option(fact, value)


def statement_of_claim(claim: Claim, keys: tuple[str | int, ...] = ()) -> Statement:
    """Turn a claim of a table into a statement."""
    rule = claim.rule
    options: tuple[Option, ...] = ()
    if rule.fact and is_amount(claim.value):
        low, high = claim.bounds()
        middle = _whole(float(claim.value) * rule.scale)
        options = (Option(rule.fact, middle, low, high, rule),)
    elif rule.fact:
        options = (Option(rule.fact, claim.value),)
    return Statement(rule.attribute, claim_text(claim), options, keys, claim.value)


def freeze(value: object) -> FactValue:
    """Turn lists of TOML into tuples; a pair of sides becomes one, too.

    Raises:
        UsageError: It holds what no setting can be.
    """
    if isinstance(value, list | tuple):
        if len(value) > _MOST_ITEMS:
            raise UsageError(f"expected at most {_MOST_ITEMS:,} items, found {len(value):,}")
        if not value:
            raise UsageError("expected at least one item, found an empty list")
        return tuple(_item(one) for one in value)
    if isinstance(value, str):
        return read_sides(value) or value
    if is_amount(value) or isinstance(value, bool):
        return value
    raise UsageError(
        f"expected a number, a text, true or false, a list or a table with any_of, found {value!r}"
    )


def _item(value: object) -> FactItem:
    if isinstance(value, list | tuple):
        if not all(isinstance(one, int) and not isinstance(one, bool) for one in value):
            raise UsageError(f"expected whole numbers within a list of lists, found {value!r}")
        return tuple(value)
    if isinstance(value, str | bool) or is_amount(value):
        return value
    raise UsageError(f"expected numbers, texts, true or false in a list, found {value!r}")


def _alternatives(raw: object) -> tuple[list[object], float | None]:
    """Return the values of which one must be true, and an explicit tolerance."""
    if not isinstance(raw, Mapping):
        return [raw], None
    unknown = set(raw) - {"any_of", "value", "tolerance"}
    if unknown or ("any_of" in raw) == ("value" in raw):
        raise UsageError(
            f"expected any_of or value, and tolerance, found {', '.join(map(repr, raw))}"
        )
    tolerance = raw.get("tolerance")
    if tolerance is not None and not (is_amount(tolerance) and 0 <= tolerance < 1):
        raise UsageError(f"expected a tolerance from 0 to below 1, found {tolerance!r}")
    if "value" in raw:
        return [raw["value"]], tolerance
    found = raw["any_of"]
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_ITEMS:
        raise UsageError(f"expected a list of values for any_of, found {found!r}")
    return list(found), tolerance


def _quantity(raw: object, meaning: Meaning) -> Quantity | None:
    """Read a number; None for what is none."""
    quantity = read_quantity(raw) if isinstance(raw, str) else None
    if quantity is None and is_amount(raw):
        quantity = Quantity(number=raw, decimals=None if isinstance(raw, int) else _decimals(raw))
        if meaning.decimals is not None:
            quantity = msgspec.structs.replace(quantity, decimals=meaning.decimals)
    if quantity is None or quantity.unit or not meaning.unit:
        return quantity
    if meaning.unit not in UNITS:
        return quantity
    decimals = quantity.decimals if quantity.decimals is not None else meaning.decimals or 0
    return msgspec.structs.replace(
        quantity, unit=meaning.unit, scale=UNITS[meaning.unit], decimals=decimals
    )


def _decimals(number: object) -> int:
    """Return the decimals of a number of TOML, which does not keep zeros at its end."""
    return len(repr(number).partition(".")[2]) if "e" not in repr(number) else 0


def _option(
    attribute: str,
    fact: str,
    meaning: Meaning,
    plain: FactValue,
    quantity: Quantity | None,
    of: str,
) -> Option:
    if quantity is None:
        return Option(fact, plain)
    tolerance = meaning.tolerance if meaning.tolerance is not None else tolerance_of(fact)
    rule = Rule(
        attribute=attribute,
        fact=fact,
        unit=quantity.unit,
        scale=quantity.scale,
        decimals=quantity.decimals,
    )
    claim = Claim(subject=of, rule=rule, value=quantity.number)
    low, high = claim.bounds()
    if tolerance is not None:
        wide = Claim(
            subject=of, rule=msgspec.structs.replace(rule, tolerance=tolerance), value=claim.value
        )
        low, high = min(low, wide.bounds()[0]), max(high, wide.bounds()[1])
        rule = wide.rule
    return Option(fact, _whole(quantity.number * quantity.scale), low, high, rule)


def _whole(number: float) -> FactValue:
    nearest = round(number)
    return nearest if abs(number - nearest) < 1e-6 * max(abs(number), 1) else number


def _printed(raw: object, quantity: Quantity | None) -> str:
    """Return a value as the file prints it; plain numbers with the unit of their attribute."""
    if isinstance(raw, str):
        return raw
    if quantity is None:
        return value_text(freeze(raw))
    decimals = quantity.decimals
    number = f"{quantity.number:,}" if decimals is None else f"{quantity.number:,.{decimals}f}"
    return f"{number} {quantity.unit}".rstrip()


def unmet(statements: Iterable[Statement], numbers: Numbers) -> tuple[Statement, ...]:
    """Return the statements that numbers do not meet; those without options are left out."""
    return tuple(one for one in statements if one.options and one.met_by(numbers) is None)
