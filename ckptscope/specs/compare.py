"""One network against the rows of a table.

Enters: an architecture and tables. Leaves: `Judgement`s of a row's claims; `Standing`: the rows by
fit, which of them the network is if one is, and what tells the first from the second.
"""

from collections.abc import Iterable, Sequence

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.claims import Verdict
from ckptscope.facts.standing import Judgement, RowFit, Standing
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.specs.loading import claims_of
from ckptscope.specs.rules import judge, unclaimed
from ckptscope.specs.separating import separating_tensors
from ckptscope.specs.wording import fact_text


def judge_row(architecture: Architecture, table: SpecTable, row: str) -> tuple[Judgement, ...]:
    """Judge every attribute of a table, those included that this row does not claim."""
    claims = {claim.rule.attribute: claim for claim in claims_of(table, row)}
    judged: list[Judgement] = []
    for rule in table.rules:
        claim = claims.get(rule.attribute)
        if claim is not None:
            judged.append(judge(claim, architecture))
            continue
        fact = architecture.fact(rule.fact) if rule.fact else None
        text = fact_text(fact.value, rule) if fact is not None else ""
        judged.append(unclaimed(rule.attribute, rule.source, fact, text))
    return tuple(judged)


def fit_row(architecture: Architecture, table: SpecTable, row: str) -> RowFit:
    """Add up how one row fits."""
    judged = [judge(claim, architecture) for claim in claims_of(table, row)]
    contradicted = [one for one in judged if one.verdict is Verdict.CONTRADICTS]
    undecided = [one for one in judged if one.verdict is Verdict.NOT_DECIDABLE]
    return RowFit(
        row=row,
        matches=sum(one.verdict is Verdict.MATCHES for one in judged),
        contradicts=len(contradicted),
        undecided=len(undecided),
        contradictions=tuple(_contradiction(one) for one in contradicted),
        agrees=sum(one.agrees is True for one in undecided),
        disagrees=sum(one.agrees is False for one in undecided),
    )


def stand(architecture: Architecture, table: SpecTable) -> Standing:
    """Rank the rows of a table: fewest contradictions, most matches, then what is assumed."""
    fits = [fit_row(architecture, table, row.name) for row in table.rows]
    ranking = tuple(sorted(fits, key=_rank))
    best, second = ranking[0], ranking[1] if len(ranking) > 1 else None
    tied = [fit for fit in ranking[1:] if _evidence(fit) == _evidence(best)]
    is_it = not best.contradicts and best.matches > 0 and not tied
    return Standing(
        spec=table.name,
        source=table.source,
        variant=best.row if is_it else None,
        runner_up=second.row if second is not None else None,
        ranking=ranking,
        separating=()
        if second is None
        else separating_tensors(_row(table, best), _row(table, second), architecture),
        remark="" if is_it else _remark(best, tied),
    )


def identify_standing(architecture: Architecture, tables: Iterable[SpecTable]) -> Standing | None:
    """Return where a network stands in the table that it fits best; None without a table.

    Args:
        architecture: What was inferred of it.
        tables: Tables of its family, the user's first; of equals the first counts.
    """
    standings = [stand(architecture, table) for table in tables if table.rows]
    return min(standings, key=standing_rank, default=None)


def standing_rank(standing: Standing) -> tuple[int, ...]:
    """Return what tables are compared by: how well the best row of each fits."""
    return (int(standing.variant is None), *_rank(standing.ranking[0]))


def _contradiction(judgement: Judgement) -> str:
    said = judgement.explanation or f"{judgement.found_text}, not {judgement.claimed_text}"
    return f"{judgement.attribute}: {said}"


def _evidence(fit: RowFit) -> tuple[int, int]:
    """What counts as evidence: nothing that is assumed."""
    return fit.contradicts, -fit.matches


def _rank(fit: RowFit) -> tuple[int, ...]:
    return *_evidence(fit), fit.disagrees, -fit.agrees


def _row(table: SpecTable, fit: RowFit) -> SpecRow:
    return next(row for row in table.rows if row.name == fit.row)


def _remark(best: RowFit, tied: Sequence[RowFit]) -> str:
    """Say why the network is no row."""
    names = " and ".join(fit.row for fit in (best, *tied))
    if best.contradicts:
        claims = "1 claim" if best.contradicts == 1 else f"{best.contradicts} claims"
        nearest = f"{names} come nearest, each" if tied else f"{names} comes nearest,"
        return f"no row fits: {nearest} with {claims} contradicted"
    if not best.matches:
        return "nothing in the file decides about any row"
    alike = f"{names} fit equally well in all that the file holds"
    if any(_rank(fit) == _rank(best) for fit in tied):
        return alike
    return f"{alike}; what is assumed speaks for {best.row}"
