"""The tree of a checkpoint → an outline of its top.

Enters: a manifest. Leaves: blocks. Groups of tensors and optimizers are named here and described in
sections of their own; what is cut is counted.
"""

from collections.abc import Iterator

import msgspec

from ckptscope.facts.tensors import Manifest, Optimizer, StateDict, TreeNode
from ckptscope.reports.blocks import Block, Branch, Name, Outline, Words, section
from ckptscope.reports.numerals import count_text

_DEPTH = 3
_MOST_CHILDREN = 12
_MOST_LINES = 60
#: The same where a depth is asked for.
_ASKED_CHILDREN = 100
_ASKED_LINES = 2000
#: Entries and characters up to which an object stands on one line.
_INLINE_ENTRIES = 4
_INLINE_CHARACTERS = 60
_MODULES_OF_PYTHON = ("collections", "builtins", "__builtin__")


class _Walk(msgspec.Struct):
    """Where the outline stands."""

    groups: dict[str, StateDict]
    optimizers: dict[str, Optimizer]
    asked: bool
    depth: int
    most_children: int
    most_lines: int
    branches: list[Branch]

    def show(self, node: TreeNode, path: str, level: int) -> None:
        """Add a node's entries, and theirs, as deep as is shown."""
        entries = node.children
        if node.kind == "module" and not self.asked:
            # Plain attributes of layers stand among their settings already.
            entries = tuple(child for child in entries if not _is_setting(child))
        shown = entries[: self.most_children] if level < self.depth else ()
        left = len(entries) + node.left_out
        for child in shown:
            if len(self.branches) >= self.most_lines:
                break
            left -= 1
            below = f"{path}/{child.name}" if path else child.name
            line = _inline(child)
            self.branches.append(Branch(level, child.name, line or self.describe(child, below)))
            if line is None:
                self.show(child, below, level + 1)
        if left and shown:
            self.branches.append(
                Branch(level, "…", count_text(left, "more entries", rounded=False))
            )

    def describe(self, node: TreeNode, path: str) -> str:
        """Say in a line what a node is."""
        if node.kind in ("state_dict", "module"):
            return self._tensors(node, path)
        if node.kind == "optimizer":
            return self._optimizer(path)
        if node.kind in ("dict", "list", "tuple", "set", "instance"):
            return self._container(node, path)
        shown = node.value or ""
        if node.kind in ("tensor", "array", "global", "storage"):
            return f"{node.kind} {shown}"
        return f"({shown})" if node.kind == "alias" else shown

    def _tensors(self, node: TreeNode, path: str) -> str:
        group = self.groups.get(path)
        count = len(group.tensors) if group is not None else node.length or 0
        tensors = count_text(count, "tensors", rounded=False)
        if node.kind == "state_dict":
            return f"{_class(node) or 'dict'} of {tensors}"
        settings = f"({node.value})" if node.value else ""
        return f"{_class(node)}{settings}" + (f", a module of {tensors}" if group else "")

    def _optimizer(self, path: str) -> str:
        found = self.optimizers.get(path)
        if found is None:
            return "state of an optimizer"
        listed = sum(group.parameters for group in found.groups)
        kind = "an unknown optimizer" if found.kind == "unknown" else found.kind
        return f"state of {kind}, {count_text(listed, 'parameters', rounded=False)}"

    def _container(self, node: TreeNode, path: str) -> str:
        known = _class(node)
        if node.value is not None:
            return f"{known or ''}{node.value}"
        length = node.length if node.length is not None else len(node.children) + node.left_out
        word = "attributes" if node.kind == "instance" else "entries"
        text = f"{known or node.kind} of {count_text(length, word, rounded=False)}"
        if length == 1:
            text = text.replace("entrie", "entry")
        group = self.groups.get(path)
        if group is None:
            return text
        return f"{text}, {count_text(len(group.tensors), 'tensors', rounded=False)} among them"


def describe_contents(manifest: Manifest, tree_depth: int | None) -> Iterator[Block]:
    """Outline the tree down to `tree_depth` levels, or to a depth that is quick to read."""
    asked = tree_depth is not None
    walk = _Walk(
        groups={one.path: one for one in reversed(manifest.state_dicts)},
        optimizers={one.path: one for one in reversed(manifest.optimizers)},
        asked=asked,
        depth=tree_depth if tree_depth is not None else _DEPTH,
        most_children=_ASKED_CHILDREN if asked else _MOST_CHILDREN,
        most_lines=_ASKED_LINES if asked else _MOST_LINES,
        branches=[],
    )
    root = manifest.tree
    walk.show(root, "", 0)
    yield section("contents", Words(": "), Name(_inline(root) or walk.describe(root, "")))
    if walk.branches:
        yield Outline(tuple(walk.branches))


def _inline(node: TreeNode) -> str | None:
    """Return an object of a few plain values as Python would write it, None if it is more."""
    plain = all(child.kind == "value" for child in node.children)
    few = 0 < len(node.children) == (node.length or 0) <= _INLINE_ENTRIES
    if node.kind not in ("dict", "instance") or not plain or not few or node.left_out:
        return None
    if node.kind == "instance":
        inside = ", ".join(f"{child.name}={child.value}" for child in node.children)
        text = f"{_class(node)}({inside})"
    else:
        inside = ", ".join(f"{child.name}: {child.value}" for child in node.children)
        text = f"{_class(node) or ''}{{{inside}}}"
    return text if len(text) <= _INLINE_CHARACTERS else None


def _is_setting(node: TreeNode) -> bool:
    return node.kind != "module" and node.value is not None and not node.children


def _class(node: TreeNode) -> str | None:
    """Return a class as it is usually written: Python's own containers without their module."""
    if node.class_name is None:
        return None
    module, _, name = node.class_name.rpartition(".")
    return name if module in _MODULES_OF_PYTHON else node.class_name
