"""Settings from tables, options and users → fields of a configuration.

Enters: names with values, of any source. Leaves: values of the field's type. What does not fit is a
`UsageError` that names the setting.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.families.base import Configuration

C = TypeVar("C", bound=Configuration)

#: Larger sizes are typing errors, and sums over them take for ever.
MOST = 1_000_000


def read_settings(kind: type[C], settings: Mapping[str, FactValue], *, family: str) -> C:
    """Make a configuration of settings that bear the names of its fields.

    Raises:
        UsageError: A name is unknown, a value of the wrong type or not above 0, or one is missing.
    """
    fields = kind.__struct_fields__
    for name, value in settings.items():
        if name not in fields:
            raise UsageError(f"{family} has no setting {name!r}; it has: {', '.join(fields)}")
        require_sizes(name, value, family=family)
    try:
        return msgspec.convert(dict(settings), kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{family}: {_in_words(str(error))}") from error


def read_some(
    kind: type[Configuration], settings: Mapping[str, FactValue], *, family: str
) -> dict[str, FactValue]:
    """Check settings one by one, of which none is required; return them in the fields' own types.

    Raises:
        UsageError: A name is unknown, or a value of the wrong type or not above 0.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    read: dict[str, FactValue] = {}
    for name, value in settings.items():
        if name not in types:
            raise UsageError(f"{family} has no setting {name!r}; it has: {', '.join(types)}")
        require_sizes(name, value, family=family)
        try:
            read[name] = msgspec.convert(value, types[name])
        except msgspec.ValidationError as error:
            what = str(error).partition(" - at")[0].replace(" | null", "")
            raise UsageError(f"{family}: {name!r}: {what[:1].lower()}{what[1:]}") from error
    return read


def require_sizes(name: str, value: FactValue, *, family: str) -> None:
    """Refuse numbers that no layer can have, and lists without end.

    Raises:
        UsageError: A number is below 1, or beyond reason.
    """
    items = value if isinstance(value, tuple) else (value,)
    if len(items) > MOST:
        raise UsageError(f"{family}: expected {name!r} to be short, found {len(items):,} items")
    for item in items:
        if isinstance(item, int) and not isinstance(item, bool) and not 0 < item <= MOST:
            raise UsageError(f"{family}: expected {name!r} between 1 and {MOST:,}, found {item!r}")


def _in_words(message: str) -> str:
    """Turn msgspec's words into ours: "Object missing required field `joints`"."""
    if "missing required field" in message:
        return f"expected a value for {message.split('`')[1]!r}, found none"
    where = message.rpartition("at `$.")[2].rstrip("`") if "at `$." in message else ""
    what = message.partition(" - at")[0]
    return f"{where!r}: {what[:1].lower()}{what[1:]}" if where else what
