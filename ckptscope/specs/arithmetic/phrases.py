"""Values, statements and networks in words.

Enters: statements and numbers. Leaves: short pieces of sentences: `depth_bins = 32`,
`7,596,986 elements (7.60 M)`, `18 × 32 = 576 final channels`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ckptscope.facts.architecture import FactValue
from ckptscope.specs.arithmetic.background import Product
from ckptscope.specs.arithmetic.evaluation import FILE, FLOPS, TIMES, Numbers, split_item
from ckptscope.specs.arithmetic.kinds import is_amount, is_plane_of_sides
from ckptscope.specs.arithmetic.statements import Option, Statement
from ckptscope.specs.arithmetic.vocabulary import is_total
from ckptscope.specs.wording import in_unit, noun_of, value_text

#: Facts that are a height and a width.
PLANES: Final = frozenset({"input_size", "head_input", "heatmap"})
_OPTIMIZERS: Final = {
    "weights": "weights alone",
    "momentum": "weights and one momentum",
    "adam": "weights and the two moments of Adam",
}
_MOST_SHOWN: Final = 6
#: Readings of one number that are shown side by side; of more the nearest.
_MOST_READINGS: Final = 2


def plain_text(name: str, value: FactValue) -> str:
    """Return a value as a claim would say it: lists in brackets, planes as `8×8`."""
    if isinstance(value, tuple):
        if name in PLANES and is_plane_of_sides(value):
            return f"{value[0]}×{value[1]}"
        return f"[{value_text(value)}]"
    return "none" if value is None else value_text(value)


def is_plane(name: str, value: FactValue) -> bool:
    """Whether a value is a height and a width."""
    return name in PLANES and is_plane_of_sides(value)


def assignment_text(name: str, value: FactValue) -> str:
    """Return `depth_bins = 32`."""
    return f"{name} = {plain_text(name, value)}"


def fact_words(fact: str) -> str:
    """Return what a fact counts, in words."""
    if fact.startswith(FILE):
        _, optimizer, precision = fact.split(":")
        return f"bytes of a file of {precision} {_OPTIMIZERS[optimizer]}"
    if fact == FLOPS:
        return "operations, two to a multiply-accumulate"
    return noun_of(fact)


def computed_text(option: Option, numbers: Numbers) -> str:
    """Return what follows, to the last one, and rounded as the claim is."""
    value = numbers.value(option.fact)
    rule = option.rule
    if not is_amount(value) or rule is None:
        return plain_text(split_item(option.fact)[0], value)
    if rule.scale == 1:
        exact = value_text(value)
        return f"{exact} {fact_words(option.fact)}" if is_total(option.fact) else exact
    rounded = in_unit(value, rule)
    if isinstance(value, float):
        return f"{noun_of(option.fact)} {rounded}"
    return f"{value_text(value)} {fact_words(option.fact)} ({rounded})"


def number_text(statement: Statement, numbers: Numbers, fact: str) -> str:
    """Return what a number of the claim would have to be: `state_elements = 7,596,986 (7.60 M)`."""
    option = next((one for one in statement.options if one.fact == fact), statement.options[0])
    value = numbers.value(option.fact)
    rule = option.rule
    text = assignment_text(option.fact, value)
    if isinstance(value, float) and rule is not None:
        return f"{option.fact} = {in_unit(value, rule)}"
    if is_amount(value) and rule is not None and rule.scale != 1:
        text = f"{text} ({in_unit(value, rule)})"
    return text


def reading_text(statement: Statement, other: str) -> str:
    """Return a change of what a number is about."""
    if is_total(other):
        return f"{statement.text} counted as {fact_words(other)}"
    return f"{plain_text(statement.attribute, statement.options[0].value)} read as {other}"


def all_computed(statement: Statement, numbers: Numbers) -> str:
    """Return what follows under every reading of a statement: `... elements or ... parameters`."""
    options = {one.fact: one for one in reversed(statement.options)}
    known = [
        one for fact in statement.facts if numbers.value((one := options[fact]).fact) is not None
    ]
    if len(known) > _MOST_READINGS:
        known.sort(key=lambda one: one.distance(numbers.value(one.fact)))
    return " or ".join(dict.fromkeys(computed_text(one, numbers) for one in known[:_MOST_READINGS]))


def given_text(said: Mapping[str, FactValue], numbers: Numbers, products: Sequence[Product]) -> str:
    """Return what a network is given by: what is said, and products of open settings."""
    within = {term for product in products for term in (*product.terms, product.fact)}
    plain = [assignment_text(name, value) for name, value in said.items() if name not in within]
    more = len(plain) - _MOST_SHOWN
    shown = plain[:_MOST_SHOWN] + ([f"{more} more settings"] if more > 0 else [])
    return listed([*shown, *(product_text(product, numbers) for product in products)])


def product_text(product: Product, numbers: Numbers) -> str:
    """Return `18 × 32 = 576 final channels`."""
    factors = [value_text(numbers.value(term)) for term in product.terms]
    whole = value_text(numbers.value(product.name))
    return f"{TIMES.join(factors)} = {whole} {noun_of(product.fact or product.name)}"


def listed(parts: Iterable[str]) -> str:
    """Join with commas and a last *and*."""
    items = [part for part in parts if part]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
