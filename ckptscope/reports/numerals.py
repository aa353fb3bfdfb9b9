"""Numbers → the way they are written in reports for people.

Enters: counts, bytes, shapes, fractions. Leaves: short text.
"""

from collections.abc import Sequence

_UNITS = (("T", 10**12), ("B", 10**9), ("M", 10**6))
#: Counts below are read at a glance; rounding them says less.
_ROUNDED_FROM = 100_000
_MOST_DIMENSIONS = 8
#: Larger counts come from shapes that nobody can allocate, and have no room on a line.
_MOST_BITS = 128
_TIMES = "\N{MULTIPLICATION SIGN}"
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def rounded_count(count: int) -> str:
    """Return a count in millions or billions with two decimals; empty for small and vast ones."""
    if count < _ROUNDED_FROM or count.bit_length() > _MOST_BITS:
        return ""
    for unit, size in _UNITS:
        if round(count / size, 2) >= 1:
            return f"{count / size:.2f} {unit}"
    return f"{count / 10**6:.2f} M"


def count_text(count: int, word: str, *, rounded: bool = True) -> str:
    """Return `7,438,976 parameters (7.44 M)`; `word` is in the plural and ends in s."""
    if count.bit_length() > _MOST_BITS:
        return f"about 2^{count.bit_length() - 1} {word}"
    short = rounded_count(count) if rounded else ""
    name = word[:-1] if count == 1 else word
    return f"{count:,} {name}" + (f" ({short})" if short else "")


def size_text(size_bytes: int) -> str:
    """Return bytes in the largest unit of powers of 1,024 that they fill."""
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size_bytes >= size:
            return f"{size_bytes / size:,.2f} {unit}"
    return count_text(size_bytes, "bytes", rounded=False)


def share_text(share: float) -> str:
    """Return a fraction as percent with one decimal; something is never shown as nothing."""
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{share * 100:.1f} %"


def shape_text(shape: Sequence[int]) -> str:
    """Return the sizes, parted by multiplication signs; a tensor without dimensions is a scalar."""
    if not shape:
        return "scalar"
    shown = _TIMES.join(str(size) for size in shape[:_MOST_DIMENSIONS])
    more = len(shape) - _MOST_DIMENSIONS
    return f"{shown}{_TIMES}… {more} more" if more > 0 else shown
