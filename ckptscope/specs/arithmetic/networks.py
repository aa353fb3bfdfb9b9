"""One network of a claim: can everything be true that is said of it?

Enters: a `Subject`: a network with a name, perhaps a row of a table, and what is said of it.
Leaves: a `CheckedPart` with verdict, arithmetic, assumptions and remedies.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.checked import CheckedPart, ClaimVerdict, PartKind, StatedValue
from ckptscope.specs.arithmetic.background import Background, Base, Row
from ckptscope.specs.arithmetic.building import Builder
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.fitting import (
    Attempt,
    Case,
    attempts,
    depends_on,
    find_closest,
    find_fit,
    fit_with,
    usual_values,
)
from ckptscope.specs.arithmetic.owners import find_owners
from ckptscope.specs.arithmetic.phrases import all_computed, computed_text, listed
from ckptscope.specs.arithmetic.reasons import (
    assumptions_of,
    consequences,
    contradiction,
    escape_text,
    fit_text,
    short_reason,
    table_contradiction,
)
from ckptscope.specs.arithmetic.remedies import find_remedies, remedies_of_row
from ckptscope.specs.arithmetic.shapes import shape_statements
from ckptscope.specs.arithmetic.solving import OpenRanges, solve_open
from ckptscope.specs.arithmetic.statements import Statement, statement_of_claim, unmet
from ckptscope.specs.arithmetic.tensors import is_large

#: What is said where nothing is searched for.
_TOO_LARGE: Final = "with so many tensors no other settings were tried"
#: How `families.settings` says that a setting is not there.
_LACKING: Final = re.compile(r"expected a value for '(\w+)', found none")
#: Unusual values that are built again to see whether they fit.
_MOST_EXAMPLES: Final = 32


class Shape(msgspec.Struct, frozen=True):
    """A tensor that a claim gives a shape to."""

    key: str
    shape: tuple[int, ...]
    keys: tuple[str | int, ...] = ()


class Subject(msgspec.Struct, frozen=True, eq=False):
    """A network as a claim describes it.

    Attributes:
        name: How the claim calls it.
        row: Row of a table that it is; None for none.
        statements: What is said of it.
        shapes: Tensors that are given shapes.
        background: Its family, and what is known of it.
    """

    name: str
    row: Row | None
    statements: tuple[Statement, ...]
    shapes: tuple[Shape, ...]
    background: Background

    def case(self) -> Case:
        """Return it ready to be searched."""
        background = self.background
        builder = Builder(
            background.family,
            background.base(self.row),
            background.fields,
            frozenset(background.family.usual),
            background.open_products,
        )
        case = Case(builder, self.statements, self.name)
        if not self.shapes:
            return case
        try:
            said = case.said()
            first = {} if self.row is not None else usual_values(case, said)[0]
            numbers = builder.build(said, first)
        except UsageError:
            return case
        shaped = (
            shape_statements(background.family, numbers, one.key, one.shape, one.keys)
            for one in self.shapes
        )
        return case.with_statements(
            (*self.statements, *(statement for found in shaped for statement in found))
        )


class Checked(msgspec.Struct, frozen=True, eq=False):
    """A part of a claim, and what it was found with.

    Attributes:
        part: For the report.
        case: The network, ready to be searched.
        attempt: The network that meets the claim, or comes closest; None if none can be built.
        ranges: Which values of open settings would meet it; None where that was not asked.
    """

    part: CheckedPart
    case: Case
    attempt: Attempt | None
    ranges: OpenRanges | None = None


def check_network(subject: Subject, *, is_definition: bool = False) -> Checked:
    """Check what is said of one network.

    Args:
        subject: The network.
        is_definition: Whether it is only described for a relation or an inference, so that it need
            not be the network of its row.
    """
    case = subject.case()
    fit = find_fit(case)
    if fit is None:
        try:
            closest = find_closest(case)
        except UsageError as error:
            return Checked(_unbuildable(subject, case, str(error)), case, None)
        return _contradicting(subject, case, closest)
    return Checked(_fitting(subject, case, fit, is_definition=is_definition), case, fit)


def _unbuildable(subject: Subject, case: Case, reason: str) -> CheckedPart:
    missing = _missing(subject, case, reason)
    if missing:
        reason = f"not said, and no row completes it: {', '.join(missing)}"
    verdict = ClaimVerdict.NOT_DECIDABLE if missing else ClaimVerdict.CONTRADICTS_ITSELF
    return CheckedPart(
        kind=PartKind.NETWORK,
        subject=subject.name,
        row=subject.row.name if subject.row is not None else "",
        table=subject.row.table.name if subject.row is not None else "",
        verdict=verdict,
        reason=reason if missing else f"no such network: {reason}",
        evidence=() if missing else (f"no such network: {reason}",),
        same_numbers=find_owners(subject.statements, subject.background.all_rows, subject.row),
    )


def _missing(subject: Subject, case: Case, reason: str) -> list[str]:
    """Return the settings that a network lacks: those that a row would complete it with.

    Where no row does, the family names the first of them.
    """
    named = _LACKING.search(reason)
    if named is None:
        return []
    said = case.said()
    for row in subject.background.rows:
        base = subject.background.base(row)
        builder = msgspec.structs.replace(case.builder, base=base)
        if _can_build(builder, said):
            lacking = [
                name
                for name in base.fields
                if not _can_build(msgspec.structs.replace(builder, base=_less(base, name)), said)
            ]
            return lacking or [named[1]]
    return [named[1]]


def _less(base: Base, name: str) -> Base:
    fields = {key: value for key, value in base.fields.items() if key != name}
    short = {key: value for key, value in base.shorthands.items() if name not in base.governs[key]}
    return msgspec.structs.replace(base, fields=fields, shorthands=short)


def _can_build(builder: Builder, said: Mapping[str, FactValue]) -> bool:
    try:
        builder.build(said)
    except UsageError:
        return False
    return True


def _contradicting(subject: Subject, case: Case, closest: Attempt) -> Checked:
    """No network with the row's or usual values meets the claim; perhaps others do."""
    ranges = solve_open(case) if _rests_on_open(case, closest) else None
    fitting = _fitting_examples(case, ranges)
    escape = escape_text(ranges, fitting)
    bound = _TOO_LARGE if is_large(closest.numbers) else ""
    if fitting and subject.row is None:
        part = _part(
            subject,
            case,
            fitting[0],
            ClaimVerdict.NOT_DECIDABLE,
            reason=escape,
            evidence=(escape, fit_text(case, fitting[0])),
        )
        return Checked(part, case, fitting[0], ranges)
    part = _part(
        subject,
        case,
        closest,
        ClaimVerdict.CONTRADICTS_ITSELF,
        reason=short_reason(closest.unmet[0], closest.numbers),
        evidence=(*contradiction(case, closest), *(text for text in (escape, bound) if text)),
        rests_on_usual=bool(fitting),
    )
    part = msgspec.structs.replace(
        part,
        remedies=find_remedies(case, closest, subject.background),
        same_numbers=find_owners(case.statements, subject.background.all_rows, subject.row),
    )
    return Checked(part, case, closest, ranges)


def _rests_on_open(case: Case, closest: Attempt) -> bool:
    """Whether other values of open settings could make the claim true."""
    if is_large(closest.numbers):
        return False
    names = case.open_names(closest.said)
    return all(depends_on(case, closest, names, one.facts) for one in closest.unmet)


def _fitting_examples(case: Case, ranges: OpenRanges | None) -> list[Attempt]:
    """Build the networks with unusual values that should fit, and keep those that do."""
    if ranges is None:
        return []
    examples = ranges.examples(case.builder.family)[:_MOST_EXAMPLES]
    fits = (fit_with(case, values) for values in examples)
    return [msgspec.structs.replace(fit, is_usual=False) for fit in fits if fit is not None]


def _fitting(subject: Subject, case: Case, fit: Attempt, *, is_definition: bool) -> CheckedPart:
    row = subject.row
    evidence = [*_own_values_first(case, fit), fit_text(case, fit)]
    missed: tuple[Statement, ...] = ()
    printed: tuple[tuple[Statement, Statement], ...] = ()
    if row is not None and not is_definition:
        missed = unmet(case.statements, row.numbers) if row.numbers is not None else ()
        printed = _printed_otherwise(case.statements, row)
    if row is not None and (missed or printed):
        return _against_the_row(subject, case, fit, missed, printed)
    unknown = [one.attribute for one in case.statements if not one.options]
    if unknown:
        evidence = evidence if len(unknown) < len(case.statements) else []
        evidence.append(f"no arithmetic gives {listed(unknown)}")
    verdict, reason = ClaimVerdict.HOLDS, _fit_reason(case, fit)
    if row is None and not is_definition and not _says_what_follows(case):
        verdict = ClaimVerdict.NOT_DECIDABLE
        reason = "nothing follows from it that it could contradict"
    elif unknown and len(unknown) == len(case.statements):
        is_printed = row is not None and all(_is_printed(name, row) for name in unknown)
        verdict = ClaimVerdict.HOLDS if is_printed else ClaimVerdict.NOT_DECIDABLE
        reason = "as the table prints it" if is_printed else evidence[-1]
        evidence = [reason, evidence[-1]] if is_printed else evidence
    return _part(subject, case, fit, verdict, reason=reason, evidence=tuple(evidence))


def _is_printed(attribute: str, row: Row) -> bool:
    return any(claim.rule.attribute == attribute for claim in row.claims)


def _against_the_row(
    subject: Subject,
    case: Case,
    fit: Attempt,
    missed: tuple[Statement, ...],
    printed: tuple[tuple[Statement, Statement], ...],
) -> CheckedPart:
    row = subject.row
    assert row is not None  # noqa: S101 - the caller has looked
    own = _own_values_first(case, fit)
    evidence = [*own, *([fit_text(case, fit)] if own else [])]
    evidence += table_contradiction(row, missed, printed)
    first = next(attempts(case), fit)
    evidence += consequences(case, first, row)
    if missed and row.numbers is not None:
        reason = f"the row has {short_reason(missed[0], row.numbers)}"
    else:
        ours, theirs = printed[0]
        reason = f"the row prints {ours.attribute} {theirs.text}, claimed {ours.text}"
    part = _part(
        subject, case, fit, ClaimVerdict.CONTRADICTS_TABLE, reason=reason, evidence=tuple(evidence)
    )
    owners = find_owners(case.statements, subject.background.all_rows, row)
    return msgspec.structs.replace(
        part, same_numbers=owners, remedies=remedies_of_row(row, missed, owners, subject.background)
    )


def _own_values_first(case: Case, fit: Attempt) -> list[str]:
    """Where other values than the row's are needed, say what the row's would give."""
    if not (fit.opened or fit.varied) or case.builder.base.row is None:
        return []
    first = next(attempts(case), None)
    return contradiction(case, first) if first is not None and first.unmet else []


def _printed_otherwise(
    statements: tuple[Statement, ...], row: Row
) -> tuple[tuple[Statement, Statement], ...]:
    """Return what no arithmetic gives and the table prints otherwise."""
    found = []
    for statement in statements:
        if statement.options:
            continue
        for claim in row.claims:
            if claim.rule.attribute == statement.attribute and claim.value != statement.raw:
                found.append((statement, statement_of_claim(claim)))
    return tuple(found)


def _says_what_follows(case: Case) -> bool:
    """Whether anything said follows from settings, and is none itself."""
    return any(
        one.options and not (len(one.facts) == 1 and case.builder.takes(one.facts[0]))
        for one in case.statements
    )


def _fit_reason(case: Case, fit: Attempt) -> str:
    totals = [
        computed_text(option, fit.numbers)
        for one in case.statements
        if one.is_total and (option := one.met_by(fit.numbers)) is not None
    ]
    return ", ".join(dict.fromkeys(totals)) or fit_text(case, fit)


def _part(
    subject: Subject,
    case: Case,
    attempt: Attempt,
    verdict: ClaimVerdict,
    *,
    reason: str,
    evidence: tuple[str, ...],
    rests_on_usual: bool = False,
) -> CheckedPart:
    row = subject.row
    return CheckedPart(
        kind=PartKind.NETWORK,
        subject=subject.name,
        row=row.name if row is not None else "",
        table=row.table.name if row is not None else "",
        verdict=verdict,
        reason=reason,
        evidence=evidence,
        assumptions=assumptions_of(case, attempt, rests_on_usual=rests_on_usual),
        values=tuple(_stated(one, attempt.numbers) for one in case.statements),
        settings=dict(attempt.numbers.settings),
    )


def _stated(statement: Statement, numbers: Numbers) -> StatedValue:
    """Set what is claimed beside what follows."""
    if not statement.options:
        return StatedValue(attribute=statement.attribute, claimed=statement.text)
    met = statement.met_by(numbers)
    option = met or statement.options[0]
    return StatedValue(
        attribute=statement.attribute,
        claimed=statement.text,
        fact=option.fact,
        computed=numbers.value(option.fact),
        computed_text=(
            computed_text(met, numbers) if met is not None else all_computed(statement, numbers)
        ),
        meets=met is not None,
    )
