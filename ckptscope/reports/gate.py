"""What is said at the gate, and in which order.

Enters: a `GateReport`. Leaves: blocks for a terminal or a page: of each file the verdict, what it
rests on and what to do, what is waived, which checks were made; then the policy, and a line that
sums up several files.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.facts.findings import Where
from ckptscope.facts.gate import (
    CheckRun,
    CheckState,
    GateFile,
    GateReport,
    GateVerdict,
    Requirement,
    RequirementOutcome,
    Ruling,
)
from ckptscope.reports.blocks import (
    Block,
    Field,
    Heading,
    Name,
    Notice,
    Part,
    Tone,
    Words,
    entry,
    field,
    line,
    section,
)
from ckptscope.reports.gate_phrases import (
    Bearing,
    bearing_of,
    by_bearing,
    codes_text,
    pardon_text,
    plural,
    reason_text,
    remedy_of,
    summary_text,
)
from ckptscope.reports.noticed import describe_skipped
from ckptscope.reports.numerals import size_text

_MOST_OF_A_CODE: Final = 5
_MOST_EVIDENCE: Final = 6
_VERDICTS: Final = {
    GateVerdict.PASSED: Tone.STRONG,
    GateVerdict.INCONCLUSIVE: Tone.WARNING,
    GateVerdict.REFUSED: Tone.ERROR,
    GateVerdict.UNREADABLE: Tone.ERROR,
}
_OUTCOMES: Final = {
    RequirementOutcome.MET: "met",
    RequirementOutcome.NOT_MET: "not met",
    RequirementOutcome.NOT_DECIDED: "undecided",
}


def describe_gate(report: GateReport) -> Iterator[Block]:
    """Describe each file, then what concerns all of them."""
    is_alone = len(report.files) == 1
    for file in report.files:
        yield Heading(1, (Name(file.name, Tone.STRONG),))
        yield verdict_line(file)
        if not is_alone and _is_plain(file):
            continue
        yield from _describe_kind(file)
        yield from describe_rulings(file)
        yield from describe_requirements(file.requirements)
        if is_alone:
            yield from _describe_checks(file.checks)
        else:
            yield from _describe_checks(file.checks, (CheckState.UNFINISHED,))
    if not is_alone:
        yield from _describe_checks_of_all(report.files)
    yield from describe_policy(report)
    yield from describe_skipped(report.skipped)
    if not is_alone or report.verdict is not report.files[0].verdict:
        yield section("summary")
        word, _, rest = summary_text(report).partition(":")
        yield line(Words(word, _VERDICTS[report.verdict]), f":{rest}")


def _is_plain(file: GateFile) -> bool:
    """Whether a file passes, and there is nothing else that anybody should know of it."""
    bearings = {bearing_of(one) for one in file.rulings}
    is_finished = all(one.state is not CheckState.UNFINISHED for one in file.checks)
    return file.verdict is GateVerdict.PASSED and bearings <= {Bearing.IGNORED} and is_finished


def verdict_line(file: GateFile) -> Block:
    """Return the verdict on a file and, in a sentence, why."""
    return line(Words(file.verdict, _VERDICTS[file.verdict]), f": {reason_text(file)}")


def _describe_kind(file: GateFile) -> Iterator[Block]:
    """Say what was judged."""
    parts = [" > ".join(file.containers)] if file.containers else []
    if file.size_bytes is not None:
        parts.append(size_text(file.size_bytes))
    if file.family:
        parts.append(" ".join(filter(None, (file.family, file.variant))))
    if parts:
        yield field("what it is", ", ".join(parts))


def describe_rulings(file: GateFile) -> Iterator[Block]:
    """Describe the findings of a file, those first that keep it from passing."""
    sorted_ = by_bearing(file.rulings)
    is_read = file.failure is None
    yield from _describe_at_length("refused for", sorted_[Bearing.REFUSES], is_read=is_read)
    yield from _describe_at_length("not decided", sorted_[Bearing.UNDECIDED], is_read=is_read)
    if warnings := sorted_[Bearing.WARNS]:
        yield section("warnings", Words(f": {len(warnings):,}"))
        yield from _few_of_each(warnings, _short)
    if pardoned := sorted_[Bearing.PARDONED]:
        yield section("accepted", Words(f": {len(pardoned):,}"))
        yield from _few_of_each(pardoned, _pardoned)
    if ignored := sorted_[Bearing.IGNORED]:
        yield section("ignored", Words(f": {len(ignored):,} by the policy ({codes_text(ignored)})"))


def _describe_at_length(title: str, rulings: Sequence[Ruling], *, is_read: bool) -> Iterator[Block]:
    if not rulings:
        return
    what = plural(len(rulings), "finding")
    yield section(title if is_read else "found nevertheless", Words(f": {what}"))
    said: set[Field] = set()
    for block in _few_of_each(rulings, ruling_notice):
        # What to do about twenty findings of a code is told once, at the first.
        yield _with_news(block, said) if isinstance(block, Notice) else block


def _with_news(notice: Notice, said: set[Field]) -> Notice:
    """Leave out of a notice the help that one before it gave."""
    details = tuple(one for one in notice.details if one.label != "help" or one not in said)
    said.update(details)
    return msgspec.structs.replace(notice, details=details)


def _few_of_each(rulings: Sequence[Ruling], show: Callable[[Ruling], Block]) -> Iterator[Block]:
    """Show the first findings of each code, and count the others."""
    totals = Counter(one.finding.code for one in rulings)
    shown: Counter[str] = Counter()
    for one in rulings:
        code = one.finding.code
        shown[code] += 1
        if shown[code] <= _MOST_OF_A_CODE:
            yield show(one)
        elif shown[code] == totals[code]:
            yield entry(f"and {totals[code] - _MOST_OF_A_CODE:,} more {code}")


def ruling_notice(ruling: Ruling) -> Notice:
    """Return a finding with its place, its evidence and what to do."""
    finding = ruling.finding
    details = [*_place(finding.where)]
    for index, text in enumerate(finding.evidence[:_MOST_EVIDENCE]):
        details.append(field("" if index else "evidence", Name(text)))
    if len(finding.evidence) > _MOST_EVIDENCE:
        details.append(field("", f"and {len(finding.evidence) - _MOST_EVIDENCE:,} more"))
    if remedy := remedy_of(ruling):
        details.append(field("help", remedy))
    return Notice(finding.severity, finding.code.value, finding.message, tuple(details))


def _short(ruling: Ruling) -> Notice:
    finding = ruling.finding
    details = tuple(_place(finding.where))
    return Notice(finding.severity, finding.code.value, finding.message, details)


def _pardoned(ruling: Ruling) -> Notice:
    short = _short(ruling)
    why = field("accepted", pardon_text(ruling))
    return msgspec.structs.replace(short, details=(*short.details, why))


def _place(where: Where) -> Iterator[Field]:
    parts: list[Part] = []
    if where.key is not None:
        parts += [Name(where.key)]
    if where.member is not None:
        parts += [Words(", in " if parts else "in "), Name(where.member)]
    if where.offset_bytes is not None:
        parts += [Words(f"{' at ' if parts else ''}byte {where.offset_bytes:,}")]
    if parts:
        yield field("where", *parts)


def describe_requirements(requirements: Sequence[Requirement]) -> Iterator[Block]:
    """Say what the policy demands of a file, and what came out."""
    if requirements:
        yield section("required")
    for one in requirements:
        found = f" ({one.found})" if one.found else ""
        yield field(_OUTCOMES[one.outcome], f"{one.text}{found}")


def describe_unmade(runs: Sequence[CheckRun]) -> Iterator[Block]:
    """Say of one file which checks were not made, and why."""
    return _describe_checks(runs, (CheckState.NOT_ASKED, CheckState.UNFINISHED))


def _describe_checks(
    runs: Sequence[CheckRun], states: Sequence[CheckState] = tuple(CheckState)
) -> Iterator[Block]:
    """Say of one file which checks are in which state."""
    told = {state: [one for one in runs if one.state is state] for state in states}
    if any(told.values()):
        yield section("checks")
    for state, some in told.items():
        if some:
            yield field(state, ", ".join(_run_text(one) for one in some))


def _run_text(run: CheckRun) -> str:
    return f"{run.name} ({run.remark})" if run.remark else run.name


def _describe_checks_of_all(files: Sequence[GateFile]) -> Iterator[Block]:
    """Say which checks were made of how many files."""
    judged = [file for file in files if file.checks]
    if not judged:
        return
    counts = Counter((run.state, run.name) for file in judged for run in file.checks)
    yield Heading(1, (Words("all files", Tone.STRONG),))
    yield section("checks")
    for state in CheckState:
        told = [
            name if count == len(judged) else f"{name} ({count:,} of {len(judged):,} files)"
            for (of, name), count in counts.items()
            if of is state
        ]
        if told:
            yield field(state, ", ".join(told))


def describe_policy(report: GateReport) -> Iterator[Block]:
    """Say where the policy stands, and what is wrong with it."""
    yield section("policy", Words(": "), Name(report.policy))
    sorted_ = by_bearing(report.notices)
    for bearing, some in sorted_.items():
        if bearing in (Bearing.REFUSES, Bearing.UNDECIDED):
            yield from _few_of_each(some, ruling_notice)
        elif bearing is Bearing.WARNS:
            yield from _few_of_each(some, _short)
