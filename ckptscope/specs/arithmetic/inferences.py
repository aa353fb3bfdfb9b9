"""Does a conclusion follow from its premise?

Enters: a network, a premise, a conclusion. Leaves: a `CheckedPart`. A conclusion follows if no
network meets the premise and not the conclusion. What is said of the values of weights is met by
every network that has those tensors, so that nothing follows from it for a setting on which no
tensor depends.
"""

import itertools
from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.checked import CheckedPart, ClaimVerdict, PartKind
from ckptscope.specs.arithmetic.document import Inference, Nonzero
from ckptscope.specs.arithmetic.edits import Editor, Likelihood
from ckptscope.specs.arithmetic.effects import NO_CHANGE, effect_text
from ckptscope.specs.arithmetic.evaluation import Numbers, split_item
from ckptscope.specs.arithmetic.fitting import Attempt, Case, attempts, fit_with
from ckptscope.specs.arithmetic.networks import Checked, Subject
from ckptscope.specs.arithmetic.phrases import assignment_text, listed, number_text
from ckptscope.specs.arithmetic.reasons import assumptions_of, given_of, met_text
from ckptscope.specs.arithmetic.solving import solve_open
from ckptscope.specs.arithmetic.statements import Statement, unmet
from ckptscope.specs.arithmetic.tensors import find_tensor
from ckptscope.specs.wording import value_text

#: Values of a concluded setting that are tried beside the concluded one.
_MOST_VALUES: Final = 24
#: Unusual values of open settings that are tried.
_MOST_EXAMPLES: Final = 64
_KINDS: Final = (Likelihood.ROW, Likelihood.USUAL, Likelihood.OTHER_ROW)


class _Found(msgspec.Struct, eq=False):
    """Networks that meet the premise: the first with the conclusion, the first without it."""

    having: Attempt | None = None
    lacking: Attempt | None = None


def check_inference(inference: Inference, network: Checked, subject: Subject) -> CheckedPart:
    """Check a conclusion about one network.

    Args:
        inference: Premise and conclusion.
        network: The network, checked by itself.
        subject: The same as the claim describes it.
    """
    name = subject.name
    if network.attempt is None:
        return _part(name, ClaimVerdict.NOT_DECIDABLE, network.part.reason, ())
    wrong = [
        text
        for one in inference.nonzero
        if (text := _miscounted(one, network.case, network.attempt.numbers))
    ]
    if wrong:
        return _part(name, ClaimVerdict.CONTRADICTS_ITSELF, wrong[0], tuple(wrong))
    found = _search(inference, network, subject)
    return _judged(name, inference, network, found)


def _judged(name: str, inference: Inference, network: Checked, found: _Found) -> CheckedPart:
    premise = _premise_text(inference)
    measurable = _measurable(inference, network)
    if found.lacking is not None and found.having is not None:
        verdict = ClaimVerdict.DOES_NOT_FOLLOW
        reason, evidence = _not_following(inference, network.case, found)
        return _part(name, verdict, reason, (*evidence, *measurable))
    if found.having is not None:
        text = f"every network tried that has {premise} has {_said(inference.conclusion)}"
        numbers = _numbers_text(inference.premise, found.having.numbers)
        part = _part(name, ClaimVerdict.HOLDS, text, tuple(one for one in (text, numbers) if one))
        premised = network.case.with_statements((*network.case.statements, *inference.premise))
        assumptions = assumptions_of(premised, found.having, rests_on_usual=True)
        return msgspec.structs.replace(part, assumptions=assumptions)
    if found.lacking is not None:
        other = _said(inference.conclusion, found.lacking.numbers)
        text = f"with {premise} it has {other}"
        return _part(name, ClaimVerdict.CONTRADICTS_ITSELF, text, (text,))
    text = f"no network has {premise}"
    return _part(name, ClaimVerdict.CONTRADICTS_ITSELF, text, (text,))


def _not_following(inference: Inference, case: Case, found: _Found) -> tuple[str, tuple[str, ...]]:
    """Say that both are possible, and what the two networks have in common."""
    having, lacking = found.having, found.lacking
    if having is None or lacking is None:
        return "", ()
    effect = effect_text(case.builder.family, having.numbers, lacking.numbers)
    concluded, other = _said(inference.conclusion), _said(inference.conclusion, lacking.numbers)
    if effect == NO_CHANGE:
        tensors = value_text(having.numbers.facts.get("tensors"))
        same = (
            f"with {other} all {tensors} tensors have the same names and shapes as with "
            f"{concluded}, and may hold the same values"
        )
        names = dict.fromkeys(fact for one in inference.conclusion for fact in one.facts)
        if {split_item(name)[0] for name in names} <= {*case.builder.family.weightless}:
            return f"no tensor depends on {listed(names)}", (same,)
        return f"{given_of(case, lacking, _facts(inference))} goes with the premise, too", (same,)
    both = f"{concluded} and {other} both go with {_premise_text(inference)}"
    numbers = _numbers_text(inference.premise, lacking.numbers)
    return both, tuple(one for one in (both, numbers, effect) if one)


def _facts(inference: Inference) -> list[str]:
    return [fact for one in (*inference.premise, *inference.conclusion) for fact in one.facts]


def _search(inference: Inference, network: Checked, subject: Subject) -> _Found:
    """Look for networks that meet the premise, with the conclusion and without it."""
    found = _Found()
    is_known = subject.row is not None and not _is_about_open(inference, network.case)
    for case in _alternatives(inference, network, subject):
        for attempt in attempts(case):
            if unmet(inference.premise, attempt.numbers) or attempt.unmet:
                continue
            if is_known and attempt.opened:
                continue
            if not unmet(inference.conclusion, attempt.numbers):
                found.having = found.having or attempt
            else:
                found.lacking = found.lacking or attempt
            if found.having is not None and found.lacking is not None:
                return found
    if found.having is not None:
        found.lacking = _unusual_without(inference, network)
    return found


def _is_about_open(inference: Inference, case: Case) -> bool:
    """Whether something is concluded about a setting that shapes leave open.

    Of anything else, the row that the network is says what it is.
    """
    concluded = {fact for one in inference.conclusion for fact in one.facts}
    return bool(concluded & case.builder.opened)


def _unusual_without(inference: Inference, network: Checked) -> Attempt | None:
    """Return a network with unusual open values that meets the premise and not the conclusion.

    It is asked of conclusions about open settings; for others the row's and usual values decide.
    """
    case = network.case
    premised = case.with_statements((*case.statements, *inference.premise))
    ranges = solve_open(premised) if _is_about_open(inference, case) else None
    if ranges is None:
        return None
    for values in ranges.examples(case.builder.family)[:_MOST_EXAMPLES]:
        fit = fit_with(premised, values)
        if fit is not None and unmet(inference.conclusion, fit.numbers):
            return fit
    return None


def _alternatives(inference: Inference, network: Checked, subject: Subject) -> Iterator[Case]:
    """Yield the network as the claim describes it, with the conclusion, and with other values."""
    case = network.case
    said = _settings_of(case, inference.premise)
    base = case.with_statements((*case.statements, *said))
    yield base
    concluded = base.with_statements((*base.statements, *inference.conclusion))
    yield concluded
    if network.attempt is None:
        return
    editor = Editor(concluded, network.attempt, subject.background)
    names = {fact for one in inference.conclusion for fact in one.facts}
    edits = (edit for kind in _KINDS for edit in editor.edits(kind) if edit.name in names)
    for edit in itertools.islice(edits, _MOST_VALUES):
        yield concluded.with_statements(edit.statements)


def _settings_of(case: Case, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    return tuple(
        one for one in statements if len(one.facts) == 1 and case.builder.takes(one.facts[0])
    )


def _miscounted(nonzero: Nonzero, case: Case, numbers: Numbers) -> str:
    """Say where a premise gives a tensor a number of elements that it has not; else nothing."""
    tensor = find_tensor(case.builder.family, numbers, nonzero.key)
    if tensor is None:
        return f"the network has no tensor {nonzero.key!r}"
    if nonzero.total is not None and nonzero.total != tensor.elements:
        return (
            f"{nonzero.key} has {tensor.elements:,} elements {list(tensor.shape)}, claimed "
            f"{nonzero.total:,}"
        )
    if nonzero.count > tensor.elements:
        return f"{nonzero.key} has {tensor.elements:,} elements, fewer than {nonzero.count:,}"
    return ""


def _measurable(inference: Inference, network: Checked) -> tuple[str, ...]:
    """Say which part of a premise only a file can tell, and that its totals are right."""
    if network.attempt is None or not inference.nonzero:
        return ()
    texts = []
    for one in inference.nonzero:
        tensor = find_tensor(network.case.builder.family, network.attempt.numbers, one.key)
        if tensor is not None:
            texts.append(f"{one.key} {list(tensor.shape)} has {tensor.elements:,} elements")
    return (f"the premise can be measured on a file; its totals are right: {', '.join(texts)}",)


def _premise_text(inference: Inference) -> str:
    parts = [f"{one.attribute} = {one.text}" for one in inference.premise]
    if inference.weights:
        parts.append(inference.weights)
    return listed(parts) or "such weights"


def _numbers_text(statements: tuple[Statement, ...], numbers: Numbers) -> str:
    return listed(met_text(one, numbers) for one in statements if one.is_total)


def _said(conclusion: tuple[Statement, ...], numbers: Numbers | None = None) -> str:
    """Return a conclusion in words: as claimed, or as it is in a network."""
    known = [one for one in conclusion if one.facts]
    if numbers is not None:
        return listed(number_text(one, numbers, one.facts[0]) for one in known)
    return listed(
        f"{one.facts[0]} = {one.text}"
        if one.is_total
        else assignment_text(one.facts[0], one.options[0].value)
        for one in known
    )


def _part(name: str, verdict: ClaimVerdict, reason: str, evidence: tuple[str, ...]) -> CheckedPart:
    return CheckedPart(
        kind=PartKind.INFERENCE,
        subject=name,
        verdict=verdict,
        reason=reason,
        evidence=tuple(dict.fromkeys(evidence)),
    )
