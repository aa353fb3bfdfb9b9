"""Where in a TOML file something stands.

Enters: text, and the keys that lead to a value. Leaves: the number of its line. The parser itself
is asked which beginning of the text is the shortest that holds the value, so that there is no
second reading of TOML.
"""

import tomllib
from collections.abc import Sequence


def line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """Return the line on which a value begins, counted from 1, or None if there is no such value.

    Args:
        text: A valid TOML file.
        keys: What leads to the value: `("variants", "S", "claims", "params")`; numbers count the
            items of a list.
    """
    lines = text.split("\n")
    if not keys or not _is_held(lines, len(lines), keys):
        return None
    low, high = 0, len(lines)  # the value begins behind line `low`, and not behind line `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_held(lines, middle, keys) else (middle, high)
    return high


def _is_held(lines: Sequence[str], end: int, keys: Sequence[str | int]) -> bool:
    """Whether a value is in the shortest whole beginning of at least so many lines."""
    found: object = None
    for whole in range(end, len(lines) + 1):
        try:
            found = tomllib.loads("\n".join(lines[:whole]))
            break
        except ValueError:
            # It ends within a list or a text of several lines.
            continue
    for key in keys:
        is_item = isinstance(found, list) and isinstance(key, int) and key < len(found)
        if not is_item and not (isinstance(found, dict) and key in found):
            return False
        found = found[key]  # type: ignore[index]
    return True
