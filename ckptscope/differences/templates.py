"""A table of keys as a template for keys that are not in it.

Enters: the table of one configuration, and what it comes to. Leaves: what a key would be in a
deeper network of the same family: its tensor, and which repetition of which setting it belongs to.
What is the same for all numbers at one place of a key (`backbone.stages.2.{j}.dwconv.weight`: every
j has the settings of `dims[2]` and stands there because of `depths[2]`) is taken to be so for
further numbers.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.differences.values import Values, value_of
from ckptscope.facts.expected import ExpectedTensor

_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{1,6}(?![0-9])")
#: Numbers of a key that are looked at; keys of real networks have three at most.
_MOST_NUMBERS = 6
_ANY: Final = "#"


class Repeat(msgspec.Struct, frozen=True):
    """A place in a key that counts layers.

    Attributes:
        setting: The one that says how many there are: `depths[2]`.
        index: Which of them it is, from 0.
    """

    setting: str
    index: int


class _Group(msgspec.Struct):
    """Keys that differ in one number alone."""

    tensor: ExpectedTensor
    numbers: list[int]
    same_terms: bool = True
    same_presence: bool = True

    @property
    def is_row(self) -> bool:
        """Whether the number counts: there are several, and they are there for one reason."""
        return len(self.numbers) > 1 and self.same_presence

    def index(self, number: int, repeats: object) -> int | None:
        """Return which repetition a number is, of a network that has so many.

        A Sequential may count in threes: convolutions at 0, 3 and 6, their norms at 1, 4 and 7.
        """
        numbers = sorted(set(self.numbers))
        each = 1
        if isinstance(repeats, int) and repeats > 1 and not len(numbers) % repeats:
            each = len(numbers) // repeats
        if each >= len(numbers) or number < numbers[0]:
            return None
        return (number - numbers[0]) // (numbers[each] - numbers[0])


class Template:
    """The keys of one configuration, and what follows from them for other numbers."""

    def __init__(self, table: Mapping[str, ExpectedTensor], values: Values) -> None:
        self.table = table
        self._values = values
        self._groups: dict[str, _Group] = {}
        for tensor in table.values():
            for pattern, number in _patterns(tensor.key):
                self._enter(pattern, number, tensor)
        #: Keys that come with each repetition of a setting, the fewest of any.
        self._sizes: dict[str, int] = {}
        counts: dict[Repeat, int] = {}
        for key in table:
            repeat = self.repeat(key)
            if repeat is not None:
                counts[repeat] = counts.get(repeat, 0) + 1
        for repeat, count in counts.items():
            self._sizes[repeat.setting] = min(count, self._sizes.get(repeat.setting, count))

    def _enter(self, pattern: str, number: int, tensor: ExpectedTensor) -> None:
        group = self._groups.get(pattern)
        if group is None:
            self._groups[pattern] = _Group(tensor, [number])
            return
        group.numbers.append(number)
        group.same_terms = group.same_terms and group.tensor.terms == tensor.terms
        group.same_presence = group.same_presence and group.tensor.presence == tensor.presence

    def find(self, key: str) -> ExpectedTensor | None:
        """Return what a key is, or would be in a deeper network."""
        exact = self.table.get(key)
        if exact is not None:
            return exact
        for pattern, _ in _patterns(key):
            group = self._groups.get(pattern)
            if group is not None and group.is_row and group.same_terms:
                return group.tensor
        return None

    def repeat(self, key: str) -> Repeat | None:
        """Return which repetition a key belongs to, if its presence depends on one setting."""
        for pattern, number in _patterns(key):
            group = self._groups.get(pattern)
            if group is None or not group.is_row or len(group.tensor.presence) != 1:
                continue
            setting = group.tensor.presence[0]
            index = group.index(number, value_of(self._values, setting))
            if index is not None:
                return Repeat(setting, index)
        return None

    def repeat_size(self, setting: str) -> int:
        """Return how many keys come with each repetition of a setting, at least."""
        return self._sizes.get(setting, 1)


def _patterns(key: str) -> list[tuple[str, int]]:
    """Return the key with each of its numbers left open, the outermost first, and that number."""
    found = []
    for match in _NUMBER.finditer(key):
        found.append((f"{key[: match.start()]}{_ANY}{key[match.end() :]}", int(match[0])))
        if len(found) == _MOST_NUMBERS:
            break
    return found


def generalised(key: str) -> str:
    """Return a key with all of its numbers left open."""
    return _NUMBER.sub(_ANY, key)
