"""Why a number and a claim go together or not, in words.

Enters: a claim, the fact that it speaks of, the other facts of the file. Leaves: a sentence, by
general rules: how a count rounds, what it becomes with the buffers, by how much a value misses,
which other fact the claim would fit. Empty where the two stand beside each other and say it all.
"""

from collections.abc import Iterable
from typing import Final

from ckptscope.facts.architecture import Fact, FactValue
from ckptscope.facts.claims import Claim
from ckptscope.facts.tensors import Origin
from ckptscope.specs.wording import (
    claim_text,
    deviation_text,
    fact_text,
    in_unit,
    is_number,
    noun_of,
    value_text,
)

#: Counts below are met by chance.
_LEAST_COUNT: Final = 1000
_MOST_DIFFERENCES: Final = 3
_AT_A_GLANCE: Final = 6


def explain_decided(claim: Claim, fact: Fact, others: Iterable[Fact]) -> str:
    """Explain a claim that an observed or derived fact meets or contradicts.

    Args:
        claim: What is said.
        fact: What it speaks of.
        others: All observed and derived facts of the file.
    """
    if fact.value is None:
        return fact.evidence[0].text if fact.evidence else ""
    admits = claim.admits(fact.value)
    known = {other.name: other for other in others}
    if is_number(claim.value) and is_number(fact.value):
        return _explain_count(claim, fact, known, admits=admits)
    if admits or not isinstance(claim.value, tuple) or not isinstance(fact.value, tuple):
        return ""
    return _other_fact(claim, fact, known) or _first_differences(claim, fact)


def explain_open(claim: Claim, fact: Fact | None, *, agrees: bool | None = None) -> str:
    """Explain why nothing in the file decides about a claim.

    Args:
        claim: What is said.
        fact: What it speaks of, if there is such a fact.
        agrees: Whether an assumed or stated value meets the claim.
    """
    if not claim.rule.fact:
        return "no weight holds it"
    if fact is None:
        return f"nothing is known of {noun_of(claim.rule.fact)}"
    decided = f"; it takes {fact.decided_by}" if fact.decided_by else ""
    if agrees is None:
        return f"{noun_of(fact.name)} cannot be told from the weights{decided}"
    outcome = "fits" if agrees else "does not fit"
    said = f"{fact_text(fact.value, claim.rule)}, {outcome}"
    if claim.rule.tolerance is not None and is_number(fact.value):
        said = f"{_within_tolerance(claim, fact.value)}, {outcome}"
    return f"{'stated' if fact.origin is Origin.STATED else 'assumed'}: {said}"


def _explain_count(claim: Claim, fact: Fact, known: dict[str, Fact], *, admits: bool) -> str:
    near = _with_buffers(claim, fact, known, admits=admits)
    if admits and near:
        return near
    if not near and not admits:
        near = _other_fact(claim, fact, known)
    rounding = _rounding(claim, fact.value, fact.name, admits=admits)
    return "; ".join(sentence for sentence in (rounding, near) if sentence)


def _rounding(claim: Claim, value: FactValue, name: str, *, admits: bool) -> str:
    """Say how a number of the file meets or misses the printed one."""
    if not is_number(value):
        return ""
    if claim.rule.tolerance is not None:
        return _within_tolerance(claim, value)
    count = f"{value_text(value)} {noun_of(name)}"
    printed = claim_text(claim)
    if claim.rule.decimals is None or claim.rule.scale == 1:
        return ""
    rounded = in_unit(value, claim.rule)  # type: ignore[arg-type]
    return f"{count} round to {rounded}" + ("" if admits else f", not {printed}")


def _within_tolerance(claim: Claim, value: FactValue) -> str:
    """`1.738 GMACs, +1.3 % of the 1.716 claimed (within 2 %)`."""
    rule = claim.rule
    middle = float(claim.value) * rule.scale  # type: ignore[arg-type]
    number, _, unit = in_unit(value, rule, more=1).partition(" ")  # type: ignore[arg-type]
    if rule.fact == "macs":
        unit = f"{unit}MACs"
    printed = claim_text(claim).partition(" ")[0]
    allowed = f"{'within' if claim.admits(value) else 'beyond'} {(rule.tolerance or 0) * 100:g} %"
    if not middle:
        return f"{number} {unit}, {printed} claimed"
    deviation = deviation_text(float(value), middle)  # type: ignore[arg-type]
    return f"{number} {unit}, {deviation} of the {printed} claimed ({allowed})"


def _with_buffers(claim: Claim, fact: Fact, known: dict[str, Fact], *, admits: bool) -> str:
    """Tell parameters from elements, where the one would be printed otherwise than the other."""
    is_of_parameters = fact.name.endswith("parameters")
    parameters = fact if is_of_parameters else known.get(_parameters_of(fact.name))
    elements = known.get(_elements_of(fact.name)) if is_of_parameters else fact
    if parameters is None or elements is None or claim.rule.scale == 1:
        return ""
    less, all_of_them = parameters.value, elements.value
    if not isinstance(less, int) or not isinstance(all_of_them, int) or all_of_them <= less:
        return ""
    buffers = f"{all_of_them - less:,} buffer elements"
    short, whole = in_unit(less, claim.rule), in_unit(all_of_them, claim.rule)
    who = claim.made_by.value
    if admits and short != whole:
        if is_of_parameters:
            return f"{whole} elements = {less:,} parameters ({who}: {short}) + {buffers}"
        return f"{whole} elements ({who}: the same) = {less:,} parameters ({short}) + {buffers}"
    if not admits and is_of_parameters and claim.admits(all_of_them):
        return f"{whole} counts all {all_of_them:,} elements = {less:,} parameters + {buffers}"
    if not admits and not is_of_parameters and claim.admits(less):
        return f"{short} counts the {less:,} parameters alone, without {buffers}"
    return ""


def _elements_of(name: str) -> str:
    return "state_elements" if name == "parameters" else name.replace("parameters", "elements")


def _parameters_of(name: str) -> str:
    """Return the fact that counts the parameters among elements; the name itself for no such."""
    return "parameters" if name == "state_elements" else name.replace("elements", "parameters")


def _first_differences(claim: Claim, fact: Fact) -> str:
    """Say where two long lists differ; short ones are compared at a glance."""
    claimed, found = claim.value, fact.value
    if not isinstance(claimed, tuple) or not isinstance(found, tuple):
        return ""
    if max(len(claimed), len(found)) <= _AT_A_GLANCE:
        return ""
    if len(claimed) != len(found):
        return f"{len(found):,} values, not {len(claimed):,}"
    pairs = enumerate(zip(found, claimed, strict=True))
    wrong = [f"{fact.name}[{i}] is {have}, not {want}" for i, (have, want) in pairs if have != want]
    more = len(wrong) - _MOST_DIFFERENCES
    shown = ", ".join(wrong[:_MOST_DIFFERENCES])
    return f"{shown}, and {more} more" if more > 0 else shown


def _other_fact(claim: Claim, fact: Fact, known: dict[str, Fact]) -> str:
    """Name another fact of the file that is what the claim says: a mistaken word, not a number."""
    for name, other in known.items():
        if name == fact.name or not _is_telling(other.value) or not claim.admits(other.value):
            continue
        claimed = claim_text(claim)
        if "_in_" in name and "_out_" in fact.name:
            return f"{claimed} enter the layers; {value_text(fact.value)} leave them"
        if "_out_" in name and "_in_" in fact.name:
            return f"{claimed} leave the layers; {value_text(fact.value)} enter them"
        return f"{claimed} fits the {noun_of(name)}"
    return ""


def _is_telling(value: FactValue) -> bool:
    """Whether it is no accident that a claim fits a value: long lists, large counts."""
    if isinstance(value, tuple):
        return len(value) > 1 and len(set(value)) > 1
    return is_number(value) and value >= _LEAST_COUNT  # type: ignore[operator]
