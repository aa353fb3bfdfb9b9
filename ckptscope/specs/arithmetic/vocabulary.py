"""Names that claims use → the facts that they mean.

Enters: a name of an attribute. Leaves: its `Meaning`: which fact it is, or which facts it may be
where sources mix two (parameters and all elements of the state_dict), its unit, and how far a
source may be off. Nothing here belongs to one family: names are looked up among the facts that the
family derives.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.facts.claims import Rule
from ckptscope.specs.arithmetic.evaluation import (
    FILE,
    FLOPS,
    OPTIMIZERS,
    SHARE,
    WEIGHT_BYTES,
    file_fact,
    split_item,
)

#: Tools count multiply-accumulates by rules of their own: with normalization and activations, or
#: without. torchprofile and plain sums over convolutions differ by 1.3 % on ConvNeXtPose.
MACS_TOLERANCE: Final = 0.02
#: Headers of a file depend on the version of torch.
FILE_TOLERANCE: Final = 0.01
#: Counts that a source may mean by a total that it does not describe.
_TOTALS: Final = {
    "total": ("parameters", "state_elements"),
    "backbone_total": ("backbone_parameters", "backbone_elements"),
    "head_total": ("head_parameters", "head_elements"),
}
_ALIASES: Final = {
    "params": ("parameters",),
    "elements": ("state_elements",),
    "gmacs": ("macs",),
    "gflops": ("macs",),
    "file_size": tuple(
        file_fact(optimizer, precision) for precision in WEIGHT_BYTES for optimizer in OPTIMIZERS
    ),
}
#: Units of plain numbers.
_UNITS: Final = {"gmacs": "G", "gflops": "G"}


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What an attribute is about.

    Attributes:
        facts: The fact; several where any of them may be meant. None for what no arithmetic gives.
        unit: Of plain numbers.
        decimals: Of plain numbers.
        tolerance: Relative deviation that still counts as met.
    """

    facts: tuple[str, ...]
    unit: str = ""
    decimals: int | None = None
    tolerance: float | None = None


def meaning_of_rule(rule: Rule) -> Meaning:
    """Return what a table's rule says."""
    facts = (rule.fact,) if rule.fact else ()
    return Meaning(facts=facts, unit=rule.unit, decimals=rule.decimals, tolerance=rule.tolerance)


def find_meaning(
    attribute: str, rules: Mapping[str, Rule], facts: Mapping[str, object]
) -> Meaning | None:
    """Return what an attribute means, or None for a name that is not known.

    Args:
        attribute: As the claim spells it, with the index of an item: `depths[2]`.
        rules: By attribute, those of the claims' own file before those of tables.
        facts: What the family derives.
    """
    base, index = split_item(attribute)
    found = _whole_meaning(base, rules, facts)
    if found is None or index is None:
        return found
    items = tuple(f"{fact}[{index}]" for fact in found.facts)
    return msgspec.structs.replace(found, facts=items)


def _whole_meaning(
    name: str, rules: Mapping[str, Rule], facts: Mapping[str, object]
) -> Meaning | None:
    if name in rules:
        return meaning_of_rule(rules[name])
    if name in facts:
        return Meaning(facts=(name,))
    names = _TOTALS.get(name) or _ALIASES.get(name) or (name,)
    known = tuple(fact for fact in names if _is_known(fact, facts))
    return Meaning(facts=known, unit=_UNITS.get(name, "")) if known else None


def _is_known(fact: str, facts: Mapping[str, object]) -> bool:
    if fact == FLOPS:
        return "macs" in facts
    if fact.endswith(SHARE):
        return f"{fact.removesuffix(SHARE)}_parameters" in facts
    return fact in facts or (fact.startswith(FILE) and fact.count(":") == 2)


def known_names(rules: Mapping[str, Rule], facts: Mapping[str, object]) -> tuple[str, ...]:
    """Return every name that claims may use, for messages."""
    own = (*rules, *facts, *_TOTALS, *_ALIASES, FLOPS)
    return tuple(sorted({name for name in own if _whole_meaning(name, rules, facts) is not None}))


def tolerance_of(fact: str) -> float | None:
    """Return how far numbers about a fact may be off beyond their rounding."""
    if fact in {"macs", FLOPS}:
        return MACS_TOLERANCE
    return FILE_TOLERANCE if fact.startswith(FILE) else None


def is_total(fact: str) -> bool:
    """Whether a fact sums up a network, so that it changes with every setting."""
    name = split_item(fact)[0]
    return (
        name in {"macs", FLOPS, "tensors", "buffers"}
        or name.startswith(FILE)
        or name.endswith(("parameters", "elements", SHARE))
    )


def other_readings(fact: str, facts: Mapping[str, object]) -> tuple[str, ...]:
    """Return the facts that sources confuse with one: the same number may be about those.

    Incoming and outgoing channels, parameters and all elements, multiply-accumulates and
    operations, precisions and optimizers behind the size of a file.
    """
    candidates: list[str] = []
    for one, other in (
        ("_out_", "_in_"),
        ("_in_", "_out_"),
        ("_parameters", "_elements"),
        ("_elements", "_parameters"),
    ):
        if one in fact:
            candidates.append(fact.replace(one, other))
    candidates += {
        "parameters": ["state_elements"],
        "state_elements": ["parameters"],
        "macs": [FLOPS],
        FLOPS: ["macs"],
    }.get(fact, [])
    if fact.startswith(FILE):
        candidates += [name for name in _ALIASES["file_size"] if name != fact]
    bases = [(name, split_item(name)[0]) for name in candidates]
    return tuple(name for name, base in bases if name != fact and _is_known(base, facts))
