"""What load_state_dict would report, and why, in blocks.

Enters: a `Diagnosis`. Leaves: a table of the causes that adds up to all lines, then what each rests
on and what to change; on request every line.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from ckptscope.facts.differences import Cause, CauseKind, Diagnosis, KeyDifferences
from ckptscope.facts.tensors import Origin
from ckptscope.reports.blocks import Block, Entry, Field, Tone, Words, entry, field, line, section
from ckptscope.reports.numerals import count_text
from ckptscope.reports.tables import Column, Table, name, number

_MOST_EVIDENCE: Final = 8
_MOST_UNEXPLAINED: Final = 12
#: A setting's name is said in front of what is told of it.
_KINDS: Final = {
    CauseKind.PREFIX: "prefix",
    CauseKind.NAMES: "names",
    CauseKind.COUNTERS: "counters",
    CauseKind.LOST: "lost tensors",
    CauseKind.FOREIGN: "other keys",
    CauseKind.NO_TENSORS: "no tensors",
    CauseKind.SIZES: "sizes",
}


def totals_text(differences: KeyDifferences) -> str:
    """Return `66 missing, 66 unexpected, 2 mismatched`, without what there is none of."""
    counts = (
        (len(differences.missing), "missing"),
        (len(differences.unexpected), "unexpected"),
        (len(differences.mismatched), "mismatched"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in counts if count) or "nothing"


def describe_diagnosis(diagnosis: Diagnosis, *, place: str, lines: bool) -> Iterator[Block]:
    """Describe causes, the table first.

    Args:
        diagnosis: Causes and what is left.
        place: Where the network's settings stand: the configuration, the network.
        lines: Whether every line of load_state_dict is wanted.
    """
    if diagnosis.differences.count:
        yield _table(diagnosis)
    if diagnosis.causes:
        yield section("why, and what to change")
    for cause in diagnosis.causes:
        yield _details(cause)
    if diagnosis.unexplained.count:
        yield from _describe_unexplained(diagnosis.unexplained, place)
    if lines:
        yield from list_lines(diagnosis.differences, place)


def _table(diagnosis: Diagnosis) -> Table:
    causes, rest = diagnosis.causes, diagnosis.unexplained
    rows = [_row(_counts(cause), cause.text) for cause in causes]
    if rest.count:
        left = (len(rest.missing), len(rest.unexpected), len(rest.mismatched))
        rows.append(_row(left, "no cause found"))
    all_of_it = diagnosis.differences
    counts = (len(all_of_it.missing), len(all_of_it.unexpected), len(all_of_it.mismatched))
    known = "1 cause" if len(causes) == 1 else f"{len(causes):,} causes"
    return Table(
        columns=(
            number("lines"),
            number("missing"),
            number("unexpected"),
            number("mismatched"),
            Column(title="cause", flexible=True, wraps=True),
        ),
        rows=rows,
        closing=(_row(counts, known),),
    )


def _counts(cause: Cause) -> tuple[int, int, int]:
    return len(cause.missing), len(cause.unexpected), len(cause.mismatched)


def _row(counts: tuple[int, int, int], text: str) -> tuple[str, ...]:
    shown = [f"{count:,}" if count else "" for count in counts]
    return f"{sum(counts):,}", *shown, text


def _details(cause: Cause) -> Entry:
    """Say what a cause rests on, and what to change."""
    title = cause.setting or _KINDS.get(cause.kind, cause.kind.value)
    details: list[Field] = []
    for index, text in enumerate(cause.evidence[:_MOST_EVIDENCE]):
        details.append(field("" if index else "evidence", text))
    if cause.shared:
        count = count_text(len(cause.shared), "lines", rounded=False)
        details.append(field("besides", f"{count} of another cause would differ for this one, too"))
    if cause.origin is Origin.ASSUMED:
        said = "; ".join(cause.assumptions)
        details.append(field("assumed", said or "it cannot be observed"))
    for index, text in enumerate(cause.alternatives):
        details.append(field("" if index else "or", text))
    if cause.advice:
        details.append(field("change", cause.advice))
    return Entry((Words(title, Tone.STRONG),), tuple(details))


def _describe_unexplained(rest: KeyDifferences, place: str) -> Iterator[Block]:
    yield entry(Words("no cause found", Tone.WARNING), " for these lines:")
    yield from map(entry, islice(_lines(rest, place), _MOST_UNEXPLAINED))
    if rest.count > _MOST_UNEXPLAINED:
        yield entry(f"and {rest.count - _MOST_UNEXPLAINED:,} more")


def _lines(rest: KeyDifferences, place: str) -> Iterator[str]:
    for key in rest.missing:
        yield f"missing {key!r}"
    for key in rest.unexpected:
        yield f"unexpected {key!r}"
    for one in rest.mismatched:
        yield (f"{one.key!r} is {list(one.found)} in the file, {list(one.expected)} in {place}")


def list_lines(differences: KeyDifferences, place: str) -> Iterator[Block]:
    """List every line that load_state_dict would print."""
    for title, keys in (
        ("missing", differences.missing),
        ("unexpected", differences.unexpected),
        ("filled in by torch", differences.tolerated),
    ):
        if keys:
            yield section(title, Words(f": {len(keys):,}"))
            yield Table(columns=(name(""),), rows=[(key,) for key in keys])
    if differences.mismatched:
        yield section("mismatched", Words(f": {len(differences.mismatched):,}"))
        yield Table(
            columns=(name("key"), Column(title="file"), Column(title=place.removeprefix("the "))),
            rows=[
                (one.key, _shape(one.found), _shape(one.expected)) for one in differences.mismatched
            ],
        )


def _shape(shape: Sequence[int]) -> str:
    return str(list(shape))


def tolerated_line(differences: KeyDifferences) -> Iterator[Block]:
    """Say which counters torch fills in."""
    count = len(differences.tolerated)
    if count:
        counters = "1 counter" if count == 1 else f"{count:,} counters"
        yield line(
            f"{counters} of BatchNorm are not in the file; load_state_dict fills them in, because "
            "no version is recorded that has them"
        )
