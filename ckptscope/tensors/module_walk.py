"""Whole pickled modules: their state_dict by nesting, their classes by what the file says.

Enters: an `Instance` whose attributes are those of `nn.Module`, or of a TorchScript object. Leaves:
one group of tensors under the names that `state_dict()` would give, and a tree of modules.

Source: `torch/nn/modules/module.py`, `Module.state_dict` and `_save_to_state_dict`.
"""

from typing import TYPE_CHECKING

import msgspec

from ckptscope.containers.contents import ScriptClass
from ckptscope.facts.pickled import GlobalRef, Instance
from ckptscope.facts.tensors import Kind, Origin, TensorInfo, TreeNode
from ckptscope.pickles.views import (
    attribute_map,
    attributes,
    class_name_of,
    class_of,
    key_text,
    mapping_pairs,
    plain_text,
    sequence_items,
)
from ckptscope.tensors.groups import Group, join

if TYPE_CHECKING:
    from ckptscope.tensors.walk import Walker

#: Attributes that stand in every module and say nothing of this one.
_COMMON = frozenset(
    {"_parameters", "_buffers", "_modules", "training", "_backend", "T_destination"}
)
_SCRIPT_PREFIX = "__torch__"
_MOST_SETTINGS = 8
_PLAIN = (bool, int, float, str)


def is_module(node: Instance) -> bool:
    """Whether an instance has the dictionaries of `nn.Module`."""
    names = {name for name, _ in attributes(node) if type(name) is str}
    return "_parameters" in names and "_modules" in names


def is_script_module(node: Instance) -> bool:
    """Whether an instance is of a class that TorchScript compiled."""
    found = class_of(node)
    return found is not None and found.module.partition(".")[0] == _SCRIPT_PREFIX


def walk_module(walker: "Walker", node: Instance, name: str, path: str, depth: int) -> TreeNode:
    """Collect a module's tensors as one group and return the tree of its modules."""
    walk = _ModuleWalk(walker, path)
    tree = walk.visit(node, name, "", depth)
    walker.groups.append(Group(path, "module", walk.tensors, class_name=class_name_of(node)))
    return tree


class _ModuleWalk:
    """One module at `path` of the checkpoint, with all below it."""

    def __init__(self, walker: "Walker", path: str) -> None:
        self.walker = walker
        self.path = path
        self.tensors: list[TensorInfo] = []

    def visit(self, node: Instance, name: str, prefix: str, depth: int) -> TreeNode:
        """Collect one module's tensors, then those of its children, as `state_dict()` does."""
        self.walker.step()
        if is_script_module(node):
            return self._script(node, name, prefix, depth)
        held = attribute_map(node)
        self._tensors(held.get("_parameters"), prefix, Kind.PARAMETER, set())
        self._tensors(held.get("_buffers"), prefix, Kind.BUFFER, _non_persistent(held))
        children = self._children(held.get("_modules"), prefix, depth)
        children += self._rest(held, prefix, depth)
        return TreeNode(
            name=name,
            kind="module",
            class_name=class_name_of(node),
            value=_settings(held),
            children=tuple(children),
        )

    def _tensors(self, holder: object, prefix: str, kind: Kind, without: set[str]) -> None:
        for key, value in mapping_pairs(holder) or []:
            self.walker.step()
            if type(key) is not str or value is None:
                continue
            tensor = self.walker.tensor(value, prefix + key, self.path)
            if tensor is not None and key in without:
                left_out = msgspec.structs.replace(tensor, kind=kind, kind_origin=Origin.OBSERVED)
                self.walker.groups.append(Group(self.path, "non-persistent", [left_out]))
            elif tensor is not None:
                self.tensors.append(
                    msgspec.structs.replace(tensor, kind=kind, kind_origin=Origin.OBSERVED)
                )

    def _children(self, holder: object, prefix: str, depth: int) -> list[TreeNode]:
        children = []
        for key, child in mapping_pairs(holder) or []:
            if type(child) is not Instance:
                continue
            text = key_text(key)
            children.append(self._below(child, text, f"{prefix}{text}.", depth))
        return children

    def _below(self, child: Instance, name: str, prefix: str, depth: int) -> TreeNode:
        """Visit a child unless it is its own ancestor or lies too deep."""
        blocked = self.walker.enter(child, name, self.path, depth)
        if blocked is not None:
            return blocked
        try:
            return self.visit(child, name, prefix, depth + 1)
        finally:
            self.walker.leave(child)

    def _rest(self, held: dict[str, object], prefix: str, depth: int) -> list[TreeNode]:
        """Attributes that are no part of the state_dict, if there is anything in them."""
        nodes = []
        for key, value in held.items():
            if key in _COMMON or value is None or isinstance(value, _PLAIN) or _is_empty(value):
                continue
            if isinstance(value, GlobalRef):
                continue
            place = join(self.path, prefix + key)
            tensor = self.walker.tensor(value, prefix + key, self.path)
            if tensor is not None:
                group = Group(self.path, "attributes", [tensor])
                self.walker.groups.append(group)
            else:
                nodes.append(self.walker.visit(value, key, place, depth + 1))
        return nodes

    def _declared(self, tensor: TensorInfo, name: str, declared: ScriptClass | None) -> None:
        """File a tensor as its class declares it; what is neither is no part of the state_dict."""
        if declared is None:
            self.tensors.append(tensor)
        elif name in declared.parameters or name in declared.buffers:
            kind = Kind.PARAMETER if name in declared.parameters else Kind.BUFFER
            self.tensors.append(
                msgspec.structs.replace(tensor, kind=kind, kind_origin=Origin.OBSERVED)
            )
        else:
            self.walker.groups.append(Group(self.path, "attributes", [tensor]))

    def _packed(self, node: Instance, prefix: str) -> None:
        """Collect the tensors of an object whose state is no mapping (packed parameters)."""
        for index, item in enumerate(_flat_state(node.state)):
            self.walker.step()
            tensor = self.walker.tensor(item, f"{prefix}{index}", self.path)
            if tensor is not None:
                self.walker.groups.append(Group(self.path, "attributes", [tensor]))

    def _script(self, node: Instance, name: str, prefix: str, depth: int) -> TreeNode:
        """A TorchScript object: tensors, children and settings are plain attributes."""
        children = []
        settings = {}
        declared = self.walker.contents.script_classes.get(class_name_of(node))
        for key, value in attributes(node):
            self.walker.step()
            text = key_text(key)
            tensor = self.walker.tensor(value, prefix + text, self.path)
            if tensor is not None:
                self._declared(tensor, text, declared)
            elif type(value) is Instance and is_script_module(value):
                children.append(self._below(value, text, f"{prefix}{text}.", depth))
            else:
                settings[text] = value
        if type(node.state) is tuple or type(node.state) is list:
            self._packed(node, prefix)
        return TreeNode(
            name=name,
            kind="module",
            class_name=class_name_of(node),
            value=_settings(settings),
            children=tuple(children),
        )


def _flat_state(state: object) -> list[object]:
    """Return the items of a state of tuples and lists, two levels deep."""
    flat: list[object] = []
    for item in state if isinstance(state, tuple | list) else ():
        flat += item if isinstance(item, tuple | list) else [item]
    return flat


def _non_persistent(held: dict[str, object]) -> set[str]:
    found = sequence_items(held.get("_non_persistent_buffers_set"))
    return {item for item in found[1] if type(item) is str} if found is not None else set()


def _is_empty(node: object) -> bool:
    pairs = mapping_pairs(node)
    if pairs is not None:
        return not pairs
    found = sequence_items(node)
    return found is not None and not found[1]


def _settings(held: dict[str, object]) -> str | None:
    """The module's own plain attributes, as its `repr` would show some of them."""
    shown: list[str] = []
    for name, value in held.items():
        if name in _COMMON or name.startswith("_") or len(shown) >= _MOST_SETTINGS:
            continue
        if isinstance(value, _PLAIN):
            shown.append(f"{name}={plain_text(value)}")
        elif type(value) is tuple and value and all(isinstance(v, _PLAIN) for v in value[:8]):
            shown.append(f"{name}=({', '.join(plain_text(v) for v in value[:8])})")
    return ", ".join(shown) or None
