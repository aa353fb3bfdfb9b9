"""Element types by torch's names, their sizes, and the storage classes that carry them.

Source: `torch/__init__.py` (storage classes), `c10/core/ScalarType.h` (dtypes), the safetensors
format description (its dtype strings).
"""

#: torch's name without `torch.` → bytes of one element.
ITEM_BYTES: dict[str, int] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "float4_e2m1fn_x2": 1,
    "complex32": 4,
    "complex64": 8,
    "complex128": 16,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
    "bits8": 1,
    "bits16": 2,
    "bits1x8": 1,
    "bits2x4": 1,
    "bits4x2": 1,
}

#: Elements packed into one byte, for the types that do that.
ELEMENTS_PER_BYTE: dict[str, int] = {"quint4x2": 2, "quint2x4": 4}

#: Storage class, with or without the `torch.cuda.` of old files → dtype.
STORAGE_DTYPES: dict[str, str] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QUInt8Storage": "quint8",
    "QInt8Storage": "qint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}

#: Tensor class of the legacy tar → dtype.
TENSOR_DTYPES: dict[str, str] = {
    name.removesuffix("Storage") + "Tensor": dtype for name, dtype in STORAGE_DTYPES.items()
}

#: safetensors' dtype → torch's.
SAFETENSORS_DTYPES: dict[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "C64": "complex64",
}


def storage_bytes(elements: int, dtype: str | None) -> int | None:
    """Bytes of a storage of so many elements; None for a dtype that is not known."""
    if dtype is None:
        return elements
    item = ITEM_BYTES.get(dtype)
    if item is None:
        return None
    if dtype in ELEMENTS_PER_BYTE:
        return -(-elements // ELEMENTS_PER_BYTE[dtype]) * item
    return elements * item


#: Half a step between neighbouring numbers of dtypes of 16 bits and fewer, in the larger of them:
#: significands have 11, 8, 4 and 3 bits (IEEE 754; torch's `Half.h`, `BFloat16.h`, `Float8_*.h`).
HALF_STEPS = {
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
    "float8_e4m3fn": 2.0**-4,
    "float8_e4m3fnuz": 2.0**-4,
    "float8_e5m2": 2.0**-3,
    "float8_e5m2fnuz": 2.0**-3,
}
