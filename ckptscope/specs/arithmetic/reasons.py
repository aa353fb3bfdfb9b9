"""Why a claim holds or not, in sentences that can be checked by hand.

Enters: a case, a network, what it does not meet. Leaves: sentences: what is given, what follows to
the last element, what is claimed; the conventions on the way.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ckptscope.specs.arithmetic.background import Row
from ckptscope.specs.arithmetic.evaluation import FILE, FLOPS, TIMES, Numbers
from ckptscope.specs.arithmetic.fitting import Attempt, Case, depends_on
from ckptscope.specs.arithmetic.kinds import is_plane_of_sides
from ckptscope.specs.arithmetic.phrases import (
    PLANES,
    all_computed,
    assignment_text,
    computed_text,
    given_text,
    listed,
    plain_text,
)
from ckptscope.specs.arithmetic.shapes import NO_FACT
from ckptscope.specs.arithmetic.solving import OpenRanges
from ckptscope.specs.arithmetic.statements import Statement, statement_of_claim
from ckptscope.specs.arithmetic.vocabulary import FILE_TOLERANCE
from ckptscope.specs.wording import value_text

_MOST_EXAMPLES: Final = 3
_MOST_SENTENCES: Final = 6
#: Totals that are the sum of the parts of a network, and the part's own number.
_SUMMED: Final = {"parameters": "parameters", "state_elements": "elements"}


def contradiction(case: Case, attempt: Attempt) -> list[str]:
    """Say what follows from what is given, beside what is claimed."""
    numbers = attempt.numbers
    sentences = []
    for one in attempt.unmet[:_MOST_SENTENCES]:
        given = given_of(case, attempt, one.facts)
        sentences.append(f"{given}: {missed_text(one, numbers)}")
        parts = [_sum_of_parts(case, fact, numbers) for fact in one.facts]
        sentences += [part for part in parts if part]
    return list(dict.fromkeys(sentences))


def given_of(case: Case, attempt: Attempt, facts: Sequence[str]) -> str:
    """Return what a network is given by, in words; never empty.

    Args:
        case: What is said.
        attempt: The network.
        facts: What is told of it; open settings on which none of it depends are left out.
    """
    numbers = attempt.numbers
    said = {**attempt.said, **attempt.varied}
    known = case.builder.products
    products = [one for one in known if depends_on(case, attempt, one.terms, facts)]
    factors = {term for one in known for term in one.terms}
    said |= {name: value for name, value in attempt.opened.items() if name not in factors}
    row = case.builder.base.row
    return given_text(said, numbers, products) or (f"row {row.name}" if row else "what is said")


def missed_text(statement: Statement, numbers: Numbers) -> str:
    """Return `8,358,522 elements (8.36 M), claimed 8.39 M`."""
    if statement.facts == (NO_FACT,):
        return f"no such tensor as {statement.attribute} {statement.text}"
    computed = all_computed(statement, numbers)
    if not computed:
        return f"no {listed(statement.facts)}, claimed {statement.text}"
    if statement.is_total:
        return f"{computed}, claimed {statement.text}"
    share = _share_of_input(statement.facts[0], numbers)
    return f"{_subject_of(statement)} is {computed}{share}, claimed {statement.text}"


def _share_of_input(fact: str, numbers: Numbers) -> str:
    """Return ` (256 ÷ 32)` for a plane that is so many times smaller than the input."""
    plane, sides = numbers.value(fact), numbers.facts.get("input_size")
    if fact not in PLANES or not is_plane_of_sides(plane) or not is_plane_of_sides(sides):
        return ""
    small, large = plane[0], sides[0]
    return f" ({large} ÷ {large // small})" if small < large and large % small == 0 else ""


def _subject_of(statement: Statement) -> str:
    fact = statement.facts[0]
    return fact if statement.attribute in (fact, "") else f"{fact} ({statement.attribute})"


def met_text(statement: Statement, numbers: Numbers) -> str:
    """Return `7,448,954 elements (7.45 M)` for a statement that is met; empty for another."""
    option = statement.met_by(numbers)
    if option is None:
        return ""
    if statement.is_total:
        return computed_text(option, numbers)
    return assignment_text(option.fact, numbers.value(option.fact))


def fit_text(case: Case, attempt: Attempt) -> str:
    """Say with what a claim holds, and what its numbers then are."""
    totals = [
        met_text(one, attempt.numbers) for one in case.statements if one.is_total and one.options
    ]
    derived = [
        met_text(one, attempt.numbers)
        for one in case.statements
        if one.options and not one.is_total and one.facts[0] not in attempt.said
    ]
    numbers = listed(dict.fromkeys((*totals, *derived)))
    facts = [fact for one in case.statements for fact in one.facts]
    given = given_of(case, attempt, facts)
    return f"{given}: {numbers}" if numbers else given


def short_reason(statement: Statement, numbers: Numbers) -> str:
    """Return the shortest way to say what a statement misses; of several readings the nearest."""
    if statement.facts == (NO_FACT,):
        return f"no tensor {statement.attribute} {statement.text}"
    nearest = statement.nearest(numbers)
    if nearest is None:
        return missed_text(statement, numbers)
    if statement.is_total:
        computed = computed_text(nearest, numbers).partition(" (")[0]
        return f"{computed}, claimed {statement.text}"
    value = plain_text(nearest.fact, numbers.value(nearest.fact))
    return f"{nearest.fact} {value}, claimed {statement.text}"


def _sum_of_parts(case: Case, fact: str, numbers: Numbers) -> str:
    """Return `8,358,522 = 7,058,231 backbone + 1,300,291 head`; empty for what is no such sum."""
    kind = _SUMMED.get(fact)
    if kind is None:
        return ""
    parts = _parts_of(case, kind, numbers)
    if len(parts) < 2:
        return ""
    sum_of = " + ".join(f"{count:,} {name}" for name, count in parts.items())
    return f"{value_text(numbers.value(fact))} {kind} = {sum_of}"


def table_contradiction(
    row: Row, missed: Sequence[Statement], printed: Iterable[tuple[Statement, Statement]]
) -> list[str]:
    """Say what a row has where the claim says something else.

    Args:
        row: The row.
        missed: What the claim says and the row's network does not meet.
        printed: What the claim says and the table prints otherwise, where no arithmetic decides.
    """
    sentences = [
        f"row {row.name}: {missed_text(one, row.numbers)}" for one in missed if row.numbers
    ]
    sentences += [
        f"row {row.name}: {ours.attribute} is printed as {theirs.text}, claimed {ours.text}"
        for ours, theirs in printed
    ]
    return sentences[:_MOST_SENTENCES]


def consequences(case: Case, attempt: Attempt, row: Row) -> list[str]:
    """Say which numbers that the row prints would be others, were the claim true of it."""
    sentences: list[str] = []
    said_of = {fact for one in case.statements for fact in one.facts}
    for claim in row.claims:
        printed = statement_of_claim(claim)
        if not printed.is_total or set(printed.facts) <= said_of:
            continue
        if row.numbers is None or printed.met_by(row.numbers) is None:
            continue
        if printed.met_by(attempt.numbers) is None:
            computed = all_computed(printed, attempt.numbers)
            given = given_of(case, attempt, printed.facts)
            sentences.append(
                f"{given}: row {row.name} would have {computed}, the table prints {printed.text}"
                f"{_part_changes(case, printed.facts[0], row.numbers, attempt.numbers)}"
            )
    return sentences[:_MOST_SENTENCES]


def _part_changes(case: Case, fact: str, before: Numbers, after: Numbers) -> str:
    """Return `; head 388,928 → 536,960`: the parts of a sum that would change; empty for all."""
    kind = _SUMMED.get(fact)
    if kind is None:
        return ""
    old, new = _parts_of(case, kind, before), _parts_of(case, kind, after)
    changed = [
        f"{name} {count:,} → {new[name]:,}" for name, count in old.items() if new[name] != count
    ]
    return f"; {', '.join(changed)}" if 0 < len(changed) < len(old) else ""


def _parts_of(case: Case, kind: str, numbers: Numbers) -> dict[str, int]:
    """Return the parameters or elements of each part of a network."""
    counts = case.builder.family.count(numbers.configuration)
    return {
        part.part: part.parameters if kind == "parameters" else part.elements
        for part in counts.parts
    }


def escape_text(ranges: OpenRanges | None, fitting: Sequence[Attempt]) -> str:
    """Say which unusual values of open settings would fit, or that none does."""
    if ranges is None:
        return ""
    product = TIMES.join((ranges.solved, *ranges.others))
    if fitting:
        shown = [_factors(attempt, ranges) for attempt in fitting[:_MOST_EXAMPLES]]
        more = ", ..." if len(fitting) > _MOST_EXAMPLES else ""
        return f"{product}: none of the usual values fits; {', '.join(shown)}{more} would"
    return f"{product}: no values fit, usual or not ({ranges.bounds})"


def _factors(attempt: Attempt, ranges: OpenRanges) -> str:
    names = (ranges.solved, *ranges.others)
    return TIMES.join(value_text(attempt.numbers.value(name)) for name in names)


def assumptions_of(case: Case, attempt: Attempt, *, rests_on_usual: bool) -> tuple[str, ...]:
    """Return the conventions that a verdict rests on.

    Args:
        case: What is said.
        attempt: The network that decides.
        rests_on_usual: Whether other values of open settings would have decided otherwise.
    """
    base, family = case.builder.base, case.builder.family
    found = []
    if base.row is not None:
        found.append(f"what a claim does not say is as in its row of {base.row.table.title!r}")
    else:
        found.append("what a claim does not say has the family's default")
    names = case.open_names(attempt.said)
    if names and (rests_on_usual or attempt.opened):
        own = "as in the row, or usual" if base.row is not None else "usual"
        shown = "; ".join(
            f"{name} {', '.join(value_text(value) for value in family.usual[name][0])} "
            f"({family.usual[name][1]})"
            for name in names
        )
        found.append(f"{listed(names)} are {own}: {shown}")
    facts = {fact for one in case.statements for fact in one.facts}
    if facts & {"macs", FLOPS}:
        found.append(
            "GFLOPS of papers are multiply-accumulates; tools count them by rules of their own, "
            "so that a tolerance applies"
        )
    if any(fact.startswith(FILE) for fact in facts):
        found.append(
            "a file holds 4 bytes an element (2 in float16), for SGD's momentum 4 and for Adam 8 "
            f"bytes a parameter besides, and headers; within {FILE_TOLERANCE * 100:g} %"
        )
    return tuple(found)
