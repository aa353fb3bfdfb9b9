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
from ckptscope.sources import ByteSource

#: Bytes of a member's start that are kept for a look.
START_BYTES = 64
HIGHEST_PROTOCOL = 5
_PROTO = 0x80
#: Empty containers, MARKs and None may stand before the first name.
_NAMES_FIRST = re.compile(rb"[(\[\]{}N0l\x8f)]{0,16}[ci][A-Za-z_][\w.]{0,200}\n")
_IDENTIFIER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
#: Opcodes that call something: REDUCE, BUILD, INST, OBJ, NEWOBJ, NEWOBJ_EX.
_CALLS = re.compile(rb"[Rbio\x81\x92]")
#: Bytes behind the last name that are searched for a call.
_SEARCHED_BYTES = 1 << 16


def begins_pickled(start: bytes) -> bool:
    """Whether the first bytes of a member are those of a pickle, of any protocol."""
    if start[:1] == b"\x80":
        return len(start) > 1 and start[1] <= HIGHEST_PROTOCOL
    return _NAMES_FIRST.match(start) is not None


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
    last = names[-1]
    if last.opcode == "INST":
        return True
    behind = last.offset_bytes + len(last.module.encode("utf-8", "surrogatepass"))
    behind += len(last.name.encode("utf-8", "surrogatepass")) + len(b"c\n\n")
    length = min(broken_at - behind, _SEARCHED_BYTES)
    return _CALLS.search(source.peek(behind, length)) is not None
