"""Values of a policy, by kind: a text, a list of texts, a size, a date.

Enters: a `Place`. Leaves: its value, checked; else a `PolicyError` that names it.
"""

import datetime
import math
import re
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.facts.sizes import parse_size
from ckptscope.policies.places import Place

#: Longer texts are something else.
_MOST_CHARACTERS: Final = 2000
#: Larger numbers (and infinity, and nan) are typing errors.
_MOST: Final = 1e30
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN: Final = 60


def shown(value: object) -> str:
    """Return a value of TOML as a message quotes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value):,}" if value else "an empty list"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    # A number may have thousands of digits, which take their time to be printed.
    if isinstance(value, int) and abs(value) > _MOST:
        return "a very large number"
    return f"{value!r:.{_SHOWN}}"


def read_text(place: Place) -> str:
    """Return a text that is not empty."""
    value = place.value
    if not isinstance(value, str):
        raise place.error(f"expected a text, found {shown(value)}")
    if not value.strip():
        raise place.error("expected a text, found an empty one")
    if len(value) > _MOST_CHARACTERS:
        raise place.error(f"expected at most {_MOST_CHARACTERS:,} characters, found {len(value):,}")
    if not value.isprintable():
        raise place.error(f"expected a text of one line, found {shown(value)}")
    return value


def read_truth(place: Place) -> bool:
    """Return true or false."""
    if not isinstance(place.value, bool):
        raise place.error(f"expected true or false, found {shown(place.value)}")
    return place.value


def read_items(place: Place) -> tuple[Place, ...]:
    """Return the items of a list."""
    if not isinstance(place.value, list):
        hint = f"; write [{shown(place.value)}]" if isinstance(place.value, str) else ""
        raise place.error(f"expected a list, found {shown(place.value)}{hint}")
    return tuple(place.below(index) for index in range(len(place.value)))


def read_texts(place: Place) -> tuple[str, ...]:
    """Return a list of texts, none of which stands there twice."""
    seen: dict[str, Place] = {}
    for item in read_items(place):
        text = read_text(item)
        if text in seen:
            raise item.error(f"expected each once, found {shown(text)} twice")
        seen[text] = item
    return tuple(seen)


def read_size(place: Place) -> int:
    """Return bytes: a number, or a text such as `100M`."""
    value = place.value
    if isinstance(value, str):
        try:
            value = parse_size(value)
        except UsageError as error:
            raise place.error(str(error)) from error
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.error(f"expected a size such as 500M or 2G, found {shown(value)}")
    if not 0 < value <= _MOST:
        raise place.error(f"expected a size of at least one byte, found {shown(value)}")
    return value


def read_date(place: Place) -> datetime.date:
    """Return a day."""
    value = place.value
    wanted = "expected a date such as 2027-01-31"
    if isinstance(value, datetime.datetime):
        raise place.error(f"{wanted}, found one with a time: {shown(value)}")
    if not isinstance(value, datetime.date):
        hint = ", without quotes" if isinstance(value, str) else ""
        raise place.error(f"{wanted}{hint}, found {shown(value)}")
    return value


def read_settings(place: Place) -> dict[str, FactValue]:
    """Return settings by name."""
    if not isinstance(place.value, dict):
        raise place.error(f"expected a table such as {{ joints = 17 }}, found {shown(place.value)}")
    settings: dict[str, FactValue] = {}
    for name in place.value:
        below = place.below(name)
        if not _SETTING.fullmatch(name):
            raise below.error("expected the name of a setting such as joints")
        settings[name] = _read_setting(below)
    return settings


def _read_setting(place: Place) -> FactValue:
    value = place.value
    if not isinstance(value, list):
        return _read_item(place)
    if not value:
        raise place.error("expected a list with something in it, found an empty one")
    return tuple(_read_part(item) for item in read_items(place))


def _read_part(place: Place) -> FactItem:
    """Return an item of a list: plain, or a list of whole numbers, as a kernel's sides are."""
    value = place.value
    if not isinstance(value, list):
        return _read_item(place)
    numbers = [one for one in value if isinstance(one, int) and not isinstance(one, bool)]
    if len(numbers) != len(value) or any(abs(one) > _MOST for one in numbers):
        raise place.error("expected whole numbers within reason")
    return tuple(numbers)


def _read_item(place: Place) -> bool | int | float | str:
    value = place.value
    if isinstance(value, str):
        return read_text(place)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        is_sound = math.isfinite(value) if isinstance(value, float) else True
        if is_sound and abs(value) <= _MOST:
            return value
        raise place.error(f"expected a number within reason, found {shown(value)}")
    raise place.error(
        f"expected a number, a text, true or false, or a list of these, found {shown(value)}"
    )
