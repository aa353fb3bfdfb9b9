"""Whose keys are these?

Enters: the keys of an error, families and networks of theirs that are known. Leaves: the families
that know the keys, the best first, with the prefix and the dialect of either side. A key is known
if it is one of a known network with other numbers in it; deeper networks have no other names.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ckptscope.differences.grounds import Table, table_of
from ckptscope.differences.solving import Reference
from ckptscope.differences.templates import generalised
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.loading import LoadError
from ckptscope.families.registry import AnyFamily

#: Lines beyond belong to no network of a family that is known.
MOST_LINES = 20_000
#: Keys by which prefixes are looked for.
_SAMPLE = 64
#: Components that prefixes have at most.
_MOST_COMPONENTS = 8
_MOST_PREFIXES = 3
#: Keys with fewer dots are `fc.weight`, `head.bias`, `norm.weight`.
_PECULIAR_DOTS = 2


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """A family, and networks of it that are known.

    Attributes:
        family: It.
        references: The networks.
        names: Names of their keys by dialect, all numbers left open.
    """

    family: AnyFamily
    references: tuple[Reference, ...]
    names: Mapping[str, frozenset[str]]


def make_catalogue(family: AnyFamily, references: Sequence[Reference]) -> Catalogue:
    """Prepare a family for the recognition of its keys."""
    kept = tuple(references)
    return Catalogue(family=family, references=kept, names=_names(family, kept))


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """How one side names its keys.

    Attributes:
        prefix: What stands before them.
        dialect: How the family calls these names.
        known: How many of the keys it knows then.
        is_peculiar: Whether one of these is more than `fc.weight`, which any network may have.
    """

    prefix: str
    dialect: str
    known: int
    is_peculiar: bool = False


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """A family that knows the keys of an error.

    Attributes:
        catalogue: The family.
        found: How the file names its keys.
        expected: How the network does.
        share: Fraction of all keys that it knows.
        is_named: Whether the class that was loaded bears its name.
    """

    catalogue: Catalogue
    found: Naming
    expected: Naming
    share: float
    is_named: bool


def recognise(error: LoadError, catalogues: Sequence[Catalogue]) -> tuple[Recognised, ...]:
    """Return the families that know at least half of the keys, the best first."""
    differences = error.differences
    mismatched = [line.key for line in differences.mismatched]
    sides = ([*differences.unexpected, *mismatched], [*differences.missing, *mismatched])
    total = sum(map(len, sides))
    recognised = []
    for catalogue in catalogues if differences.count <= MOST_LINES else ():
        found, expected = (_naming(keys, catalogue.names) for keys in sides)
        # A side without keys is named like the other.
        found = found if sides[0] else expected
        expected = expected if sides[1] else found
        known = sum(one.known for one, keys in zip((found, expected), sides, strict=True) if keys)
        is_named = _is_named(catalogue.family, error.network)
        is_peculiar = found.is_peculiar or expected.is_peculiar or is_named
        if known and 2 * known >= total and is_peculiar:
            recognised.append(
                Recognised(
                    catalogue=catalogue,
                    found=found,
                    expected=expected,
                    share=known / total,
                    is_named=is_named,
                )
            )
    return tuple(sorted(recognised, key=_rank))


def _rank(one: Recognised) -> tuple[float, bool, int]:
    """Rank by the share of known keys, the name of the class, and the prefix that is needed."""
    return -one.share, not one.is_named, len(one.expected.prefix) + len(one.found.prefix)


def _is_named(family: AnyFamily, network: str) -> bool:
    """Whether the class that was loaded bears the family's name."""
    words = {family.name.lower(), family.title.lower()}
    return any(word in network.lower() for word in words)


def _names(family: AnyFamily, references: Sequence[Reference]) -> dict[str, frozenset[str]]:
    """Return the names of a family's keys by dialect, all numbers left open."""
    known: dict[str, str] = {}
    names: dict[str, frozenset[str]] = {}
    for dialect in family.dialects:
        patterns: set[str] = set()
        for table in _tables(family, references, dialect):
            for key in table:
                if key not in known:
                    known[key] = generalised(key)
                patterns.add(known[key])
        names[dialect] = frozenset(patterns)
    return names


def _tables(family: AnyFamily, references: Sequence[Reference], dialect: str) -> Iterator[Table]:
    for settings in (*(one.settings for one in references), *_switched(references)):
        table = table_of(family, settings, dialect)
        if table is not None:
            yield table


def _switched(references: Sequence[Reference]) -> Iterator[Mapping[str, FactValue]]:
    """Yield the settings of the first known network with each switch turned over."""
    for settings in (one.settings for one in references[:1]):
        for name, value in settings.items():
            if isinstance(value, bool):
                yield {**settings, name: not value}


def _naming(keys: Sequence[str], names: Mapping[str, frozenset[str]]) -> Naming:
    """Return the prefix and the dialect with which most keys are known."""
    best = Naming(prefix="", dialect=next(iter(names), ""), known=0)
    for prefix in _prefixes(keys, frozenset().union(*names.values())):
        bare = [generalised(key[len(prefix) :]) for key in keys if key.startswith(prefix)]
        for dialect, patterns in names.items():
            known = [key for key in bare if key in patterns]
            if len(known) > best.known:
                best = Naming(
                    prefix=prefix,
                    dialect=dialect,
                    known=len(known),
                    is_peculiar=any(key.count(".") >= _PECULIAR_DOTS for key in known),
                )
    return best


def _prefixes(keys: Sequence[str], patterns: frozenset[str]) -> list[str]:
    """Return what may stand before the keys: the commonest first, then the shortest."""
    counts: Counter[str] = Counter()
    step = max(len(keys) // _SAMPLE, 1)
    for key in keys[::step][:_SAMPLE]:
        start = 0
        for _ in range(_MOST_COMPONENTS):
            if generalised(key[start:]) in patterns:
                counts[key[:start]] += 1
            start = key.find(".", start) + 1
            if not start:
                break
    ranked = sorted(counts, key=lambda prefix: (-counts[prefix], len(prefix)))
    return ranked[:_MOST_PREFIXES]
