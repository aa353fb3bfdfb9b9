"""Which families there are.

Enters: nothing. Leaves: `Family` objects: those that come along, and those that other packages
offer by the entry-point group `ckptscope.families`. An entry point names a subclass of `Family`.
"""

import functools
from typing import Any, Final

from ckptscope.errors import UsageError
from ckptscope.families.base import Family

#: Entry-point group under which packages offer families.
GROUP: Final = "ckptscope.families"

AnyFamily = Family[Any]


@functools.cache
def known_families() -> tuple[AnyFamily, ...]:
    """Return the families that come along."""
    from ckptscope.families.known.convnextpose import ConvNeXtPose

    return (ConvNeXtPose(),)


@functools.cache
def offered_families() -> tuple[AnyFamily, ...]:
    """Return the families that other installed packages offer.

    Looking for them takes as long as inspecting a file; it is done only where no family that comes
    along explains everything, or where one is asked for by name.

    Raises:
        UsageError: An entry point cannot be loaded, is no family, or takes a name that is taken.
    """
    from importlib.metadata import entry_points

    taken = {family.name for family in known_families()}
    offered: list[AnyFamily] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            kind = point.load()
        except Exception as error:
            raise UsageError(f"the family {point.value!r} cannot be loaded: {error}") from error
        if not (isinstance(kind, type) and issubclass(kind, Family)):
            raise UsageError(f"expected a subclass of Family at {point.value!r}, found {kind!r}")
        family: AnyFamily = kind()
        if family.name in taken:
            raise UsageError(f"two families are called {family.name!r}; one is {point.value!r}")
        taken.add(family.name)
        offered.append(family)
    return tuple(offered)


def find_family(name: str) -> AnyFamily:
    """Return a family by its name.

    Raises:
        UsageError: There is none; the message names those that there are.
    """
    for families in (known_families, offered_families):
        for family in families():
            if family.name == name:
                return family
    names = ", ".join(family.name for family in (*known_families(), *offered_families()))
    raise UsageError(f"no family {name!r}; there are: {names}")
