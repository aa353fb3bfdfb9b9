"""Ask the families which networks a state_dict holds.

Enters: a `StateDict`. Leaves: `Architecture`s, one for each network that a family knows, the one
that explains most first. Where two families explain the same tensors, the one that explains more
wins, and the other is named as its rival.
"""

from collections.abc import Callable, Iterator

import msgspec

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.tensors import StateDict
from ckptscope.families.base import NOTHING_GIVEN, BrokenFamilyError, Given
from ckptscope.families.registry import (
    KNOWN_NAMES,
    AnyFamily,
    known_anchors,
    known_family,
    offered_families,
)
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
    state_dict: StateDict, given: Given | Callable[[str], Given] = NOTHING_GIVEN
) -> tuple[Architecture, ...]:
    """Infer every network of a state_dict that some family knows; none is an answer.

    Families are asked one after the other until one explains every tensor; those of other packages
    only if those that come along leave a tensor unexplained. One that is broken is left out, and
    the first architecture says so; where none is left, that is an error, for it may have been the
    one to know.

    Args:
        state_dict: What is asked about.
        given: What is known beside the file; or what gives that for a family's name.

    Raises:
        UsageError: A stated setting is unknown to the family, or impossible.
        BrokenFamilyError: No network is known, and a family of another package cannot be asked.
    """
    count = len(state_dict.tensors)
    finds: list[_Find] = []
    for name in KNOWN_NAMES:
        prefixes = find_prefixes(state_dict, known_anchors(name))
        if prefixes:
            finds += _ask(state_dict, known_family(name), prefixes)
        if _is_whole(finds, count):
            break
    problems: list[str] = []
    if count and not _is_whole(finds, count):
        offers = offered_families()
        problems += offers.problems
        for family in offers.families:
            try:
                finds += _ask(state_dict, family, find_prefixes(state_dict, family.anchors))
            except BrokenFamilyError as error:
                problems.append(str(error))
    return _with_problems(_infer(finds, given, count, problems), problems)


def _is_whole(finds: list[_Find], count: int) -> bool:
    """Whether one network is all that there is; others could only come second."""
    return any(len(find.explained) == count for find in finds)


def _infer(
    finds: list[_Find],
    given: Given | Callable[[str], Given],
    count: int,
    problems: list[str],
) -> tuple[Architecture, ...]:
    """Let the winners infer; without a family that fails at it, once more."""
    while True:
        try:
            return tuple(
                msgspec.structs.replace(
                    one.family.infer(
                        one.view, given if isinstance(given, Given) else given(one.family.name)
                    ),
                    rivals=rivals,
                )
                for one, rivals in _compete(finds, count)
            )
        except BrokenFamilyError as error:
            problems.append(str(error))
            left = [find for find in finds if find.family.name != error.family]
            if len(left) == len(finds):
                raise
            finds = left


def _compete(
    finds: list[_Find], count: int
) -> Iterator[tuple[_Find, tuple[tuple[str, float], ...]]]:
    """Yield the finds that explain most of their tensors, and whom each has beaten."""
    winners: list[_Find] = []
    rivals: list[list[tuple[str, float]]] = []
    # A stable sort: of equals, the family that comes first in the registry.
    for find in sorted(finds, key=lambda find: -len(find.explained)):
        rival_of = [
            i for i, one in enumerate(winners) if not one.explained.isdisjoint(find.explained)
        ]
        if not rival_of:
            winners.append(find)
            rivals.append([])
        elif find.family is not winners[rival_of[0]].family:
            rivals[rival_of[0]].append((find.family.name, len(find.explained) / count))
    for winner, lost in zip(winners, rivals, strict=True):
        yield winner, tuple(lost)


def _with_problems(
    architectures: tuple[Architecture, ...], problems: list[str]
) -> tuple[Architecture, ...]:
    """Say with the first architecture which families could not be asked.

    Raises:
        BrokenFamilyError: There is no architecture to say it with.
    """
    if not problems:
        return architectures
    if not architectures:
        raise BrokenFamilyError("; ".join(problems))
    first = architectures[0]
    told = (f"a family of another package was not asked: {problem}" for problem in problems)
    return (msgspec.structs.replace(first, misfits=(*first.misfits, *told)), *architectures[1:])


def _ask(state_dict: StateDict, family: AnyFamily, prefixes: tuple[str, ...]) -> list[_Find]:
    """Return what a family knows of a state_dict, behind each of these prefixes."""
    finds: list[_Find] = []
    for prefix in prefixes[:_MOST_PREFIXES]:
        view = NetworkView(state_dict, prefix)
        explained = family.matches(view).explained
        if explained:
            finds.append(_Find(frozenset(prefix + key for key in explained), family, view))
    return finds
