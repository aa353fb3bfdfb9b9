"""Settings by the names that stand on axes: `dims[0]`, `joints`.

Enters: what a configuration comes to, by name. Leaves: single values, whether two networks differ
in one, and how they are written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from ckptscope.facts.architecture import FactItem, FactValue

Values: TypeAlias = Mapping[str, FactValue]


class Unknown:
    """Stands for a setting that nothing is known of; None is a value of some."""


UNKNOWN: Final = Unknown()
#: Stands between settings whose product a size is.
TIMES: Final = " × "

#: Items of a list that are written out.
_MOST_ITEMS = 16
_MOST_DIGITS = 6


def split_name(name: str) -> tuple[str, int | None]:
    """Return `("dims", 0)` for `dims[0]`, and `("joints", None)` for `joints`."""
    bare, bracket, rest = name.partition("[")
    digits = rest.removesuffix("]")
    if not bracket or not digits.isdecimal() or len(digits) > _MOST_DIGITS:
        return name, None
    return bare, int(digits)


def value_of(values: Values, name: str) -> FactValue | FactItem | Unknown:
    """Return a setting's value, or an item of a list of them."""
    bare, index = split_name(name)
    found = values.get(bare, UNKNOWN)
    if index is None or isinstance(found, Unknown):
        return found
    if not isinstance(found, tuple):
        return UNKNOWN
    return found[index] if index < len(found) else None


def product_name(names: Iterable[str]) -> str:
    """Return the name of a product of settings: `joints × depth_bins`."""
    return TIMES.join(names)


def is_divided(found: Values, expected: Values, names: Sequence[str]) -> bool:
    """Whether both networks tell the factors of a product of settings."""
    values = [value_of(side, name) for side in (found, expected) for name in names]
    return all(value is not None and value is not UNKNOWN for value in values)


def are_different(found: Values, expected: Values, name: str) -> bool:
    """Whether a setting is known of both networks, and not the same."""
    one, other = value_of(found, name), value_of(expected, name)
    return UNKNOWN not in (one, other) and one != other


def subject_of(found: Values, expected: Values, name: str) -> str:
    """Return the setting to speak of: one item of a list, or all of it if more than one differ."""
    bare, index = split_name(name)
    one, other = found.get(bare), expected.get(bare)
    if index is None or not isinstance(one, tuple) or not isinstance(other, tuple):
        return name
    if len(one) != len(other):
        return bare
    differing = sum(have != want for have, want in zip(one, other, strict=True))
    return bare if differing > 1 else name


def value_text(value: object) -> str:
    """Write a value for people: `48, 96, 192, 384`."""
    if isinstance(value, Unknown):
        return "unknown"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        shown = ", ".join(_item_text(item) for item in value[:_MOST_ITEMS])
        return shown + (", ..." if len(value) > _MOST_ITEMS else "")
    return value if isinstance(value, str) else str(value)


def option_text(name: str, value: object) -> str:
    """Write a setting as the command line takes it: `dims=48,96,192,384`."""
    return f"{name}={value_text(value).replace(', ', ',')}"


def _item_text(item: object) -> str:
    if isinstance(item, tuple):
        return "×".join(str(side) for side in item)
    return value_text(item)
