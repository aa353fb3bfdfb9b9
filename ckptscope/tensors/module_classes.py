"""Classes of modules, where the file names them.

Enters: the checkpoint's tree. Leaves: the `TreeNode` of a state_dict's module, short class names,
whole numbers among a module's attributes.
"""

import re

from ckptscope.facts.tensors import StateDict, TreeNode

_NUMBER = re.compile(r"(?:^|, )([a-z_]{1,40})=(\d{1,9})(?=,|$)")
#: What TorchScript puts into names to tell equal ones apart.
_MANGLED = "___torch_mangle_"


def find_module(tree: TreeNode, state_dict: StateDict) -> TreeNode | None:
    """Return the module whose tensors a state_dict lists; None if the file holds no module there.

    Prefixes of wrappers are modules too, and are passed.
    """
    node: TreeNode | None = tree
    rest = state_dict.path
    while node is not None and rest:
        node, rest = _step(node, rest)
    if node is None or node.kind != "module":
        return None
    for name in state_dict.prefix.split(".")[:-1]:
        node = submodules(node).get(name)
        if node is None:
            return None
    return node


def _step(node: TreeNode, rest: str) -> tuple[TreeNode | None, str]:
    """Go down one level along a path whose names may hold slashes themselves."""
    for child in node.children:
        if rest == child.name:
            return child, ""
        if child.name and rest.startswith(f"{child.name}/"):
            return child, rest[len(child.name) + 1 :]
    return None, ""


def submodules(node: TreeNode) -> dict[str, TreeNode]:
    """Return the modules right below a module, by name, in the order of the file."""
    return {child.name: child for child in node.children if child.kind == "module"}


def short_class(node: TreeNode) -> str:
    """Return the class without its module: Conv2d; empty where the file names none."""
    parts = (node.class_name or "").split(".")
    named = [part for part in parts if not part.startswith(_MANGLED)]
    return named[-1] if named else ""


def settings_of(node: TreeNode) -> dict[str, int]:
    """Return the whole numbers among a module's attributes."""
    return {name: int(number) for name, number in _NUMBER.findall(node.value or "")}
