"""Opcodes that push a number, a text or a byte string.

Enters: the machine's state, positioned behind the opcode's byte. Leaves: one value more on the
stack. Long byte strings stay in the file, and a text or number longer than the limits is refused
before it is read.
"""

import re
import struct
from collections.abc import Callable

from ckptscope.errors import LimitError
from ckptscope.facts.pickled import BytesRef, GlobalRef, Instance
from ckptscope.pickles.opcodes import Op
from ckptscope.pickles.state import NUMBER_COST, TEXT_COST, MachineState

Handler = Callable[[MachineState], None]

#: Byte strings longer than this stay in the file.
_KEPT_BYTES = 4096
_BYTEARRAY = GlobalRef("builtins", "bytearray")
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}
#: CPython reads INT by `strtol`, which knows octal numbers of C.
_OCTAL = re.compile(rb"\s*[+-]?0[0-7]+")
#: Digits of a decimal number that Python reads by default (`sys.int_info`).
_MOST_DIGITS = 4300
_UINT4 = struct.Struct("<I")
_UINT8 = struct.Struct("<Q")


# Numbers


def _until_nul(line: bytes) -> bytes:
    """Return what CPython's unpickler sees of a line of digits, a text that ends with NUL."""
    return line.partition(b"\0")[0]


def _int(state: MachineState) -> None:
    state.spend(NUMBER_COST)
    line = _until_nul(state.line())
    if line in (b"00", b"01"):
        state.stack.append(line == b"01")
        return
    if _OCTAL.fullmatch(line):
        state.stack.append(int(line, 8))
        return
    state.stack.append(parse_int(state, line, 0))


def _long(state: MachineState) -> None:
    state.spend(NUMBER_COST)
    state.stack.append(parse_int(state, _until_nul(state.line()).removesuffix(b"L"), 0))


def parse_int(state: MachineState, line: bytes, base: int = 10) -> int:
    """Return the number on a text line; a base of 0 is told by the number itself.

    Raises:
        PickleFormatError: It is none.
        LimitError: It is longer than a number may be.
    """
    line = _until_nul(line)
    if len(line) > state.limits.integer_bytes:
        raise LimitError(
            "integer_bytes",
            allowed=state.limits.integer_bytes,
            actual=len(line),
            member=state.member,
            offset_bytes=state.opcode_offset,
        )
    try:
        return int(line, base)
    except ValueError as error:
        if len(line) > _MOST_DIGITS and line.isdigit():
            # Older versions of Python have no such limit: it would go on there.
            raise LimitError(
                "integer_bytes",
                allowed=_MOST_DIGITS,
                actual=len(line),
                member=state.member,
                offset_bytes=state.opcode_offset,
            ) from error
        raise state.fail(f"expected a number, found {line[:40]!r}") from error


def _float(state: MachineState) -> None:
    state.spend(NUMBER_COST)
    line = _until_nul(state.line())
    try:
        state.stack.append(float(line))
    except ValueError as error:
        raise state.fail(f"expected a number, found {line[:40]!r}") from error


def _binfloat(state: MachineState) -> None:
    state.spend(NUMBER_COST)
    state.stack.append(struct.unpack(">d", state.take(8))[0])


def _long1(state: MachineState) -> None:
    _push_long(state, state.take(1)[0])


def _long4(state: MachineState) -> None:
    length = int.from_bytes(state.take(4), "little", signed=True)
    if length < 0:
        raise state.fail(f"expected a length, found {length}")
    _push_long(state, length)


def _push_long(state: MachineState, length: int) -> None:
    state.require(length)
    if length > state.limits.integer_bytes:
        raise LimitError(
            "integer_bytes",
            allowed=state.limits.integer_bytes,
            actual=length,
            member=state.member,
            offset_bytes=state.opcode_offset,
        )
    state.spend(NUMBER_COST + length)
    state.stack.append(int.from_bytes(state.take(length), "little", signed=True))


# Text and bytes


def _string(state: MachineState) -> None:
    line = state.line()
    state.spend(TEXT_COST + len(line))
    quoted = len(line) >= 2 and line[:1] == line[-1:] and line[:1] in (b"'", b'"')
    if not quoted:
        raise state.fail(f"expected a quoted string, found {line[:40]!r}")
    try:
        raw = _ESCAPE.sub(_unescape, line[1:-1])
    except ValueError as error:
        raise state.fail(f"expected a quoted string, found {line[:40]!r}") from error
    state.stack.append(_native_text(raw))


def _unescape(match: re.Match[bytes]) -> bytes:
    """One escape of a Python 2 `str`; what is no escape stays as it is."""
    body = match[1]
    if body[:1] == b"x":
        # `\x` without two digits breaks the string, as it does for Python.
        return bytes([int(body[1:], 16)])
    if body[:1].isdigit():
        return bytes([int(body, 8) & 0xFF])
    return _ESCAPES.get(body, match[0])


def _native_text(raw: bytes) -> str | bytes:
    """Read a `str` of Python 2: text where it is UTF-8, as torch.load takes it, else bytes."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _binstring(state: MachineState) -> None:
    length = int.from_bytes(state.take(4), "little", signed=True)
    if length < 0:
        raise state.fail(f"expected a length, found {length}")
    _push_native(state, length)


def _short_binstring(state: MachineState) -> None:
    _push_native(state, state.take(1)[0])


def _push_native(state: MachineState, length: int) -> None:
    state.spend(TEXT_COST + min(length, _KEPT_BYTES))
    if length > _KEPT_BYTES:
        state.stack.append(BytesRef(state.skip(length), length))
    else:
        state.stack.append(_native_text(state.take(length)))


def _unicode(state: MachineState) -> None:
    line = state.line()
    state.spend(TEXT_COST + len(line))
    try:
        state.stack.append(str(line, "raw-unicode-escape"))
    except UnicodeDecodeError as error:
        raise state.fail(f"expected text, found {line[:40]!r}") from error


def push_text(state: MachineState, length: int) -> None:
    """Push `length` bytes of UTF-8 as text."""
    state.require(length)
    state.spend(TEXT_COST + length)
    raw = state.take(length)
    try:
        state.stack.append(str(raw, "utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        raise state.fail(f"expected UTF-8, found {raw[:40]!r}") from error


def _binunicode(state: MachineState) -> None:
    push_text(state, _UINT4.unpack(state.take(4))[0])


def _short_binunicode(state: MachineState) -> None:
    push_text(state, state.take(1)[0])


def _binunicode8(state: MachineState) -> None:
    push_text(state, _UINT8.unpack(state.take(8))[0])


def _push_bytes(state: MachineState, length: int) -> None:
    state.spend(TEXT_COST + min(length, _KEPT_BYTES))
    if length > _KEPT_BYTES:
        state.stack.append(BytesRef(state.skip(length), length))
    else:
        state.stack.append(state.take(length))


def _binbytes(state: MachineState) -> None:
    _push_bytes(state, _UINT4.unpack(state.take(4))[0])


def _short_binbytes(state: MachineState) -> None:
    _push_bytes(state, state.take(1)[0])


def _binbytes8(state: MachineState) -> None:
    _push_bytes(state, _UINT8.unpack(state.take(8))[0])


def _bytearray8(state: MachineState) -> None:
    """Push a call of `bytearray`, for it may be changed by what follows."""
    _binbytes8(state)
    content = state.stack.pop()
    state.stack.append(Instance(_BYTEARRAY, (content,), state.opcode_offset))


#: Byte → function.
LITERAL_HANDLERS: dict[int, Handler] = {
    Op.INT: _int,
    Op.LONG: _long,
    Op.FLOAT: _float,
    Op.BINFLOAT: _binfloat,
    Op.LONG1: _long1,
    Op.LONG4: _long4,
    Op.STRING: _string,
    Op.BINSTRING: _binstring,
    Op.SHORT_BINSTRING: _short_binstring,
    Op.UNICODE: _unicode,
    Op.BINUNICODE: _binunicode,
    Op.SHORT_BINUNICODE: _short_binunicode,
    Op.BINUNICODE8: _binunicode8,
    Op.BINBYTES: _binbytes,
    Op.SHORT_BINBYTES: _short_binbytes,
    Op.BINBYTES8: _binbytes8,
    Op.BYTEARRAY8: _bytearray8,
}
