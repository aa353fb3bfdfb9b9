"""A tree of modules → rows of a table, equal blocks folded into one, and what the kinds rest on.

Enters: a `ModuleNode`. Leaves: rows with an indented name, a kind, sums of everything below; a
`Table` of them; blocks that list assumptions. Sub-modules that are numbered and equal in kinds,
sizes and names stand in one row, `stages.2.{0..8}`, with the sums of all. A module without tensors
and with one part alone stands in the row of that part.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.tensors import Kind, Origin
from ckptscope.reports.blocks import Block, field
from ckptscope.reports.folding import Segment, fold_numbers
from ckptscope.reports.numerals import share_text
from ckptscope.reports.tables import Column, Table, name, number

#: Rows of a table whose depth is not asked for.
MOST_ROWS = 48
#: Groups of assumptions that are listed; the rest is counted.
MOST_NOTES = 8
_INDENT = "  "
_TOP_LEVEL = "(top level)"
#: Columns that kinds are worth more than those which may be missing.
_LEAST_KIND = 40
_BARE = frozenset(str(kind) for kind in Kind)
_KINDS_IN_SUMMARY = 2
_ALTERNATIVES_IN_NOTE = 3


class ModuleRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row: a module with all below it, or several equal ones.

    Attributes:
        level: How deep it stands among the rows, 0 for the first.
        name: Its name below the row above, `stages.2.{0..8}`.
        kind: What it is, `Conv2d 3→48` and the kernel; with a question mark where that is open; for
            a module that is not opened what it holds.
        modules: How many modules the row stands for.
        tensors: How many tensors they hold.
        parameters: Elements of their parameters.
        buffers: Elements of their buffers.
        size_bytes: Bytes of their elements.
        share: Fraction of the network's bytes.
    """

    level: int
    name: str
    kind: str
    modules: int
    tensors: int
    parameters: int
    buffers: int
    size_bytes: int
    share: float

    @property
    def indented(self) -> str:
        """The name behind two spaces for each level."""
        return _INDENT * self.level + self.name


class ModuleRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a network, and how many of its modules and tensors found no room at the top."""

    rows: tuple[ModuleRow, ...]
    left_out: tuple[ModuleRow, ...] = ()


class _Part(msgspec.Struct, eq=False, gc=False):
    """A module as it is shown, or several equal ones.

    Attributes:
        segments: Its name; several where modules above it hold nothing else.
        node: The first of the equal ones.
        count: How many there are, those above it counted.
        level: How deep it stands.
        parts: What it is made of; None as long as it is closed.
    """

    segments: tuple[Segment, ...]
    node: ModuleNode
    count: int
    level: int
    parts: "list[_Part] | None" = None


def module_rows(
    node: ModuleNode, *, depth: int | None = None, most_rows: int = MOST_ROWS
) -> ModuleRows:
    """Lay a tree of modules out in rows.

    Args:
        node: The network.
        depth: Levels of rows to show, all of them, modules without tensors too; None for what is
            quick to read: at most `most_rows`, the largest modules opened first.
        most_rows: Without a depth; a network of more parts than that has the smallest left out.
    """
    folding = _Folding(node, weightless=depth is not None)
    top = _Part((), node, 1, -1)
    parts = folding.parts(top)
    if not parts or node.tensors:
        parts = [_Part((_TOP_LEVEL,), node, 1, 0)]
    left_out: list[_Part] = []
    if depth is None:
        parts, left_out = _largest(parts, most_rows)
        _open_within(folding, parts, most_rows)
    else:
        _open_to(folding, parts, depth)
    total = node.size_bytes
    return ModuleRows(
        rows=tuple(_row(part, total) for part in _flat(parts)),
        left_out=tuple(_row(part, total) for part in left_out),
    )


class _Folding:
    """Knows which modules are equal, and makes parts of modules."""

    def __init__(self, root: ModuleNode, *, weightless: bool) -> None:
        self._weightless = weightless
        self._known: dict[object, int] = {}
        self._signatures: dict[int, int] = {}
        self._sign(root)

    def _sign(self, node: ModuleNode) -> int:
        """Number a module: equal numbers mean equal kinds, sizes and names below."""
        own: list[object] = [node.kind, node.detail, node.origin is Origin.UNDETERMINED]
        own += [node.tensor_count, node.parameters, node.buffers, node.size_bytes]
        for child in node.children:
            own += [child.name, self._sign(child)]
        number_of = self._known.setdefault(tuple(own), len(self._known))
        self._signatures[id(node)] = number_of
        return number_of

    def parts(self, part: _Part) -> list[_Part]:
        """Return what a module is made of, equal numbered parts as one."""
        made = []
        for names, child in self._groups(part.node):
            segments: tuple[Segment, ...] = (names if len(names) > 1 else names[0],)
            below = _Part(segments, child, part.count * len(names), part.level + 1)
            made.append(self._descended(below))
        return made

    def _descended(self, part: _Part) -> _Part:
        """Pass modules that hold nothing but one part."""
        while not part.node.kind:
            groups = self._groups(part.node)
            if len(groups) != 1:
                break
            names, child = groups[0]
            part.segments = (*part.segments, names if len(names) > 1 else names[0])
            part.count *= len(names)
            part.node = child
        return part

    def _groups(self, node: ModuleNode) -> list[tuple[tuple[str, ...], ModuleNode]]:
        """Return sub-modules in the order of the file, equal numbered ones with the first.

        Layers fold only with those right behind them: their order is what a list of layers says.
        """
        groups: dict[object, tuple[list[str], ModuleNode]] = {}
        run, last = 0, -1
        for child in self._shown(node):
            sign = self._signatures[id(child)]
            is_next = sign == last
            run, last = run + (not is_next), sign
            alike: object = (sign, run if child.tensors else -1)
            if not _is_number(child.name):
                alike = ("", len(groups))
            groups.setdefault(alike, ([], child))[0].append(child.name)
        return [(tuple(names), child) for names, child in groups.values()]

    def _shown(self, node: ModuleNode) -> Iterator[ModuleNode]:
        for child in node.children:
            if child.tensor_count or self._weightless:
                yield child

    def can_open(self, part: _Part) -> bool:
        """Whether a module has parts that are shown."""
        return part.parts is None and any(True for _ in self._shown(part.node))


def _is_number(text: str) -> bool:
    """Whether a name is a number in its usual spelling, short enough to count with."""
    return text.isdecimal() and text.isascii() and len(text) < 10 and str(int(text)) == text


def _largest(parts: list[_Part], most_rows: int) -> tuple[list[_Part], list[_Part]]:
    """Return the largest parts in the order of the file, and the others."""
    if len(parts) <= most_rows:
        return parts, []
    by_size = sorted(range(len(parts)), key=lambda index: -_size(parts[index]))
    kept = set(by_size[: most_rows - 1])
    others = [part for index, part in enumerate(parts) if index not in kept]
    return [part for index, part in enumerate(parts) if index in kept], others


def _size(part: _Part) -> int:
    return part.count * part.node.size_bytes


def _open_within(folding: _Folding, parts: list[_Part], room: int) -> None:
    """Open modules level by level, the largest first where not all of a level find room."""
    free = room - len(parts)
    level = parts
    while level:
        opened = []
        for part in sorted((p for p in level if folding.can_open(p)), key=lambda p: -_size(p)):
            if part.node.tensor_count - len(part.node.tensors) > 0 and free > 0:
                below = folding.parts(part)
                if len(below) <= free:
                    part.parts = below
                    free -= len(below)
                    opened += below
        level = opened


def _open_to(folding: _Folding, parts: list[_Part], depth: int) -> None:
    level = parts
    for _ in range(depth - 1):
        level = [part for part in level if folding.can_open(part)]
        for part in level:
            part.parts = folding.parts(part)
        level = [below for part in level for below in part.parts or ()]


def _flat(parts: Sequence[_Part]) -> Iterator[_Part]:
    for part in parts:
        yield part
        yield from _flat(part.parts or ())


def _row(part: _Part, total: int) -> ModuleRow:
    node = part.node
    return ModuleRow(
        level=part.level,
        name=".".join(s if isinstance(s, str) else fold_numbers(s) for s in part.segments),
        kind=_kind_cell(part),
        modules=part.count,
        tensors=part.count * node.tensor_count,
        parameters=part.count * node.parameters,
        buffers=part.count * node.buffers,
        size_bytes=_size(part),
        share=_size(part) / total if total else 0.0,
    )


def _kind_cell(part: _Part) -> str:
    """Return the kind; for modules without one what they hold, or how many are alike."""
    if part.node.kind:
        return kind_text(part.node)
    if part.parts is None:
        return _holdings(part)
    alike = math.prod(1 if isinstance(segment, str) else len(segment) for segment in part.segments)
    return f"{alike} alike" if alike > 1 else ""


def kind_text(node: ModuleNode) -> str:
    """Return kind and sizes; `LayerNorm 48 or GroupNorm?` where that is undetermined."""
    shown = f"{node.kind} {node.detail}".rstrip()
    if node.origin is not Origin.UNDETERMINED or not node.kind:
        return shown
    others = [one.kind for one in node.alternatives if not one.kind.startswith(node.kind)]
    family = any(one.kind.startswith(node.kind) for one in node.alternatives)
    return f"{shown} or {others[0]}?" if others and not family else f"{shown}?"


def _holdings(part: _Part) -> str:
    """Return what a closed module holds: `6 Conv2d, 3 BatchNorm2d, 2 more`."""
    kinds: Counter[str] = Counter()
    stack = [part.node]
    while stack:
        node = stack.pop()
        if node.tensors:
            kinds[node.kind] += part.count
        stack += reversed(node.children)
    shown = kinds.most_common(_KINDS_IN_SUMMARY)
    rest = sum(kinds.values()) - sum(count for _, count in shown)
    words = [f"{count:,} {kind}" for kind, count in shown]
    return ", ".join(words + ([f"{rest:,} more"] if rest else []))


def module_table(
    node: ModuleNode, *, depth: int | None = None, most_rows: int = MOST_ROWS
) -> Table:
    """Return the rows as a table, closed by what was left out and the total."""
    found = module_rows(node, depth=depth, most_rows=most_rows)
    closing = []
    if found.left_out:
        closing.append(_closing_row(f"{len(found.left_out):,} more, smaller", found.left_out))
    if len(found.rows) > 1:
        whole = share_text(1.0 if node.size_bytes else 0.0)
        sums = (f"{node.tensor_count:,}", f"{node.parameters:,}", _some(node.buffers))
        closing.append(("total", "", *sums, whole))
    return Table(
        columns=(
            name("module"),
            Column(title="kind", from_file=True, flexible=True, least=_LEAST_KIND),
            number("tensors", drop=2),
            number("parameters"),
            number("buffers", drop=1),
            number("bytes", drop=3),
        ),
        rows=[
            (
                row.indented,
                row.kind,
                f"{row.tensors:,}",
                f"{row.parameters:,}",
                _some(row.buffers),
                share_text(row.share),
            )
            for row in found.rows
        ],
        closing=tuple(closing),
    )


def _closing_row(title: str, rows: Sequence[ModuleRow]) -> tuple[str, ...]:
    return (
        title,
        "",
        f"{sum(row.tensors for row in rows):,}",
        f"{sum(row.parameters for row in rows):,}",
        _some(sum(row.buffers for row in rows)),
        share_text(sum(row.share for row in rows)),
    )


def _some(count: int) -> str:
    """Return a count, and nothing for none."""
    return f"{count:,}" if count else ""


class KindNote(msgspec.Struct, frozen=True, kw_only=True):
    """Layers of one kind that rest on the same.

    Attributes:
        origin: Observed, derived, assumed or undetermined.
        kind: Class.
        alternatives: What else they could be.
        reason: Why.
        layers: How many there are.
    """

    origin: Origin
    kind: str
    alternatives: tuple[str, ...]
    reason: str
    layers: int

    @property
    def sentence(self) -> str:
        """Return `53 Conv2d (could be ConvTranspose2d): the reason`."""
        others = ", ".join(self.alternatives[:_ALTERNATIVES_IN_NOTE])
        more = len(self.alternatives) - _ALTERNATIVES_IN_NOTE
        others += f" and {more} more" if more > 0 else ""
        could = f" (could be {others})" if others else ""
        return f"{self.layers:,} {self.kind}{could}: {self.reason}"


def kind_notes(node: ModuleNode) -> list[KindNote]:
    """Group the layers of a network by what their kinds rest on, the largest groups first."""
    groups: Counter[tuple[Origin, str, tuple[str, ...], str]] = Counter()
    stack = [node]
    while stack:
        one = stack.pop()
        if one.tensors and one.kind not in _BARE:
            others = dict.fromkeys(a.kind for a in one.alternatives if a.kind != one.kind)
            groups[one.origin, one.kind, tuple(others), one.reason] += 1
        stack += reversed(one.children)
    return [
        KindNote(origin=origin, kind=kind, alternatives=others, reason=reason, layers=count)
        for (origin, kind, others, reason), count in groups.most_common()
    ]


def describe_kinds(node: ModuleNode, *, most_notes: int = MOST_NOTES) -> Iterator[Block]:
    """Say what the kinds rest on: how many on what, then every assumption."""
    notes = kind_notes(node)
    counts: Counter[Origin] = Counter()
    for note in notes:
        counts[note.origin] += note.layers
    if not counts:
        return
    shown = ", ".join(f"{counts[origin]:,} {origin}" for origin in Origin if counts[origin])
    yield field("layers", f"{sum(counts.values()):,}; kinds: {shown}")
    told = (Origin.UNDETERMINED, Origin.ASSUMED)
    uncertain = [note for origin in told for note in notes if note.origin is origin]
    for note in uncertain[:most_notes]:
        label = "open" if note.origin is Origin.UNDETERMINED else "assumed"
        yield field(label, note.sentence)
    if len(uncertain) > most_notes:
        rest = sum(note.layers for note in uncertain[most_notes:])
        yield field("", f"and {rest:,} more layers on other grounds; the JSON output has each")
