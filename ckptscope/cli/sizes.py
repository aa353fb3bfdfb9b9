"""Sizes as people type them."""

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
        raise UsageError(f"expected a size such as 500M or 2G, found {text!r}")
    return int(found.group(1)) * _UNITS[found.group(2).upper()]
