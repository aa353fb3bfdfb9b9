"""What a pickle can say beyond plain values.

Enters: names and arguments. Leaves: inert descriptions that `pickle_encoder` spells in opcodes;
nothing named here is ever looked up. The opcodes are those of CPython's `Lib/pickletools.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


class Unset:
    """Stands for an absent state; None is a state that a pickle can hold."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()

Pairs = tuple[tuple[object, object], ...]


class Unshared(str):
    """A text that is spelled out each time, although an equal one came before.

    The memo of a real pickler goes by identity, so a text that the program made anew each time
    stands in the file each time. torch makes the location of every CUDA storage anew.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a loader would import, spelled as given."""

    module: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Reduce:
    """The result of a call: REDUCE, then APPENDS, SETITEMS and BUILD as far as given.

    Attributes:
        callable: What would be called, usually a `Global`.
        args: Its arguments.
        state: Argument of BUILD, or `UNSET`.
        items: What is appended to the result.
        pairs: What is set in the result.
    """

    callable: object
    args: tuple[object, ...]
    state: object = UNSET
    items: tuple[object, ...] = ()
    pairs: Pairs = ()


@dataclass(frozen=True, slots=True, eq=False)
class NewObject:
    """An object made by `cls.__new__(*args)`: NEWOBJ, then as for `Reduce`."""

    cls: object
    args: tuple[object, ...] = ()
    state: object = UNSET
    items: tuple[object, ...] = ()
    pairs: Pairs = ()


@dataclass(frozen=True, slots=True, eq=False)
class PersistentId:
    """An object that lies outside the pickle, by its id."""

    value: object


ORDERED_DICT: Final = Global("collections", "OrderedDict")


def ordered_dict(
    pairs: Mapping[str, object] | Iterable[tuple[object, object]] = (), *, state: object = UNSET
) -> Reduce:
    """Describe an OrderedDict; `state` holds attributes such as `_metadata`."""
    listed = pairs.items() if isinstance(pairs, Mapping) else pairs
    return Reduce(ORDERED_DICT, (), state=state, pairs=tuple(listed))
