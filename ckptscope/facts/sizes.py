"""Sizes as people type them.

Enters: text of an option or of a policy. Leaves: bytes.
"""

import re

from ckptscope.errors import UsageError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*([0-9]{1,15})\s*([KMGT]?)(i?B)?\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the bytes of `500M`, `2G`, `2GiB` or a plain number; units are powers of 1,024.

    Raises:
        UsageError: It is no size.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"expected a size such as 500M or 2G, found {text!r:.60}")
    return int(found.group(1)) * _UNITS[found.group(2).upper()]


def round_up_size(size_bytes: int) -> str:
    """Return the least size of at most two digits and a unit that is no smaller."""
    unit = next(name for name in "TGMK" if size_bytes >= _UNITS[name] or name == "K")
    count = -(-size_bytes // _UNITS[unit])
    digits = max(len(str(count)) - 2, 0)
    return f"{-(-count // 10**digits) * 10**digits}{unit}"
