"""Which of several files are the same weights, and which line do the others form?

Enters: which files are the same, and how far each two of the others are apart. Leaves: a `Line`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from ckptscope.facts.comparison import Line

#: Fewer files are a pair.
_LEAST: Final = 3

#: Of three files in a row the outer two are at least about as far apart as steps in directions of
#: their own would take them (1 by the squares); of three that have nothing in common it is 1/2.
_STRAIGHT: Final = 0.75

#: Distance of two files, by their indices, the lower first.
Distances = Mapping[tuple[int, int], float]


def group_same(count: int, same: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Divide the indices below `count` into groups of the same weights, singles among them.

    In a group each file is the same as every other. Weights and two casts of them are not: both
    casts are the same as the weights, and not as each other.
    """
    known = {tuple(sorted(pair)) for pair in same}
    groups: list[list[int]] = []
    for index in range(count):
        fits = (one for one in groups if all((other, index) in known for other in one))
        group = next(fits, None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return tuple(map(tuple, groups))


def find_line(groups: Sequence[tuple[int, ...]], distances: Distances) -> Line | None:
    """Order files by distance, from one end to the other.

    The ends are the two that are furthest apart; the others follow by how much nearer they are to
    the one than to the other.

    Args:
        groups: Files of the same weights, as `group_same` gives them.
        distances: Of the first files of each two groups.

    Returns:
        None where some distance is not known.
    """
    members = [group[0] for group in groups]
    repeated = tuple(group for group in groups if len(group) > 1)
    pairs = [(one, other) for one, other in combinations(members, 2)]
    if any(pair not in distances for pair in pairs):
        return None

    def apart(one: int, other: int) -> float:
        return 0.0 if one == other else distances[min(one, other), max(one, other)]

    if len(members) < _LEAST:
        order = tuple(members)
        is_line = False
    else:
        start, end = max(pairs, key=lambda pair: distances[pair])
        order = tuple(sorted(members, key=lambda one: apart(start, one) - apart(one, end)))
        is_line = all(
            apart(one, last) ** 2
            >= _STRAIGHT * (apart(one, middle) ** 2 + apart(middle, last) ** 2)
            for one, middle, last in combinations(order, 3)
        )
    return Line(
        order=order,
        distances=tuple(map(apart, order, order[1:])),
        is_line=is_line,
        groups=repeated,
        sentence=_sentence(order, repeated, is_line=is_line),
    )


def _sentence(order: Sequence[int], repeated: Sequence[tuple[int, ...]], *, is_line: bool) -> str:
    parts: list[str] = []
    if len(order) == 1:
        return "all files hold the same weights"
    if repeated:
        parts.append(f"{len(order):,} different sets of weights")
    if is_line:
        parts.append("each file lies between its neighbours, as snapshots of one training do")
    elif len(order) >= _LEAST:
        parts.append("no line: they do not lie one behind the other")
    return "; ".join(parts)
