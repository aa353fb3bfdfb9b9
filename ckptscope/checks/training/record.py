"""Everything that a checkpoint says in plain words and numbers.

Enters: pickle graphs, the free text of a header, plain values beside tensors, names of members.
Leaves: a `Record`. Unlike the manifest's tree, which is cut so that it can be shown, every text is
there up to a bound on characters; a node that is shared is visited once, so the walk is linear in
the graph.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.facts.pickled import (
    DictNode,
    GlobalRef,
    Instance,
    PersistentRef,
    PickleGraph,
    SetNode,
)
from ckptscope.facts.training import PlainMapping, Record, Text
from ckptscope.pickles.numpy_rules import read_scalar
from ckptscope.pickles.views import attributes, key_text, mapping_pairs, sequence_items

#: Characters of all texts together that are searched; vocabularies have a few millions, and a
#: module that is saved with its source some ten thousands.
MOST_CHARACTERS = 16 << 20
#: Segments of a path, and characters of each, that are shown.
_MOST_SEGMENTS = 12
_SEGMENT_CHARACTERS = 100
#: Mappings of plain values, and values of one, that are kept.
_MOST_MAPPINGS = 4096
_MOST_VALUES = 512
#: Names that are kept of values that are not plain.
_MOST_OTHERS = 64
#: Items of a list that counts as a plain value: `depths`, `milestones`.
_MOST_ITEMS = 64
#: Bits of a whole number that somebody may mean.
_MOST_BITS = 64
#: JSON texts of a header longer than this are searched as they are.
_JSON_CHARACTERS = 8 << 20
#: Arguments of `_rebuild_tensor_v2` and its like that are numbers and the storage.
_VIEW_ARGUMENTS = 5
_PLAIN = (bool, int, float, str)

#: Segments on the way to a node, the last first.
_Trail = tuple["_Trail", str] | None
#: A node that is still to be visited, the name that it is the value of, and the way to it.
_Part = tuple[object, str, _Trail]


class _Walk:
    """The state of one walk."""

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.mappings: list[PlainMapping] = []
        self.milestones: dict[str, dict[int, int]] = {}
        self.searched = 0
        self.left_out = 0
        self._seen: set[int] = set()
        self._todo: list[_Part] = []
        self._member: str | None = None

    def run(self, root: object, member: str | None, trail: _Trail = None) -> None:
        """Visit everything below a node, in the order of the file."""
        self._member = member
        self._todo = [(root, "", trail)]
        while self._todo:
            node, name, trail = self._todo.pop()
            kind = type(node)
            if kind is str:
                self.add(node, name, trail)  # type: ignore[arg-type]
            elif kind is bytes:
                self._add_bytes(node, name, trail)  # type: ignore[arg-type]
            elif kind in _CONTAINERS and id(node) not in self._seen:
                self._seen.add(id(node))
                self._open(node, trail)

    def add(self, text: str, name: str, trail: _Trail) -> None:
        """Take up a text."""
        if not text:
            return
        if self.searched + len(text) > MOST_CHARACTERS:
            self.left_out += len(text)
            return
        self.searched += len(text)
        path = _path(trail)
        self.texts.append(Text(text=text, name=name, path=path, member=self._member))

    def add_code(self, text: str, member: str) -> None:
        """Take up the text of a member."""
        self._member = member
        self.add(text, "", None)

    def _add_bytes(self, value: bytes, name: str, trail: _Trail) -> None:
        """Take up bytes that are text, as Python 2 writes it."""
        if len(value) <= MOST_CHARACTERS and value.isascii():
            text = value.decode("ascii")
            if text.isprintable():
                self.add(text, name, trail)

    def _open(self, node: object, trail: _Trail) -> None:
        if type(node) is PersistentRef:
            self._open_reference(node, trail)
            return
        pairs: Sequence[tuple[object, object]] | None
        pairs = list(node.items()) if isinstance(node, dict) else mapping_pairs(node)
        parts: list[_Part] = []
        if type(node) is Instance:
            parts += self._parts_of_instance(node, trail, is_mapping=pairs is not None)
        if pairs is not None:
            parts += self._parts_of_pairs(pairs, trail)
        else:
            found = sequence_items(node)
            if found is not None:
                parts += _parts_of_items(found[1], trail)
        self._todo += reversed(parts)

    def _open_reference(self, node: PersistentRef, trail: _Trail) -> None:
        """The ids of storages say nothing; those of modules hold their file and their source."""
        pid = node.pid
        if type(pid) is tuple and pid and pid[0] != "storage":
            for index, item in enumerate(pid):
                if type(item) is str:
                    self.add(item, "", (trail, f"persistent id [{index}]"))

    def _parts_of_instance(self, node: Instance, trail: _Trail, *, is_mapping: bool) -> list[_Part]:
        """Return what an object is made of: its arguments and its attributes."""
        args: Sequence[object] = node.args
        if _is_view(node.callable):
            args = args[_VIEW_ARGUMENTS:]
        parts: list[_Part] = [
            (item, "", (trail, f"args[{index}]"))
            for index, item in enumerate(args)
            if type(item) in _WORTH and not (is_mapping and type(item) in (list, DictNode))
        ]
        if type(node.callable) in _CONTAINERS:
            parts.append((node.callable, "", trail))
        if node.kwargs is not None:
            parts.append((node.kwargs, "", trail))
        given = attributes(node)
        if given:
            parts += self._parts_of_pairs(given, trail)
        elif node.state is not UNSET:
            parts.append((node.state, "", trail))
        return parts

    def _parts_of_pairs(self, pairs: Sequence[tuple[object, object]], trail: _Trail) -> list[_Part]:
        """Return the values of a mapping, and its keys where they do not name a tensor."""
        parts: list[_Part] = []
        plain: dict[str, FactValue] = {}
        others: list[str] = []
        for key, value in pairs:
            name = key_text(key) if type(key) is not str else key
            is_tensor = type(value) is Instance and _says_nothing(value)
            kept = None if is_tensor or type(key) is not str else _plain(value)
            if kept is not None and len(plain) < _MOST_VALUES:
                plain[name] = kept
            elif len(others) < _MOST_OTHERS:
                others.append(name[:_SEGMENT_CHARACTERS])
            if is_tensor:
                continue
            if type(value) in _WORTH:
                parts.append((value, name, (trail, name)))
            if type(key) in _WORTH:
                parts.append((key, "", trail))
        if plain and len(self.mappings) < _MOST_MAPPINGS:
            self.mappings.append(
                PlainMapping(path=_path(trail), values=plain, others=tuple(others))
            )
        if trail is not None and trail[1] == "milestones":
            self.milestones[_path(trail)] = _counts(pairs)
        return parts


def _counts(pairs: Sequence[tuple[object, object]]) -> dict[int, int]:
    """Return what a Counter of whole numbers holds, up to a bound."""
    return {
        key: value
        for key, value in pairs[:_MOST_VALUES]
        if type(key) is int and type(value) is int and key.bit_length() <= _MOST_BITS
    }


def read_record(
    graphs: Iterable[PickleGraph],
    *,
    values: Iterable[tuple[str, object]] = (),
    metadata: Iterable[tuple[str, str]] = (),
    names: Iterable[str] = (),
    code: Iterable[tuple[str, str | None]] = (),
) -> Record:
    """Collect all texts and plain mappings of a checkpoint.

    Args:
        graphs: Every pickle.
        values: Plain values beside tensors, by path.
        metadata: Free text of a header; a value that is JSON counts as what it says.
        names: Names of members.
        code: Members that are code, and their texts; None for one that was not read.
    """
    walk = _Walk()
    for graph in graphs:
        walk.run(graph.root, graph.member)
    header = dict(metadata)
    if header:
        walk.run({key: _read_json(value) for key, value in header.items()}, None, (None, "header"))
    for path, value in values:
        walk.run([value], None, (None, path))
    for name in names:
        walk.add(name, "", (None, "name of a member"))
    unread = 0
    for name, text in code:
        unread += text is None
        walk.add_code(text or "", name)
    return Record(
        texts=tuple(walk.texts),
        mappings=tuple(walk.mappings),
        milestones=walk.milestones,
        searched=walk.searched,
        left_out=walk.left_out,
        unread_code=unread,
    )


def _says_nothing(node: Instance) -> bool:
    """Whether a node is a strided tensor without hooks: most nodes are, and hold no text."""
    if node.state is not UNSET or not _is_view(node.callable):
        return False
    return all(
        type(item) not in _WORTH or (type(item) is Instance and _is_empty(item))
        for item in node.args[_VIEW_ARGUMENTS:]
    )


def _is_view(function: object) -> bool:
    return (
        type(function) is GlobalRef
        and function.module == "torch._utils"
        and function.name in _VIEWS
    )


def _is_empty(node: Instance) -> bool:
    """Whether nothing was given to an object: the empty OrderedDict of a tensor without hooks."""
    return not (node.args or node.pairs or node.items or node.kwargs) and node.state is UNSET


def _read_json(text: str) -> object:
    """Return what a text says if it is a JSON object or list, else the text."""
    if text[:1] not in ("{", "[") or len(text) > _JSON_CHARACTERS:
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        # It only looked like JSON; as a text it is searched all the same.
        return text


def _parts_of_items(items: Sequence[object], trail: _Trail) -> list[_Part]:
    """Return the items of a list; what follows an option of a command line is named by it."""
    parts: list[_Part] = []
    option = ""
    for index, item in enumerate(items):
        if type(item) in _WORTH:
            parts.append((item, option, (trail, str(index))))
        option = item.lstrip("-") if type(item) is str and item.startswith("--") else ""
    return parts


def _plain(value: object) -> FactValue:
    """Return a value if it is plain, else None."""
    kind = type(value)
    if kind in _PLAIN:
        is_huge = kind is int and value.bit_length() > _MOST_BITS  # type: ignore[attr-defined]
        return None if is_huge else value  # type: ignore[return-value]
    scalar = read_scalar(value) if kind is Instance else None
    if scalar is not None or kind not in _LISTS:
        return scalar
    found = sequence_items(value)
    if found is None or len(found[1]) > _MOST_ITEMS:
        return None
    items = tuple(_item(one) for one in found[1])
    return None if None in items else items  # type: ignore[return-value]


def _item(value: object) -> FactItem | None:
    """Return an item of a list if it is plain, pairs of sizes included."""
    if type(value) in _PLAIN:
        return value  # type: ignore[return-value]
    if type(value) in (list, tuple) and all(type(one) is int for one in value):  # type: ignore[attr-defined]
        return tuple(value)  # type: ignore[arg-type]
    return None


def _path(trail: _Trail) -> str:
    """Join the last segments of a way."""
    segments: list[str] = []
    while trail is not None and len(segments) < _MOST_SEGMENTS:
        trail, segment = trail
        segments.append(segment[:_SEGMENT_CHARACTERS])
    return "/".join((*(["..."] if trail is not None else []), *reversed(segments)))


_LISTS = frozenset({list, tuple, Instance})
_CONTAINERS = frozenset({list, tuple, dict, DictNode, SetNode, Instance, PersistentRef})
_WORTH = _CONTAINERS | {str, bytes}
#: Functions that rebuild a strided tensor: the first arguments are storage, offset, size, stride
#: and requires_grad.
_VIEWS = frozenset(
    {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_device_tensor"}
)
