"""What load_state_dict would say of files, in which order.

Enters: a `LoadingReport`. Leaves: blocks for a terminal or a page: for each file what it is, what
it is held against, the verdict, and each way to load it with the causes of what would be reported.
"""

from collections.abc import Iterator
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.differences import CauseKind, Diagnosis
from ckptscope.facts.loading import LoadForecast, LoadingReport, LoadStep, LoadVerdict
from ckptscope.facts.report import Failure
from ckptscope.reports.blocks import (
    Block,
    Heading,
    Name,
    Refusal,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.causes import (
    describe_diagnosis,
    list_lines,
    tolerated_line,
    totals_text,
)

_CALL: Final = "load_state_dict(strict=True)"
_CONFIGURATION: Final = "the configuration"


def describe_loading(report: LoadingReport, *, lines: bool = False) -> Iterator[Block]:
    """Describe each file; with `lines` everything that load_state_dict would print."""
    for file in report.files:
        if file.failure is not None:
            yield from _describe_failure(file, file.failure)
        else:
            yield from _describe_file(file, lines=lines)
    if report.skipped:
        count = len(report.skipped)
        yield section("skipped")
        yield line("1 other file is no checkpoint" if count == 1 else f"{count:,} others are none")


def _describe_failure(file: LoadForecast, failure: Failure) -> Iterator[Block]:
    """Say why nothing is said of a file: it could not be read, or the request does not fit it."""
    if failure.kind != UsageError.__name__:
        yield Refusal(_named(file), failure.message)
        return
    yield Heading(1, (Name(_named(file), Tone.STRONG),))
    yield line(Words("not compared: ", Tone.WARNING), failure.message)


def _named(file: LoadForecast) -> str:
    return " > ".join((file.path, *file.location))


def _describe_file(file: LoadForecast, *, lines: bool) -> Iterator[Block]:
    yield Heading(1, (Name(_named(file), Tone.STRONG),))
    yield line(*_verdict(file))
    where = (" at ", Name(file.state_dict)) if file.state_dict else ()
    prefix = (", prefix ", Name(file.prefix)) if file.prefix else ()
    yield field("file", file.title, *where, f", dialect {file.dialect}", *prefix)
    other = f", dialect {file.network_dialect}" if file.network_dialect != file.dialect else ""
    yield field("into", f"{file.target}{other}")
    for remark in file.remarks:
        yield field("note", remark)
    for step in file.steps:
        yield from _describe_step(step, is_only=len(file.steps) == 1, lines=lines)


def _verdict(file: LoadForecast) -> tuple[Words | Name, ...]:
    verdict = file.verdict
    if verdict is LoadVerdict.LOADS:
        return (Words("loads", Tone.STRONG), Words(": keys and shapes are those of the network"))
    if verdict is LoadVerdict.LOADS_STRIPPED:
        return (
            Words("loads without its prefix", Tone.STRONG),
            Words(": then keys and shapes are those of the network"),
        )
    last = _best(file).diagnosis
    causes = "1 cause" if len(last.causes) == 1 else f"{len(last.causes):,} causes"
    said = f": {totals_text(last.differences)}, {causes}"
    return Words("does not load", Tone.ERROR), Words(said)


def _best(file: LoadForecast) -> LoadStep:
    """Return the step that says most of configurations: without a prefix, under its own names."""
    plain = [step for step in file.steps if step.changes != "names"]
    return plain[-1]


def _describe_step(step: LoadStep, *, is_only: bool, lines: bool) -> Iterator[Block]:
    diagnosis = step.diagnosis
    said = f"{_CALL} {step.title}: {totals_text(diagnosis.differences)}"
    yield section(said)
    spelt = {CauseKind.PREFIX, CauseKind.NAMES}
    if spelt.isdisjoint(cause.kind for cause in diagnosis.causes):
        yield from tolerated_line(diagnosis.differences)
    if diagnosis.differences.is_empty:
        yield line("it loads")
    elif step.changes == "nothing" and not is_only:
        yield from _describe_prefixed(diagnosis)
    else:
        yield from describe_diagnosis(diagnosis, place=_CONFIGURATION, lines=False)
    if lines:
        yield from list_lines(diagnosis.differences, _CONFIGURATION)


def _describe_prefixed(diagnosis: Diagnosis) -> Iterator[Block]:
    """Describe what stands above all else; the rest comes up again in the next step."""
    above = (CauseKind.PREFIX, CauseKind.NAMES)
    first = [cause for cause in diagnosis.causes if cause.kind in above]
    if not first:
        yield from describe_diagnosis(diagnosis, place=_CONFIGURATION, lines=False)
        return
    rest = diagnosis.differences.count - sum(cause.count for cause in first)
    for cause in first:
        yield line(f"{cause.text}: {cause.count:,} lines")
        for text in cause.evidence:
            yield field("evidence", text)
        yield field("change", cause.advice)
    if rest:
        count = "1 line has another cause" if rest == 1 else f"{rest:,} lines have other causes"
        yield line(f"{count} and comes up again below" if rest == 1 else f"{count}, see below")
