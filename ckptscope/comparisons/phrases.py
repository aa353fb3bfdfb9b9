"""Numbers and names in the sentences of conclusions.

Enters: numbers, tensors. Leaves: words; names of files are quoted and cut.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ckptscope.facts.comparison import TensorPair

#: Names that one sentence lists.
_MOST_NAMES: Final = 4
_NAME_CHARACTERS: Final = 120
_HUNDRED: Final = 100
#: A share this near to none or all is not rounded to it.
_NEARLY: Final = 0.9995


def counted(count: int, word: str) -> str:
    """Write a number with its noun: `1 tensor`, `12 tensors`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def share(part: int, whole: int) -> str:
    """Write a share in per cent; never `100%` for less than all, never `0%` for more than none."""
    if not whole:
        return "0%"
    ratio = part / whole
    if part == whole:
        return "100%"
    if ratio > _NEARLY:
        return "more than 99.9%"
    if not part:
        return "0%"
    return f"{_HUNDRED * ratio:.1f}%" if ratio >= 0.001 else f"{_HUNDRED * ratio:.2g}%"


def number(value: float | None) -> str:
    """Write a measure with three digits; a dash where there is none."""
    return "-" if value is None else f"{value:.3g}"


def cosine_text(value: float | None) -> str:
    """Write a cosine so that one below 1 never looks like 1."""
    if value is None:
        return "-"
    return f"1 - {1 - value:.1g}" if 0.9995 < value < 1 else f"{value:.3f}"


def names(found: Iterable[str]) -> str:
    """List names, the first few of many."""
    listed = list(dict.fromkeys(found))
    shown = [f"{name!r:.{_NAME_CHARACTERS}}" for name in listed[:_MOST_NAMES]]
    more = len(listed) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def modules_of(pairs: Sequence[TensorPair]) -> list[str]:
    """Return the modules of tensors, as far up as all below belong together."""
    return list(dict.fromkeys(module_of(pair.left.key) for pair in pairs))


def module_of(key: str) -> str:
    """Return the module that a tensor belongs to; its own name for one of no module."""
    return key.rpartition(".")[0] or key
