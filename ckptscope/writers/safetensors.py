"""safetensors: a JSON header and the tensors' bytes, no code.

Enters: named contiguous tensors. Leaves: eight bytes of header length, the header padded with
spaces to a multiple of eight, and the bytes. Defined by the format section of the safetensors
README; the order of tensors is that of its Rust library: wider dtypes first, then by name.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.writers.atomic import Target, opened
from ckptscope.writers.tensors import OutgoingTensor, item_size

#: dtype -> name in the header, in the order of the library's `Dtype` enumeration.
DTYPE_NAMES: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "complex64": "C64",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
}
_RANKS: Final = {dtype: rank for rank, dtype in enumerate(DTYPE_NAMES)}
#: The library refuses longer headers.
MAX_HEADER_BYTES: Final = 100_000_000
_RESERVED: Final = "__metadata__"


def write_safetensors(
    target: Target,
    tensors: Iterable[tuple[str, OutgoingTensor]],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors as the safetensors library would.

    Tensors that share memory are written out each.

    Raises:
        TensorLayoutError: A tensor is not contiguous, or its storage is shorter than declared.
        UsageError: A dtype or name that the format does not have.
    """
    ordered = _in_order(tensors)
    header: dict[str, object] = {}
    if metadata is not None:
        header[_RESERVED] = dict(sorted(metadata.items()))
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.elements * item_size(tensor.dtype)
        header[name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        raise UsageError(f"expected a header of 100,000,000 bytes at most, found {len(text):,}")
    with opened(target) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in ordered:
            file.writelines(tensor.read())


def _in_order(tensors: Iterable[tuple[str, OutgoingTensor]]) -> list[tuple[str, OutgoingTensor]]:
    listed = list(tensors)
    names = {_RESERVED}
    for name, tensor in listed:
        if name in names:
            raise UsageError(f"expected names that differ, found another {name!r}")
        names.add(name)
        if tensor.dtype not in DTYPE_NAMES:
            raise UsageError(f"safetensors has no dtype {tensor.dtype!r}, of tensor {name!r}")
    return sorted(listed, key=lambda pair: (-_RANKS[pair[1].dtype], pair[0].encode()))
