"""What is said of files and a paper's table, and in which order.

Enters: a `PaperReport`. Leaves: blocks for a terminal or a page: each named file against its row,
then all files against all rows, which file holds which row, and where the numbers are from.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ckptscope.facts.claims import Verdict
from ckptscope.facts.paper import PaperFile, PaperOutcome, PaperReport
from ckptscope.facts.standing import Judgement, RowFit, Standing
from ckptscope.facts.tensors import Origin
from ckptscope.reports.blocks import (
    Block,
    Heading,
    Name,
    Part,
    Refusal,
    Tone,
    Words,
    entry,
    field,
    line,
    section,
)
from ckptscope.reports.paper_matrix import describe_matrix
from ckptscope.reports.tables import Column, Table

_VERDICTS: Final = {
    Verdict.MATCHES: "matches",
    Verdict.CONTRADICTS: "contradicts",
    Verdict.NOT_DECIDABLE: "not decidable",
    Verdict.NOT_CLAIMED: "not claimed",
}
_NOTHING: Final = "\N{EN DASH}"
_MOST_SHOWN: Final = 5


def describe_paper(report: PaperReport) -> Iterator[Block]:
    """Describe each file, then the set, then the sources."""
    for file in report.files:
        if file.failure is not None:
            yield Refusal(file.name, file.failure.message)
        elif not report.is_walk:
            yield from _describe_file(file)
    for matrix in report.matrices:
        yield from describe_matrix(report, matrix)
    yield from _describe_rest(report)
    yield from _describe_sources(report.files)


def _describe_file(file: PaperFile) -> Iterator[Block]:
    yield Heading(1, (Name(file.name, Tone.STRONG),))
    if not file.judgements:
        yield line(Words("not compared: ", Tone.WARNING), file.remark)
        return
    yield line(*outcome_words(file))
    if file.label_remark:
        yield line(f"label: {file.label_remark}")
    yield _table(file)
    yield from _explanations(file.judgements)
    if file.standing is not None:
        yield from _describe_standing(file.standing)
    for index, tensor in enumerate(file.told_from_label):
        yield field(f"not {file.row}" if not index else "", tensor)
    for text in file.misfits[:_MOST_SHOWN]:
        yield field("misfit", text)
    if file.further:
        yield field("further", f"not compared: {', '.join(file.further)}")


def outcome_words(file: PaperFile) -> tuple[Part, ...]:
    """Return the outcome for one file as a sentence; the first words carry it."""
    label = file.label
    if label is None:
        variant = file.standing.variant if file.standing is not None else None
        held = f"held against {file.row}, " + (
            "which it is by content" if variant == file.row else "which fits best"
        )
        return Words("not labelled", Tone.STRONG), Words(f": {held}")
    said = f"labelled {label.row} by {label.source}"
    if file.outcome is PaperOutcome.MATCHES:
        return Words("matches", Tone.STRONG), Words(f": {said}, and nothing contradicts it")
    if file.outcome is PaperOutcome.CONTRADICTS:
        return Words("contradicts", Tone.ERROR), Words(f": {said}, but {_content(file)}")
    return Words("not decidable", Tone.STRONG), Words(f": {said}; nothing in the file decides")


def _content(file: PaperFile) -> str:
    """Return what a file holds instead of what it is labelled."""
    if file.label is not None and file.label.table != file.table:
        return f"it holds {file.title}"
    if file.standing is not None and file.standing.variant is not None:
        return f"its content is {file.standing.variant}"
    count = sum(one.verdict is Verdict.CONTRADICTS for one in file.judgements)
    return f"its content contradicts {count} of the row's claims"


def _table(file: PaperFile) -> Table:
    return Table(
        columns=(
            Column(title="attribute", flexible=True, least=10),
            Column(title=f"{_table_name(file)} {file.row}", flexible=True, least=14),
            Column(title="file", flexible=True, least=14),
            Column(title="verdict"),
        ),
        rows=[
            (
                one.attribute,
                one.claimed_text or _NOTHING,
                _found(one),
                _verdict(one),
            )
            for one in file.judgements
        ],
        may_tighten=True,
    )


def _table_name(file: PaperFile) -> str:
    return file.label.table if file.label is not None else file.table


def _found(judgement: Judgement) -> str:
    if not judgement.found_text:
        return _NOTHING
    mark = {Origin.ASSUMED: ", assumed", Origin.STATED: ", stated"}
    return judgement.found_text + mark.get(judgement.origin or Origin.OBSERVED, "")


def _verdict(judgement: Judgement) -> str:
    word = _VERDICTS[judgement.verdict]
    if judgement.agrees is None:
        return word
    return f"{word}, {'fits' if judgement.agrees else 'misses'}"


def _explanations(judgements: Sequence[Judgement]) -> Iterator[Block]:
    """Yield what explains the verdicts, each explanation once."""
    told: dict[str, list[str]] = {}
    for one in judgements:
        if one.explanation:
            told.setdefault(one.explanation, []).append(one.attribute)
    if told:
        yield section("in words")
    for explanation, attributes in told.items():
        yield entry(Words(", ".join(attributes), Tone.STRONG), f": {explanation}")
    yield from _assumptions(judgements)


def _assumptions(judgements: Sequence[Judgement]) -> Iterator[Block]:
    """Yield every assumption once, those of the same attributes together."""
    resting: dict[str, list[str]] = {}
    for one in judgements:
        for assumption in one.assumptions:
            resting.setdefault(assumption, []).append(one.attribute)
    together: dict[tuple[str, ...], list[str]] = {}
    for assumption, attributes in resting.items():
        together.setdefault(tuple(attributes), []).append(assumption)
    for names, assumptions in together.items():
        yield entry(f"assumed for {', '.join(names)}: {'; '.join(assumptions)}")


def _describe_standing(standing: Standing) -> Iterator[Block]:
    yield section("rows by fit")
    first, *others = standing.ranking
    yield field("best", f"{first.row}: {_fit(first)}")
    if standing.remark:
        yield field("", standing.remark)
    if others:
        yield field("runner-up", f"{others[0].row}: {_fit(others[0])}")
    for index, tensor in enumerate(standing.separating):
        yield field("told apart" if not index else "", tensor)


def _fit(fit: RowFit) -> str:
    said = f"{_claims(fit.matches)} met, {fit.contradicts or 'none'} contradicted"
    if fit.undecided:
        said += f", {fit.undecided} undecided"
    if fit.contradictions:
        more = len(fit.contradictions) - 1
        said += f" ({fit.contradictions[0]}" + (f"; and {more} more)" if more else ")")
    return said


def _claims(count: int) -> str:
    return "1 claim" if count == 1 else f"{count} claims"


def _describe_rest(report: PaperReport) -> Iterator[Block]:
    """Describe what was not compared."""
    if report.is_walk:
        yield from _describe_idle(report.files)
    if report.remarks:
        yield section("not done")
        for text in report.remarks:
            yield entry(text)
    if report.skipped:
        count = len(report.skipped)
        one = "1 other file, which is no checkpoint"
        yield section("skipped")
        yield line(one if count == 1 else f"{count:,} other files, which are no checkpoints")


def _describe_idle(files: Iterable[PaperFile]) -> Iterator[Block]:
    """Say which files were not compared, by the reason why."""
    idle: dict[str, list[str]] = {}
    for file in files:
        if file.outcome is PaperOutcome.NOT_COMPARED:
            idle.setdefault(file.remark, []).append(file.name)
    if idle:
        yield section("not compared")
    for remark, names in idle.items():
        parts: list[Part] = [Words(f"{remark}: ")]
        for name in names[:_MOST_SHOWN]:
            parts += [Name(name), Words(", ")]
        parts[-1:] = [Words(f", and {len(names) - _MOST_SHOWN:,} more")][: len(names) > _MOST_SHOWN]
        yield entry(*parts)


def _describe_sources(files: Iterable[PaperFile]) -> Iterator[Block]:
    """Say where the claims are from, each source once."""
    tables: dict[str, str] = {}
    told: dict[tuple[str, str], dict[str, None]] = {}
    for file in files:
        if file.standing is not None:
            tables.setdefault(file.standing.spec, file.standing.source)
        for one in file.judgements:
            if one.claimed_text:
                told.setdefault((file.table, one.source), {}).setdefault(one.attribute)
    if not told:
        return
    yield section("sources of the claims")
    for table, source in tables.items():
        yield line(Words(table, Tone.STRONG), f": {source}")
        for (owner, place), attributes in told.items():
            if owner == table and place != source:
                yield entry(f"{', '.join(attributes)}: {place}")
