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

import struct
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
    Unshared,
)

DEFAULT_PROTOCOL: Final = 2
HIGHEST_PROTOCOL: Final = 5

#: Items between a MARK and its APPENDS, SETITEMS or ADDITEMS; `_BATCHSIZE` of CPython's pickle.py.
BATCH: Final = 1000
#: Frames are closed at this size, and longer strings stand outside; `_FRAME_SIZE_TARGET` there.
FRAME_BYTES: Final = 64 * 1024
#: Shorter frames are not worth their header; `_FRAME_SIZE_MIN` there.
FRAME_LEAST_BYTES: Final = 4

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


class _Encoder:
    """One pickle in the making."""

    def __init__(self, protocol: int, rebuild: Rebuild | None) -> None:
        if not 0 <= protocol <= HIGHEST_PROTOCOL:
            raise ValueError(f"expected a protocol from 0 to 5, found {protocol}")
        self._protocol = protocol
        self._rebuild = rebuild
        self._closed: list[bytes] = []
        self._frame = bytearray()
        self._memo_size = 0
        self._texts: dict[str | bytes, int] = {}
        self._globals: dict[Global, int] = {}
        #: By identity; holds on to each object, so that no id is used twice.
        self._objects: dict[int, tuple[int, object]] = {}
        self._atoms: dict[type, Callable[..., None]] = {
            type(None): self._none,
            bool: self._bool,
            int: self._int,
            float: self._float,
            str: self._text,
            Unshared: self._unshared,
            Global: self._global,
        }
        self._compounds: dict[type, Callable[..., Parts]] = {
            tuple: self._tuple,
            list: self._list,
            dict: self._dict,
            OrderedDict: self._ordered_dict,
            set: self._set,
            frozenset: self._set,
            Reduce: self._reduced,
            NewObject: self._reduced,
            PersistentId: self._persistent,
        }
        if protocol >= 3:
            self._atoms[bytes] = self._bytes
        else:
            self._compounds[bytes] = self._old_bytes

    def encode(self, root: object) -> bytes:
        if self._protocol >= 2:
            self._closed.append(bytes((0x80, self._protocol)))
        framed = self._protocol >= 4
        stack: list[Parts] = [iter((root,))]
        while stack:
            for child in stack[-1]:
                if framed and len(self._frame) >= FRAME_BYTES:
                    self._close_frame()
                atom = self._atoms.get(type(child))
                if atom is None:
                    stack.append(self._open(child))
                    break
                atom(child)
            else:
                stack.pop()
        self._frame += b"."
        self._close_frame()
        return b"".join(self._closed)

    def _open(self, value: object) -> Parts:
        known = self._objects.get(id(value))
        if known is not None:
            self._get(known[0])
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

    # Frames and memo

    def _close_frame(self) -> None:
        if self._protocol >= 4 and len(self._frame) >= FRAME_LEAST_BYTES:
            self._closed.append(b"\x95" + struct.pack("<Q", len(self._frame)))
        self._closed.append(bytes(self._frame))
        self._frame.clear()

    def _string(self, header: bytes, payload: bytes) -> None:
        if self._protocol >= 4 and len(payload) >= FRAME_BYTES:
            self._close_frame()
            self._closed += (header, payload)
        else:
            self._frame += header
            self._frame += payload

    def _put(self) -> int:
        index = self._memo_size
        self._memo_size += 1
        if self._protocol >= 4:
            self._frame += b"\x94"
        elif self._protocol == 0:
            self._frame += b"p%d\n" % index
        else:
            short = index < 256
            self._frame += b"q%c" % index if short else b"r" + struct.pack("<I", index)
        return index

    def _get(self, index: int) -> None:
        if self._protocol == 0:
            self._frame += b"g%d\n" % index
        else:
            short = index < 256
            self._frame += b"h%c" % index if short else b"j" + struct.pack("<I", index)

    def _remember(self, value: object) -> None:
        self._objects[id(value)] = (self._put(), value)

    # Atoms

    def _none(self, _: None) -> None:
        self._frame += b"N"

    def _bool(self, value: bool) -> None:
        if self._protocol >= 2:
            self._frame += b"\x88" if value else b"\x89"
        else:
            self._frame += b"I01\n" if value else b"I00\n"

    def _int(self, value: int) -> None:
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            self._long(value)
        elif self._protocol == 0:
            self._frame += b"I%d\n" % value
        elif 0 <= value <= 0xFF:
            self._frame += b"K%c" % value
        elif 0 <= value <= 0xFFFF:
            self._frame += b"M" + struct.pack("<H", value)
        else:
            self._frame += b"J" + struct.pack("<i", value)

    def _long(self, value: int) -> None:
        if self._protocol < 2:
            self._frame += b"L%dL\n" % value
            return
        payload = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        # One byte of pure sign may be left over for negative powers of 256 halves.
        if value < 0 and payload[-1] == 0xFF and payload[-2] & 0x80:
            payload = payload[:-1]
        size = len(payload)
        self._frame += b"\x8a%c" % size if size < 256 else b"\x8b" + struct.pack("<i", size)
        self._frame += payload

    def _float(self, value: float) -> None:
        if self._protocol == 0:
            self._frame += b"F" + repr(value).encode("ascii") + b"\n"
        else:
            self._frame += b"G" + struct.pack(">d", value)

    def _text(self, value: str) -> None:
        known = self._texts.get(value)
        if known is not None:
            self._get(known)
        else:
            self._spell(value)
            self._texts[value] = self._put()

    def _unshared(self, value: Unshared) -> None:
        self._spell(value)
        self._put()

    def _spell(self, value: str) -> None:
        if self._protocol == 0:
            for bad, escape in ("\\", "005c"), ("\0", "0000"), ("\n", "000a"), ("\r", "000d"):
                value = value.replace(bad, "\\u" + escape)
            value = value.replace("\x1a", "\\u001a")
            self._frame += b"V" + value.encode("raw-unicode-escape") + b"\n"
            return
        payload = value.encode("utf-8", "surrogatepass")
        size = len(payload)
        if size < 256 and self._protocol >= 4:
            header = b"\x8c%c" % size
        elif size > 0xFFFFFFFF and self._protocol >= 4:
            header = b"\x8d" + struct.pack("<Q", size)
        else:
            header = b"X" + struct.pack("<I", size)
        self._string(header, payload)

    def _bytes(self, value: bytes) -> None:
        known = self._texts.get(value)
        if known is not None:
            self._get(known)
            return
        size = len(value)
        if size < 256:
            header = b"C%c" % size
        elif size > 0xFFFFFFFF and self._protocol >= 4:
            header = b"\x8e" + struct.pack("<Q", size)
        else:
            header = b"B" + struct.pack("<I", size)
        self._string(header, value)
        self._texts[value] = self._put()

    def _global(self, value: Global) -> None:
        known = self._globals.get(value)
        if known is not None:
            self._get(known)
            return
        if self._protocol >= 4:
            self._text(value.module)
            if len(self._frame) >= FRAME_BYTES:
                self._close_frame()
            self._text(value.name)
            self._frame += b"\x93"
        else:
            if "\n" in value.module + value.name:
                raise ValueError(f"expected a name without line breaks, found {value}")
            self._frame += f"c{value.module}\n{value.name}\n".encode()
        self._globals[value] = self._put()

    # Compounds

    def _tuple(self, value: tuple[object, ...]) -> Parts:
        if not value:
            self._frame += b")" if self._protocol else b"(t"
            return
        close = _SHORT_TUPLES.get(len(value)) if self._protocol >= 2 else None
        if close is None:
            self._frame += _MARK
        yield from value
        known = self._objects.get(id(value))
        if known is not None:
            # The tuple contains itself, by way of a list or dict: its inner copy is the one.
            marked = int(close is None)
            many = marked and self._protocol
            self._frame += _POP_MARK if many else _POP * (len(value) + marked)
            self._get(known[0])
            return
        self._frame += close or b"t"
        self._remember(value)

    def _list(self, value: list[object]) -> Parts:
        self._frame += b"]" if self._protocol else b"(l"
        self._remember(value)
        yield from self._appends(value, exact=True)

    def _dict(self, value: dict[object, object]) -> Parts:
        self._frame += b"}" if self._protocol else b"(d"
        self._remember(value)
        yield from self._sets(tuple(value.items()), exact=True)

    def _ordered_dict(self, value: OrderedDict[object, object]) -> Parts:
        return self._reduced(Reduce(ORDERED_DICT, (), pairs=tuple(value.items())), owner=value)

    def _set(self, value: set[object] | frozenset[object]) -> Parts:
        items = sorted(value, key=lambda item: (type(item).__name__, repr(item)))
        name = type(value).__name__
        if self._protocol < 4:
            builtin = Global("builtins" if self._protocol == 3 else "__builtin__", name)
            yield from self._reduced(Reduce(builtin, (items,)), owner=value)
        elif name == "frozenset":
            self._frame += _MARK
            yield from items
            self._frame += b"\x91"
            self._remember(value)
        else:
            self._frame += b"\x8f"
            self._remember(value)
            for start in range(0, len(items), BATCH):
                self._frame += _MARK
                yield from items[start : start + BATCH]
                self._frame += b"\x90"

    def _old_bytes(self, value: bytes) -> Parts:
        """Protocols before 3 know no byte strings: CPython asks for them by a call."""
        known = self._texts.get(value)
        if known is not None:
            self._get(known)
            return
        if value:
            form = Reduce(Global("_codecs", "encode"), (value.decode("latin-1"), "latin1"))
        else:
            form = Reduce(Global("__builtin__", "bytes"), ())
        yield from self._reduced(form, owner=value)
        self._texts[value] = self._objects[id(value)][0]

    def _reduced(self, form: Reduce | NewObject, owner: object = None) -> Parts:
        if isinstance(form, Reduce):
            yield form.callable
            yield form.args
            self._frame += b"R"
        elif self._protocol >= 2:
            yield form.cls
            yield form.args
            self._frame += b"\x81"
        else:
            yield Global("copy_reg", "__newobj__")
            yield (form.cls, *form.args)
            self._frame += b"R"
        self._remember(form if owner is None else owner)
        yield from self._appends(form.items, exact=False)
        yield from self._sets(form.pairs, exact=False)
        if form.state is not UNSET:
            yield form.state
            self._frame += b"b"

    def _persistent(self, form: PersistentId) -> Parts:
        if self._protocol:
            yield form.value
            self._frame += b"Q"
        elif isinstance(form.value, str) and form.value.isascii() and "\n" not in form.value:
            self._frame += b"P" + form.value.encode("ascii") + b"\n"
        else:
            raise ValueError("protocol 0 holds persistent ids of ASCII text alone")

    def _appends(self, items: Sequence[object], *, exact: bool) -> Parts:
        """Append in batches; CPython spells a last batch of one differently for exact lists."""
        size = 1 if self._protocol == 0 else BATCH
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            if len(batch) == 1 and (size == 1 or len(items) == 1 or not exact):
                yield batch[0]
                self._frame += b"a"
            else:
                self._frame += _MARK
                yield from batch
                self._frame += b"e"

    def _sets(self, pairs: Pairs, *, exact: bool) -> Parts:
        """Set in batches, as `_appends`."""
        size = 1 if self._protocol == 0 else BATCH
        for start in range(0, len(pairs), size):
            batch = pairs[start : start + size]
            if len(batch) == 1 and (size == 1 or len(pairs) == 1 or not exact):
                yield from batch[0]
                self._frame += b"s"
            else:
                self._frame += _MARK
                for pair in batch:
                    yield from pair
                self._frame += b"u"
