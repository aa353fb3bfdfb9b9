"""Keys of a state_dict → a short table of modules, equal blocks folded into one row.

Enters: a `StateDict`. Leaves: `FoldedModule`s whose keys, spelled out, are exactly the keys that
came in, and the sum of those that found no room. Sub-modules that are numbered and equal in all
relative names, shapes and dtypes stand in one row, `stages.2.{0..8}`; also inside one another.

One pass builds a tree of modules, one more gives equal subtrees equal numbers (hash consing), so
that the cost grows with the number of keys alone.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.tensors import Kind, StateDict, TensorInfo

#: Rows of one summary.
MOST_ROWS = 40
#: Rows up to which the insides of folded blocks are shown too.
_COMPACT_ROWS = 24
#: Rows below which a module with too many parts is opened all the same, its largest parts shown.
_FEW_ROWS = 8
#: Modules are told apart down to this depth; the rest of a key is taken for a name.
_MOST_SEGMENTS = 64

#: A name, or the numbers of equal siblings as the file spells them.
Segment: TypeAlias = str | tuple[str, ...]


class _Module(msgspec.Struct, eq=False, gc=False):
    """A node of the tree.

    Attributes:
        start: Where names below the module begin in the keys of its tensors. Paths are not stored:
            a hostile key is long.
        tensors: Its own, by key.
        children: Its sub-modules.
        parts: The sub-modules, equal numbered ones together; None until it is asked for.
        signature: Equal for modules of equal structure.
        count: Tensors in and below it.
        parameters: Elements of those that are parameters.
        buffers: Elements of those that are buffers.
        size_bytes: Bytes of all their elements.
        main: The largest of them.
    """

    start: int
    tensors: list[tuple[str, TensorInfo]] = []
    children: "dict[str, _Module]" = {}
    parts: "list[tuple[Segment, _Module]] | None" = None
    signature: int = 0
    count: int = 0
    parameters: int = 0
    buffers: int = 0
    size_bytes: int = 0
    main: "_Main | None" = None


class _Main(msgspec.Struct, frozen=True, gc=False):
    """A tensor and what it is compared by: parameters before buffers, then the elements."""

    rank: tuple[bool, int]
    key: str
    tensor: TensorInfo


class FoldedModule(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """One row: a module, or several equal ones.

    Attributes:
        segments: Its path below the prefix.
        multiplicity: How many modules it stands for.
        own_only: Whether sub-modules have rows of their own.
        first: The first of the equal modules.
    """

    segments: tuple[Segment, ...]
    multiplicity: int = 1
    own_only: bool = False
    first: _Module

    @property
    def path(self) -> str:
        """The path as it is written: `stages.2.{0..8}`."""
        return ".".join(s if isinstance(s, str) else fold_numbers(s) for s in self.segments)

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several modules."""
        return self.multiplicity > 1

    @property
    def tensors(self) -> int:
        """How many tensors it stands for."""
        return self.multiplicity * _count(self.first, own_only=self.own_only)

    @property
    def parameters(self) -> int:
        """Elements of its parameters."""
        return self.multiplicity * self._sum(Kind.PARAMETER)

    @property
    def buffers(self) -> int:
        """Elements of its buffers."""
        return self.multiplicity * self._sum(Kind.BUFFER)

    @property
    def size_bytes(self) -> int:
        """Bytes of its elements; other names of a tensor take none."""
        if not self.own_only:
            return self.multiplicity * self.first.size_bytes
        return self.multiplicity * sum(tensor_bytes(tensor) for _, tensor in self.first.tensors)

    @property
    def main(self) -> tuple[str, TensorInfo] | None:
        """Its largest parameter (or tensor) with the name below the module."""
        found = _own_main(self.first) if self.own_only else self.first.main
        return (found.key[self.first.start :], found.tensor) if found is not None else None

    def keys(self) -> Iterator[str]:
        """Spell out every key that the row stands for, below the prefix."""
        choices = [(s,) if isinstance(s, str) else s for s in self.segments]
        below = [key[self.first.start :] for key in _keys(self.first, own_only=self.own_only)]
        for path in itertools.product(*choices):
            for key in below:
                yield ".".join([*path, key])

    def _sum(self, kind: Kind) -> int:
        if self.own_only:
            return sum(t.elements for _, t in self.first.tensors if t.kind is kind)
        return self.first.parameters if kind is Kind.PARAMETER else self.first.buffers


class Remainder(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of the rows that found no room."""

    rows: int
    tensors: int
    parameters: int
    buffers: int
    size_bytes: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The modules of a state_dict in the order of the file, and what is left out."""

    modules: tuple[FoldedModule, ...]
    remainder: Remainder | None


def fold_numbers(numbers: Sequence[str]) -> str:
    """Write numbers as ranges: `{0..8}`, `{0,2,4}`, `{0..3,7}`; a single one as itself."""
    if len(numbers) == 1:
        return numbers[0]
    ordered = sorted(int(number) for number in numbers)
    shown: list[str] = []
    start = previous = ordered[0]
    for current in [*ordered[1:], None]:
        if current == previous + 1:
            previous = current
            continue
        if previous - start >= 2:
            shown.append(f"{start}..{previous}")
        else:
            shown += [str(number) for number in range(start, previous + 1)]
        if current is not None:
            start = previous = current
    return "{" + ",".join(shown) + "}"


def tensor_bytes(tensor: TensorInfo) -> int:
    """Bytes of a tensor's elements; none for another name of a tensor that came before."""
    if tensor.alias_of is not None:
        return 0
    return storage_bytes(tensor.elements, tensor.dtype) or 0


def fold_modules(state_dict: StateDict, *, most_rows: int = MOST_ROWS) -> Summary:
    """Summarize a state_dict in at most `most_rows` rows."""
    root = _build_tree(state_dict)
    _finish(root, {})
    rows = _opened(FoldedModule(segments=(), first=root))
    rows = _open_rows(rows, most_rows, folded=False)
    rows = _open_rows(rows, min(most_rows, _COMPACT_ROWS), folded=True)
    if len(rows) < _FEW_ROWS:
        rows = _open_largest(rows)
    return _cut(rows, most_rows)


def _build_tree(state_dict: StateDict) -> _Module:
    root = _Module(0)
    modules: dict[str, _Module] = {}
    prefix = state_dict.prefix
    for tensor in state_dict.tensors:
        key = tensor.key.removeprefix(prefix)
        path, dot, _ = key.rpartition(".")
        module = modules.get(path) if dot else root
        if module is None:
            module = modules[path] = _make_module(root, path)
        module.tensors.append((key, tensor))
    return root


def _make_module(root: _Module, path: str) -> _Module:
    """Return the module at a path, made with all above it."""
    module = root
    for name in path.split(".", _MOST_SEGMENTS)[:_MOST_SEGMENTS]:
        child = module.children.get(name)
        if child is None:
            child = module.children[name] = _Module(module.start + len(name) + 1)
        module = child
    return module


def _finish(module: _Module, known: dict[object, int]) -> None:
    """Sum up a module and number its structure: equal numbers mean equal structure."""
    # Flat, and of plain values alone: the collector need not look at it again.
    own: list[object] = []
    start = module.start
    for key, tensor in module.tensors:
        elements = tensor.elements
        is_alias = tensor.alias_of is not None
        is_parameter = tensor.kind is Kind.PARAMETER
        own += (key[start:], tensor.shape, tensor.dtype, is_parameter, is_alias)
        if not is_alias:
            module.size_bytes += storage_bytes(elements, tensor.dtype) or 0
        if is_parameter:
            module.parameters += elements
        else:
            module.buffers += elements
    module.count = len(module.tensors)
    module.main = _own_main(module)
    below: list[object] = []
    for name, child in module.children.items():
        _finish(child, known)
        below += (name, child.signature)
        module.count += child.count
        module.parameters += child.parameters
        module.buffers += child.buffers
        module.size_bytes += child.size_bytes
        if child.main is not None and (module.main is None or child.main.rank > module.main.rank):
            module.main = child.main
    module.signature = known.setdefault((tuple(own), tuple(below)), len(known))


def _own_main(module: _Module) -> _Main | None:
    """Return the largest of a module's own tensors, the first among equals."""
    found: _Main | None = None
    for key, tensor in module.tensors:
        rank = (tensor.kind is Kind.PARAMETER, tensor.elements)
        if found is None or rank > found.rank:
            found = _Main(rank, key, tensor)
    return found


def _count(module: _Module, *, own_only: bool) -> int:
    return len(module.tensors) if own_only else module.count


def _keys(module: _Module, *, own_only: bool) -> Iterator[str]:
    for key, _ in module.tensors:
        yield key
    if not own_only:
        for child in module.children.values():
            yield from _keys(child, own_only=False)


def _parts(module: _Module) -> "list[tuple[Segment, _Module]]":
    """Return the sub-modules in the order of the file, equal numbered ones with the first."""
    if module.parts is None:
        equal: dict[int | str, list[str]] = {}
        for name, child in module.children.items():
            alike = child.signature if _is_number(name) else name
            equal.setdefault(alike, []).append(name)
        module.parts = [
            (tuple(names) if len(names) > 1 else names[0], module.children[names[0]])
            for names in equal.values()
        ]
    return module.parts


def _opened(row: FoldedModule) -> list[FoldedModule]:
    """Return the rows that stand for a module's own tensors and for its parts."""
    rows = [msgspec.structs.replace(row, own_only=True)] if row.first.tensors else []
    for segment, child in _parts(row.first):
        count = 1 if isinstance(segment, str) else len(segment)
        rows.append(
            FoldedModule(
                segments=(*row.segments, segment),
                multiplicity=row.multiplicity * count,
                first=child,
            )
        )
    return rows


def _is_number(name: str) -> bool:
    """Whether a name is a number in its usual spelling, short enough to count with."""
    return name.isdecimal() and name.isascii() and len(name) < 10 and str(int(name)) == name


def _open_rows(rows: list[FoldedModule], room: int, *, folded: bool) -> list[FoldedModule]:
    """Open modules level by level, the largest first where not all of a level find room."""
    while True:
        free = room - len(rows)
        chosen: set[int] = set()
        for row in sorted(rows, key=lambda row: -row.size_bytes):
            if not _can_open(row) or (row.is_folded and not folded):
                continue
            more = len(_parts(row.first)) + bool(row.first.tensors) - 1
            if more <= free:
                chosen.add(id(row))
                free -= more
        if not chosen:
            return rows
        rows = [part for row in rows for part in (_opened(row) if id(row) in chosen else [row])]


def _can_open(row: FoldedModule) -> bool:
    return bool(row.first.children) and not row.own_only


def _open_largest(rows: list[FoldedModule]) -> list[FoldedModule]:
    candidates = [row for row in rows if _can_open(row) and not row.is_folded]
    if not candidates:
        return rows
    largest = max(candidates, key=lambda row: row.size_bytes)
    return [part for row in rows for part in (_opened(row) if row is largest else [row])]


def _cut(rows: list[FoldedModule], most_rows: int) -> Summary:
    """Keep the largest rows in the order of the file, and add up the others."""
    if len(rows) <= most_rows:
        return Summary(modules=tuple(rows), remainder=None)
    by_size = sorted(range(len(rows)), key=lambda index: -rows[index].size_bytes)
    kept = set(by_size[: most_rows - 1])
    others = [rows[index] for index in by_size[most_rows - 1 :]]
    return Summary(
        modules=tuple(row for index, row in enumerate(rows) if index in kept),
        remainder=Remainder(
            rows=len(others),
            tensors=sum(row.tensors for row in others),
            parameters=sum(row.parameters for row in others),
            buffers=sum(row.buffers for row in others),
            size_bytes=sum(row.size_bytes for row in others),
        ),
    )
