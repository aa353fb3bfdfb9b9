"""What a claim says, completed → a network.

Enters: settings that a claim says (`depths[2]`, `head_layers`), values for those that stay open,
and a `Base` with the rest. Leaves: `Numbers`; or the family's reason why there is no such network.
What is said wins over what completes it.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.families.registry import AnyFamily
from ckptscope.specs.arithmetic.background import Base, Product
from ckptscope.specs.arithmetic.evaluation import Numbers, evaluate, split_item
from ckptscope.specs.arithmetic.kinds import is_whole

#: Settings of the base that may be left out at once, because they do not go with what is said.
_MOST_DROPPED: Final = 2


class Builder(msgspec.Struct, frozen=True, eq=False):
    """Builds the networks of one claim.

    Attributes:
        family: Family of the network.
        base: What completes the claim.
        fields: Names of all settings.
        opened: Names of the settings that a claim leaves open unless it says them.
        products: Products that have such a setting among their factors.
    """

    family: AnyFamily
    base: Base
    fields: frozenset[str]
    opened: frozenset[str]
    products: tuple[Product, ...] = ()

    def takes(self, fact: str) -> bool:
        """Whether a fact is said to the family, and not only held against what it derives."""
        name = split_item(fact)[0]
        if name in self.fields:
            return True
        governed = self.base.governs.get(name, frozenset())
        return fact == name and bool(governed) and not governed & self.opened

    def build(
        self, said: Mapping[str, FactValue], opened: Mapping[str, FactValue] | None = None
    ) -> Numbers:
        """Build a network.

        Args:
            said: Settings of the claim, shorter ways and items of lists among them.
            opened: Values for open settings, over those of the base.

        Raises:
            UsageError: There is no such network.
        """
        whole = {**(opened or {}), **_whole(said)}
        whole = {name: value for name, value in whole.items() if self._is_needed(name, whole)}
        items = [(*split_item(name), value) for name, value in said.items() if name.endswith("]")]
        settings = {**self._completion(whole), **whole}
        if items:
            lists = settings
            if any(name not in settings for name, _, _ in items):
                lists = {**self._fitted(settings, whole).facts, **settings}
            for name, index, value in items:
                current = whole.get(name, lists.get(name))
                whole[name] = _replaced(name, current, index or 0, value)
            settings = {**self._completion(whole), **whole}
        return self._fitted(settings, whole)

    def _is_needed(self, name: str, whole: Mapping[str, FactValue]) -> bool:
        """Whether a shorthand says anything beside the settings that are said in full."""
        return name in self.fields or not self.base.governs.get(name, frozenset()) <= set(whole)

    def _completion(self, whole: Mapping[str, FactValue]) -> dict[str, FactValue]:
        """Return what the base adds: nothing that is said already in another way."""
        governed = {
            field
            for name in whole
            if name not in self.fields
            for field in self.base.governs.get(name, ())
        }
        found = {
            name: value
            for name, value in self.base.fields.items()
            if name not in whole and name not in governed
        }
        for name, value in self.base.shorthands.items():
            if name not in whole and self.base.governs[name] & (governed - set(whole)):
                found[name] = value
        return found

    def _fitted(self, settings: Mapping[str, FactValue], whole: Mapping[str, FactValue]) -> Numbers:
        """Build; where something of the base does not go with what is said, it gives way."""
        try:
            return evaluate(self.family, settings)
        except UsageError as error:
            refusal = error
        for trial in self._without_parts(settings, whole):
            try:
                return evaluate(self.family, trial)
            except UsageError:
                continue
        raise refusal

    def _without_parts(
        self, settings: Mapping[str, FactValue], whole: Mapping[str, FactValue]
    ) -> Iterator[dict[str, FactValue]]:
        """Leave settings of the base out, one and then two: those without weights first."""
        unsaid = sorted(
            (name for name in settings if name not in whole),
            key=lambda name: (name not in self.family.weightless, name),
        )
        weightless = frozenset(self.family.weightless)
        for count in range(1, _MOST_DROPPED + 1):
            for dropped in itertools.combinations(unsaid, count):
                if count > 1 and not weightless & set(dropped):
                    continue
                rest = {name: value for name, value in settings.items() if name not in dropped}
                shorter = {
                    name: value
                    for name, value in self.base.shorthands.items()
                    if name not in settings and self.base.governs[name] & set(dropped)
                }
                if shorter:
                    yield {**rest, **shorter}
                yield rest


def _whole(said: Mapping[str, FactValue]) -> dict[str, FactValue]:
    return {name: value for name, value in said.items() if not name.endswith("]")}


def _replaced(name: str, items: FactValue, index: int, value: FactValue) -> FactValue:
    """Return a list with one item replaced.

    Raises:
        UsageError: There is no such item.
    """
    if not isinstance(items, tuple) or index >= len(items):
        found = f"{len(items):,} items" if isinstance(items, tuple) else "no list"
        raise UsageError(f"expected an item {index} of {name!r}, found {found}")
    return (*items[:index], _as_item(value), *items[index + 1 :])


def _as_item(value: FactValue) -> FactItem:
    """Return a value as an item of a list.

    Raises:
        UsageError: It is a list of lists.
    """
    if isinstance(value, tuple):
        sides = tuple(side for side in value if is_whole(side))
        if len(sides) < len(value):
            raise UsageError(f"expected whole numbers in a list within a list, found {value!r}")
        return sides
    if value is None:
        raise UsageError("expected an item of a list, found none")
    return value
