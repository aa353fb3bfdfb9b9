"""What is behind pasted errors, in which order.

Enters: an `ExplainReport`. Leaves: blocks: for each error whose network it is, the causes with what
to change, what the paste does not decide.
"""

from collections.abc import Iterator

from ckptscope.facts.loading import ExplainReport, Explanation
from ckptscope.reports.blocks import Block, Heading, Name, Part, Tone, Words, field, line
from ckptscope.reports.causes import describe_diagnosis, totals_text


def describe_explained(report: ExplainReport, *, lines: bool = False) -> Iterator[Block]:
    """Describe each error; with `lines` everything that the paste lists."""
    for number, one in enumerate(report.errors, start=1):
        yield from _describe(one, number if len(report.errors) > 1 else 0, lines=lines)


def _describe(one: Explanation, number: int, *, lines: bool) -> Iterator[Block]:
    error = one.error
    what = "error" if error.is_strict else "keys that did not meet"
    title: list[Part] = [Words(f"{what} {number}" if number else what, Tone.STRONG)]
    if error.network:
        title += [Words(" in loading a "), Name(error.network, Tone.STRONG)]
    if error.times > 1:
        title.append(Words(f", {error.times:,} times"))
    yield Heading(1, tuple(title))
    causes = one.diagnosis.causes
    known = "1 cause" if len(causes) == 1 else f"{len(causes):,} causes"
    yield line(f"{totals_text(error.differences)}: {known}")
    yield from _describe_network(one)
    yield from describe_diagnosis(one.diagnosis, place="the network", lines=lines)
    for text in one.undecided:
        yield field("undecided", text)


def _describe_network(one: Explanation) -> Iterator[Block]:
    if one.reasons:
        yield field("keys", "; ".join(one.reasons))
    rows = []
    if one.found_row:
        rows.append(f"the file's side fits {one.found_row}")
    if one.expected_row:
        rows.append(f"the network's side fits {one.expected_row}")
    if rows:
        yield field("rows", f"{', '.join(rows)} (table {one.table})")
    if one.is_reproduced is not None:
        yield field("check", _check(one))


def _check(one: Explanation) -> str:
    """Say whether two networks with the settings that were found give the lines of the paste."""
    if not one.is_reproduced:
        return "no two networks of this family were found that give all of these lines"
    if one.beyond:
        count = "1 more, which is" if one.beyond == 1 else f"{one.beyond:,} more, which are"
        return f"two networks with these settings give these lines, and {count} not in the paste"
    return "two networks with these settings give these very lines"
