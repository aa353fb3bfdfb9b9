"""Plain values that a pickle puts together by calls: the names that it does not write out.

Enters: a node of the graph. Leaves: the text that the calls would have given. Only what Python's
own types compute from constants is worked out, by rules of our own; nothing of the file runs. What
is longer than any name, or takes too many steps, is not worked out.
"""

import codecs
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from ckptscope.facts.pickled import GlobalRef, Instance

#: A constant; lists are of constants.
Constant: TypeAlias = object
_Work: TypeAlias = Callable[[list[Constant]], Constant]
_Sized = TypeVar("_Sized", bound=Sequence[object])

#: Longer texts are no part of a name; the longest dotted path of a class has a few hundred.
_LONGEST = 512
#: Calls inside calls that are worked out.
_DEEPEST = 24
#: Methods of text and bytes that give no more than they are given.
_METHODS = frozenset(
    (
        *("lower", "upper", "title", "capitalize", "swapcase", "strip", "lstrip", "rstrip"),
        *("removeprefix", "removesuffix", "replace", "join", "encode", "decode"),
        *("__add__", "__str__", "__getitem__", "__mul__"),
    )
)
#: Codecs that give about as much as they are given. Compressed bytes may give any amount.
_CODECS = frozenset(
    (
        *("utf-8", "utf8", "utf_8", "ascii", "latin1", "latin-1", "latin_1", "iso-8859-1"),
        *("rot13", "rot_13", "hex", "hex_codec", "base64", "base64_codec", "unicode_escape"),
    )
)


class _NotConstantError(Exception):
    """A node is no constant, or none that is worth working out."""


class Workings:
    """Works constants out, up to a number of steps.

    Args:
        steps: Nodes that may be looked at, for all names of a pickle together.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def text(self, node: object) -> str | None:
        """Return the text that a node would be; None if it cannot be told."""
        try:
            found = self._value(node, 0)
        except (_NotConstantError, ValueError, TypeError, LookupError):
            # The calls would fail in earnest, or are none that are known here.
            return None
        return found if type(found) is str else None

    def _value(self, node: object, depth: int) -> Constant:
        self._steps -= 1
        if self._steps < 0 or depth > _DEEPEST:
            raise _NotConstantError
        if node is None or type(node) is int:
            return node
        if type(node) is str or type(node) is bytes:
            return _short(node)
        if type(node) is list or type(node) is tuple:
            return [self._value(item, depth + 1) for item in _short(node)]
        if type(node) is not Instance or node.kwargs is not None:
            raise _NotConstantError
        work, arguments = _call(node)
        result = work([self._value(argument, depth + 1) for argument in arguments])
        return _short(result) if isinstance(result, str | bytes | list) else result


def _call(node: Instance) -> tuple[_Work, tuple[object, ...]]:
    """Return what a call does, and with what."""
    function = node.callable
    if isinstance(function, GlobalRef):
        return _function(function), node.args
    if type(function) is not Instance or not isinstance(function.callable, GlobalRef):
        raise _NotConstantError
    if function.callable.name != "getattr" or len(function.args) != 2:
        raise _NotConstantError
    owner, method = function.args
    return _method(method), (owner, *node.args)


def _function(function: GlobalRef) -> _Work:
    module, name = function.module, function.name
    if module in ("builtins", "__builtin__"):
        owner, _, method = name.partition(".")
        if owner in ("str", "unicode", "bytes") and method:
            return _method(method)
        found = _BUILTINS.get(name)
    elif module in ("operator", "_operator"):
        found = _OPERATORS.get(name)
    elif module in ("_codecs", "codecs"):
        found = {"encode": _encode, "decode": _decode}.get(name)
    elif (module, name) == ("posixpath", "join") or (module, name) == ("os.path", "join"):
        found = _path
    else:
        found = None
    if found is None:
        raise _NotConstantError
    return found


def _short(found: _Sized) -> _Sized:
    """Return a text or a list unless it is longer than any name."""
    if len(found) > _LONGEST:
        raise _NotConstantError
    return found


def _method(name: object) -> _Work:
    """Return the method of this name of text or bytes."""
    if type(name) is not str or name not in _METHODS:
        raise _NotConstantError

    def work(values: list[Constant]) -> Constant:
        owner = values[0]
        if not isinstance(owner, str | bytes):
            raise _NotConstantError
        if name in ("encode", "decode"):
            return _encode(values) if name == "encode" else _decode(values)
        if name == "__mul__":
            return _repeat(values)
        if name == "__getitem__":
            return _item(values)
        if name == "join":
            _check_total(values[1], len(owner))
        if name == "replace" and len(owner) * len(_as_text(values[2])) > _LONGEST * _LONGEST:
            raise _NotConstantError
        result: Constant = getattr(owner, name)(*values[1:])
        return result

    return work


def _check_total(items: Constant, between: int) -> None:
    """Refuse to join what is longer than any name, before it is joined."""
    if isinstance(items, str | bytes):
        total = len(items) * (1 + between)
    elif isinstance(items, list):
        total = sum(len(_as_text(item)) + between for item in items)
    else:
        raise _NotConstantError
    if total > _LONGEST:
        raise _NotConstantError


def _as_text(value: Constant) -> str | bytes:
    if not isinstance(value, str | bytes):
        raise _NotConstantError
    return value


def _encode(values: list[Constant]) -> Constant:
    return codecs.encode(_as_text(values[0]), _codec(values))  # type: ignore[arg-type]


def _decode(values: list[Constant]) -> Constant:
    return codecs.decode(_as_text(values[0]), _codec(values))  # type: ignore[arg-type]


def _codec(values: list[Constant]) -> str:
    name = str(values[1]).lower() if len(values) > 1 else "utf-8"
    if name not in _CODECS or len(values) > 2:
        raise _NotConstantError
    return name


def _add(values: list[Constant]) -> Constant:
    left, right = values
    if type(left) is type(right) and isinstance(left, str | bytes | int | list):
        total: Constant = left + right  # type: ignore[operator]
        return total
    raise _NotConstantError


def _repeat(values: list[Constant]) -> Constant:
    text, count = values if not isinstance(values[0], int) else values[::-1]
    if not isinstance(count, int) or count * len(_as_text(text)) > _LONGEST:
        raise _NotConstantError
    return _as_text(text) * count


def _item(values: list[Constant]) -> Constant:
    owner, index = values
    if isinstance(owner, str | bytes | list) and isinstance(index, int | slice):
        found: Constant = owner[index]
        return found
    raise _NotConstantError


def _reverse(values: list[Constant]) -> Constant:
    (owner,) = values
    if isinstance(owner, str | list):
        return list(owner[::-1])
    raise _NotConstantError


def _as_str(values: list[Constant]) -> Constant:
    if len(values) == 1 and isinstance(values[0], str | int) and abs(_size(values[0])) < 10**18:
        return str(values[0])
    return _decode(values) if len(values) > 1 else ""


def _size(value: str | int) -> int:
    return value if isinstance(value, int) else 0


def _as_bytes(values: list[Constant]) -> Constant:
    if len(values) > 1:
        return _encode(values)
    (given,) = values
    if isinstance(given, list):
        return bytes(_numbers(given))
    if isinstance(given, bytes):
        return given
    raise _NotConstantError


def _numbers(items: list[object]) -> list[int]:
    if not all(isinstance(item, int) for item in items):
        raise _NotConstantError
    return [item for item in items if isinstance(item, int)]


def _chr(values: list[Constant]) -> Constant:
    (code,) = _numbers(values)
    return chr(code)


def _slice(values: list[Constant]) -> Constant:
    return slice(*values)


def _list(values: list[Constant]) -> Constant:
    (items,) = values
    if isinstance(items, str | list):
        return list(items)
    raise _NotConstantError


def _path(values: list[Constant]) -> Constant:
    return "/".join(str(_as_text(value)) for value in values)


_BUILTINS: dict[str, _Work] = {
    "str": _as_str,
    "unicode": _as_str,
    "bytes": _as_bytes,
    "bytearray": _as_bytes,
    "chr": _chr,
    "unichr": _chr,
    "reversed": _reverse,
    "slice": _slice,
    "list": _list,
    "tuple": _list,
}
_OPERATORS: dict[str, _Work] = {
    "add": _add,
    "concat": _add,
    "iadd": _add,
    "iconcat": _add,
    "mul": _repeat,
    "getitem": _item,
}
