"""safetensors files whose header can say anything."""

import json


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Write a header (JSON, or bytes as they are) and the data behind it."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
