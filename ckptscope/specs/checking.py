"""What is wrong with a user's table, and where.

Enters: a TOML file that breaks the schema, or one that keeps to it and may still name what there is
not. Leaves: one `SpecError` that names file, line and key.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from ckptscope.errors import SpecError, UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Rule
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.families.registry import AnyFamily, find_family
from ckptscope.specs.places import line_of
from ckptscope.specs.schema import UNITS, AttributeEntry, SpecEntry, Value, VariantEntry

#: Facts that no configuration gives: they are about the names of a file.
_OF_NAMES: Final = frozenset({"dialect", "prefix"})
#: What msgspec calls a type, and what a reader of TOML does.
_WORDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_PLAIN: Final = "a number, a text, true or false, or a list of these"
_SHOWN: Final = 60
#: Larger numbers (and infinity, and nan) are typing errors.
_MOST: Final = 1e30


class Place(msgspec.Struct, frozen=True):
    """A file, its text, and what makes an error of a place in it."""

    name: str
    text: str

    def error(self, keys: Sequence[str], message: str) -> SpecError:
        """Return the error of a key; its line is that of the innermost key that is there."""
        line = None
        for end in range(len(keys), 0, -1):
            line = line_of(self.text, keys[:end])
            if line is not None:
                break
        where = self.name if line is None else f"{self.name}: line {line}"
        return SpecError(message, path=f"{where}: {_dotted(keys)}" if keys else where)


def explain_error(raw: Mapping[str, object], message: str, *, text: str, name: str) -> SpecError:
    """Say in words where and how a file breaks the schema.

    Args:
        raw: What the TOML holds.
        message: What msgspec says of it.
        text: The TOML.
        name: Of the file.
    """
    keys, message = _narrow(raw, (), message)
    value: object = raw
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else value
    for index in re.findall(r"\[(\d+)\]", message.rpartition(" - at ")[2]):
        value = value[int(index)] if isinstance(value, list) else value
    sentence, key = _in_words(message.partition(" - at ")[0], value)
    return Place(name, text).error((*keys, key) if key else keys, sentence)


def check_table(
    table: SpecTable,
    entry: SpecEntry,
    kindred: Callable[[str], tuple[SpecTable, ...]],
    *,
    text: str,
    name: str,
) -> SpecTable:
    """Check what the schema cannot: names of families and facts, units, kinds of values, labels.

    Args:
        table: What the file holds.
        entry: The same, as it stands there.
        kindred: Gives the other tables of a family.
        text: The TOML.
        name: Of the file.

    Returns:
        The table; an attribute that is described without a fact, and named like one, speaks of it.

    Raises:
        SpecError: Something is wrong; the first thing that is.
    """
    place = Place(name, text)
    try:
        family = find_family(table.family)
    except UsageError as error:
        raise place.error(("family",), str(error)) from error
    for row in table.rows:
        _check_row(row, place)
    _check_labels(table, place)
    for row in table.rows:
        _check_settings(row, family, place)
    samples = fact_samples((table, *kindred(family.name)), family)
    table = msgspec.structs.replace(
        table, rules=tuple(_with_fact(rule, samples or {}) for rule in table.rules)
    )
    for attribute in entry.attributes:
        if table.rule(attribute) is None:
            raise place.error(("attributes", attribute), "expected a row that claims it")
    for rule in table.rules:
        _check_rule(rule, samples, entry, place)
        for row in table.rows:
            if rule.attribute in row.claims:
                _check_claim(row, rule, (samples or {}).get(rule.fact), place)
    return table


def _with_fact(rule: Rule, samples: Mapping[str, FactValue]) -> Rule:
    if rule.fact or rule.attribute not in samples:
        return rule
    return msgspec.structs.replace(rule, fact=rule.attribute)


def fact_samples(tables: Iterable[SpecTable], family: AnyFamily) -> dict[str, FactValue] | None:
    """Return the facts that a family tells, each with a value that it has somewhere.

    They come from the first table that gives settings for its rows; None if none does.
    """
    samples: dict[str, FactValue] = {}
    for table in tables:
        for row in table.rows:
            if row.settings:
                configuration = family.configure(row.settings)
                found = family.settings(configuration) | family.attributes(configuration)
                samples |= {name: value for name, value in found.items() if value is not None}
                samples |= {name: None for name in found if name not in samples}
        if samples:
            return samples | dict.fromkeys(_OF_NAMES, "")
    return None


def _narrow(
    raw: Mapping[str, object], keys: tuple[str, ...], message: str
) -> tuple[tuple[str, ...], str]:
    """Find the keys that lead to an error: msgspec does not name those of tables."""
    what, _, where = message.partition(" - at ")
    steps = re.findall(r"\.(\w+)|(\[\.\.\.\])", where)
    for name, _ in steps:
        if name:
            keys = (*keys, name)
            continue
        section = _at(raw, keys)
        for key, value in section.items() if isinstance(section, Mapping) else ():
            problem = _problem(keys, value)
            if problem is not None:
                return _narrow(raw, (*keys, key), problem)
        break
    return keys, f"a key: {what}" if where.startswith("`key`") else message


def _problem(keys: tuple[str, ...], value: object) -> str | None:
    """Return what msgspec says of one entry of a table of tables or values."""
    kind: object = {"attributes": AttributeEntry, "variants": VariantEntry}.get(keys[-1], Value)
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _at(raw: object, keys: Sequence[str]) -> object:
    for key in keys:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def _in_words(message: str, value: object) -> tuple[str, str]:
    """Return an error of msgspec as a sentence of ours, and the key that it speaks of."""
    found = re.match(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if found is not None:
        return "unknown key", found[1]
    found = re.match(r"Object missing required field `(.*)`", message)
    if found is not None:
        return f"expected a value for {found[1]!r}, found none", ""
    if message.startswith("Invalid enum value"):
        return f"expected 'ckptscope/spec/1', found {_shown(value)}", ""
    if message.startswith("a key: "):
        return "expected a name, found an empty or a very long one", ""
    found = re.match(r"Expected `([^`]*)`(?: of length)?(?: ([<>]=?) ([0-9.]+))?", message)
    wanted = found[1].removesuffix(" | null") if found is not None else ""
    if found is None or found[2] is None:
        words = _WORDS.get(wanted, _PLAIN)
        return f"expected {words}, found {_shown(value)}", ""
    if wanted in {"str", "array", "object"}:
        bound = f"of at most {found[3]} characters" if found[2] == "<=" else "that is not empty"
        return f"expected {_WORDS[wanted]} {bound}, found {_shown(value)}", ""
    relation = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}[found[2]]
    bound = f"{float(found[3]):g}"
    return f"expected {_WORDS[wanted]} {relation} {bound}, found {_shown(value)}", ""


def _check_row(row: SpecRow, place: Place) -> None:
    if not row.claims:
        raise place.error(("variants", row.name, "claims"), "expected at least one claim")
    for part, values in (("claims", row.claims), ("settings", row.settings)):
        for key, value in values.items():
            if not _is_sound(value):
                raise place.error(
                    ("variants", row.name, part, key), f"expected {_PLAIN}, found {_shown(value)}"
                )


def _is_sound(value: FactValue) -> bool:
    """Whether a value can stand for something: no empty list, and numbers within reason."""
    if isinstance(value, tuple):
        return bool(value) and all(_is_sound(item) for item in value)
    return isinstance(value, str) or abs(value or 0) <= _MOST


def _check_labels(table: SpecTable, place: Place) -> None:
    owners: dict[str, str] = {}
    for row in table.rows:
        for label in row.labels:
            keys = ("variants", row.name, "labels")
            if not any(character.isalnum() for character in label):
                raise place.error(
                    keys, f"expected a label with a letter or a digit, found {label!r}"
                )
            other = owners.setdefault(label.casefold(), row.name)
            if other != row.name:
                raise place.error(keys, f"label {label!r} means row {other!r} already")


def _check_settings(row: SpecRow, family: AnyFamily, place: Place) -> None:
    if not row.settings:
        return
    try:
        family.configure(row.settings)
    except UsageError as error:
        raise place.error(("variants", row.name, "settings"), str(error)) from error


def _check_rule(
    rule: Rule, samples: Mapping[str, FactValue] | None, entry: SpecEntry, place: Place
) -> None:
    declared = rule.attribute in entry.attributes
    keys: tuple[str, ...] = ("attributes", rule.attribute)
    if rule.fact and samples is not None and rule.fact not in samples:
        names = {*samples, *(() if declared else entry.attributes)}
        close = difflib.get_close_matches(rule.fact, names, n=1)
        known = f"the facts are: {', '.join(sorted(samples))}"
        advice = f"did you mean {close[0]!r}?" if close else known
        if declared:
            raise place.error((*keys, "fact"), f"unknown fact {rule.fact!r}; {advice}")
        row = next(name for name, one in entry.variants.items() if rule.attribute in one.claims)
        raise place.error(
            ("variants", row, "claims", rule.attribute),
            f"expected an attribute of the table or the name of a fact; {advice}",
        )
    if rule.fact and rule.unit not in UNITS:
        units = ", ".join(repr(unit) for unit in UNITS)
        raise place.error((*keys, "unit"), f"expected one of {units}, found {rule.unit!r}")


def _check_claim(row: SpecRow, rule: Rule, sample: FactValue, place: Place) -> None:
    """Hold the kind of a claim against what its rule and its fact are."""
    claimed = row.claims[rule.attribute]
    wanted = "" if sample is None else _kind(sample)
    if rule.decimals is not None or rule.tolerance is not None or rule.scale != 1:
        wanted = "a number"
    if wanted and wanted != _kind(claimed):
        raise place.error(
            ("variants", row.name, "claims", rule.attribute),
            f"expected {wanted}, found {_shown(claimed)}",
        )


def _kind(value: FactValue) -> str:
    for kinds, words in ((bool, "true or false"), ((int, float), "a number"), (str, "a text")):
        if isinstance(value, kinds):
            return words
    return "a list"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = list(value)
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _dotted(keys: Sequence[str]) -> str:
    return ".".join(_quoted(keys))


def _quoted(keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        yield key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key)
