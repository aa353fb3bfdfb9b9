"""Values and claims → short text.

Enters: values of facts, claims in the unit of their source. Leaves: text for people: `7,438,976`,
`7.44 M`, `48, 96, 192, 384`. Values may be a file's, and as long as it likes; what is left out is
counted.
"""

import math
from typing import Final

from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.facts.claims import Claim, Rule

_MOST_ITEMS: Final = 12
_MOST_CHARACTERS: Final = 200
#: Larger counts come from shapes that nobody can allocate.
_MOST_BITS: Final = 128
_MINUS: Final = "\N{MINUS SIGN}"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
#: Facts that count something, and what they count.
_COUNTED: Final = {
    "parameters": "parameters",
    "state_elements": "elements",
    "macs": "MACs",
    "buffers": "buffer elements",
    "tensors": "tensors",
    "backbone_parameters": "backbone parameters",
    "backbone_elements": "backbone elements",
    "head_parameters": "head parameters",
    "head_elements": "head elements",
}


def is_number(value: object) -> bool:
    """Whether a value can be reckoned with: no truth value, no infinity, nothing beyond floats."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return value.bit_length() <= _MOST_BITS
    return isinstance(value, float) and math.isfinite(value)


def noun_of(fact: str) -> str:
    """Return what a fact counts, or its name in words."""
    return _COUNTED.get(fact, fact.replace("_", " "))


def value_text(value: FactValue) -> str:
    """Return a value; lists without brackets, truth values as yes and no."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        shown = ", ".join(_item_text(item) for item in value[:_MOST_ITEMS])
        more = len(value) - _MOST_ITEMS
        return f"{shown}, … {more:,} more" if more > 0 else shown
    return _item_text(value)


def _item_text(item: FactItem) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int):
        bits = item.bit_length()
        return f"{item:,}" if bits <= _MOST_BITS else f"about 2^{bits - 1}"
    if isinstance(item, float):
        return f"{item:g}"
    if isinstance(item, tuple):
        return _TIMES.join(str(size) for size in item[:_MOST_ITEMS])
    return item if len(item) <= _MOST_CHARACTERS else f"{item[:_MOST_CHARACTERS]}…"


def claim_text(claim: Claim) -> str:
    """Return a claim as its source prints it: `7.44 M`, `51.80 mm`, `48, 96, 192, 384`."""
    value, rule = claim.value, claim.rule
    if not is_number(value):
        return value_text(value)
    return _with_unit(value, rule, rule.decimals)  # type: ignore[arg-type]


def fact_text(value: FactValue, rule: Rule) -> str:
    """Return a fact beside a claim: counts to the last one, what has a tolerance in its unit."""
    if not is_number(value) or rule.tolerance is None or rule.scale == 1:
        return value_text(value)
    return in_unit(value, rule, more=1)  # type: ignore[arg-type]


def in_unit(value: float, rule: Rule, *, more: int = 0) -> str:
    """Return a fact's number in the rule's unit, rounded as the source does it.

    Args:
        value: In units of the fact.
        rule: How the source prints it.
        more: Decimals beyond those of the source.
    """
    decimals = rule.decimals if rule.decimals is not None else 2 if rule.scale != 1 else None
    return _with_unit(value / rule.scale, rule, None if decimals is None else decimals + more)


def deviation_text(value: float, claimed: float) -> str:
    """Return by how much a value differs from what is claimed: `+1.3 %`."""
    share = (value / claimed - 1) * 100
    sign = _MINUS if share < 0 else "+"
    return f"{sign}{abs(share):.1f} %"


def _with_unit(value: float, rule: Rule, decimals: int | None) -> str:
    number = f"{value:g}" if isinstance(value, float) and decimals is None else f"{value:,}"
    if decimals is not None:
        number = f"{value:,.{decimals}f}"
    return f"{number} {rule.unit}".rstrip()
