"""Names of tensors in a pickle, whole or broken off.

Enters: the root of a graph, or the stack of a machine that met damage. Leaves: what each storage
was to the checkpoint, by its key. Nothing is guessed: between the MARKs of a broken pickle stand
keys and values in turn, and where two readings of the same stack are possible the front of a path
is left open, or nothing is said. One thing is assumed: that what reads as keys and values is no
tuple, of which the stack would show nothing before it is closed (one of two or three items, or one
behind an empty mapping in a list).

Source: CPython's `Lib/pickle.py`, `_Pickler._batch_setitems` and `_batch_appends`: several entries
stand between MARK and SETITEMS or APPENDS, a single one without a MARK before SETITEM or APPEND.
"""

from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from typing import Final

import msgspec

from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import DictNode, GlobalRef, Instance, PersistentRef, SetNode
from ckptscope.facts.tensors import TensorInfo
from ckptscope.pickles.remains import Remains
from ckptscope.pickles.torch_rules import TensorRules
from ckptscope.pickles.views import attributes, key_text, mapping_pairs, sequence_items

#: Characters of all paths together: they are copied at every level.
_MOST_CHARACTERS: Final = 64 << 20
#: Entries that a pickler writes between one MARK and its SETITEMS (`_Pickler._BATCHSIZE`).
_BATCH: Final = 1000
#: Attributes of a module that its state_dict does not spell out.
_MODULE_PARTS: Final = frozenset({"_parameters", "_buffers", "_modules"})
_UNHASHABLE: Final = (list, DictNode, SetNode)


class Observed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a pickle says of one storage.

    Attributes:
        name: Path to the tensor as saved, the key last: `network/conv.weight`.
        shape: Elements along each dimension.
        dtype: torch's name without `torch.`.
        is_path_whole: Whether the path starts at the top; else its front was not told any more.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    is_path_whole: bool = True


class _Place(msgspec.Struct, frozen=True, gc=False):
    """Where a node stands.

    Attributes:
        path: Way to it.
        joint: What stands between it and the names of its entries.
        below: The same for its entries.
        depth: Levels above it.
        is_sure: Whether the path starts at the top.
        is_state: Whether its entries are attributes.
    """

    path: str = ""
    joint: str = "/"
    below: str = "/"
    depth: int = 0
    is_sure: bool = True
    is_state: bool = False

    def at(self, key: object, *, is_sure: bool = True) -> "_Place":
        """Return the place of an entry."""
        if self.is_state and type(key) is str and key in _MODULE_PARTS:
            below = "." if key == "_modules" else "/"
            return _Place(self.path, self.joint, below, self.depth + 1, self.is_sure)
        name = key_text(key)
        if not is_sure:
            return _Place(name, self.below, "/", self.depth + 1, is_sure=False)
        path = f"{self.path}{self.joint}{name}" if self.path else name
        return _Place(path, self.below, "/", self.depth + 1, self.is_sure)

    def somewhere(self) -> "_Place":
        """Return a place below this one, or deeper: nothing tells."""
        return _Place(depth=self.depth + 1, is_sure=False)

    def state(self) -> "_Place":
        """Return the same place for the attributes of what stands there."""
        return _Place(self.path, self.joint, self.below, self.depth, self.is_sure, is_state=True)


_Placed = tuple[object, _Place]


class _Holds(Enum):
    """What stands above a MARK."""

    PAIRS = "pairs"
    ITEMS = "items"
    UNKNOWN = "unknown"


class _Opened(msgspec.Struct, frozen=True):
    """What an open MARK belongs to.

    Attributes:
        holds: What stands above it.
        place: Of the container.
        before: The container itself, or None for a tuple.
        has_text_keys: Whether keys that are no text tell that this was the wrong reading.
    """

    holds: _Holds
    place: _Place
    before: object = None
    has_text_keys: bool = False

    def item(self, index: int) -> _Place:
        """Return the place of an item; what stands here may also be one tuple for a list."""
        return self.place.at(index) if self.before is None else self.place.somewhere()


_UNKNOWN: Final = _Opened(_Holds.UNKNOWN, _Place())


def name_whole(root: object, rules: TensorRules, limits: Limits) -> dict[str, Observed]:
    """Return what a sound pickle says of the storages, by key; the first mention counts."""
    namer = _Namer(rules, limits)
    namer.walk((root, _Place()))
    return namer.found


def name_remains(remains: Remains, rules: TensorRules, limits: Limits) -> dict[str, Observed]:
    """Return what a broken pickle says of the storages, in the order of the file."""
    namer = _Namer(rules, limits)
    for placed in _placed(remains):
        namer.walk(placed)
    return namer.found


class _Namer:
    """Walks nodes under bounds; each container once, under the first path that leads to it."""

    def __init__(self, rules: TensorRules, limits: Limits) -> None:
        self.found: dict[str, Observed] = {}
        self._rules = rules
        self._limits = limits
        self._seen: set[int] = set()
        self._steps = 0
        self._characters = 0

    def walk(self, start: _Placed) -> None:
        """Take up every tensor below a node; stops where a hostile graph goes on without end."""
        pending = [start]
        while pending and self._steps < self._limits.walk_steps:
            node, place = pending.pop()
            self._steps += 1
            self._characters += len(place.path)
            if len(place.path) > self._limits.key_characters:
                continue
            if self._characters > _MOST_CHARACTERS:
                return
            if isinstance(node, Instance | PersistentRef):
                tensor = self._rules.read(node, place.path)
                if tensor is not None:
                    self._take(tensor, place)
                    continue
            if id(node) not in self._seen and place.depth < self._limits.tree_depth:
                if isinstance(node, Instance | DictNode | SetNode | list | tuple):
                    self._seen.add(id(node))
                entries = _entries(node, place)
                self._steps += len(entries)
                pending += reversed(entries)

    def _take(self, tensor: TensorInfo, place: _Place) -> None:
        for part in (tensor, *tensor.parts):
            if part.storage is not None and (part.key or place.is_sure):
                said = Observed(
                    name=part.key,
                    shape=part.shape,
                    dtype=part.dtype,
                    is_path_whole=place.is_sure,
                )
                self.found.setdefault(part.storage, said)


def _entries(node: object, place: _Place) -> list[_Placed]:
    """Return what a container holds, with places."""
    entries: list[_Placed] = []
    if isinstance(node, DictNode | Instance):
        entries += [(value, place.at(key)) for key, value in mapping_pairs(node) or ()]
    if not entries:
        found = sequence_items(node)
        items = found[1] if found is not None else []
        entries += [(item, place.at(index)) for index, item in enumerate(items)]
    if isinstance(node, Instance):
        state = place.state()
        entries += [(value, state.at(key)) for key, value in attributes(node)]
    return entries


def _placed(remains: Remains) -> Iterator[_Placed]:
    """Yield what stands on the stack, with places, from the bottom."""
    stack = remains.stack
    heights = [0, *remains.marks, len(stack)]
    opened = _Opened(_Holds.UNKNOWN, _Place())
    for index, (start, end) in enumerate(pairwise(heights)):
        reader = _Segment(stack[start:end])
        if index == 0:
            opened = reader.read_bottom()
        elif opened.holds is _Holds.PAIRS:
            if opened.has_text_keys and not reader.has_text_keys():
                return
            opened = reader.read_pairs(0, opened.place, (opened.before, opened.place))
        elif opened.holds is _Holds.ITEMS:
            opened = reader.read_items(opened)
        else:
            return
        yield from reader.found


class _Segment:
    """What stands between two MARKs; each way to read it returns what the upper one belongs to."""

    def __init__(self, items: list[object]) -> None:
        self.found: list[_Placed] = []
        self._items = items

    def read_bottom(self) -> _Opened:
        """Read what stands below all MARKs: the object itself, and one entry of it at most."""
        if not self._items:
            return _Opened(_Holds.ITEMS, _Place())
        root = self._items[0]
        if isinstance(root, GlobalRef):
            return _UNKNOWN
        self.found.append((root, _Place()))
        if len(self._items) == 1:
            return _opens(root, _Place())
        if type(root) is list:
            return self._read_item(1, _Place().at(len(root)))
        return self.read_pairs(1, _Place(), (root, _Place()))

    def read_pairs(self, start: int, place: _Place, before: _Placed) -> _Opened:
        """Read keys and values in turn.

        Args:
            start: First item.
            place: Of the mapping.
            before: What stands before the first key.
        """
        items = self._items
        unsure = self._first_unsure(start)
        for index in range(start, len(items), 2):
            key = items[index]
            if isinstance(key, (*_UNHASHABLE, Instance)):
                return self._read_belonging(index, before)
            if isinstance(before[0], GlobalRef) and type(key) is not str:
                # Arguments of a call that did not come about.
                return _UNKNOWN
            here = place.at(key, is_sure=index < unsure)
            if index + 1 == len(items):
                return _Opened(_Holds.ITEMS, here) if type(key) is str else _UNKNOWN
            before = (items[index + 1], here)
            self.found.append(before)
        return _opens(*before)

    def has_text_keys(self) -> bool:
        """Whether every other item is text, from the first on."""
        return all(type(key) is str for key in self._items[::2])

    def read_items(self, opened: _Opened) -> _Opened:
        """Read the items of a list or tuple."""
        items = self._items
        for index, item in enumerate(items):
            before = items[index - 1] if index else None
            if _may_grow(before) or isinstance(before, GlobalRef):
                # Either the next item, or what that one is to hold.
                return _UNKNOWN
            if isinstance(before, Instance) and type(item) is DictNode:
                # Either the next item, or the state of that one.
                return _UNKNOWN
            self.found.append((item, opened.item(index)))
        if not items:
            return _Opened(_Holds.ITEMS, opened.item(0))
        last, place = self.found[-1]
        if isinstance(last, Instance | GlobalRef) or _may_grow(last):
            # Or a tuple stands behind it, which would hardly be of texts and values in turn.
            return msgspec.structs.replace(_opens(last, place), has_text_keys=True)
        return _Opened(_Holds.ITEMS, opened.item(len(items)))

    def _read_belonging(self, index: int, before: _Placed) -> _Opened:
        """Read what stands where a key should and cannot be one: it belongs to what is before."""
        owner, place = before
        item = self._items[index]
        if type(owner) is list:
            return self._read_item(index, place.at(len(owner)))
        if isinstance(owner, Instance) and type(item) is DictNode:
            self.found.append((item, place.state()))
            return self.read_pairs(index + 1, place.state(), (item, place.state()))
        return _UNKNOWN

    def _read_item(self, index: int, place: _Place) -> _Opened:
        """Read the one item that waits for its APPEND."""
        item = self._items[index]
        self.found.append((item, place))
        if index + 1 == len(self._items):
            return _opens(item, place)
        return self.read_pairs(index + 1, place, (item, place))

    def _first_unsure(self, start: int) -> int:
        """Return from which item on a pair may also be the one entry of the mapping before it."""
        index = start + (len(self._items) - start - 1) // 2 * 2
        while index > start and _may_grow(self._items[index - 1], mapping=True):
            index -= 2
        return index + 2


def _opens(node: object, place: _Place) -> _Opened:
    """Tell what a MARK behind a node belongs to."""
    if isinstance(node, DictNode | Instance) and _may_grow(node):
        return _Opened(_Holds.PAIRS, place, node)
    if type(node) is list and _may_grow(node):
        return _Opened(_Holds.ITEMS, place, node)
    return _UNKNOWN


def _may_grow(node: object, *, mapping: bool = False) -> bool:
    """Whether a single entry may still be added without a MARK: behind none, or whole batches."""
    if type(node) is list:
        return not mapping and not len(node) % _BATCH
    pairs = mapping_pairs(node)
    return pairs is not None and not len(pairs) % _BATCH
