"""A pickle writer: plain values and `forms` to opcodes, byte for byte as CPython spells them.

Enters: None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, OrderedDict and the
forms of `forms`; anything else is first turned into a form by the caller's `rebuild`. Leaves: a
pickle of protocol 0 to 5 (2, torch.save's, by default). Defined by CPython's `Lib/pickletools.py`
and, for the memo, batches and frames, by what its `_pickle` writes.

Two things differ from CPython on purpose, so that the bytes depend on the values alone: equal
texts and byte strings share one memo entry whether or not they are one object (`forms.Unshared`
asks for the opposite), and sets are written in a sorted order. The work is done by a stack of
generators instead of recursion, so nesting is bounded by memory only.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from ckptscope.writers.forms import (
    ORDERED_DICT,
    UNSET,
    Global,
    NewObject,
    Pairs,
    PersistentId,
    Reduce,
)
from ckptscope.writers.opcode_writer import OpcodeWriter

DEFAULT_PROTOCOL: Final = 2
HIGHEST_PROTOCOL: Final = 5

#: Items between a MARK and its APPENDS, SETITEMS or ADDITEMS; `_BATCHSIZE` of CPython's pickle.py.
BATCH: Final = 1000

Rebuild: TypeAlias = Callable[[object], Reduce | NewObject | PersistentId]
Parts: TypeAlias = Iterator[object]

_POP, _POP_MARK, _MARK = b"0", b"1", b"("
_SHORT_TUPLES: Final = {1: b"\x85", 2: b"\x86", 3: b"\x87"}


def encode_pickle(
    value: object, *, protocol: int = DEFAULT_PROTOCOL, rebuild: Rebuild | None = None
) -> bytes:
    """Spell a value as one pickle, from PROTO to STOP.

    Args:
        value: The root.
        protocol: 0 to 5.
        rebuild: Turns a value of any other type into a form; asked once an object.

    Raises:
        TypeError: A value is of no type that can be written.
        ValueError: The protocol does not exist or cannot hold a value.
    """
    return _Encoder(protocol, rebuild).encode(value)


class _Encoder(OpcodeWriter):
    """Builds the values that hold others."""

    def __init__(self, protocol: int, rebuild: Rebuild | None) -> None:
        if not 0 <= protocol <= HIGHEST_PROTOCOL:
            raise ValueError(f"expected a protocol from 0 to 5, found {protocol}")
        super().__init__(protocol)
        self._rebuild = rebuild
        #: By identity; holds on to each object, so that no id is used twice.
        self._objects: dict[int, tuple[int, object]] = {}
        self._compounds: dict[type, Callable[..., Parts]] = {
            tuple: self._tuple,
            list: self._list,
            dict: self._dict,
            OrderedDict: self._ordered_dict,
            set: self._set,
            frozenset: self._set,
            bytes: self._old_bytes,
            Reduce: self._reduced,
            NewObject: self._reduced,
            PersistentId: self._persistent,
        }

    def encode(self, root: object) -> bytes:
        stack: list[Parts] = [iter((root,))]
        while stack:
            for child in stack[-1]:
                self.boundary()
                atom = self.atoms.get(type(child))
                if atom is None:
                    stack.append(self._open(child))
                    break
                atom(child)
            else:
                stack.pop()
        return self.finish()

    def _remember(self, value: object) -> None:
        self._objects[id(value)] = (self.put(), value)

    def _open(self, value: object) -> Parts:
        known = self._objects.get(id(value))
        if known is not None:
            self.get(known[0])
            return iter(())
        compound = self._compounds.get(type(value))
        if compound is not None:
            return compound(value)
        if self._rebuild is None:
            raise TypeError(f"expected a value that a pickle can hold, found {type(value)}")
        form = self._rebuild(value)
        if isinstance(form, PersistentId):
            return self._persistent(form)
        return self._reduced(form, owner=value)

    def _tuple(self, value: tuple[object, ...]) -> Parts:
        if not value:
            self.frame += b")" if self.protocol else b"(t"
            return
        close = _SHORT_TUPLES.get(len(value)) if self.protocol >= 2 else None
        if close is None:
            self.frame += _MARK
        yield from value
        known = self._objects.get(id(value))
        if known is not None:
            # The tuple contains itself, by way of a list or dict: its inner copy is the one.
            marked = int(close is None)
            many = marked and self.protocol
            self.frame += _POP_MARK if many else _POP * (len(value) + marked)
            self.get(known[0])
            return
        self.frame += close or b"t"
        self._remember(value)

    def _list(self, value: list[object]) -> Parts:
        self.frame += b"]" if self.protocol else b"(l"
        self._remember(value)
        yield from self._appends(value, exact=True)

    def _dict(self, value: dict[object, object]) -> Parts:
        self.frame += b"}" if self.protocol else b"(d"
        self._remember(value)
        yield from self._sets(tuple(value.items()), exact=True)
        if self.protocol and value and len(value) % BATCH == 0:
            # CPython's pickler looks for another batch, and closes it empty.
            self.frame += b"(u"

    def _ordered_dict(self, value: OrderedDict[object, object]) -> Parts:
        return self._reduced(Reduce(ORDERED_DICT, (), pairs=tuple(value.items())), owner=value)

    def _set(self, value: set[object] | frozenset[object]) -> Parts:
        items = sorted(value, key=encode_pickle)
        name = type(value).__name__
        if self.protocol < 4:
            builtin = Global("builtins" if self.protocol == 3 else "__builtin__", name)
            yield from self._reduced(Reduce(builtin, (items,)), owner=value)
        elif name == "frozenset":
            self.frame += _MARK
            yield from items
            self.frame += b"\x91"
            self._remember(value)
        else:
            self.frame += b"\x8f"
            self._remember(value)
            for start in range(0, len(items), BATCH):
                self.frame += _MARK
                yield from items[start : start + BATCH]
                self.frame += b"\x90"

    def _old_bytes(self, value: bytes) -> Parts:
        """Protocols before 3 know no byte strings: CPython asks for them by a call."""
        known = self.strings.get(value)
        if known is not None:
            self.get(known)
            return
        if value:
            form = Reduce(Global("_codecs", "encode"), (value.decode("latin-1"), "latin1"))
        else:
            form = Reduce(Global("__builtin__", "bytes"), ())
        yield from self._reduced(form, owner=value)
        self.strings[value] = self._objects[id(value)][0]

    def _reduced(self, form: Reduce | NewObject, owner: object = None) -> Parts:
        if isinstance(form, Reduce):
            yield form.callable
            yield form.args
            self.frame += b"R"
        elif self.protocol >= 2:
            yield form.cls
            yield form.args
            self.frame += b"\x81"
        else:
            yield Global("copy_reg", "__newobj__")
            yield (form.cls, *form.args)
            self.frame += b"R"
        self._remember(form if owner is None else owner)
        yield from self._appends(form.items, exact=False)
        yield from self._sets(form.pairs, exact=False)
        if form.state is not UNSET:
            yield form.state
            self.frame += b"b"

    def _persistent(self, form: PersistentId) -> Parts:
        if self.protocol:
            yield form.value
            self.frame += b"Q"
        elif isinstance(form.value, str) and form.value.isascii() and "\n" not in form.value:
            self.frame += b"P" + form.value.encode("ascii") + b"\n"
        else:
            raise ValueError("protocol 0 holds persistent ids of ASCII text alone")

    def _appends(self, items: Sequence[object], *, exact: bool) -> Parts:
        """Append in batches; CPython spells a last batch of one differently for exact lists."""
        size = 1 if self.protocol == 0 else BATCH
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            if len(batch) == 1 and (size == 1 or len(items) == 1 or not exact):
                yield batch[0]
                self.frame += b"a"
            else:
                self.frame += _MARK
                yield from batch
                self.frame += b"e"

    def _sets(self, pairs: Pairs, *, exact: bool) -> Parts:
        """Set in batches, as `_appends`."""
        size = 1 if self.protocol == 0 else BATCH
        for start in range(0, len(pairs), size):
            batch = pairs[start : start + size]
            if len(batch) == 1 and (size == 1 or len(pairs) == 1 or not exact):
                yield from batch[0]
                self.frame += b"s"
            else:
                self.frame += _MARK
                for pair in batch:
                    yield from pair
                self.frame += b"u"
