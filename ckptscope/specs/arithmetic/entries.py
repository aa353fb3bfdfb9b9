"""Entries of a file of claims → claims.

Enters: entries that keep to the schema, and the family with its tables. Leaves: a `Document`. A
name that there is not, or a value that cannot be read, is a `SpecError` with its place.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ckptscope.errors import SpecError, UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Rule
from ckptscope.specs.arithmetic.background import Background, Row
from ckptscope.specs.arithmetic.document import (
    Claimed,
    Document,
    Inference,
    Keys,
    Nonzero,
    Paper,
    dotted,
)
from ckptscope.specs.arithmetic.evaluation import split_item
from ckptscope.specs.arithmetic.kinds import is_amount, is_whole
from ckptscope.specs.arithmetic.networks import Shape, Subject
from ckptscope.specs.arithmetic.schema import (
    NETWORK_KEYS,
    PREMISE_KEYS,
    ClaimEntry,
    ClaimsEntry,
)
from ckptscope.specs.arithmetic.statements import Statement, freeze, read_statement
from ckptscope.specs.arithmetic.vocabulary import find_meaning, known_names
from ckptscope.specs.schema import UNITS, AttributeEntry

_MOST_NAMES: Final = 40
#: Shorter ways to say several settings may stand for lists of so many items.
_MOST_SHORT: Final = 20_000


class EntryReader:
    """Reads the claims of one file."""

    def __init__(self, paper: Paper, entry: ClaimsEntry, background: Background) -> None:
        self._paper = paper
        self._entry = entry
        self._background = background
        self._rules: dict[str, Rule] = dict(background.rules)
        self._rules |= {name: self._rule(name, said) for name, said in entry.attributes.items()}

    def document(self, path: str) -> Document:
        """Read all claims."""
        lines = self._claim_lines()
        seen: set[str] = set()
        claims = []
        for index, entry in enumerate(self._entry.claims):
            name = str(entry.id)
            if name in seen:
                raise self._paper.error(
                    ("claims", index, "id"), f"expected each id once, found {name!r} twice"
                )
            seen.add(name)
            claims.append(self._claim(index, entry, lines[index]))
        return Document(
            path=path,
            title=self._entry.title,
            background=self._background,
            claims=tuple(claims),
        )

    def _claim_lines(self) -> list[int | None]:
        """Return the lines of the headings, if there is one for each claim."""
        lines = self._paper.text.split("\n")
        found: list[int | None] = [
            number
            for number, line in enumerate(lines, 1)
            if re.fullmatch(r"\s*\[\[\s*claims\s*\]\]\s*(#.*)?", line.rstrip("\r"))
        ]
        count = len(self._entry.claims)
        return found if len(found) == count else [None] * count

    def _rule(self, name: str, said: AttributeEntry) -> Rule:
        if said.fact and said.unit not in UNITS:
            units = ", ".join(repr(unit) for unit in UNITS)
            raise self._paper.error(
                ("attributes", name, "unit"), f"expected one of {units}, found {said.unit!r}"
            )
        fact = said.fact or ""
        if fact and find_meaning(fact, {}, self._background.samples) is None:
            raise self._unknown(("attributes", name, "fact"), fact)
        return Rule(
            attribute=name,
            fact=fact,
            unit=said.unit,
            scale=UNITS.get(said.unit, 1.0),
            decimals=said.decimals,
            tolerance=said.tolerance,
            note=said.note,
            source=said.source or self._entry.source,
        )

    def _claim(self, index: int, entry: ClaimEntry, line: int | None) -> Claimed:
        place: Keys = ("claims", index)
        subjects = [
            subject
            for number, network in enumerate(entry.networks)
            for subject in self._subjects(network, (*place, "networks", number))
        ]
        relations = (entry.relation,) if isinstance(entry.relation, str) else entry.relation
        if (relations or entry.same) and len(subjects) < 2:
            raise self._paper.error(
                (*place, "networks"), "expected at least two networks for a relation, found one"
            )
        for fact in entry.same:
            if find_meaning(fact, {}, self._background.samples) is None:
                raise self._unknown((*place, "same"), fact)
        return Claimed(
            id=str(entry.id),
            text=entry.text,
            source=entry.source or self._entry.source,
            line=line,
            subjects=tuple(subjects),
            relations=relations,
            same=entry.same,
            inference=self._inference(entry, place),
        )

    def _subjects(self, network: Mapping[str, object], place: Keys) -> list[Subject]:
        """Read a network; one for each row, if it names several."""
        rows = self._rows(network.get("row"), (*place, "row"))
        name = network.get("name")
        if name is not None and not (isinstance(name, str) and name):
            raise self._paper.error((*place, "name"), f"expected a name, found {name!r}")
        statements = self._statements(network, place, NETWORK_KEYS)
        shapes = self._shapes(network.get("tensors"), (*place, "tensors"))
        return [
            Subject(
                str(name or (row.name if row is not None else "network")),
                row,
                statements,
                shapes,
                self._background,
            )
            for row in rows
        ]

    def _rows(self, named: object, place: Keys) -> list[Row | None]:
        if named is None:
            return [None]
        names = named if isinstance(named, list) else [named]
        found: list[Row | None] = []
        for name in names:
            row = self._background.row(name) if isinstance(name, str) else None
            if row is None:
                known = ", ".join(row.name for row in self._background.rows) or "none"
                raise self._paper.error(place, f"no row {name!r}; there are: {known}")
            found.append(row)
        if not found:
            raise self._paper.error(place, "expected at least one row, found none")
        return found

    def _statements(
        self, values: Mapping[str, object], place: Keys, besides: Sequence[str]
    ) -> tuple[Statement, ...]:
        return tuple(
            self._statement(name, value, (*place, name))
            for name, value in values.items()
            if name not in besides
        )

    def _statement(self, name: str, value: object, place: Keys) -> Statement:
        meaning = find_meaning(name, self._rules, self._background.samples)
        if meaning is None:
            raise self._unknown(place, name)
        try:
            statement = read_statement(name, meaning, value, place, of=dotted(place))
        except UsageError as error:
            raise self._paper.error(place, str(error)) from error
        self._require_kind(statement, place)
        return statement

    def _require_kind(self, statement: Statement, place: Keys) -> None:
        """Refuse a text where a number belongs, and the like."""
        for option in statement.options:
            base, index = split_item(option.fact)
            sample = self._background.samples.get(base)
            if index is not None and isinstance(sample, tuple):
                sample = sample[0]
            if sample is not None and kind_of(sample) != kind_of(option.value):
                raise self._paper.error(
                    place, f"expected {kind_of(sample)}, found {statement.text!r}"
                )
            is_short = base in self._background.shorthands
            if is_short and is_whole(option.value) and option.value > _MOST_SHORT:
                raise self._paper.error(
                    place, f"expected at most {_MOST_SHORT:,}, found {statement.text!r}"
                )

    def _shapes(self, tensors: object, place: Keys) -> tuple[Shape, ...]:
        if tensors is None:
            return ()
        if not isinstance(tensors, Mapping):
            raise self._paper.error(place, f"expected shapes by key, found {tensors!r}")
        found = []
        for key, sizes in tensors.items():
            try:
                shape = freeze(sizes)
            except UsageError as error:
                raise self._paper.error((*place, key), str(error)) from error
            items = shape if isinstance(shape, tuple) else ()
            whole = tuple(size for size in items if is_whole(size))
            if not items or len(whole) < len(items):
                raise self._paper.error((*place, key), f"expected sizes, found {sizes!r}")
            found.append(Shape(key, whole, (*place, key)))
        return tuple(found)

    def _inference(self, entry: ClaimEntry, place: Keys) -> Inference | None:
        if not entry.therefore:
            if entry.because:
                raise self._paper.error(place, "expected a value for 'therefore', found none")
            return None
        weights = entry.because.get("weights", "")
        if not isinstance(weights, str):
            raise self._paper.error(
                (*place, "because", "weights"), f"expected words, found {weights!r}"
            )
        return Inference(
            premise=self._statements(entry.because, (*place, "because"), PREMISE_KEYS),
            nonzero=self._nonzero(entry.because.get("nonzero"), (*place, "because", "nonzero")),
            weights=weights,
            conclusion=self._statements(entry.therefore, (*place, "therefore"), ()),
        )

    def _nonzero(self, counts: object, place: Keys) -> tuple[Nonzero, ...]:
        if counts is None:
            return ()
        if not isinstance(counts, Mapping):
            raise self._paper.error(place, f"expected counts by key, found {counts!r}")
        found = []
        for key, text in counts.items():
            parts = re.fullmatch(r"\s*([\d,]{1,24})\s*(?:/\s*([\d,]{1,24})\s*)?", str(text))
            if parts is None:
                raise self._paper.error((*place, key), f"expected '12/16', found {text!r}")
            numbers = [int(one.replace(",", "") or 0) for one in parts.groups() if one]
            total = numbers[1] if len(numbers) > 1 else None
            found.append(Nonzero(key=key, count=numbers[0], total=total))
        return tuple(found)

    def _unknown(self, place: Keys, name: str) -> SpecError:
        names = known_names(self._rules, self._background.samples)
        close = difflib.get_close_matches(split_item(name)[0], names, n=1)
        shown = ", ".join(names[:_MOST_NAMES])
        advice = f"did you mean {close[0]!r}?" if close else f"there are: {shown}"
        return self._paper.error(place, f"unknown attribute {name!r}; {advice}")


def kind_of(value: FactValue) -> str:
    """Return what a value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    if is_amount(value):
        return "a number"
    return "a text" if isinstance(value, str) else "a list"
