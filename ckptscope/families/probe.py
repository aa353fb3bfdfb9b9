"""Ask the families which networks a state_dict holds.

Enters: a `StateDict`. Leaves: `Architecture`s, one for each network that a family knows, the one
that explains most first. Where two families explain the same tensors, the one that explains more
wins, and the other is named as its rival.
"""

from collections.abc import Iterable, Iterator

import msgspec

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.tensors import StateDict
from ckptscope.families.base import NOTHING_GIVEN, Given
from ckptscope.families.registry import AnyFamily, known_families, offered_families
from ckptscope.families.view import NetworkView, find_prefixes

#: Networks of one state_dict that are told apart; there are more only where somebody put them there
#: to be found.
_MOST_PREFIXES = 16


class _Find(msgspec.Struct, frozen=True):
    """A family that knows a network, and the keys, as saved, that it explains."""

    explained: frozenset[str]
    family: AnyFamily
    view: NetworkView


def infer_architectures(
    state_dict: StateDict, given: Given = NOTHING_GIVEN
) -> tuple[Architecture, ...]:
    """Infer every network of a state_dict that some family knows; none is an answer.

    Families of other packages are asked only if those that come along leave a tensor unexplained.

    Raises:
        UsageError: A stated setting is unknown to the family, or impossible.
    """
    count = len(state_dict.tensors)
    finds = list(_ask(state_dict, known_families()))
    if count and not any(len(find.explained) == count for find in finds):
        finds += _ask(state_dict, offered_families())
    # A stable sort: of equals, the family that comes first in the registry.
    finds.sort(key=lambda find: -len(find.explained))
    winners: list[_Find] = []
    rivals: list[list[tuple[str, float]]] = []
    for find in finds:
        rival_of = [
            i for i, one in enumerate(winners) if not one.explained.isdisjoint(find.explained)
        ]
        if not rival_of:
            winners.append(find)
            rivals.append([])
        elif find.family is not winners[rival_of[0]].family:
            rivals[rival_of[0]].append((find.family.name, len(find.explained) / count))
    return tuple(
        msgspec.structs.replace(one.family.infer(one.view, given), rivals=tuple(lost))
        for one, lost in zip(winners, rivals, strict=True)
    )


def _ask(state_dict: StateDict, families: Iterable[AnyFamily]) -> Iterator[_Find]:
    for family in families:
        for prefix in find_prefixes(state_dict, family.anchors)[:_MOST_PREFIXES]:
            view = NetworkView(state_dict, prefix)
            explained = family.matches(view).explained
            if explained:
                yield _Find(frozenset(prefix + key for key in explained), family, view)
