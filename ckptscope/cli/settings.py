"""`k=v` of the command line → settings by name.

Enters: texts such as `joints=17`, `dims=40,80,160,320,norm=LayerNorm`. Leaves: values of the types
that families take.
"""

import re
from collections.abc import Iterable

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactItem, FactValue

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOTH_SIDES = re.compile(r"([0-9]{1,9})[x×]([0-9]{1,9})")
_DIGITS = 18


def parse_settings(texts: Iterable[str]) -> dict[str, FactValue]:
    """Read settings; commas part them, and also the items of a list.

    A piece without `=` belongs to the setting before it. Square brackets around a list, and a comma
    behind its only item, make clear that it is one. `256x256` is a height and a width.

    Raises:
        UsageError: A text is no setting, or a name stands twice.
    """
    settings: dict[str, FactValue] = {}
    for text in texts:
        for name, value in _pieces(text):
            if name in settings:
                raise UsageError(f"expected each setting once, found {name!r} twice")
            settings[name] = _value(name, value)
    return settings


def _pieces(text: str) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    for piece in text.split(","):
        name, equals, value = piece.partition("=")
        if equals:
            if not _NAME.fullmatch(name.strip()):
                raise UsageError(f"expected NAME=VALUE, found {piece!r}")
            pieces.append((name.strip(), value))
        elif pieces:
            pieces[-1] = (pieces[-1][0], f"{pieces[-1][1]},{piece}")
        else:
            raise UsageError(f"expected NAME=VALUE, found {piece!r}")
    return pieces


def _value(name: str, text: str) -> FactValue:
    text = text.strip()
    is_list = text.startswith("[") or "," in text
    bare = text.removeprefix("[").removesuffix("]").strip()
    if not bare:
        raise UsageError(f"expected a value for {name!r}, found none")
    sides = _BOTH_SIDES.fullmatch(bare)
    if sides is not None:
        return int(sides[1]), int(sides[2])
    if not is_list:
        return _item(bare)
    items = [item.strip() for item in bare.split(",")]
    return tuple(_item(item) for item in items if item)


def _item(text: str) -> FactItem:
    lower = text.lower()
    if lower in _TRUE or lower in _FALSE:
        return lower in _TRUE
    if re.fullmatch(rf"[+-]?[0-9]{{1,{_DIGITS}}}", text):
        return int(text)
    try:
        return float(text) if re.fullmatch(r"[+-]?[0-9.eE+-]{1,40}", text) else text
    except ValueError:
        return text
