"""Small changes of a claim, the likeliest first.

Enters: a `Case` that no network meets, and the network that comes closest. Leaves: `Edit`s: the
same claim with one thing changed. Whether an edit helps is not asked here.

In this order: the number stays and is about something else; a setting as in the row that the claim
is about; a usual value; the value of another row; a value that the totals give; another number
behind a total.
"""

import enum
from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.checked import Change, ChangeKind
from ckptscope.specs.arithmetic.background import Background
from ckptscope.specs.arithmetic.evaluation import Numbers, split_item
from ckptscope.specs.arithmetic.fitting import Attempt, Case
from ckptscope.specs.arithmetic.kinds import is_plane_of_sides, is_size
from ckptscope.specs.arithmetic.phrases import (
    assignment_text,
    is_plane,
    number_text,
    reading_text,
)
from ckptscope.specs.arithmetic.solving import Line
from ckptscope.specs.arithmetic.statements import Statement, exact_option
from ckptscope.specs.arithmetic.vocabulary import other_readings
from ckptscope.specs.schema import UNITS

#: A value is near the claimed one if it is at most so many times larger or smaller.
_NEAR: Final = 2
#: How far beyond the claimed one a value is solved for.
_FAR: Final = 8
_LEAST_REACH: Final = 64
_MOST_REACH: Final = 1_000_000
#: A plane is so many times larger or smaller.
_FACTORS: Final = (2, 0.5, 4, 0.25, 8, 0.125)
#: Units of bytes that are taken for each other.
_OTHER_UNITS: Final = {
    "kB": "KiB",
    "MB": "MiB",
    "GB": "GiB",
    "KiB": "kB",
    "MiB": "MB",
    "GiB": "GB",
}
#: Items of a list that are solved for.
_MOST_ITEMS: Final = 12


class Likelihood(enum.IntEnum):
    """How likely a change is what was meant."""

    READING = 0
    ROW = 1
    USUAL = 2
    OTHER_ROW = 3
    SOLVED = 4
    NUMBER = 5
    FAR = 6


class Edit(msgspec.Struct, frozen=True, eq=False):
    """A claim with something changed.

    Attributes:
        statements: What the claim then says.
        changes: What is changed.
        likelihood: How likely it is.
        reason: Where the new value is from.
        distance: How far it is from the claimed one, as a share.
        oddness: How much less round it is than the claimed one: widths are multiples of 8.
        name: The setting or fact that is changed.
        dropped: What is no longer said, because it follows from the rest.
    """

    statements: tuple[Statement, ...]
    changes: tuple[Change, ...]
    likelihood: Likelihood
    reason: str = ""
    distance: float = 0.0
    oddness: int = 0
    name: str = ""
    dropped: tuple[Statement, ...] = ()


class Editor(msgspec.Struct, frozen=True, eq=False):
    """Makes the edits of one claim.

    Attributes:
        case: The claim.
        closest: The network that comes closest.
        background: Rows of the family's tables.
    """

    case: Case
    closest: Attempt
    background: Background

    def edits(self, likelihood: Likelihood) -> Iterator[Edit]:
        """Yield the edits of one kind."""
        if likelihood is Likelihood.READING:
            yield from self._readings()
        elif likelihood in {Likelihood.ROW, Likelihood.USUAL, Likelihood.OTHER_ROW}:
            for name in self.settings():
                yield from self._replacements(name, likelihood)
            if likelihood is Likelihood.ROW:
                yield from self._dropped(totals=False)
        elif likelihood is Likelihood.NUMBER:
            yield from self._dropped(totals=True)
        else:
            for name in self.settings():
                for edit in self._solved(name):
                    if edit.likelihood is likelihood:
                        yield edit

    def settings(self) -> tuple[str, ...]:
        """Return the settings that the claim says, each once."""
        builder = self.case.builder
        names = (
            one.facts[0]
            for one in self.case.statements
            if len(one.facts) == 1 and builder.takes(one.facts[0])
        )
        return tuple(dict.fromkeys(names))

    def replace(
        self, name: str, value: FactValue, likelihood: Likelihood, reason: str = ""
    ) -> Edit:
        """Return the claim with another value of a setting, wherever it says it."""
        claimed = self._claimed(name)
        statements = tuple(
            msgspec.structs.replace(one, options=(exact_option(name, value),))
            if one.facts == (name,)
            else one
            for one in self.case.statements
        )
        shown, old, new = _narrowest(name, claimed, value)
        change = Change(
            attribute=shown,
            kind=ChangeKind.SETTING,
            claimed=old,
            value=new,
            read_as=shown,
            text=assignment_text(shown, new),
        )
        return Edit(
            statements,
            (change,),
            likelihood,
            reason,
            _distance(old, new),
            _roundness(old) - _roundness(new),
            name,
        )

    def _claimed(self, name: str) -> FactValue:
        for one in self.case.statements:
            if one.facts == (name,):
                return one.options[0].value
        return None

    def _readings(self) -> Iterator[Edit]:
        for statement in self.case.statements:
            if statement.of_tensor:
                continue
            yield from self._other_unit(statement)
            for fact in statement.facts:
                for other in other_readings(fact, self.background.samples):
                    if other not in statement.facts:
                        yield from self._reading(statement, fact, other)

    def _reading(self, statement: Statement, fact: str, other: str) -> Iterator[Edit]:
        change = changed_reading(statement, other)
        read = statement.about(other)
        for extra in self._settings_behind(fact, statement):
            statements = tuple(
                new
                for one in self.case.statements
                for new in ((*extra, read) if one is statement else (one,))
            )
            yield Edit(statements, (change,), Likelihood.READING, name=fact)

    def _other_unit(self, statement: Statement) -> Iterator[Edit]:
        """Read bytes in powers of 1,000 as powers of 1,024, and the other way round."""
        rule = statement.options[0].rule if statement.options else None
        unit = _OTHER_UNITS.get(rule.unit, "") if rule is not None else ""
        if rule is None or not unit:
            return
        factor = UNITS[unit] / rule.scale
        options = tuple(option.scaled(factor, unit) for option in statement.options)
        fact = statement.facts[0]
        change = Change(
            attribute=fact,
            kind=ChangeKind.READING,
            claimed=statement.options[0].value,
            value=options[0].value,
            read_as=fact,
            text=f"{statement.text} in {unit}",
        )
        read = msgspec.structs.replace(statement, options=options)
        statements = tuple(read if one is statement else one for one in self.case.statements)
        yield Edit(statements, (change,), Likelihood.READING, name=fact)

    def _settings_behind(self, fact: str, statement: Statement) -> list[tuple[Statement, ...]]:
        """Return settings to say where the claim then says one no more, and nothing completes it.

        What goes into a layer is what came out of the one before; the last item is not known.
        """
        value = statement.options[0].value
        builder = self.case.builder
        known = {*builder.base.fields, *(f for own in builder.base.governs.values() for f in own)}
        if (
            not builder.takes(fact)
            or (builder.base.row is not None and fact in known)
            or not isinstance(value, tuple)
        ):
            return [()]
        shifted = (*value[1:], value[-1])
        option = exact_option(fact, shifted)
        return [(Statement(fact, assignment_text(fact, shifted), (option,)),)]

    def _replacements(self, name: str, likelihood: Likelihood) -> Iterator[Edit]:
        claimed = self._claimed(name)
        own = self._row_value(name)
        usual = self.background.family.usual.get(name, ((), ""))[0]
        if likelihood is Likelihood.ROW:
            row = self.case.builder.base.row
            if row is not None and own not in (None, claimed):
                yield self.replace(name, own, likelihood, f"as in row {row.name}")
        elif likelihood is Likelihood.USUAL:
            for value in usual:
                if value not in (claimed, own):
                    yield self.replace(name, value, likelihood, "a usual value")
        else:
            seen: list[FactValue] = [claimed, own, *usual]
            for value, reason in self._other_values(name, claimed):
                if value is not None and value not in seen:
                    seen.append(value)
                    yield self.replace(name, value, likelihood, reason)

    def _row_value(self, name: str) -> FactValue:
        row = self.case.builder.base.row
        return row.numbers.value(name) if row is not None and row.numbers is not None else None

    def _other_values(self, name: str, claimed: FactValue) -> Iterator[tuple[FactValue, str]]:
        for row in self.background.rows:
            if row.numbers is not None:
                yield row.numbers.value(name), f"as in row {row.name}"
        if isinstance(claimed, bool):
            yield not claimed, ""
        elif isinstance(claimed, tuple) and claimed and isinstance(claimed[0], bool):
            for count in range(min(len(claimed), _MOST_ITEMS) + 1):
                yield tuple(index < count for index in range(len(claimed))), ""
        elif is_plane(name, claimed):
            yield from ((size, "") for size in _scaled(claimed))
        elif isinstance(claimed, tuple) and len(claimed) > 1:
            yield claimed[:-1], "one item fewer"
            yield (*claimed, claimed[-1]), "one item more"

    def _dropped(self, *, totals: bool) -> Iterator[Edit]:
        """Leave out what is no setting; its value follows from the rest."""
        for statement in self.case.statements:
            is_setting = len(statement.facts) == 1 and self.case.builder.takes(statement.facts[0])
            if is_setting or statement.is_total is not totals:
                continue
            if statement.nearest(self.closest.numbers) is None:
                continue
            kept = tuple(one for one in self.case.statements if one is not statement)
            likelihood = Likelihood.NUMBER if totals else Likelihood.ROW
            yield Edit(kept, (), likelihood, name=statement.facts[0], dropped=(statement,))

    def _solved(self, name: str) -> Iterator[Edit]:
        claimed = self._claimed(name)
        if is_size(claimed):
            yield from self._solved_number(name, name, claimed, claimed)
        elif isinstance(claimed, tuple):
            for index, item in enumerate(claimed[:_MOST_ITEMS]):
                if is_size(item):
                    slot = f"{name}[{index}]"
                    yield from self._solved_number(name, slot, claimed, item)

    def _solved_number(
        self, name: str, slot: str, claimed: FactValue, current: int
    ) -> Iterator[Edit]:
        """Solve the totals for one number."""
        if current > _MOST_REACH // _FAR:
            return
        reach = max(current * _FAR, _LEAST_REACH)
        said = {key: value for key, value in self.closest.said.items() if key != slot}
        others = {**self.closest.opened, **self.closest.varied}
        line = Line(
            lambda value: self.case.builder.build({**said, slot: value}, others), low=1, high=reach
        )
        totals = [one for one in self.case.statements if one.is_total and one.options]
        for low, high in line.meeting(totals) if totals else ():
            for value in _preferred(low, high, current):
                if value != current:
                    near = max(value, current) <= _NEAR * min(value, current)
                    likelihood = Likelihood.SOLVED if near else Likelihood.FAR
                    yield self.replace(name, _with_item(claimed, slot, value), likelihood)


def _scaled(plane: FactValue) -> Iterator[FactValue]:
    """Yield a plane halved and doubled a few times."""
    if is_plane_of_sides(plane):
        for factor in _FACTORS:
            sides = [side * factor for side in plane]
            if all(side == int(side) for side in sides):
                yield tuple(int(side) for side in sides)


def _with_item(claimed: FactValue, slot: str, value: int) -> FactValue:
    _, index = split_item(slot)
    if index is None or not isinstance(claimed, tuple):
        return value
    return (*claimed[:index], value, *claimed[index + 1 :])


def _preferred(low: int, high: int, current: int) -> list[int]:
    """Return a few values of a range: the roundest, and the one nearest to the claimed."""
    nearest = min(max(current, low), high)
    step = 1
    while (high // (2 * step)) * 2 * step >= low:
        step *= 2
    return list(dict.fromkeys((high // step * step, nearest)))


def _narrowest(name: str, claimed: FactValue, value: FactValue) -> tuple[str, FactValue, FactValue]:
    """Name the one item that differs between two lists, or the setting as a whole."""
    if isinstance(claimed, tuple) and isinstance(value, tuple) and len(claimed) == len(value):
        differing = [i for i, (a, b) in enumerate(zip(claimed, value, strict=True)) if a != b]
        if len(differing) == 1 and not is_plane(name, value):
            index = differing[0]
            return f"{name}[{index}]", claimed[index], value[index]
    return name, claimed, value


def _distance(old: FactValue, new: FactValue) -> float:
    if is_size(old) and is_size(new):
        return float(abs(old - new) / max(old, new))
    return 1.0


def _roundness(value: FactValue) -> int:
    """Return how often a number can be halved, up to three times; 0 for what is no number."""
    if not is_size(value):
        return 0
    return next(times for times in (3, 2, 1, 0) if value % (1 << times) == 0)


def changed_reading(statement: Statement, other: str) -> Change:
    """Return the change of what a number is about."""
    return Change(
        attribute=statement.facts[0],
        kind=ChangeKind.READING,
        claimed=statement.options[0].value,
        value=statement.options[0].value,
        read_as=other,
        text=reading_text(statement, other),
    )


def changed_number(statement: Statement, numbers: Numbers) -> Change:
    """Return the change of a number that follows from the settings; of several the nearest."""
    nearest = statement.nearest(numbers)
    fact = nearest.fact if nearest is not None else statement.facts[0]
    return Change(
        attribute=fact,
        kind=ChangeKind.NUMBER,
        claimed=statement.options[0].value,
        value=numbers.value(fact),
        read_as=fact,
        text=number_text(statement, numbers, fact),
    )
