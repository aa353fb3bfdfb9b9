"""Which plain values a checkpoint holds, by their paths.

Enters: a manifest, patterns of paths. Leaves: whether something fits each. Trees are kept up to a
size; beyond it the answer may be that nobody can tell.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from ckptscope.facts.tensors import Manifest, TreeNode

#: Entries of the tree that are weights or parts of them, and no record of anything.
_WEIGHTS: Final = frozenset({"tensor", "state_dict", "optimizer", "storage", "alias", "module"})
#: Longer paths are not put together: names may repeat, and a tree of them multiplies.
_MOST_CHARACTERS: Final = 2000
#: What stands for nothing: None, an empty text.
_NOTHING: Final = frozenset({"None", "''", '""', "b''"})
_WILD: Final = re.compile(r"[*?\[]")


class Record(msgspec.Struct, frozen=True):
    """What stands beside the weights.

    Attributes:
        paths: Of everything that is there and says something.
        cut: Paths of those entries whose own entries were not all kept.
    """

    paths: frozenset[str]
    cut: tuple[str, ...]

    def first(self, pattern: str) -> str | None:
        """Return a path that fits a pattern, as of a shell; None if none does."""
        if pattern in self.paths:
            return pattern
        if not _WILD.search(pattern):
            return None
        return min((path for path in self.paths if fnmatchcase(path, pattern)), default=None)

    def may_hide(self, pattern: str) -> bool:
        """Whether a path that fits may be among those that were not kept."""
        fixed = _WILD.split(pattern, maxsplit=1)[0]
        return any(_may_lead(path, fixed) for path in self.cut)


def read_record(manifest: Manifest) -> Record:
    """List what stands beside the weights: the tree's entries, and the header of safetensors."""
    paths = {key for key, value in manifest.metadata if value.strip()}
    paths |= {one.path for one in manifest.scalars if one.value not in ("", None)}
    cut: list[str] = []
    for path, node in _walk(manifest.tree):
        if node.left_out or len(_followed(path, node)) < len(node.children):
            cut.append(path)
        is_there = node.value not in _NOTHING if node.kind == "value" else node.length != 0
        if path and is_there and node.kind not in _WEIGHTS:
            paths.add(path)
    return Record(frozenset(paths), tuple(cut))


def _walk(root: TreeNode) -> Iterator[tuple[str, TreeNode]]:
    """Yield every entry with its path; the top has an empty one."""
    waiting = [("", root)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        for child in _followed(path, node):
            waiting.append((f"{path}/{child.name}" if path else child.name, child))


def _followed(path: str, node: TreeNode) -> list[TreeNode]:
    """Return the entries whose paths are not too long."""
    room = _MOST_CHARACTERS - len(path)
    return [child for child in node.children if len(child.name) < room]


def _may_lead(path: str, fixed: str) -> bool:
    """Whether something below a path may begin like this."""
    below = f"{path}/" if path else ""
    return below.startswith(fixed) or fixed.startswith(below)
