"""What an architecture rests on → blocks.

Enters: the identified networks of a file. Leaves: for each every fact with its evidence,
assumptions and alternatives; what the shapes leave open, as tables of candidates; the rows of the
table by fit.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ckptscope.facts.architecture import Alternative, Architecture, Evidence, Fact, Ranking
from ckptscope.facts.differences import KeyDifferences
from ckptscope.facts.standing import Identified, Standing
from ckptscope.facts.tensors import Origin
from ckptscope.reports.architecture import origin_part
from ckptscope.reports.architecture_phrases import absence, macs_text, plain_value, words_of
from ckptscope.reports.blocks import (
    Block,
    Entry,
    Field,
    Name,
    Part,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.numerals import share_text
from ckptscope.reports.tables import Column, Table, number

_MOST_NETWORKS: Final = 8
_MOST_EVIDENCE: Final = 24
_MOST_ALTERNATIVES: Final = 12
_MOST_KEYS: Final = 6
#: Columns below which a sentence is hard to read.
_LEAST_REASON: Final = 18


def describe_evidence(identified: Sequence[Identified]) -> Iterator[Block]:
    """Tell what every statement about every network rests on."""
    for one in identified[:_MOST_NETWORKS]:
        found = one.architecture
        where: list[Part] = [Words(" of "), Name(found.state_dict)] if found.state_dict else []
        yield section("evidence", *where)
        yield from _why(found)
        yield from _blind_spots(found)
        ranked = _ranked(found)
        for fact in found.facts:
            yield Entry(_statement(fact), tuple(_grounds(fact, is_ranked=fact.name in ranked)))
        for ranking in found.rankings:
            yield from _ranking(ranking)
        if one.standing is not None:
            yield from _rows(one.standing)
        if not found.differences.is_empty or found.differences.tolerated:
            yield section("keys", Words(" that are not those of this network"))
            yield from _differences(found.differences)
    if len(identified) > _MOST_NETWORKS:
        yield line(f"and that of {len(identified) - _MOST_NETWORKS:,} more networks, in the JSON")


def _why(found: Architecture) -> Iterator[Block]:
    """Say why it is this family and no other."""
    for index, reason in enumerate(found.reasons):
        yield field("" if index else "family", f"{found.title}: {reason}" if not index else reason)
    for index, (rival, coverage) in enumerate(found.rivals):
        text = f"{rival} explains {share_text(coverage)} of the tensors"
        yield field("" if index else "rivals", text)


def _blind_spots(found: Architecture) -> Iterator[Block]:
    for index, text in enumerate(found.blind_spots):
        yield field("" if index else "blind to", text)


def _statement(fact: Fact) -> tuple[Part, ...]:
    missing = absence(fact.name) if fact.origin is not Origin.UNDETERMINED else None
    value: list[Part] = [Words(f" {missing or 'none'}")]
    if fact.origin is Origin.UNDETERMINED:
        value = []
    elif fact.value is not None:
        # A text may be the file's, as a prefix is.
        is_text = isinstance(fact.value, str)
        shown = plain_value(fact.name, fact.value)
        value = [Words(" "), Name(shown) if is_text and shown else Words(shown or "none")]
    return (Words(fact.name, Tone.STRONG), *value, origin_part(fact.origin))


def _ranked(found: Architecture) -> set[str]:
    """Return the facts whose alternatives stand in a table of candidates."""
    names = {name for ranking in found.rankings for name in ranking.settings}
    has_macs = any(one.macs is not None for ranking in found.rankings for one in ranking.candidates)
    return names | ({"macs"} if has_macs else set())


def _grounds(fact: Fact, *, is_ranked: bool) -> Iterator[Field]:
    for index, evidence in enumerate(fact.evidence[:_MOST_EVIDENCE]):
        yield field("" if index else "rests on", *_evidence(evidence))
    if len(fact.evidence) > _MOST_EVIDENCE:
        yield field("", f"and {len(fact.evidence) - _MOST_EVIDENCE:,} more")
    for index, text in enumerate(fact.assumptions):
        yield field("" if index else "assumes", text)
    if fact.alternatives and is_ranked:
        yield field("or", "as the candidates below have it")
    else:
        yield from _alternatives(fact)
    if fact.decided_by:
        yield field("decided by", fact.decided_by)


def _alternatives(fact: Fact) -> Iterator[Field]:
    for index, other in enumerate(fact.alternatives[:_MOST_ALTERNATIVES]):
        yield field("" if index else "or", *_alternative(fact.name, other))
    if len(fact.alternatives) > _MOST_ALTERNATIVES:
        yield field("", f"and {len(fact.alternatives) - _MOST_ALTERNATIVES:,} more")


def _evidence(one: Evidence) -> list[Part]:
    parts: list[Part] = [Words(one.text)]
    if one.key is not None:
        parts += [Words(", in "), Name(one.key)]
        if one.axis is not None:
            parts.append(Words(f", axis {one.axis}"))
    return parts


def _alternative(name: str, other: Alternative) -> list[Part]:
    parts: list[Part] = [Words(plain_value(name, other.value))]
    if other.speaks_for:
        parts.append(Words(f"; for it: {'; '.join(other.speaks_for)}"))
    if other.speaks_against:
        parts.append(Words(f"; against it: {'; '.join(other.speaks_against)}"))
    return parts


def _ranking(ranking: Ranking) -> Iterator[Block]:
    ties = f"; the first ties with {ranking.ties:,} more" if ranking.ties else ""
    yield section("candidates", Words(f" for {ranking.question}{ties}"))
    yield Table(
        columns=(
            number("rank"),
            *(_setting(ranking, name) for name in ranking.settings),
            number("MACs", drop=2),
            _reasons("for it"),
            _reasons("against it"),
        ),
        rows=[
            (
                f"{rank}",
                *(plain_value(name, one.values.get(name)) for name in ranking.settings),
                macs_text(one.macs) if one.macs is not None else "",
                "; ".join(one.speaks_for),
                "; ".join(one.speaks_against),
            )
            for rank, one in enumerate(ranking.candidates, 1)
        ],
        closing=(
            ((*[""] * (len(ranking.settings) + 2), f"{ranking.left_out:,} more", ""),)
            if ranking.left_out
            else ()
        ),
    )


def _setting(ranking: Ranking, name: str) -> Column:
    """Return the column of a setting: numbers go right, all else left."""
    values = [one.values.get(name) for one in ranking.candidates]
    is_number = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    return number(words_of(name)) if is_number else Column(title=words_of(name))


def _reasons(title: str) -> Column:
    return Column(title=title, flexible=True, wraps=True, least=_LEAST_REASON)


def _rows(standing: Standing) -> Iterator[Block]:
    yield section("rows", Words(f" of the table {standing.spec}"))
    yield field("source", standing.source)
    yield Table(
        columns=(
            Column(title="row"),
            number("met"),
            number("contradicted"),
            number("not decidable"),
            _reasons("contradicted claims"),
        ),
        rows=[
            (
                fit.row,
                f"{fit.matches:,}",
                f"{fit.contradicts:,}",
                f"{fit.undecided:,}",
                "; ".join(fit.contradictions),
            )
            for fit in standing.ranking
        ],
    )
    for index, text in enumerate(standing.separating):
        yield field("" if index else "told apart", text)


def _differences(differences: KeyDifferences) -> Iterator[Block]:
    """List the first keys that are not as the settings would have them."""
    for label, keys in (
        ("missing", differences.missing),
        ("unexpected", differences.unexpected),
        ("mismatched", [one.key for one in differences.mismatched]),
        ("tolerated", differences.tolerated),
    ):
        yield from _keys(label, keys)


def _keys(label: str, keys: Iterable[str]) -> Iterator[Block]:
    listed = list(keys)
    if not listed:
        return
    parts: list[Part] = [Words(f"{len(listed):,}: ")]
    for index, key in enumerate(listed[:_MOST_KEYS]):
        parts += [Words(", ") if index else Words(""), Name(key)]
    yield field(label, *parts, ", ..." if len(listed) > _MOST_KEYS else "")
