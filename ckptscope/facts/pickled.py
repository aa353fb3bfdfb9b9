"""The inert graph of a pickle: what its opcodes would have built, had anybody let them.

Enters: opcodes, read by `pickles.machine`. Leaves: a graph of

- plain values as themselves: None, bool, int, float, str, bytes;
- `list` and `tuple` as themselves, `DictNode` and `SetNode` for dict and set (nothing of the file
  is ever hashed, compared or shown without bounds);
- `BytesRef` for long byte strings, which are not read;
- `GlobalRef` for a name that the pickle would import;
- `Instance` for the result of calling anything;
- `PersistentRef` for an object that the container holds outside the pickle.

The graph may share parts and contain itself; whoever walks it must bound the walk.
"""

import enum
from typing import TypeAlias, Union

import msgspec

#: Any node of the graph. mypy cannot check recursive unions of mutable containers usefully, so
#: lists and tuples are of `object`.
Node: TypeAlias = Union[
    bool,
    int,
    float,
    str,
    bytes,
    list[object],
    tuple[object, ...],
    "DictNode",
    "SetNode",
    "BytesRef",
    "GlobalRef",
    "Instance",
    "PersistentRef",
    None,
]


class DictNode(msgspec.Struct, eq=False):
    """A dict, as its pairs in the order of insertion; a repeated key stands twice."""

    pairs: list[tuple[object, object]]


class SetNode(msgspec.Struct, eq=False):
    """A set or frozenset, as its items in the order of the file."""

    items: list[object]
    frozen: bool = False


class BytesRef(msgspec.Struct, eq=False, gc=False):
    """A byte string that stays in the file, by its place in the pickle's source."""

    offset_bytes: int
    size_bytes: int


class GlobalRef(msgspec.Struct, eq=False, gc=False):
    """A name that the pickle would import, exactly as the file spells it."""

    module: str
    name: str

    @property
    def qualified(self) -> str:
        """`module.name`, the usual way to write it."""
        return f"{self.module}.{self.name}"


class Instance(msgspec.Struct, eq=False):
    """What REDUCE, NEWOBJ, NEWOBJ_EX, INST or OBJ would have made.

    Attributes:
        callable: The class or function: a `GlobalRef`, or any other node.
        args: Positional arguments.
        offset_bytes: Offset of the opcode.
        kwargs: Keyword arguments of NEWOBJ_EX.
        state: Argument of the first BUILD, or `UNSET`.
        more_states: Arguments of further BUILDs.
        items: What was appended (a subclass of list, a deque).
        pairs: What was set (a subclass of dict).
    """

    callable: object
    args: tuple[object, ...]
    offset_bytes: int
    kwargs: object = None
    state: object = msgspec.UNSET
    more_states: list[object] | None = None
    items: list[object] | None = None
    pairs: list[tuple[object, object]] | None = None


class PersistentRef(msgspec.Struct, eq=False):
    """An object outside the pickle, by its persistent id."""

    pid: object
    offset_bytes: int


class Naming(enum.StrEnum):
    """How a pickle comes to a name."""

    #: It is written there.
    SPELLED = "spelled"
    #: It is put together by calls of the pickle, and what they give is plain.
    COMPUTED = "computed"
    #: It is an attribute of another name, fetched by a call.
    LOOKED_UP = "looked up"
    #: What a call of the name gave is called in its turn.
    RESULT_CALLED = "result called"
    #: Attributes or items of the name are changed.
    CHANGED = "changed"
    #: The file does not tell it: a number of a registry elsewhere, or a computation.
    HIDDEN = "hidden"


class Import(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One place where a pickle names a global.

    Attributes:
        module: As the unpickler would pass it to the import machinery; `?` if it is hidden.
        name: Attribute, possibly dotted; `?` if it is hidden.
        opcode: GLOBAL, STACK_GLOBAL, INST, EXT1, EXT2 or EXT4; for names that are looked up,
            called or changed the opcode that does it.
        member: Member of the archive whose pickle it is, or None for the file itself.
        offset_bytes: Offset of the opcode within `member`.
        naming: How the pickle comes to the name.
        followed: Whether each use of a function that looks things up was followed, so that what it
            finds stands among the imports itself.
    """

    module: str
    name: str
    opcode: str
    member: str | None
    offset_bytes: int
    naming: Naming = Naming.SPELLED
    followed: bool = False


class PickleGraph(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One pickle, interpreted.

    Attributes:
        root: What STOP returned.
        member: Where the pickle stands.
        protocol: Argument of PROTO, or 0 without one.
        imports: Every global, in the order of the file.
        persistent: Every reference to an object outside the pickle, in the order of the file.
        size_bytes: Bytes from the first opcode to STOP inclusive.
        oddities: What a real unpickler would have refused or done differently: (offset, sentence).
        payloads: Calls that would unpickle a byte string of this pickle, in the order of the file.
        opcodes: Those that are met beside the ones that every pickle of tensors is made of.
    """

    root: object
    member: str | None
    protocol: int
    imports: tuple[Import, ...]
    persistent: tuple[PersistentRef, ...]
    size_bytes: int
    oddities: tuple[tuple[int, str], ...] = ()
    payloads: tuple[Instance, ...] = ()
    opcodes: frozenset[int] = frozenset()
