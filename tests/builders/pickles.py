"""Pickles by opcode names, and the calls that torch writes.

`asm` joins opcodes; `value` spells a plain value in protocol 2 without a memo; what is already
spelled is wrapped in `Raw` and may stand anywhere inside a value.
"""

import pickletools
import struct
from collections.abc import Iterable, Sequence

#: Name → byte, from CPython's own table.
CODE: dict[str, bytes] = {op.name: op.code.encode("latin1") for op in pickletools.opcodes}


class Raw(bytes):
    """Opcodes that leave one object on the stack."""


def asm(*parts: bytes | str) -> bytes:
    """Join opcodes: bytes stand as they are, text is the name of an opcode without argument."""
    return b"".join(CODE[part] if isinstance(part, str) else part for part in parts)


def proto(version: int) -> bytes:
    return CODE["PROTO"] + bytes([version])


def global_(module: str, name: str) -> Raw:
    return Raw(CODE["GLOBAL"] + f"{module}\n{name}\n".encode())


def text(content: str) -> Raw:
    raw = content.encode("utf-8", "surrogatepass")
    return Raw(CODE["BINUNICODE"] + struct.pack("<I", len(raw)) + raw)


def integer(number: int) -> Raw:
    if 0 <= number < 256:
        return Raw(CODE["BININT1"] + bytes([number]))
    if -(1 << 31) <= number < 1 << 31:
        return Raw(CODE["BININT"] + struct.pack("<i", number))
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    if len(raw) < 256:
        return Raw(CODE["LONG1"] + bytes([len(raw)]) + raw)
    return Raw(CODE["LONG4"] + struct.pack("<i", len(raw)) + raw)


def put(index: int) -> bytes:
    return CODE["LONG_BINPUT"] + struct.pack("<I", index)


def get(index: int) -> Raw:
    return Raw(CODE["LONG_BINGET"] + struct.pack("<I", index))


def value(plain: object) -> Raw:
    """Spell a value; dict keys, items and arguments may be `Raw`."""
    if isinstance(plain, Raw):
        return plain
    if plain is None:
        return Raw(CODE["NONE"])
    if isinstance(plain, bool):
        return Raw(CODE["NEWTRUE" if plain else "NEWFALSE"])
    if isinstance(plain, int):
        return integer(plain)
    if isinstance(plain, float):
        return Raw(CODE["BINFLOAT"] + struct.pack(">d", plain))
    if isinstance(plain, str):
        return text(plain)
    if isinstance(plain, bytes):
        return Raw(CODE["BINBYTES"] + struct.pack("<I", len(plain)) + plain)
    if isinstance(plain, tuple):
        return Raw(asm("MARK", *map(value, plain), "TUPLE"))
    if isinstance(plain, list):
        return Raw(asm("EMPTY_LIST", "MARK", *map(value, plain), "APPENDS"))
    if isinstance(plain, dict):
        return with_items(Raw(CODE["EMPTY_DICT"]), plain.items())
    raise TypeError(type(plain))


def with_items(target: Raw, pairs: Iterable[tuple[object, object]]) -> Raw:
    flat = [value(part) for pair in pairs for part in pair]
    return Raw(asm(target, "MARK", *flat, "SETITEMS"))


def with_appended(target: Raw, items: Iterable[object]) -> Raw:
    return Raw(asm(target, "MARK", *map(value, items), "APPENDS"))


def call(module: str, name: str, *args: object) -> Raw:
    """REDUCE a global with arguments."""
    return Raw(asm(global_(module, name), value(args), "REDUCE"))


def new(module: str, name: str, *args: object) -> Raw:
    """NEWOBJ a class with arguments."""
    return Raw(asm(global_(module, name), value(args), "NEWOBJ"))


def build(target: Raw, state: object) -> Raw:
    return Raw(asm(target, value(state), "BUILD"))


def persistent(pid: object) -> Raw:
    return Raw(asm(value(pid), "BINPERSID"))


def ordered_dict(pairs: Iterable[tuple[object, object]] = (), state: object = None) -> Raw:
    made = with_items(call("collections", "OrderedDict"), pairs)
    return made if state is None else build(made, state)


def pickled(plain: object, version: int = 2) -> bytes:
    """One whole pickle of a value."""
    return asm(proto(version), value(plain), "STOP")


# What torch writes


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= max(size, 1)
    return tuple(strides)


def product(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def storage(
    key: object = "0",
    elements: object = 1,
    cls: str = "FloatStorage",
    *,
    location: object = "cpu",
    module: str = "torch",
    view: object = None,
    legacy: bool = False,
) -> Raw:
    """The persistent id of a storage; the legacy stream appends what it is a view of."""
    pid = ("storage", global_(module, cls), key, location, elements)
    return persistent((*pid, view) if legacy or view is not None else pid)


def tensor(
    key: object = "0",
    shape: Sequence[int] = (1,),
    cls: str = "FloatStorage",
    *,
    stride: object = None,
    offset: object = 0,
    elements: int | None = None,
    location: object = "cpu",
    requires_grad: bool = False,
    legacy: bool = False,
    view: object = None,
) -> Raw:
    """`_rebuild_tensor_v2` of a storage."""
    count = product(shape) if elements is None else elements
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage(key, count, cls, location=location, legacy=legacy, view=view),
        offset,
        tuple(shape),
        contiguous(shape) if stride is None else stride,
        requires_grad,
        ordered_dict(),
    )


def parameter(data: Raw, requires_grad: bool = True) -> Raw:
    return call("torch._utils", "_rebuild_parameter", data, requires_grad, ordered_dict())


def module(
    cls: tuple[str, str],
    *,
    parameters: dict[str, object] | None = None,
    buffers: dict[str, object] | None = None,
    modules: dict[str, object] | None = None,
    cls_node: Raw | None = None,
    **attributes: object,
) -> Raw:
    """A whole `nn.Module` as torch pickles it."""
    state: dict[object, object] = {
        "training": True,
        "_parameters": ordered_dict((parameters or {}).items()),
        "_buffers": ordered_dict((buffers or {}).items()),
        "_modules": ordered_dict((modules or {}).items()),
        **attributes,
    }
    made = Raw(asm(cls_node or global_(*cls), "EMPTY_TUPLE", "NEWOBJ"))
    return build(made, state)
