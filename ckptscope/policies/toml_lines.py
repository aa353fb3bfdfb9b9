"""On which line of a TOML document each key stands.

Enters: text that tomllib has read, so it is valid. Leaves: a line for every key and every item of a
list. tomllib itself keeps no places. Defined by https://toml.io/en/v1.0.0; what is valid has been
decided already, so that strings, brackets and keys need only be told apart.
"""

import re
from typing import Final, TypeAlias

import msgspec

#: What leads to a value: keys of tables, numbers of items.
KeyPath: TypeAlias = tuple[str | int, ...]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS: Final = re.compile(r"[ \t]*=[ \t]*")
#: Strings of several lines may end in up to two quotes of their own. What is not quoted ends where
#: no number, date or truth value goes on.
_SCALAR: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?""""{0,2}'''
    r"""|\'\'\'.*?\'\'\'\'{0,2}"""
    r'''|"(?:[^"\\]|\\.)*"'''
    r"""|'[^']*'"""
    r"""|[^,\]}#\n]+""",
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, on which each key and each item first stands.

    Items of a list are numbered from 0. A key within a dotted one, or within a header, stands where
    the whole begins.

    Args:
        text: A document that tomllib accepts; of another the answer means nothing.
    """
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


class _Open(msgspec.Struct):
    """A list or an inline table whose end has not been met.

    Attributes:
        path: What leads to it.
        is_list: Whether it is a list.
        count: Items that have been met.
    """

    path: KeyPath
    is_list: bool
    count: int = 0


class _Scanner:
    """One pass over a document; it keeps its own stack, so that no nesting is too deep."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._tables: dict[KeyPath, int] = {}

    def scan(self) -> None:
        """Go through the document."""
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table, [])
            self._skip(_BLANK)

    def _header(self) -> KeyPath:
        """Read `[a.b]` or `[[a.b]]`, and return what the keys below it are within."""
        line = self._here()
        width = 2 if self._text.startswith("[[", self._at) else 1
        self._at += width
        self._skip(_BLANK)
        path: KeyPath = ()
        keys = self._keys()
        for index, key in enumerate(keys):
            path = (*path, key)
            self.lines.setdefault(path, line)
            if width == 2 and index == len(keys) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self.lines.setdefault(path, line)
        self._skip(_BLANK)
        self._at += width
        return path

    def _pair(self, table: KeyPath, opened: list[_Open]) -> None:
        """Read `a.b = value`, and all of the value."""
        depth = len(opened)
        self._begin_pair(table, opened)
        while len(opened) > depth:
            self._skip(_BLANK)
            found = self._text[self._at]
            last = opened[-1]
            if found in "]}":
                self._at += 1
                opened.pop()
            elif found == ",":
                self._at += 1
            elif last.is_list:
                path = (*last.path, last.count)
                last.count += 1
                self.lines.setdefault(path, self._here())
                self._begin_value(path, opened)
            else:
                self._begin_pair(last.path, opened)

    def _begin_pair(self, path: KeyPath, opened: list[_Open]) -> None:
        line = self._here()
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._skip(_EQUALS)
        self._begin_value(path, opened)

    def _begin_value(self, path: KeyPath, opened: list[_Open]) -> None:
        """Read a plain value, or the bracket that opens another."""
        found = self._text[self._at]
        if found in "[{":
            self._at += 1
            opened.append(_Open(path, found == "["))
        else:
            self._skip(_SCALAR)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            found = _KEY.match(self._text, self._at)
            if found is None:
                raise AssertionError(f"no key at character {self._at}")
            keys.append(_plain_key(found[0]))
            self._at = found.end()
            dot = _DOT.match(self._text, self._at)
            if dot is None:
                return keys
            self._at = dot.end()

    def _here(self) -> int:
        """Return the number of the current line."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise AssertionError(f"no value at character {self._at}")
        self._at = found.end()


def _plain_key(text: str) -> str:
    if text[0] not in "\"'":
        return text
    if "\\" not in text:
        return text[1:-1]
    import tomllib  # escapes in keys are seldom, and decoded by who knows them

    value = tomllib.loads(f"key = {text}")["key"]
    return str(value)
