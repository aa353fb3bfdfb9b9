"""Where in a policy something stands, and errors that say so.

Enters: a TOML document. Leaves: a `Place` for each of its values.
"""

import functools
import re

import msgspec

from ckptscope.errors import PolicyError
from ckptscope.policies.toml_lines import KeyPath, key_lines

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Document:
    """A policy's file.

    Attributes:
        name: As messages name it.
        text: What is in it, as valid TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    @functools.cached_property
    def lines(self) -> dict[KeyPath, int]:
        """The line of every key; made only where one is asked for."""
        return key_lines(self.text)


class Place(msgspec.Struct, frozen=True):
    """A value and the keys that lead to it.

    Attributes:
        document: Where it stands.
        path: Keys, and numbers of items, from the top of the document.
        value: What tomllib made of it.
    """

    document: Document
    path: KeyPath
    value: object

    @property
    def line(self) -> int | None:
        """Its line, or that of the innermost key around it; None for the document as a whole."""
        for end in range(len(self.path), 0, -1):
            line = self.document.lines.get(self.path[:end])
            if line is not None:
                return line
        return None

    def below(self, key: str | int) -> "Place":
        """Return the place of a key or an item of the value; what is not there is None."""
        value = None
        if isinstance(self.value, dict):
            value = self.value.get(key)
        elif isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            value = self.value[key]
        return Place(self.document, (*self.path, key), value)

    def error(self, message: str) -> PolicyError:
        """Return the error of this place."""
        line = self.line
        where = self.document.name if line is None else f"{self.document.name}:{line}"
        dotted = dotted_path(self.path)
        return PolicyError(message, path=f"{where}: {dotted}" if dotted else where)


def dotted_path(path: KeyPath) -> str:
    """Return keys as TOML would write them: `gate.waivers[0].code`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            shown = key if _BARE.fullmatch(key) and len(key) <= 60 else f"{key!r:.60}"
            text += f".{shown}" if text else shown
    return text
