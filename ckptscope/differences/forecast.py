"""A file and a configuration → what load_state_dict would report, step by step.

Enters: the shapes of a state_dict, what a family made of it, the settings of the network that it is
to be loaded into. Leaves: `LoadStep`s: as saved; without the prefix, if there is one; with its keys
renamed, if the network names its layers otherwise.
"""

from collections.abc import Iterator, Mapping

import msgspec

from ckptscope.differences.diagnosing import diagnose
from ckptscope.differences.grounds import (
    MOST_TENSORS,
    Grounds,
    Spelling,
    Table,
    table_of,
    values_of,
    variation,
)
from ckptscope.differences.renaming import matching_keys
from ckptscope.differences.values import Values
from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.differences import KeyDifferences
from ckptscope.facts.loading import LoadStep
from ckptscope.families.comparing import compare_keys, strip_prefix, strip_versions
from ckptscope.families.registry import AnyFamily


class FileNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """The network of a file.

    Attributes:
        shapes: By key as saved, in the order of the file; entries that are no tensors have none.
        versions: What its `_metadata` records; None without one.
        architecture: What the family makes of it.
        networks: Further networks in the same state_dict: what they are, by prefix.
    """

    shapes: Mapping[str, tuple[int, ...] | None]
    versions: Mapping[str, int] | None
    architecture: Architecture
    networks: Mapping[str, str] = {}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The network that the file is to be loaded into.

    Attributes:
        settings: All that it is built from.
        dialect: How it names its layers.
    """

    settings: Mapping[str, FactValue]
    dialect: str


def forecast_steps(family: AnyFamily, network: FileNetwork, target: Target) -> tuple[LoadStep, ...]:
    """Say what load_state_dict(strict=True) would report.

    Raises:
        UsageError: The settings do not build a network, or not in that dialect.
    """
    return tuple(_Forecast(family, network, target).steps())


def found_settings(
    family: AnyFamily, architecture: Architecture, settings: Mapping[str, FactValue]
) -> dict[str, FactValue]:
    """Return the settings of the file's network that are known; of what it is built from."""
    if architecture.settings is not None:
        return dict(architecture.settings)
    facts = {fact.name: fact.value for fact in architecture.facts if fact.value is not None}
    return {name: facts[name] for name in settings if name in facts}


class _Forecast:
    """One file against one configuration."""

    def __init__(self, family: AnyFamily, network: FileNetwork, target: Target) -> None:
        configuration = family.configure(target.settings)
        tensors = family.count(configuration).tensors
        if tensors > MOST_TENSORS:
            raise UsageError(
                f"expected a network of at most {MOST_TENSORS:,} tensors, found settings that make "
                f"{tensors:,}"
            )
        self._family = family
        self._network = network
        self._target = target
        self._table = family.keys(configuration, target.dialect)
        self._prefix = network.architecture.prefix
        self._shapes = {k: v for k, v in network.shapes.items() if v is not None}
        self._no_tensors = frozenset(k for k, v in network.shapes.items() if v is None)
        self._names, own = self._own_network()
        self._grounds = self._weigh(own)

    def steps(self) -> Iterator[LoadStep]:
        """Yield each step, the next one only if it changes something."""
        versions = self._network.versions
        yield self._step("as saved", "nothing", self._shapes, versions, self._prefix)
        shapes = strip_prefix(self._shapes, self._prefix)
        versions = strip_versions(versions, self._prefix)
        if self._prefix:
            title = f"without the prefix {self._prefix!r}"
            yield self._step(title, "prefix", shapes, versions, "")
        wanted = {tensor.key for tensor in self._table}
        names = {
            key: name
            for key, name in self._names.items()
            if key in shapes and name in wanted and key not in wanted
        }
        if names:
            renamed = {names.get(key, key): shape for key, shape in shapes.items()}
            title = f"with its keys renamed to the dialect {self._target.dialect!r}"
            # Whoever renames keys makes a new dict, and _metadata is gone with the old one.
            yield self._step(title, "names", renamed, None, "")

    def _step(
        self,
        title: str,
        changes: str,
        shapes: Mapping[str, tuple[int, ...]],
        versions: Mapping[str, int] | None,
        prefix: str,
    ) -> LoadStep:
        differences = compare_keys(self._table, shapes, versions=versions)
        no_tensors = self._odd_keys(stripped=not prefix)
        if no_tensors:
            differences = _with_odd(differences, no_tensors)
        spelling = msgspec.structs.replace(
            self._grounds.spelling, found_prefix=prefix, no_tensors=no_tensors
        )
        grounds = msgspec.structs.replace(self._grounds, spelling=spelling)
        return LoadStep(title=title, changes=changes, diagnosis=diagnose(differences, grounds))

    def _odd_keys(self, *, stripped: bool) -> frozenset[str]:
        if not stripped or not self._prefix:
            return self._no_tensors
        return frozenset(key.removeprefix(self._prefix) for key in self._no_tensors)

    def _own_network(self) -> tuple[dict[str, str], Table | None]:
        """Return what the file's keys are in the network's dialect, and the table of its network.

        Where the file does not tell all of its network, the rest is taken to be as in the
        configuration: it is what the comparison leaves open anyway.
        """
        architecture, target = self._network.architecture, self._target
        known = found_settings(self._family, architecture, target.settings)
        is_whole = architecture.settings is not None
        settings = known if is_whole else {**target.settings, **known}
        own = table_of(self._family, settings, target.dialect)
        names: dict[str, str] = {}
        if own is None:
            settings = dict(target.settings)
        configuration = self._family.configure(settings)
        first = [architecture.dialect] if architecture.dialect in self._family.dialects else []
        for dialect in dict.fromkeys((*first, *self._family.dialects)):
            if dialect != target.dialect:
                pairs = matching_keys(self._family, configuration, dialect, target.dialect)
                for key, name in pairs.items():
                    if key != name and (own is None or key not in own):
                        names.setdefault(key, name)
        return names, own

    def _weigh(self, own: Table | None) -> Grounds:
        architecture, target = self._network.architecture, self._target
        known = found_settings(self._family, architecture, target.settings)
        return Grounds(
            found=self._found_values(known),
            expected=values_of(self._family, target.settings),
            wanted={tensor.key: tensor for tensor in self._table},
            own=own,
            spelling=Spelling(
                names=self._names,
                found_dialect=architecture.dialect,
                expected_dialect=target.dialect,
                networks=self._network.networks,
            ),
            settings=tuple(target.settings),
            family=self._family.title,
            origins={fact.name: fact.origin for fact in architecture.facts},
            assumptions={fact.name: fact.assumptions for fact in architecture.facts},
            vary=variation(self._family, target.settings, known, target.dialect),
        )

    def _found_values(self, known: Mapping[str, FactValue]) -> Values:
        """Return what the file's settings come to; single facts where they do not add up."""
        try:
            return values_of(self._family, known)
        except UsageError:
            facts = self._network.architecture.facts
            values = {fact.name: fact.value for fact in facts if fact.value is not None}
            return {**values, **known}


def _with_odd(differences: KeyDifferences, odd: frozenset[str]) -> KeyDifferences:
    """Add entries that are no tensors: torch finds their keys, and not what it looks for.

    A key that the network has is not missing then; torch refuses its value in words of its own.
    """
    return msgspec.structs.replace(
        differences,
        missing=tuple(key for key in differences.missing if key not in odd),
        unexpected=(*differences.unexpected, *sorted(odd.difference(differences.missing))),
    )
