"""What is said of two checkpoints, or several, and in which order.

Enters: a `DiffReport`. Leaves: blocks for a terminal or a page: the verdict first, then what it
rests on, what each file is, and how structure, values and metadata differ; at last what was not
compared.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.facts.comparison import (
    Block as Module,
)
from ckptscope.facts.comparison import (
    Comparison,
    Conclusion,
    DiffReport,
    Relation,
    Side,
)
from ckptscope.reports.blocks import (
    Block,
    Entry,
    Heading,
    Name,
    Part,
    Refusal,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.compared_matrix import describe_matrix, others_field
from ckptscope.reports.compared_metadata import describe_metadata
from ckptscope.reports.compared_phrases import (
    cosine_text,
    count_of,
    distance_text,
    letter,
    relation_text,
    share_changed,
    short_names,
    verdict_text,
    whole_name,
)
from ckptscope.reports.compared_structure import describe_structure
from ckptscope.reports.compared_tensors import list_pairs
from ckptscope.reports.numerals import count_text, size_text
from ckptscope.reports.state_dicts import TOP_LEVEL
from ckptscope.reports.tables import Column, Table, name, number

_MOST_MODULES: Final = 40
_MOST_REASONS: Final = 5
_BAR_COLUMNS: Final = 10
#: Verdicts that leave nothing to be said of single modules.
_ALIKE: Final = frozenset({Relation.IDENTICAL, Relation.SAME_WEIGHTS, Relation.RENAMED})


def describe_comparison(report: DiffReport, *, tensors: bool = False) -> Iterator[Block]:
    """Describe how files stand to each other; with `tensors` every pair that differs."""
    if len(report.sides) > 2:
        yield from describe_matrix(report)
    else:
        for side in report.sides:
            if side.failure is not None:
                yield Refusal(whole_name(side), side.failure.message)
        for one in report.comparisons:
            yield from _describe_two(report, one)
    if tensors:
        for one in report.comparisons:
            yield from list_pairs(one, is_alone=len(report.comparisons) == 1)


def _describe_two(report: DiffReport, one: Comparison) -> Iterator[Block]:
    yield _verdict(report.sides, one)
    yield from describe_conclusions(one.conclusions)
    yield from describe_sides(report.sides)
    yield from describe_structure(one)
    yield from _describe_modules(one)
    yield from describe_metadata(one)
    yield from _describe_omissions(report.sides, one)


def _verdict(sides: Sequence[Side], one: Comparison) -> Heading:
    left, right = short_names((sides[one.left], sides[one.right]))
    tone = Tone.STRONG if one.is_same else Tone.WARNING
    parts = (Name(left), Words(" and "), Name(right), Words(": "), Words(verdict_text(one), tone))
    return Heading(1, parts)


def describe_conclusions(conclusions: Sequence[Conclusion]) -> Iterator[Block]:
    """Describe each verdict with what it rests on."""
    is_alone = len(conclusions) == 1
    for one in conclusions:
        parts: list[Part] = [Words(one.sentence)]
        if not is_alone:
            parts = [Words(relation_text(one.relation), Tone.STRONG), Words(": "), *parts]
        details = tuple(
            field("" if index else "evidence", text) for index, text in enumerate(one.evidence)
        )
        if is_alone:
            yield line(*parts)
            yield from details
        else:
            yield Entry(tuple(parts), details)


def describe_sides(sides: Sequence[Side]) -> Iterator[Block]:
    """Say what each file is, and what of it is compared; sentences call them left and right."""
    yield section("files")
    for index, (side, hand) in enumerate(zip(sides, ("left", "right"), strict=True)):
        parts = (Name(whole_name(side)), Words(f": {', '.join(_container(side))}"))
        yield field(f"{letter(index)} ({hand})", *parts)
        yield field("", *_contents(side))


def _container(side: Side) -> Iterator[str]:
    if side.containers:
        yield " > ".join(side.containers)
    if side.size_bytes is not None:
        yield size_text(side.size_bytes)


def _contents(side: Side) -> Iterator[Part]:
    yield Words(side.role or "state_dict")
    if side.state_dict != side.role:
        yield Words(" at ")
        yield Name(side.state_dict) if side.state_dict else Words(f"the {TOP_LEVEL}")
    if side.family:
        yield Words(f": {side.family}")
    if side.dialect:
        yield Words(f", dialect {side.dialect}")
    if side.prefix:
        yield Words(", prefix ")
        yield Name(side.prefix)
    tensors = count_of(side.tensors, "tensor")
    yield Words(f"; {tensors}, {count_text(side.elements, 'elements')}")


def _describe_modules(one: Comparison) -> Iterator[Block]:
    """Draw how far the modules are apart, as far as anything in them differs."""
    if not one.values_compared or not one.blocks:
        return
    if all(conclusion.relation in _ALIKE for conclusion in one.conclusions):
        return
    differing = [block for block in one.blocks if _differs(block)]
    if not differing:
        return
    shown = _farthest(differing)
    yield section("values by module")
    yield Table(
        columns=(
            name("module"),
            number("tensors", drop=2),
            number("elements", drop=1),
            number("changed"),
            Column(pictorial=True, drop=3),
            number("relative L2"),
            number("cosine"),
            Column(),
        ),
        rows=[_module_row(block) for block in shown],
        closing=tuple(_closing(one, differing, shown)),
        may_tighten=True,
    )


def _differs(block: Module) -> bool:
    return bool(block.changed or block.unread)


def _farthest(blocks: Sequence[Module]) -> list[Module]:
    """Keep the modules that are farthest apart, in the order of the file."""
    order = sorted(range(len(blocks)), key=lambda index: -_distance(blocks[index]))
    kept = set(order[:_MOST_MODULES])
    return [block for index, block in enumerate(blocks) if index in kept]


def _distance(block: Module) -> float:
    if block.relative_l2 is None:
        return float("inf")
    return block.relative_l2 if block.relative_l2 == block.relative_l2 else 0.0


def _module_row(block: Module) -> tuple[str, ...]:
    return (
        block.name,
        f"{block.tensors:,}",
        f"{block.elements:,}",
        share_changed(block.changed, block.elements - block.unread_elements),
        bar(block.changed, block.elements - block.unread_elements),
        distance_text(block.relative_l2),
        cosine_text(block.cosine),
        f"{block.unread:,} not compared" if block.unread else "",
    )


def bar(changed: int, elements: int) -> str:
    """Draw a share; some is never drawn as none, and less than all never as all."""
    if not changed or not elements:
        return ""
    most = _BAR_COLUMNS if changed == elements else _BAR_COLUMNS - 1
    return "━" * min(max(round(_BAR_COLUMNS * (changed / elements)), 1), most)


def _closing(
    one: Comparison, differing: Sequence[Module], shown: Sequence[Module]
) -> Iterator[tuple[str, ...]]:
    """Count the modules that are not shown, and sum up all."""
    kept = {id(block) for block in shown}
    near = [block for block in differing if id(block) not in kept]
    alike = [block for block in one.blocks if not _differs(block)]
    for blocks, what in ((near, "nearer"), (alike, "unchanged")):
        if blocks:
            elements = sum(block.elements for block in blocks)
            read = elements - sum(block.unread_elements for block in blocks)
            changed = sum(block.changed for block in blocks)
            yield (
                f"{len(blocks):,} {what}",
                f"{sum(block.tensors for block in blocks):,}",
                f"{elements:,}",
                share_changed(changed, read),
                *("",) * 4,
            )
    elements = sum(block.elements for block in one.blocks)
    read = elements - sum(block.unread_elements for block in one.blocks)
    changed = sum(block.changed for block in one.blocks)
    yield (
        "total",
        f"{sum(block.tensors for block in one.blocks):,}",
        f"{elements:,}",
        share_changed(changed, read),
        bar(changed, read),
        distance_text(one.relative_l2),
        cosine_text(one.cosine),
        "",
    )


def _describe_omissions(sides: Sequence[Side], one: Comparison) -> Iterator[Block]:
    """Say what the verdict says nothing about."""
    told = [*_omissions(sides, one)]
    if told:
        yield section("not compared")
        yield from told


def _omissions(sides: Sequence[Side], one: Comparison) -> Iterator[Block]:
    if not one.values_compared:
        yield field("values", "--structure: names, shapes and dtypes alone were compared")
    reasons = Counter(pair.unread for pair in one.pairs if pair.unread)
    for index, (reason, count) in enumerate(reasons.most_common(_MOST_REASONS)):
        yield field("" if index else "unread", f"{count_of(count, 'tensor')}: {reason}")
    if len(reasons) > _MOST_REASONS:
        rest = sum(reasons.values()) - sum(n for _, n in reasons.most_common(_MOST_REASONS))
        yield field("", f"and {count_of(rest, 'tensor')} for other reasons")
    reshaped = sum(pair.rearrangement is None for pair in one.structure.reshaped)
    if reshaped and one.values_compared:
        yield field("reshaped", f"values of {count_of(reshaped, 'tensor')}")
    if one.structure.ignored:
        yield field("ignored", f"{count_of(one.structure.ignored, 'tensor')} by --ignore")
    for index in (one.left, one.right):
        if sides[index].others:
            yield others_field(letter(index), sides[index].others)
