"""What is known of two networks whose keys differ.

Enters: a family, settings. Leaves: `Grounds`, on which causes are found: the tables of both, what
their settings come to, and what the network would be with one setting as in the file.
"""

from collections.abc import Callable, Mapping

import msgspec

from ckptscope.differences.values import Values
from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Origin
from ckptscope.families.registry import AnyFamily

Table = Mapping[str, ExpectedTensor]


class Spelling(msgspec.Struct, frozen=True, kw_only=True):
    """How the keys of two sides are written.

    Attributes:
        found_prefix: What stands before the file's keys.
        expected_prefix: What stands before the network's.
        names: The network's name of each key of the file's that it names otherwise, both without
            their prefixes.
        found_dialect: The file's dialect.
        expected_dialect: The network's.
        no_tensors: Keys of the file, as saved, that hold no tensor.
        networks: Further networks among the keys of the file: what they are, by prefix.
    """

    found_prefix: str = ""
    expected_prefix: str = ""
    names: Mapping[str, str] = {}
    found_dialect: str = ""
    expected_dialect: str = ""
    no_tensors: frozenset[str] = frozenset()
    networks: Mapping[str, str] = {}

    def bare_found(self, key: str) -> str:
        """Return a key of the file as the network's dialect names it, without a prefix."""
        bare = key.removeprefix(self.found_prefix)
        return self.names.get(bare, bare)

    def bare_expected(self, key: str) -> str:
        """Return a key of the network without its prefix."""
        return key.removeprefix(self.expected_prefix)


def no_variation(_names: tuple[str, ...]) -> Table | None:
    """Say that nothing can be tried out."""
    return None


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Two networks of one family.

    Attributes:
        found: What the file's settings come to, by name; those that are known.
        expected: What the network's settings come to.
        wanted: The network's table, by key without prefix.
        own: The table of the file's own network, in the network's dialect and without prefix; None
            if its settings are not known.
        spelling: How the keys of either side are written in the lines.
        settings: Names of the settings that a network is built from; `found` and `expected` know
            more, which follows from them.
        place: Where the network's settings stand, in words: the configuration, the model.
        family: Title of the family.
        origins: What the file's settings rest on.
        assumptions: Conventions behind those that are assumed.
        vary: Returns the network's table with some settings as in the file; None if there is none.
        is_solved: Whether the file's network was solved for from the lines, and not read in a file:
            then that it has a tensor is no evidence that the file has lost it.
    """

    found: Values
    expected: Values
    wanted: Table
    own: Table | None = None
    spelling: Spelling = Spelling()
    settings: tuple[str, ...] = ()
    place: str = "the configuration"
    family: str = ""
    origins: Mapping[str, Origin] = {}
    assumptions: Mapping[str, tuple[str, ...]] = {}
    vary: Callable[[tuple[str, ...]], Table | None] = no_variation
    is_solved: bool = False


#: Tensors of the largest network that is laid out. A file may claim a block of any number, and
#: nothing may cost more than what it holds.
MOST_TENSORS = 200_000


def table_of(family: AnyFamily, settings: Mapping[str, FactValue], dialect: str) -> Table | None:
    """Return the keys of settings by name, or None if no such network can be built."""
    try:
        configuration = family.configure(settings)
        if family.count(configuration).tensors > MOST_TENSORS:
            return None
        return {tensor.key: tensor for tensor in family.keys(configuration, dialect)}
    except UsageError:
        return None


def values_of(family: AnyFamily, settings: Mapping[str, FactValue]) -> Values:
    """Return what settings come to, by name; themselves among it.

    Raises:
        UsageError: No such network can be built.
    """
    configuration = family.configure(settings)
    return {**family.settings(configuration), **family.attributes(configuration)}


def variation(
    family: AnyFamily,
    expected: Mapping[str, FactValue],
    found: Mapping[str, FactValue],
    dialect: str,
) -> Callable[[tuple[str, ...]], Table | None]:
    """Return what gives the network's table with some settings as in the file; tables are kept."""
    kept: dict[tuple[str, ...], Table | None] = {}

    def vary(names: tuple[str, ...]) -> Table | None:
        if names not in kept:
            changed = {name: found[name] for name in names if name in found}
            kept[names] = table_of(family, {**expected, **changed}, dialect)
        return kept[names]

    return vary
