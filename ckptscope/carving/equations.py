"""Settings from sizes at known places of a table.

Enters: a table with placeholders, the elements that storages have at its places, and the settings
that are not known. Leaves: their values: every axis names the settings whose product it is, so a
size with one unknown setting gives its value, and the next size the next.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.base import Configuration
from ckptscope.families.settings import MOST

C = TypeVar("C", bound=Configuration)

#: Channels of an input that networks for images have: colours, grey, either with one more.
INPUT_CHANNELS: Final = (3, 1, 4, 2)
#: What the stem's convolution shows as a product: input_channels × stem_kernel².
STEM: Final = frozenset({"input_channels", "stem_kernel"})
#: Fields that keep a setting of another name.
_FIELDS: Final = {"final_channels": "undivided"}


def solve_settings(
    tensors: Sequence[ExpectedTensor],
    found: Mapping[int, int],
    configuration: Configuration,
    unknown: frozenset[str],
) -> dict[str, int]:
    """Solve for settings; those that no size shows are left out.

    Args:
        tensors: The table, with placeholders for what is unknown.
        found: Elements by index of the tensor.
        configuration: What the table was built from.
        unknown: Names of settings as axes have them: `head_kernels[1]`.
    """
    known: dict[str, int] = {}
    while True:
        votes: dict[str, Counter[int]] = {}
        products: dict[frozenset[str], int] = {}
        open_: list[tuple[Counter[str], int]] = []
        for index, elements in found.items():
            left, rest = _reduce(tensors[index], elements, configuration, unknown, known)
            if left and rest:
                open_.append((left, rest))
                if len(left) == 2 and set(left.values()) == {1}:
                    products[frozenset(left)] = rest
        for left, rest in open_:
            for name, value in _solve(left, rest, products):
                votes.setdefault(name, Counter())[value] += 1
        if not votes:
            return known
        for name, counter in votes.items():
            known[name] = counter.most_common(1)[0][0]


def _reduce(
    tensor: ExpectedTensor,
    elements: int,
    configuration: Configuration,
    unknown: frozenset[str],
    known: Mapping[str, int],
) -> tuple[Counter[str], int]:
    """Return the settings that are open in a size, each with its power, and their product.

    The product is 0 where the size is none that the tensor can have.
    """
    left: Counter[str] = Counter()
    for size, terms in zip(tensor.shape, tensor.terms, strict=True):
        factors = (size,) if not terms else ()
        for term in terms:
            if term in unknown and term not in known:
                left[term] += 1
            else:
                factors = (
                    *factors,
                    known[term] if term in known else value_of(configuration, term),
                )
        for factor in factors:
            if factor < 1 or elements % factor:
                return left, 0
            elements //= factor
    return left, elements


def _solve(
    left: Counter[str], elements: int, products: Mapping[frozenset[str], int]
) -> list[tuple[str, int]]:
    """Solve for one open setting, for the stem's two, or for two whose product is known as well."""
    names = frozenset(left)
    if names == STEM:
        for channels in INPUT_CHANNELS:
            side = _root(elements // channels, 2) if not elements % channels else None
            if side is not None:
                return [("input_channels", channels), ("stem_kernel", side)]
    if len(left) == 1:
        ((name, power),) = left.items()
        value = _root(elements, power)
        if value is not None and 0 < value <= MOST:
            return [(name, value)]
    product = products.get(names)
    if product is not None and sorted(left.values()) == [1, 2] and not elements % product:
        (square,) = (name for name, power in left.items() if power == 2)
        (single,) = names - {square}
        value = elements // product
        if value and not product % value:
            return [(square, value), (single, product // value)]
    return []


def _root(value: int, power: int) -> int | None:
    """Return an exact root; only sides of squares occur beside single factors."""
    if power == 1:
        return value
    root = math.isqrt(value)
    return root if power == 2 and root * root == value else None


def value_of(configuration: Configuration, term: str) -> int:
    """Return the value of a setting as axes name it: `dims[2]`, `expansion`; 0 for none."""
    name, _, index = term.partition("[")
    value: Any = getattr(configuration, name, None)
    if index and isinstance(value, tuple):
        place = int(index.rstrip("]"))
        value = value[place] if place < len(value) else None
    return value if isinstance(value, int) else 0


def with_values(configuration: C, values: Mapping[str, int]) -> C:
    """Return a configuration with other values, by the names that axes have for them."""
    changes: dict[str, FactValue] = {}
    for term, value in values.items():
        name, _, index = term.partition("[")
        field = _FIELDS.get(name, name)
        if not index:
            changes[field] = value
            continue
        items: Any = list(changes.get(field) or getattr(configuration, field))  # type: ignore[arg-type]
        items[int(index.rstrip("]"))] = value
        changes[field] = tuple(items)
    return msgspec.structs.replace(configuration, **changes)
