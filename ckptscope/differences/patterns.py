"""Many keys → a few patterns: `backbone.stages.2.{6..8}.*`.

Enters: keys. Leaves: patterns with how many of the keys each stands for; they add up to all.
"""

from collections.abc import Iterable, Sequence

#: Names that are written side by side; of more, an asterisk.
_MOST_NAMES = 3
#: Components of a key that are told apart; what lies deeper stands in one piece.
_MOST_LEVELS = 24
_MOST_DIGITS = 10

Pattern = tuple[str, int]


def fold_keys(keys: Iterable[str], *, most: int = 4) -> tuple[Pattern, ...]:
    """Sum keys up in at most `most` patterns, in the order in which they begin.

    Args:
        keys: Names with dots.
        most: Patterns; where there would be more, the last stands for the rest.
    """
    paths = [key.split(".", _MOST_LEVELS) for key in keys]
    if not paths:
        return ()
    groups = _part(paths, most)
    folded = [(_pattern(group), len(group)) for group in groups]
    if len(folded) <= most:
        return tuple(folded)
    rest = sum(count for _, count in folded[most - 1 :])
    return (*folded[: most - 1], ("...", rest))


def patterns_text(keys: Sequence[str], *, most: int = 4) -> str:
    """Write patterns in one line: `backbone.stages.2.{6..8}.* (27), backbone.norm.weight`."""
    return ", ".join(
        f"{text} ({count:,})" if count > 1 else text for text, count in fold_keys(keys, most=most)
    )


def _part(paths: Sequence[list[str]], most: int) -> list[list[list[str]]]:
    """Part keys where they begin to differ, as deep as there is room for more groups."""
    groups = [list(paths)]
    while True:
        parted: list[list[list[str]]] = []
        for group in groups:
            parted += _split(group)
        if len(parted) == len(groups) or len(parted) > most:
            return groups
        groups = parted


def _split(group: list[list[str]]) -> list[list[list[str]]]:
    """Part a group by the first component that is not the same in all of it."""
    depth = _common(group)
    below: dict[str, list[list[str]]] = {}
    for path in group:
        below.setdefault(path[depth] if depth < len(path) else "", []).append(path)
    names = list(below)
    # Numbered layers of the same kind stay together: a range says more.
    if len(names) > 1 and _numbered(names) is not None and _are_alike(below.values(), depth + 1):
        return [group]
    if all(depth + 1 >= len(path) for path in group):
        return [group]
    return list(below.values())


def _are_alike(groups: Iterable[list[list[str]]], depth: int) -> bool:
    """Whether all groups hold the same names below a depth."""
    tails = ({tuple(path[depth:]) for path in group} for group in groups)
    first = next(tails, set())
    return all(one == first for one in tails)


def _common(group: Sequence[list[str]]) -> int:
    """Return how many components all keys of a group begin with."""
    first, depth = group[0], 0
    least = min(len(path) for path in group)
    while depth < least and all(path[depth] == first[depth] for path in group):
        depth += 1
    return depth


def _pattern(group: Sequence[list[str]]) -> str:
    depth = _common(group)
    head = group[0][:depth]
    if all(len(path) == depth for path in group):
        return ".".join(head)
    names = list(dict.fromkeys(path[depth] if depth < len(path) else "" for path in group))
    tails = {tuple(path[depth + 1 :]) for path in group}
    parts = [*head, _alternatives(names)]
    if len(tails) == 1:
        parts += tails.pop()
    elif parts[-1] != "*":
        parts.append("*")
    return ".".join(parts)


def _alternatives(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    numbered = _numbered(names)
    if numbered is not None:
        return f"{numbered[0]}{{{_ranges(sorted(set(numbered[1])))}}}"
    if len(names) <= _MOST_NAMES:
        return "{" + ",".join(names) + "}"
    return "*"


def _numbered(names: Sequence[str]) -> tuple[str, list[int]] | None:
    """Return what names have in common and the numbers behind it, if that is all they are."""
    stems, numbers = set(), []
    for name in names:
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        if not 0 < len(digits) < _MOST_DIGITS:
            return None
        stems.add(stem)
        numbers.append(int(digits))
    return (stems.pop(), numbers) if len(stems) == 1 else None


def _ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as ranges: `0,6..8`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    if len(spans) > _MOST_NAMES:
        return f"{numbers[0]}..{numbers[-1]}"
    return ",".join(f"{low}..{high}" if high > low else f"{low}" for low, high in spans)
