"""Pairs of tensors → a table of modules, as coarse as fits a page.

Enters: pairs in the order of the left file. Leaves: `Block`s in that order, each pair in one of
them. The largest module is opened until there are enough rows.
"""

import re
from collections.abc import Sequence
from typing import Final

from ckptscope.comparisons.totals import floating_total, total
from ckptscope.facts.comparison import Block, TensorPair

#: Rows that a table has where the modules allow it, ...
_ENOUGH: Final = 10
#: ... and that it never exceeds.
_MOST: Final = 24
#: Modules are told apart down to this depth: a hostile name may have thousands of components.
_DEEPEST: Final = 12
_TOP: Final = "(top)"
#: A component of a name with what ends it; the last one, which nothing ends, is no module.
_COMPONENT: Final = re.compile(r"[^./]*[./]")
#: Beginning of a name that is looked at.
_MOST_CHARACTERS: Final = 1000


class _Group:
    """Pairs of one module."""

    def __init__(self, path: tuple[str, ...], pairs: list[TensorPair]) -> None:
        self.path = path
        self.pairs = pairs
        self.elements = sum(pair.left.elements for pair in pairs)

    def parts(self) -> "list[_Group]":
        """Return the modules right below, its own tensors first among them."""
        depth = len(self.path)
        parts: dict[tuple[str, ...], list[TensorPair]] = {}
        for pair in self.pairs:
            # The last component is the tensor's own name. Names of an optimizer have slashes.
            modules = _COMPONENT.findall(pair.left.key, 0, _MOST_CHARACTERS)
            parts.setdefault(tuple(modules[: depth + 1]), []).append(pair)
        return [_Group(path, pairs) for path, pairs in parts.items()]


def make_blocks(pairs: Sequence[TensorPair]) -> tuple[Block, ...]:
    """Sum pairs up by module."""
    groups = [_Group((), list(pairs))]
    closed: set[int] = set()
    while len(groups) < _ENOUGH:
        open_ones = [group for group in groups if id(group) not in closed]
        if not open_ones:
            break
        largest = max(open_ones, key=lambda group: group.elements)
        parts = largest.parts()
        same = len(parts) == 1 and parts[0].path == largest.path
        too_many = len(groups) - 1 + len(parts) > _MOST
        if same or too_many or len(largest.path) >= _DEEPEST:
            closed.add(id(largest))
            continue
        if len(parts) > 1:
            closed.update(id(part) for part in parts if part.path == largest.path)
        index = groups.index(largest)
        groups[index : index + 1] = parts
    return tuple(_block(group) for group in groups if group.pairs)


def _block(group: _Group) -> Block:
    sums = total(pair.difference for pair in group.pairs if pair.difference is not None)
    unread = [p for p in group.pairs if p.difference is None and p.rearrangement is None]
    # A counter of batches in the millions would hide all weights beside it.
    floating = floating_total(group.pairs)
    return Block(
        name="".join(group.path).rstrip("./") or _TOP,
        tensors=len(group.pairs),
        elements=group.elements,
        changed=sums.changed,
        relative_l2=floating.relative_l2 if floating.tensors else None,
        cosine=floating.cosine,
        unread=len(unread),
        unread_elements=sum(pair.left.elements for pair in unread),
    )
