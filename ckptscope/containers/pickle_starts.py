"""Which first bytes may be those of a pickle, and whether the names it gives can be meant.

Enters: the start of a member, or the names that a traced pickle reached. Leaves: yes or no. The
rule is wide, because an unpickler does not ask: a binary pickle by its PROTO, a text pickle by the
global that it names first. What is no pickle after all breaks off when it is traced, and names
nothing.

Source: CPython's `Lib/pickle.py`, opcodes PROTO, GLOBAL and INST.
"""

import re
from collections.abc import Iterable

from ckptscope.facts.pickled import Import
from ckptscope.pickles.opcodes import Op
from ckptscope.sources import ByteSource

#: Bytes of a member's start that are kept for a look.
START_BYTES = 64
HIGHEST_PROTOCOL = 5
_PROTO = 0x80
#: Empty containers, MARKs and None may stand before the first name.
_NAMES_FIRST = re.compile(rb"[(\[\]{}N0l\x8f)]{0,16}[ci][A-Za-z_][\w.]{0,200}\n")
#: Opcodes that need nothing on the stack; all others stop an unpickler at once.
_FIRST_BYTES = frozenset(
    bytes([op])
    for op in (
        *(Op.MARK, Op.FLOAT, Op.INT, Op.BININT, Op.BININT1, Op.LONG, Op.BININT2, Op.NONE),
        *(Op.PERSID, Op.STRING, Op.BINSTRING, Op.SHORT_BINSTRING, Op.UNICODE, Op.BINUNICODE),
        *(Op.EMPTY_DICT, Op.EMPTY_LIST, Op.EMPTY_TUPLE, Op.EMPTY_SET, Op.BINFLOAT, Op.GLOBAL),
        *(Op.PROTO, Op.EXT1, Op.EXT2, Op.EXT4, Op.NEWTRUE, Op.NEWFALSE, Op.LONG1, Op.LONG4),
        *(Op.BINBYTES, Op.SHORT_BINBYTES, Op.SHORT_BINUNICODE, Op.BINUNICODE8, Op.BINBYTES8),
        *(Op.FRAME, Op.BYTEARRAY8, Op.NEXT_BUFFER),
    )
)
_IDENTIFIER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
#: Opcodes that call something: REDUCE, BUILD, INST, OBJ, NEWOBJ, NEWOBJ_EX.
_CALLS = re.compile(rb"[Rbio\x81\x92]")
#: Opcodes that name something and call nothing.
_NAMES_ONLY = ("GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
#: Bytes behind a name that are searched for a call.
_SEARCHED_BYTES = 1 << 16


def begins_pickled(start: bytes) -> bool:
    """Whether the first bytes of a member are those of a pickle, of any protocol."""
    if start[:1] == b"\x80":
        return len(start) > 1 and start[1] <= HIGHEST_PROTOCOL
    return _NAMES_FIRST.match(start) is not None


def could_be_pickle(start: bytes) -> bool:
    """Whether an unpickler would take the first byte; zips start with one that it refuses."""
    return start[:1] in _FIRST_BYTES and not start.startswith(b"PK")


def is_binary(start: bytes) -> bool:
    """Whether a pickle says its protocol; a text pickle may be any text by accident."""
    return start[:1] == bytes([_PROTO])


def could_import(names: Iterable[Import]) -> bool:
    """Whether any of these names can be imported: text that was taken for opcodes has none."""
    return any(
        _IDENTIFIER.fullmatch(one.module) and _IDENTIFIER.fullmatch(one.name) for one in names
    )


def could_call(source: ByteSource, names: tuple[Import, ...], broken_at: int | None) -> bool:
    """Whether a text pickle that broke off could have called what it named before.

    A list of words reads as names now and then: a line that starts with `c` names a module. It
    breaks off at the next line, before anything is called.
    """
    if not names or broken_at is None or not could_import(names):
        return False
    starts = [one.offset_bytes for one in names[1:]]
    for one, end in zip(names, [*starts, broken_at], strict=True):
        if one.opcode not in _NAMES_ONLY:
            return True
        behind = one.offset_bytes + 1
        if one.opcode == "GLOBAL":
            behind += len(f"{one.module}\n{one.name}\n".encode("utf-8", "surrogatepass"))
        if end - behind > _SEARCHED_BYTES or _CALLS.search(source.peek(behind, end - behind)):
            return True
    return False
