"""safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes without holes.

Enters: a source. Leaves: `Contents` with a table of tensors; there is no pickle.

Source: the format section of the safetensors README.
"""

from ckptscope.containers.contents import Contents, TensorTable, finding
from ckptscope.containers.described import contiguous_stride
from ckptscope.containers.json_text import read_json
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.dtypes import SAFETENSORS_DTYPES, storage_bytes
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import TensorInfo
from ckptscope.pickles.rule_arguments import guess_kind
from ckptscope.sources import ByteSource, Window

_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}


def read_safetensors(
    source: ByteSource, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the header.

    Raises:
        ContainerFormatError: The header is cut off, no JSON, or describes impossible tensors.
        LimitError: The header is longer than the format allows.
    """
    length = int.from_bytes(source.read(0, _LENGTH_BYTES), "little")
    if length > limits.header_bytes:
        raise LimitError("header_bytes", allowed=limits.header_bytes, actual=length)
    if _LENGTH_BYTES + length > source.size:
        raise ContainerFormatError(
            f"expected a header of {length:,} bytes, found "
            f"{source.size - _LENGTH_BYTES:,} bytes in all",
            member=source.name,
            advice="the download is incomplete: get the file again",
        )
    findings: list[Finding] = []
    header = _parse(source, length, limits, findings)
    data_start = _LENGTH_BYTES + length
    metadata = _metadata(header.pop(_METADATA, {}), source)
    tensors: list[TensorInfo] = []
    storages: dict[str, Storage] = {}
    spans: list[tuple[int, int, str]] = []
    for key, entry in header.items():
        tensor, begin, end = _tensor(key, entry, source, findings, limits)
        tensors.append(tensor)
        spans.append((begin, end, key))
        storages[key] = Storage(
            key=key,
            size_bytes=end - begin,
            stored_bytes=end - begin,
            member=source.name,
            offset_bytes=data_start + begin,
        )
    end = _check_tiling(spans, source, data_start, findings)
    order = {key: begin for begin, _, key in spans}
    tensors.sort(key=lambda tensor: order[tensor.key])
    return Contents(
        source=source,
        containers=containers,
        tables=(TensorTable(path="", tensors=tuple(tensors)),),
        storages=storages,
        pickle_bytes=data_start,
        end_bytes=end,
        metadata=metadata,
        findings=findings,
        read_storage=_Spans(source),
    )


def _parse(
    source: ByteSource, length: int, limits: Limits, findings: list[Finding]
) -> dict[str, object]:
    def note_repeated(key: str) -> None:
        findings.append(
            finding(
                Code.HEADER_DUPLICATE_KEY,
                f"the key {key[:200]!r} stands twice in the header; the last counts",
                key=key[:400],
            )
        )

    header = read_json(
        source, limits.header_bytes, start=_LENGTH_BYTES, size=length, repeated=note_repeated
    )
    if not isinstance(header, dict):
        raise ContainerFormatError(
            f"expected a JSON object, found a {type(header).__name__}",
            member=source.name,
            offset_bytes=_LENGTH_BYTES,
        )
    return header


def _metadata(entry: object, source: ByteSource) -> tuple[tuple[str, str], ...]:
    if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
        raise ContainerFormatError(
            f"expected texts in {_METADATA}, found other values", member=source.name
        )
    return tuple(entry.items())


def _tensor(
    key: str, entry: object, source: ByteSource, findings: list[Finding], limits: Limits
) -> tuple[TensorInfo, int, int]:
    if not isinstance(entry, dict) or not entry.keys() >= _FIELDS:
        raise ContainerFormatError(
            f"expected dtype, shape and data_offsets for {key[:200]!r}", member=source.name
        )
    shape = _naturals(entry["shape"], key, source)
    begin, end = _naturals(entry["data_offsets"], key, source, length=2)
    name = entry["dtype"]
    dtype = SAFETENSORS_DTYPES.get(name) if isinstance(name, str) else None
    if len(shape) > limits.tensor_dims:
        raise LimitError("tensor_dims", allowed=limits.tensor_dims, actual=len(shape))
    tensor = TensorInfo(
        key=key,
        shape=shape,
        dtype=dtype or str(name)[:40],
        stride=contiguous_stride(shape),
        storage=key,
        kind=guess_kind(key, dtype or ""),
    )
    if dtype is None:
        findings.append(
            finding(
                Code.DTYPE_UNKNOWN,
                f"{key[:200]!r} has the unknown dtype {name!r:.40}",
                key=key[:400],
            )
        )
    wanted = storage_bytes(tensor.elements, dtype) if dtype else end - begin
    if end < begin or wanted != end - begin:
        raise ContainerFormatError(
            f"expected {wanted:,} bytes for {key[:200]!r} of {dtype} {list(shape)}, found "
            f"{end - begin:,}",
            member=source.name,
        )
    return tensor, begin, end


def _naturals(
    value: object, key: str, source: ByteSource, length: int | None = None
) -> tuple[int, ...]:
    good = isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)
    if not isinstance(value, list) or not good or (length is not None and len(value) != length):
        raise ContainerFormatError(
            f"expected non-negative numbers for {key[:200]!r}, found {value!r:.60}",
            member=source.name,
        )
    return tuple(value)


def _check_tiling(
    spans: list[tuple[int, int, str]], source: ByteSource, data_start: int, findings: list[Finding]
) -> int:
    """Check that the offsets cover the buffer without holes or overlap; return where they end."""
    position = 0
    for begin, end, key in sorted(spans):
        if begin != position:
            word = "overlaps the tensor before it" if begin < position else "leaves a hole before"
            findings.append(
                finding(
                    Code.MEMBERS_OVERLAP if begin < position else Code.NOT_READ,
                    f"{key[:200]!r} {word}: expected to start at {position:,}, found {begin:,}",
                    offset_bytes=data_start + begin,
                )
            )
        position = max(position, end)
    held = source.size - data_start
    if position > held:
        raise ContainerFormatError(
            f"expected {data_start + position:,} bytes, found {source.size:,}",
            member=source.name,
            advice="the download is incomplete: get the file again",
        )
    if position < held:
        findings.append(
            finding(
                Code.ARCHIVE_TRAILING,
                f"{held - position:,} bytes follow the last tensor",
                offset_bytes=data_start + position,
            )
        )
    return data_start + position


class _Spans:
    """Opens the span of one tensor."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source

    def __call__(self, storage: Storage) -> ByteSource:
        """Return the bytes of a tensor."""
        return Window(self._source, storage.offset_bytes or 0, storage.size_bytes, storage.member)
