"""Claims as they were read from a file.

Enters: nothing. Leaves: the types between the reader of files and the judge of claims; what makes
an error of a place in a file.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from ckptscope.errors import SpecError
from ckptscope.specs.arithmetic.background import Background
from ckptscope.specs.arithmetic.networks import Subject
from ckptscope.specs.arithmetic.statements import Statement
from ckptscope.specs.places import line_of

#: What leads to a value: names of tables, and numbers of items.
Keys: TypeAlias = tuple[str | int, ...]


class Nonzero(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor of which a premise says how many elements are not zero.

    Attributes:
        key: Of the tensor.
        count: Elements that are not zero.
        total: Elements that it has; None if that is not said.
    """

    key: str
    count: int
    total: int | None = None


class Inference(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A conclusion and what it is drawn from.

    Attributes:
        premise: Statements that arithmetic can judge.
        nonzero: Tensors whose values are named.
        weights: Anything else that only a file can tell, in words.
        conclusion: What is concluded.
    """

    premise: tuple[Statement, ...]
    nonzero: tuple[Nonzero, ...]
    weights: str
    conclusion: tuple[Statement, ...]


class Claimed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One claim, read.

    Attributes:
        id: Its name.
        text: In its author's words.
        source: Where it is made.
        line: Where it begins.
        subjects: The networks that it is about.
        relations: What they are said to be to each other.
        same: Facts that they are said to have in common.
        inference: What is concluded; None for nothing.
    """

    id: str
    text: str
    source: str
    line: int | None
    subjects: tuple[Subject, ...]
    relations: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    inference: Inference | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A file of claims, read.

    Attributes:
        path: As the user named it.
        title: What it calls itself.
        background: Family and tables.
        claims: In the order of the file.
    """

    path: str
    title: str
    background: Background
    claims: tuple[Claimed, ...]


class Paper(msgspec.Struct, frozen=True):
    """The text of a file, and what makes an error of a place in it."""

    name: str
    text: str

    def error(self, keys: Sequence[str | int], message: str) -> SpecError:
        """Return the error of a place; its line is that of the innermost key that is there."""
        line = None
        for end in range(len(keys), 0, -1):
            line = line_of(self.text, keys[:end])
            if line is not None:
                break
        where = self.name if line is None else f"{self.name}: line {line}"
        return SpecError(message, path=f"{where}: {dotted(keys)}" if keys else where)


def dotted(keys: Sequence[str | int]) -> str:
    """Return a place as people write it: `claims[2].networks[0].params`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            shown = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key)
            text += f".{shown}" if text else shown
    return text
