"""Numbers as sources print them → what they may be.

Enters: `"7.45 M"`, `"2.82 GMACs"`, `"85.41 MiB"`, `"7,448,954"`, `"3UP"`, `"256×256"`. Leaves:
numbers with their unit and the decimals that were printed, or pairs of sides.
"""

import re
from typing import Final

import msgspec

from ckptscope.specs.schema import UNITS

#: What is counted may stand behind the unit, and says nothing about the size.
_COUNTED: Final = r"(?:MACs?|FLOPs?|parameters|params|elements|bytes)"
_NUMBER: Final = re.compile(
    r"\s*[≈~]?\s*([+-]?(?:[0-9]{1,3}(?:[,_][0-9]{3})+|[0-9]{1,18}))(\.[0-9]{1,12})?"
    rf"\s*([A-Za-z%]{{0,12}}?)\s*{_COUNTED}?\s*",
    re.IGNORECASE,
)
_SIDES: Final = re.compile(r"\s*([0-9]{1,9})\s*[x×]\s*([0-9]{1,9})\s*")
#: `3UP`: as papers write a number of upsampling layers.
_PLAIN_UNITS: Final = frozenset({"UP", "up"})
#: Other spellings.
_SPELLINGS: Final = {"K": "k", "KB": "kB"}


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """A number as it was printed.

    Attributes:
        number: In the unit.
        unit: M, G, MiB, %, ...; empty for none.
        scale: What one unit is worth.
        decimals: Digits that were printed behind the point; None for a whole number without a unit,
            which is exact.
    """

    number: float
    unit: str = ""
    scale: float = 1.0
    decimals: int | None = None


def read_quantity(text: str) -> Quantity | None:
    """Read a number with its unit; None for text that is none, or has a unit that is not known."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    whole, fraction, word = found[1].replace(",", "").replace("_", ""), found[2], found[3]
    unit = unit_of(word)
    if unit is None:
        return None
    decimals = len(fraction) - 1 if fraction else None
    if decimals is None and unit:
        decimals = 0
    number = float(whole + fraction) if fraction else int(whole)
    return Quantity(number=number, unit=unit, scale=UNITS[unit], decimals=decimals)


def unit_of(word: str) -> str | None:
    """Return a unit as the tables spell it; None if it is not known."""
    if word in _PLAIN_UNITS:
        return ""
    unit = _SPELLINGS.get(word, word)
    return unit if unit in UNITS else None


def read_sides(text: str) -> tuple[int, int] | None:
    """Read a height and a width: `256×256`."""
    found = _SIDES.fullmatch(text)
    return (int(found[1]), int(found[2])) if found is not None else None
