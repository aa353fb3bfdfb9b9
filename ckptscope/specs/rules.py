"""One claim against one fact.

Enters: a claim of a table, the architecture of a file. Leaves: a `Judgement`. *Matches* and
*contradicts* are said on observed and derived facts alone; what is assumed or stated may agree or
not, and decides nothing.
"""

from typing import Final

from ckptscope.facts.architecture import Architecture, Fact
from ckptscope.facts.claims import Claim, Verdict
from ckptscope.facts.standing import Judgement
from ckptscope.facts.tensors import Origin
from ckptscope.specs.explaining import explain_decided, explain_open
from ckptscope.specs.wording import claim_text, fact_text

#: Origins of facts that may decide.
DECISIVE: Final = frozenset({Origin.OBSERVED, Origin.DERIVED})


def judge(claim: Claim, architecture: Architecture) -> Judgement:
    """Hold a claim against the fact that it speaks of."""
    rule = claim.rule
    fact = architecture.fact(rule.fact) if rule.fact else None
    if fact is None or fact.origin is Origin.UNDETERMINED:
        return _judgement(claim, fact, Verdict.NOT_DECIDABLE, explain_open(claim, fact))
    if fact.value is None and fact.origin not in DECISIVE:
        return _judgement(claim, fact, Verdict.NOT_DECIDABLE, explain_open(claim, fact))
    # Nothing at all is an answer where the file decides: a backbone that is none of the named ones.
    admits = fact.value is not None and claim.admits(fact.value)
    if fact.origin not in DECISIVE:
        explanation = explain_open(claim, fact, agrees=admits)
        return _judgement(claim, fact, Verdict.NOT_DECIDABLE, explanation, agrees=admits)
    verdict = Verdict.MATCHES if admits else Verdict.CONTRADICTS
    others = tuple(other for other in architecture.facts if other.origin in DECISIVE)
    return _judgement(claim, fact, verdict, explain_decided(claim, fact, others))


def unclaimed(attribute: str, source: str, fact: Fact | None, text: str) -> Judgement:
    """Return the judgement of an attribute that other rows claim, and this one does not."""
    return Judgement(
        attribute=attribute,
        fact=fact.name if fact is not None else "",
        found=fact.value if fact is not None else None,
        found_text=text,
        origin=fact.origin if fact is not None else None,
        verdict=Verdict.NOT_CLAIMED,
        source=source,
    )


def _judgement(
    claim: Claim,
    fact: Fact | None,
    verdict: Verdict,
    explanation: str,
    *,
    agrees: bool | None = None,
) -> Judgement:
    return Judgement(
        attribute=claim.rule.attribute,
        fact=claim.rule.fact,
        claimed=claim.value,
        claimed_text=claim_text(claim),
        found=fact.value if fact is not None else None,
        found_text=_found_text(claim, fact),
        origin=fact.origin if fact is not None else None,
        verdict=verdict,
        agrees=agrees,
        assumptions=fact.assumptions if fact is not None and agrees is not None else (),
        explanation=explanation,
        source=claim.source,
    )


def _found_text(claim: Claim, fact: Fact | None) -> str:
    if fact is None:
        return ""
    if fact.value is None and fact.origin in DECISIVE:
        return "none"
    return fact_text(fact.value, claim.rule)
