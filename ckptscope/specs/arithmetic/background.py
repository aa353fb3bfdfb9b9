"""What is known beside a claim: the family, its tables, and the rows as networks.

Enters: a family and tables. Leaves: a `Background`: each row as settings with all that follows; the
shorter ways to say settings that the family understands (`head_layers`, `backbone`), and which
settings each of them stands for. That is found out by asking the family, so that nothing about one
family is written here.
"""

import functools
from collections.abc import Mapping, Sequence

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Claim, Rule
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.families.registry import AnyFamily, find_family
from ckptscope.specs.arithmetic.evaluation import TIMES, Numbers, evaluate
from ckptscope.specs.arithmetic.tensors import products_of
from ckptscope.specs.loading import claims_of


class Row(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A row of a table as a network.

    Attributes:
        table: The table.
        name: Name of the row.
        numbers: The network; None if the row does not say enough to build one.
        claims: What the source prints.
    """

    table: SpecTable
    name: str
    numbers: Numbers | None
    claims: tuple[Claim, ...]


class Base(msgspec.Struct, frozen=True, eq=False):
    """What completes a claim: settings that it does not say.

    Attributes:
        fields: The fewest settings that build it.
        shorthands: The same said shorter: `{"head_layers": 3}`.
        governs: For each shorthand the settings that it stands for.
        row: Row that they are from; None if they are no row's.
    """

    fields: dict[str, FactValue]
    shorthands: dict[str, FactValue]
    governs: dict[str, frozenset[str]]
    row: Row | None = None


class Product(msgspec.Struct, frozen=True):
    """Settings whose product is a size of tensors.

    Attributes:
        name: The product: `joints × depth_bins`.
        terms: The settings.
        fact: The fact that is always equal to it: final_channels; empty for none.
    """

    name: str
    terms: tuple[str, ...]
    fact: str = ""


class Background(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A family with its tables.

    Attributes:
        family: It.
        tables: Those that rows are named in, the first first.
        all_tables: Those of every family, in which to look for the owner of numbers.
    """

    family: AnyFamily
    tables: tuple[SpecTable, ...]
    all_tables: tuple[SpecTable, ...]

    @functools.cached_property
    def rows(self) -> tuple[Row, ...]:
        """Rows of the family's tables."""
        return tuple(
            build_row(self.family, table, row) for table in self.tables for row in table.rows
        )

    @functools.cached_property
    def all_rows(self) -> tuple[Row, ...]:
        """Rows of every table whose family is there."""
        found: list[Row] = []
        for table in self.all_tables:
            try:
                family = find_family(table.family)
            except UsageError:
                # A table of a family that is not installed: none of its rows can be counted.
                continue
            found += (build_row(family, table, row) for row in table.rows)
        return tuple(found)

    @functools.cached_property
    def samples(self) -> dict[str, FactValue]:
        """Facts that the family derives, each with a value that it has in some row."""
        found: dict[str, FactValue] = {}
        for row in self.rows:
            if row.numbers is not None:
                for name, value in row.numbers.facts.items():
                    if found.get(name) is None:
                        found[name] = value
        return found

    @functools.cached_property
    def rules(self) -> dict[str, Rule]:
        """Rules of the tables by attribute; those of the first table win."""
        return {rule.attribute: rule for table in reversed(self.tables) for rule in table.rules}

    @functools.cached_property
    def fields(self) -> frozenset[str]:
        """Names of the settings."""
        for row in self.rows:
            if row.numbers is not None:
                return frozenset(type(row.numbers.configuration).__struct_fields__)
        return frozenset()

    @functools.cached_property
    def shorthands(self) -> frozenset[str]:
        """Names of derived facts that the family takes for settings, too."""
        names: set[str] = set()
        for row in self.rows:
            if row.numbers is not None:
                names |= _accepted(self.family, row.numbers)
        return frozenset(names)

    @functools.cached_property
    def open_products(self) -> tuple[Product, ...]:
        """Products that have a setting which shapes leave open among their factors."""
        built = [row.numbers for row in self.rows if row.numbers is not None]
        terms = products_of(self.family, built[0]) if built else ()
        return tuple(
            _product(one, built) for one in terms if any(term in self.family.usual for term in one)
        )

    def row(self, name: str) -> Row | None:
        """Return a row by its name, or None."""
        for row in self.rows:
            if row.name == name:
                return row
        return None

    def base(self, row: Row | None) -> Base:
        """Return what completes a claim about a row, or about a network of no row.

        Of a network of no row nothing is known, but settings without weights are completed: they
        cannot make a count wrong.
        """
        key = "" if row is None else f"{row.table.name}\0{row.name}"
        known: dict[str, Base] = self.__dict__.setdefault("_bases", {})
        if key not in known:
            known[key] = self._make_base(row)
        return known[key]

    def _make_base(self, row: Row | None) -> Base:
        if row is not None:
            return self._base_of(row)
        for donor in self.rows:
            if donor.numbers is not None:
                base = self._base_of(donor)
                weightless = frozenset(self.family.weightless)
                kept = {name for name, own in base.governs.items() if own <= weightless}
                return Base(
                    fields={k: v for k, v in base.fields.items() if k in weightless},
                    shorthands={k: v for k, v in base.shorthands.items() if k in kept},
                    governs=base.governs,
                )
        return Base(fields={}, shorthands={}, governs={})

    def _base_of(self, row: Row) -> Base:
        if row.numbers is None:
            return Base(fields={}, shorthands={}, governs={}, row=row)
        fields = _least(self.family, row.numbers)
        short = {
            name: row.numbers.facts[name] for name in sorted(_accepted(self.family, row.numbers))
        }
        governs = {name: self._governed(row.numbers, short, name) for name in short}
        short = {name: value for name, value in short.items() if governs[name]}
        return Base(fields=fields, shorthands=short, governs=governs, row=row)

    def _governed(
        self, numbers: Numbers, short: Mapping[str, FactValue], name: str
    ) -> frozenset[str]:
        """Return the settings that a shorthand stands for.

        In place of one of them it gives the same value, and another value gives another or none.
        """
        found = []
        for field in type(numbers.configuration).__struct_fields__:
            value = numbers.settings.get(field)
            rest = _without(numbers.settings, field)
            if _setting(self.family, {**rest, **short}, field) != (value,):
                continue
            lacks = _setting(self.family, _without({**rest, **short}, name), field)
            # Lists that have no weights must not stand in the way by their length.
            bare = {k: v for k, v in rest.items() if k not in self.family.weightless}
            others = [
                _setting(self.family, {**bare, **short, name: one}, field)
                for one in self._different(name, short[name])
            ]
            if lacks != (value,) or any(other not in ((), (value,)) for other in others):
                found.append(field)
        return frozenset(found)

    def _different(self, name: str, value: FactValue) -> list[FactValue]:
        """Return other values that a fact has or could have."""
        if isinstance(value, int) and not isinstance(value, bool):
            return [value + 1, value - 1]
        seen = (row.numbers.facts.get(name) for row in self.rows if row.numbers is not None)
        return [other for other in seen if other not in (None, value)]


def _product(terms: tuple[str, ...], rows: Sequence[Numbers]) -> Product:
    name = TIMES.join(terms)
    facts = [
        fact
        for fact in rows[0].facts
        if fact not in terms and all(row.value(fact) == row.value(name) for row in rows)
    ]
    return Product(name, terms, facts[0] if facts else "")


def build_row(family: AnyFamily, table: SpecTable, row: SpecRow) -> Row:
    """Make a network of a row: of its settings, or else of the claims that are settings."""
    claims = claims_of(table, row.name)
    claimed = {
        claim.rule.fact: claim.value
        for claim in claims
        if claim.rule.fact and claim.rule.scale == 1 and claim.rule.decimals is None
    }
    for settings in (row.settings, claimed):
        numbers = _built(family, settings)
        if numbers is not None:
            return Row(table, row.name, numbers, claims)
    return Row(table, row.name, None, claims)


def _built(family: AnyFamily, settings: Mapping[str, FactValue]) -> Numbers | None:
    """Build a network as far as the family knows the settings; None if they do not suffice."""
    kept = dict(settings)
    for name in settings:
        if not kept:
            break
        try:
            return evaluate(family, kept)
        except UsageError:
            kept.pop(name)
    return None


def _accepted(family: AnyFamily, numbers: Numbers) -> set[str]:
    """Return the derived facts that the family also takes for settings."""
    names: set[str] = set()
    for name, value in numbers.facts.items():
        if name in type(numbers.configuration).__struct_fields__ or value is None:
            continue
        try:
            family.configure({**numbers.settings, name: value})
        except UsageError:
            continue
        names.add(name)
    return names


def _least(family: AnyFamily, numbers: Numbers) -> dict[str, FactValue]:
    """Return the fewest settings that build a network: without defaults and what follows."""
    fields = dict(numbers.settings)
    for name in numbers.settings:
        try:
            found = family.settings(family.configure(_without(fields, name)))
        except UsageError:
            continue
        if found == numbers.settings:
            del fields[name]
    return fields


def _without(settings: Mapping[str, FactValue], name: str) -> dict[str, FactValue]:
    return {key: value for key, value in settings.items() if key != name}


def _setting(
    family: AnyFamily, settings: Mapping[str, FactValue], field: str
) -> Sequence[FactValue]:
    """Return the value that a setting comes to, in a tuple; nothing if nothing can be built."""
    try:
        return (family.settings(family.configure(settings)).get(field),)
    except UsageError:
        return ()
