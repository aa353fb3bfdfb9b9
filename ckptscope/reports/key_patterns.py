"""Some keys among many → a few patterns: `backbone.stages.2.{6..8}.*`.

Enters: keys, and all keys that they are among. Leaves: patterns with how many of the keys each
stands for. `a.b.*` says that all keys below `a.b` are meant; where only some are, and there is no
room to say which, the pattern says so. The counts of all patterns add up to the keys.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from ckptscope.reports.folding import fold_numbers

#: Patterns that are read at a glance.
MOST_PATTERNS: Final = 8
#: Components of a key that are told apart; what lies deeper is taken for a name.
_MOST_SEGMENTS: Final = 24
#: Names that are written side by side, and their characters together.
_MOST_NAMES: Final = 4
_MOST_CHARACTERS: Final = 60
_MOST_DIGITS: Final = 9
_ALL: Final = "*"

_Path: TypeAlias = tuple[str, ...]


class KeyPattern(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern.

    Attributes:
        text: It; empty for keys that found no room.
        count: Keys that it stands for.
        is_exact: Whether all keys that it fits are meant.
    """

    text: str
    count: int
    is_exact: bool = True


class _Node(msgspec.Struct, eq=False):
    """A component of keys.

    Attributes:
        below: Components that follow it.
        ending: Keys that end here.
        chosen: Those of them that are meant.
        all_ending: Keys that end here or below.
        all_chosen: Those of them that are meant.
    """

    below: "dict[str, _Node]" = {}
    ending: int = 0
    chosen: int = 0
    all_ending: int = 0
    all_chosen: int = 0


class _Found(msgspec.Struct, frozen=True):
    """A pattern below some component."""

    path: _Path
    count: int


def fold_keys(
    keys: Iterable[str], among: Iterable[str] = (), *, most: int = MOST_PATTERNS
) -> tuple[KeyPattern, ...]:
    """Sum keys up in at most `most` patterns, in the order of the file.

    Args:
        keys: What is meant.
        among: The other keys, which no exact pattern may fit.
        most: Patterns; where more are needed, they say less, and the last may stand for the rest.
    """
    root = _Node()
    for key in keys:
        _add(root, key, is_chosen=True)
    for key in among:
        _add(root, key, is_chosen=False)
    if not root.all_chosen:
        return ()
    return _fitted(_patterns(root, is_root=True), most)


def _add(root: _Node, key: str, *, is_chosen: bool) -> None:
    node = root
    node.all_ending += 1
    node.all_chosen += is_chosen
    for name in key.split(".", _MOST_SEGMENTS):
        found = node.below.get(name)
        if found is None:
            found = node.below[name] = _Node()
        node = found
        node.all_ending += 1
        node.all_chosen += is_chosen
    node.ending += 1
    node.chosen += is_chosen


def _patterns(node: _Node, *, is_root: bool = False) -> list[_Found]:
    """Return exact patterns for what is meant at a component and below it."""
    found = [_Found((), node.chosen)] if node.chosen else []
    below = node.all_chosen - node.chosen
    if not below:
        return found
    is_whole = below == node.all_ending - node.ending
    if is_whole and not is_root and len(node.below) > 1:
        return [*found, _Found((_ALL,), below)]
    return found + _merged(node)


def _merged(node: _Node) -> list[_Found]:
    """Return the patterns below a component; of names under which they are alike, once."""
    alike: dict[tuple[str | None, tuple[_Path, ...]], list[tuple[str, list[_Found]]]] = {}
    for name, child in node.below.items():
        if not child.all_chosen:
            continue
        found = _patterns(child)
        stem = _stem(name)
        alike.setdefault((stem, tuple(one.path for one in found)), []).append((name, found))
    merged: list[_Found] = []
    for (stem, paths), members in alike.items():
        names = [name for name, _ in members]
        for start, together in _alternatives(stem, names):
            members_here = members[start : start + len(together)]
            shown = _name(stem, together)
            for index, path in enumerate(paths):
                count = sum(found[index].count for _, found in members_here)
                merged.append(_Found((shown, *path), count))
    return merged


def _stem(name: str) -> str | None:
    """Return what stands before the number at the end of a name; None if there is none."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    is_number = 0 < len(digits) <= _MOST_DIGITS and str(int(digits)) == digits
    return stem if is_number else None


def _alternatives(stem: str | None, names: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
    """Part names that are alike into those that are written together, each with its place."""
    if stem is not None:
        return [(0, names)]
    if 1 < len(names) <= _MOST_NAMES and sum(map(len, names)) <= _MOST_CHARACTERS:
        return [(0, names)]
    return [(place, (name,)) for place, name in enumerate(names)]


def _name(stem: str | None, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    if stem is None:
        return "{" + ",".join(names) + "}"
    return stem + fold_numbers([name[len(stem) :] for name in names])


def _fitted(found: Sequence[_Found], most: int) -> tuple[KeyPattern, ...]:
    """Say less where there are too many patterns: as deep as there is room for."""
    deepest = max(len(one.path) for one in found)
    for depth in range(deepest, 0, -1):
        groups: dict[_Path, list[_Found]] = {}
        for one in found:
            groups.setdefault(one.path[:depth], []).append(one)
        if len(groups) <= most:
            return tuple(_pattern(start, group) for start, group in groups.items())
    return _largest([_pattern(start, group) for start, group in groups.items()], most)


def _pattern(start: _Path, group: Sequence[_Found]) -> KeyPattern:
    if len(group) == 1:
        return KeyPattern(text=".".join(group[0].path), count=group[0].count)
    return KeyPattern(
        text=".".join((*start, _ALL)), count=sum(one.count for one in group), is_exact=False
    )


def _largest(patterns: Sequence[KeyPattern], most: int) -> tuple[KeyPattern, ...]:
    """Keep the patterns of the most keys, in their order; count the others."""
    order = sorted(range(len(patterns)), key=lambda index: -patterns[index].count)
    kept = set(order[: most - 1])
    rest = sum(patterns[index].count for index in order[most - 1 :])
    shown = [one for index, one in enumerate(patterns) if index in kept]
    return (*shown, KeyPattern(text="", count=rest, is_exact=False))
