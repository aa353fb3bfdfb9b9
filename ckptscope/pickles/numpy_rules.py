"""How numpy pickles arrays and scalars, read instead of called.

Enters: an `Instance`. Leaves: an `ArrayInfo` (no bytes), or a scalar's value.

Source: `numpy/core/src/multiarray/methods.c` (`array_reduce`), `numpy/core/numeric.py`
(`_frombuffer`), `numpy/core/src/multiarray/descriptor.c` (`arraydescr_reduce`).
"""

import struct

from ckptscope.facts.pickled import BytesRef, GlobalRef, Instance
from ckptscope.facts.tensors import ArrayInfo
from ckptscope.pickles.persistent import MOST
from ckptscope.pickles.views import bytes_value, sequence_items

_MODULES = (
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
)
#: numpy's NPY_MAXDIMS, of 2.0 and later.
_MOST_DIMS = 64
#: Type code of numpy's dtype string → (name, format of struct).
_CODES: dict[str, tuple[str, str]] = {
    "f2": ("float16", "e"),
    "f4": ("float32", "f"),
    "f8": ("float64", "d"),
    "i1": ("int8", "b"),
    "i2": ("int16", "h"),
    "i4": ("int32", "i"),
    "i8": ("int64", "q"),
    "u1": ("uint8", "B"),
    "u2": ("uint16", "H"),
    "u4": ("uint32", "I"),
    "u8": ("uint64", "Q"),
    "b1": ("bool", "?"),
}


def _function(node: object) -> str | None:
    if type(node) is not Instance or type(node.callable) is not GlobalRef:
        return None
    return node.callable.name if node.callable.module in _MODULES else None


def read_array(node: object, path: str) -> ArrayInfo | None:
    """Return the array that a node would be; None if it is none."""
    function = _function(node)
    if function is None or type(node) is not Instance:
        return None
    if function == "_frombuffer" and len(node.args) >= 3:
        return _array(
            path, node.args[2], node.args[1], node.args[0], fortran=node.args[3:] == ("F",)
        )
    if function != "_reconstruct" or type(node.state) is not tuple or len(node.state) < 5:
        return None
    _, shape, dtype, fortran, data = node.state[:5]
    return _array(path, shape, dtype, data, fortran=fortran is True)


def _array(
    path: str, shape: object, dtype: object, data: object, *, fortran: bool
) -> ArrayInfo | None:
    sizes = sequence_items(shape)
    if sizes is None or len(sizes[1]) > _MOST_DIMS:
        return None
    if not all(type(n) is int and 0 <= n <= MOST for n in sizes[1]):
        return None
    payload = bytes_value(data)
    if isinstance(payload, BytesRef):
        size_bytes: int | None = payload.size_bytes
    else:
        size_bytes = len(payload) if payload is not None else None
    return ArrayInfo(
        path=path,
        shape=tuple(size for size in sizes[1] if isinstance(size, int)),
        dtype=dtype_text(dtype)[0],
        fortran_order=fortran,
        size_bytes=size_bytes,
    )


def dtype_text(node: object) -> tuple[str, str]:
    """Return a pickled numpy dtype's name and its byte order (`<`, `>` or `|`)."""
    if type(node) is not Instance or not node.args or type(node.args[0]) is not str:
        return "unknown", "<"
    code = node.args[0][:40]
    order = "<"
    if type(node.state) is tuple and len(node.state) > 1 and type(node.state[1]) is str:
        order = node.state[1]
    if code[:1] in "<>|=":
        order, code = code[0], code[1:]
    name = _CODES[code][0] if code in _CODES else code
    return name, order


def code_name(code: str) -> tuple[str, int]:
    """Return name and item size of a dtype string such as `<f4`; size 0 where it is not plain."""
    bare = code.lstrip("<>|=")
    if bare in _CODES:
        name, layout = _CODES[bare]
        return name, struct.calcsize(f"={layout}")
    return code, 0


def read_scalar(node: object) -> int | float | bool | None:
    """Return the value of a pickled numpy scalar; None if it is none of a plain type."""
    if _function(node) != "scalar" or type(node) is not Instance or len(node.args) != 2:
        return None
    name, order = dtype_text(node.args[0])
    raw = bytes_value(node.args[1])
    for known, code in _CODES.values():
        if known == name and isinstance(raw, bytes) and len(raw) == struct.calcsize(code):
            value = struct.unpack((">" if order == ">" else "<") + code, raw)[0]
            return value if isinstance(value, bool | int | float) else None
    return None
