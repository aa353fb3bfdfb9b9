"""What a checkpoint holds beside its tensors, as values that JSON can hold.

Enters: a manifest's build. Leaves: one value of JSON, for a file that stands beside a target which
has no place for epochs and hyper-parameters. Nothing of the file is made again: what has no form in
JSON is described by an object with a key that begins with `$`; what is not written even so is
listed.

`$tensors` counts the tensors of a mapping, `$set` holds the items of a set, `$pairs` a mapping of
which several keys are the same text, `$bytes` base64, `$float` nan or an infinity, `$integer` the
hex digits of a very long number, `$global` a name, `$instance` the class of an object, `$array` a
numpy array, `$storage` a storage, `$not_written` the reason.
"""

import base64
import math
from typing import Final, TypeAlias

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.pickled import BytesRef, GlobalRef, Instance, PersistentRef
from ckptscope.pickles.numpy_rules import read_array, read_scalar
from ckptscope.pickles.views import (
    Pairs,
    attributes,
    bytes_value,
    class_name_of,
    key_text,
    mapping_pairs,
    sequence_items,
)
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.walk import Walker, short_pid

#: A value as the json module takes it.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: Values that one file may hold; a history of losses has a few thousand.
_MOST_VALUES: Final = 2_000_000
#: Bytes of one byte string that are written; a state of a random number generator has 5,056.
_MOST_BYTES: Final = 1 << 20
#: Bits of a number that is written in decimal digits: Python parses no more than 4,300 of these.
_MOST_BITS: Final = 8192


class PlainValues:
    """The values of one checkpoint.

    Attributes:
        tree: Everything but tensors.
        unwritten: What is not in it, in words, with the way to it.
    """

    def __init__(self, build: ManifestBuild, limits: Limits = DEFAULT_LIMITS) -> None:
        """Read them.

        Raises:
            LimitError: There are more of them than may be written.
        """
        self.unwritten: list[str] = []
        self._limits = limits
        self._left = _MOST_VALUES
        self._open: set[int] = set()
        self.tree = self._read(build.contents)

    def _read(self, contents: Contents) -> Json:
        if contents.shards:
            shards = {name: self._read(shard) for name, shard in contents.shards.items()}
            return {name: tree for name, tree in shards.items() if tree}
        self._walker = Walker(contents, self._limits)
        if contents.graph is not None:
            return self._value(contents.graph.root, "", 0)
        for array in contents.arrays:
            self._leave_out(array.path, f"a numpy array, {array.dtype} {list(array.shape)}")
        return {path: self._value(value, path, 0) for path, value in contents.values}

    def _leave_out(self, path: str, what: str) -> Json:
        self.unwritten.append(f"{path}: {what}")
        return {"$not_written": what}

    def _value(self, node: object, path: str, depth: int) -> Json:
        self._left -= 1
        if self._left < 0:
            raise LimitError("values", allowed=_MOST_VALUES, actual=_MOST_VALUES + 1)
        if node is None or isinstance(node, bool | str):
            return node
        if isinstance(node, int | float):
            return _number(node)
        raw = bytes_value(node)
        if raw is not None:
            return self._bytes(raw, path)
        if isinstance(node, GlobalRef):
            return {"$global": node.qualified}
        if self._is_tensor(node):
            return {"$tensors": 1}
        if isinstance(node, PersistentRef):
            return {"$storage": short_pid(node.pid)}
        if id(node) in self._open:
            return self._leave_out(path, "a part of itself")
        if depth >= self._limits.tree_depth:
            return self._leave_out(path, f"nested more than {self._limits.tree_depth} levels deep")
        self._open.add(id(node))
        try:
            return self._container(node, path, depth + 1)
        finally:
            self._open.discard(id(node))

    def _container(self, node: object, path: str, depth: int) -> Json:
        if isinstance(node, Instance):
            special = self._special(node, path, depth)
            if special is not None:
                return special
        pairs = mapping_pairs(node)
        if pairs is not None:
            return self._mapping(pairs, path, depth)
        found = sequence_items(node)
        if found is not None:
            kind, nodes = found
            items = [
                self._value(item, f"{path}/{index}", depth) for index, item in enumerate(nodes)
            ]
            return {"$set": items} if kind == "set" else items
        if isinstance(node, Instance):
            return self._instance(node, path, depth)
        return self._leave_out(path, f"a {type(node).__name__}")

    def _mapping(self, pairs: Pairs, path: str, depth: int) -> Json:
        held = [(key, value) for key, value in pairs if not self._is_tensor(value)]
        tensors = len(pairs) - len(held)
        count: dict[str, Json] = {"$tensors": tensors} if tensors else {}
        texts = {key_text(key) for key, _ in held}
        if len(texts) < len(held) and any(type(key) is not str for key, _ in held):
            listed: list[Json] = [
                [self._value(part, f"{path}/{key_text(pair[0])}", depth) for part in pair]
                for pair in held
            ]
            return {**count, "$pairs": listed}
        values = {
            key_text(key): self._value(value, f"{path}/{key_text(key)}".strip("/"), depth)
            for key, value in held
        }
        return {**count, **values}

    def _instance(self, node: Instance, path: str, depth: int) -> Json:
        """An object of any class: its arguments and attributes."""
        parts: dict[str, Json] = {"$instance": class_name_of(node)}
        arguments = [one for one in node.args if not isinstance(one, GlobalRef)]
        if arguments:
            parts["args"] = [self._value(one, f"{path}/args", depth) for one in arguments]
        given = attributes(node)
        if given:
            state = self._mapping(given, path, depth)
            parts |= state if isinstance(state, dict) else {}
        elif isinstance(node.state, list | tuple | Instance | str | int | float):
            parts["state"] = self._value(node.state, f"{path}/state", depth)
        return parts

    def _special(self, node: Instance, path: str, depth: int) -> Json:
        """A numpy scalar or array, or a checkpoint inside the pickle; None for anything else."""
        array = read_array(node, path)
        if array is not None:
            what = f"{array.dtype} {list(array.shape)}"
            self._leave_out(path, f"the elements of a numpy array, {what}")
            return {"$array": what}
        scalar = read_scalar(node)
        if scalar is not None:
            return _number(scalar)
        rules = self._walker.rules
        try:
            loaded = rules.nested(node)
        except ArtifactError as error:
            return self._leave_out(path, f"a checkpoint inside the pickle: {error}")
        if loaded is None:
            return None
        self._walker.rules = loaded.rules
        try:
            return self._value(loaded.root, path, depth)
        finally:
            self._walker.rules = rules

    def _is_tensor(self, node: object) -> bool:
        if not isinstance(node, Instance | PersistentRef):
            return False
        return self._walker.rules.read(node, "") is not None

    def _bytes(self, raw: bytes | BytesRef, path: str) -> Json:
        if isinstance(raw, BytesRef) or len(raw) > _MOST_BYTES:
            size = raw.size_bytes if isinstance(raw, BytesRef) else len(raw)
            return self._leave_out(path, f"{size:,} bytes")
        return {"$bytes": base64.b64encode(raw).decode("ascii")}


def _number(value: bool | int | float) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return {"$integer": hex(value)}
    return value
