"""The plainest TOML, read fast.

Enters: text of a table that comes along. Leaves: what tomllib would make of it, or None where the
text is less plain: one header or one `key = value` a line, values as JSON spells them, or whole
numbers in groups of three digits.
`inspect` reads a table each time it runs, and importing tomllib takes longer than that.
"""

import re
from typing import Final

import msgspec

_KEY: Final = r'[A-Za-z0-9_-]+|"[^"\\]+"'
_HEADER: Final = re.compile(rf"\[((?:{_KEY})(?:\.(?:{_KEY}))*)\]")
_PAIR: Final = re.compile(r"([A-Za-z0-9_-]+) = (.+)")
_GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}(_[0-9]{3})+")


def read_plain(text: str) -> dict[str, object] | None:
    """Read plain TOML; None if it is not plain enough, or says something twice."""
    whole: dict[str, object] = {}
    table = whole
    headers: set[str] = set()
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        header = _HEADER.fullmatch(line)
        if header is not None:
            found = None if header[1] in headers else _table_at(whole, header[1])
            if found is None:
                return None
            headers.add(header[1])
            table = found
            continue
        pair = _PAIR.fullmatch(line)
        if pair is None or pair[1] in table:
            return None
        value = pair[2].replace("_", "") if _GROUPED.fullmatch(pair[2]) else pair[2]
        try:
            table[pair[1]] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    return whole


def _table_at(whole: dict[str, object], name: str) -> dict[str, object] | None:
    table = whole
    for key in re.findall(_KEY, name):
        below = table.setdefault(key.strip('"'), {})
        if not isinstance(below, dict):
            return None
        table = below
    return table
