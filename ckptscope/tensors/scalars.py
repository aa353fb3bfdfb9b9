"""Single numbers that stand in storages: the step counters of an optimizer.

Enters: a 0-dimensional tensor and the way to its storage. Leaves: a Python number. Eight bytes are
read at the most; numpy is not needed for them.
"""

import struct

from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import ByteSource

#: dtype → format of struct.
_FORMATS = {
    "float32": "f",
    "float64": "d",
    "float16": "e",
    "int64": "q",
    "int32": "i",
    "int16": "h",
    "int8": "b",
    "uint8": "B",
}


def read_number(tensor: TensorInfo, source: ByteSource, byteorder: str) -> float | int | None:
    """Return the one element of a tensor; None if it is of another type or beyond its storage.

    Raises:
        ArtifactError: The storage cannot be read.
    """
    code = _FORMATS.get(tensor.dtype)
    if code is None or tensor.elements != 1:
        return None
    size = ITEM_BYTES[tensor.dtype]
    raw = source.peek(tensor.offset * size, size)
    if len(raw) != size:
        return None
    value: float | int = struct.unpack((">" if byteorder == "big" else "<") + code, raw)[0]
    return value
