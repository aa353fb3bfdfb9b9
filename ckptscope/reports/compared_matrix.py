"""How more than two checkpoints stand to each other → blocks.

Enters: a `DiffReport` of three files and more. Leaves: which are the same, a matrix of verdicts in
short words, one of distances, the line that the files form, and a sentence for each two.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ckptscope.comparisons.lines import group_same
from ckptscope.facts.comparison import Comparison, DiffReport, Line
from ckptscope.reports.blocks import (
    Block,
    Field,
    Heading,
    Name,
    Part,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.compared_phrases import (
    NOTHING,
    count_of,
    distance_text,
    letter,
    short_names,
    verdict_text,
    verdict_word,
)
from ckptscope.reports.numerals import count_text, size_text
from ckptscope.reports.state_dicts import TOP_LEVEL
from ckptscope.reports.tables import Align, Column, Table, name, number

#: Files beside each other; six verdicts find room in 80 columns.
_MOST_COLUMNS: Final = 6
#: Pairs whose sentences are told one by one.
_MOST_PAIRS: Final = 15
_MOST_OTHERS: Final = 6


def describe_matrix(report: DiffReport) -> Iterator[Block]:
    """Describe files against each other."""
    yield Heading(1, _summary(report))
    if report.line is not None and report.line.sentence:
        yield line(report.line.sentence)
    yield section("files")
    yield _files_table(report)
    for index, side in enumerate(report.sides):
        if side.failure is not None:
            yield field(letter(index), Words("not read: ", Tone.ERROR), side.failure.message)
    if not report.comparisons:
        return
    yield section("verdicts")
    yield from _matrices(report, verdict_word)
    if any(len(one.conclusions) > 1 for one in report.comparisons):
        yield line("+: another verdict fits, too; compare the two files alone")
    if any(one.relative_l2 is not None for one in report.comparisons):
        yield section("distances", Words(": relative L2"))
        yield from _matrices(report, lambda one: distance_text(one.relative_l2))
    if report.line is not None:
        yield from _describe_line(report.line)
    yield from _describe_pairs(report)
    yield from _describe_omissions(report)


def _summary(report: DiffReport) -> tuple[Part, ...]:
    files = count_of(len(report.sides), "file")
    unread = sum(side.failure is not None for side in report.sides)
    if report.is_same:
        told = Words("all the same weights", Tone.STRONG)
        if not all(one.values_compared for one in report.comparisons):
            told = Words("all the same structure; values were not compared", Tone.STRONG)
        return Words(f"{files}: "), told
    parts: list[Part] = [Words(f"{files}: ")]
    told_groups = [
        f"{', '.join(map(letter, group))} are the same" for group in _groups(report)
    ] or ["no two are the same"]
    if report.comparisons:
        parts.append(Words("; ".join(told_groups), Tone.WARNING))
    if unread:
        parts.append(Words("; " if report.comparisons else ""))
        parts.append(Words(f"{unread:,} not read", Tone.ERROR))
    return tuple(parts)


def _groups(report: DiffReport) -> list[tuple[int, ...]]:
    """Return files of which all are the same as each other, in groups of two and more."""
    same = [(one.left, one.right) for one in report.comparisons if one.is_same]
    return [group for group in group_same(len(report.sides), same) if len(group) > 1]


def _files_table(report: DiffReport) -> Table:
    rows = []
    for index, (side, short) in enumerate(
        zip(report.sides, short_names(report.sides), strict=True)
    ):
        if side.failure is not None:
            rows.append((letter(index), short, "not read", "", "", ""))
            continue
        shown = " > ".join((short, *side.location)) if short == side.path else short
        size = size_text(side.size_bytes) if side.size_bytes is not None else ""
        rows.append(
            (
                letter(index),
                shown,
                " > ".join(side.containers),
                size,
                side.state_dict,
                count_text(side.tensors, "tensors", rounded=False),
            )
        )
    return Table(
        columns=(
            Column(),
            name("file"),
            Column(title="container"),
            number("size", drop=3),
            name("state_dict", least=8, drop=2),
            Column(title="compared", align=Align.RIGHT),
        ),
        rows=rows,
        may_tighten=True,
    )


def _matrices(report: DiffReport, show: Callable[[Comparison], str]) -> Iterator[Block]:
    """Draw the upper half of a matrix, a few files at a time."""
    told = {(one.left, one.right): show(one) for one in report.comparisons}
    indices = sorted({index for pair in told for index in pair})
    for start in range(1, len(indices), _MOST_COLUMNS):
        across = indices[start : start + _MOST_COLUMNS]
        down = [index for index in indices if index < across[-1]]
        yield Table(
            columns=(Column(), *(Column(title=letter(index)) for index in across)),
            rows=[(letter(row), *(_cell(told, row, column) for column in across)) for row in down],
        )


def _cell(told: dict[tuple[int, int], str], row: int, column: int) -> str:
    if row >= column:
        return ""
    return told.get((row, column)) or NOTHING


def _describe_line(found: Line) -> Iterator[Block]:
    """Draw the files in their order, with the distances between them."""
    if len(found.order) < 2:
        return
    same = {group[0]: group for group in found.groups}
    for group in found.groups:
        for index in group:
            same.setdefault(index, group)
    places = [" = ".join(letter(one) for one in same.get(i, (i,))) for i in found.order]
    drawn = places[0]
    for distance, place in zip(found.distances, places[1:], strict=True):
        drawn += f" —{distance_text(distance)}— {place}"
    title = "in a line" if found.is_line else "nearest neighbours; they form no line"
    yield section("by distance", Words(f": {title}"))
    yield line(drawn)


def _describe_pairs(report: DiffReport) -> Iterator[Block]:
    """Tell the verdict on each two in full; of many pairs those that are the same first."""
    yield section("pairs")
    ordered: Sequence[Comparison] = report.comparisons
    if len(ordered) > _MOST_PAIRS:
        ordered = sorted(ordered, key=lambda one: not one.is_same)
    for one in ordered[:_MOST_PAIRS]:
        label = f"{letter(one.left)}, {letter(one.right)}"
        told = Words(verdict_text(one), Tone.STRONG)
        yield field(label, told, f": {one.conclusions[0].sentence}")
    if len(ordered) > _MOST_PAIRS:
        yield field("", f"and {count_of(len(ordered) - _MOST_PAIRS, 'more pair')}")


def _describe_omissions(report: DiffReport) -> Iterator[Block]:
    told: list[Block] = []
    if not all(one.values_compared for one in report.comparisons):
        told.append(field("values", "--structure: names, shapes and dtypes alone were compared"))
    unread = sum(bool(pair.unread) for one in report.comparisons for pair in one.pairs)
    if unread:
        told.append(field("unread", f"{count_of(unread, 'pair')} of tensors"))
    ignored = sum(one.structure.ignored for one in report.comparisons)
    if ignored:
        told.append(field("ignored", "tensors named by --ignore"))
    for index, side in enumerate(report.sides):
        if side.others:
            told.append(others_field(letter(index), side.others))
    if told:
        yield section("not compared")
        yield from told


def others_field(side: str, paths: Sequence[str]) -> Field:
    """Return which other state_dicts a file has, which were not compared.

    Args:
        side: Letter of the file.
        paths: Of the state_dicts.
    """
    parts: list[Part] = []
    for path in paths[:_MOST_OTHERS]:
        parts += [Words(", ")] if parts else []
        parts.append(Name(path) if path else Words(f"({TOP_LEVEL})"))
    if len(paths) > _MOST_OTHERS:
        parts.append(Words(f" and {len(paths) - _MOST_OTHERS:,} more"))
    return field(f"else in {side}", *parts)
