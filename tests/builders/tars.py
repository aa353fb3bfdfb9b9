"""Tar archives block by block, and the legacy tar of torch 0.1.x."""

import struct
from collections.abc import Sequence

from builders.pickles import Raw, global_, ordered_dict, persistent, pickled

BLOCK = 512


def tar_member(
    name: str | bytes,
    data: bytes = b"",
    *,
    kind: bytes = b"0",
    link: str = "",
    size: int | bytes | None = None,
    prefix: str = "",
    magic: bytes = b"ustar\x0000",
    checksum: int | None = None,
) -> bytes:
    """One header with its data; a size of bytes is written into the field as it is."""
    raw = name if isinstance(name, bytes) else name.encode()
    field = size if isinstance(size, bytes) else b"%011o\0" % (len(data) if size is None else size)
    head = bytearray(BLOCK)
    for start, part in (
        (0, raw[:100]),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, field.ljust(12, b"\0")[:12]),
        (136, b"00000000000\0"),
        (148, b" " * 8),
        (156, kind),
        (157, link.encode()[:100]),
        (257, magic),
        (345, prefix.encode()[:155]),
    ):
        head[start : start + len(part)] = part
    total = sum(head) if checksum is None else checksum
    head[148:156] = b"%06o\0 " % total
    return bytes(head) + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def pax(records: dict[str, str], kind: bytes = b"x") -> bytes:
    """An extended header; records count their own length."""
    data = b""
    for key, content in records.items():
        body = f" {key}={content}\n".encode()
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length = len(str(length)) + len(body)
        data += str(length).encode() + body
    return tar_member("PaxHeaders/x", data, kind=kind)


def gnu_long(name: str, kind: bytes = b"L") -> bytes:
    return tar_member("././@LongLink", name.encode() + b"\0", kind=kind, magic=b"ustar  \0")


def tar_bytes(*blocks: bytes, end: bool = True) -> bytes:
    return b"".join(blocks) + (bytes(2 * BLOCK) if end else b"")


def tensor_entry(
    key: object,
    storage_key: object,
    shape: Sequence[int],
    stride: Sequence[int],
    *,
    offset: int = 0,
    cls: str = "FloatTensor",
    module: str = "torch",
    dims: int | None = None,
) -> bytes:
    """One entry of the member `tensors`."""
    head = pickled((key, storage_key, global_(module, cls)))
    count = len(shape) if dims is None else dims
    return (
        head
        + struct.pack("<ii", count, 0)
        + struct.pack(f"<{len(shape)}q", *shape)
        + struct.pack(f"<{len(stride)}q", *stride)
        + struct.pack("<q", offset)
    )


def storage_entry(
    key: object,
    data: bytes,
    *,
    cls: str = "FloatStorage",
    module: str = "torch",
    item: int = 4,
    location: object = "cpu",
    count: int | None = None,
) -> bytes:
    """One entry of the member `storages`."""
    elements = len(data) // item if count is None else count
    return pickled((key, location, global_(module, cls))) + struct.pack("<q", elements) + data


def legacy_tar(
    tree: object,
    tensors: Sequence[bytes] | None,
    storages: Sequence[bytes],
    *,
    views: Sequence[object] = (),
    tensor_count: object = None,
    storage_count: object = None,
    views_raw: bytes | None = None,
    extra: bytes = b"",
    end: bool = True,
) -> bytes:
    """The tar that torch 0.1.9 and before wrote; without `tensors`, the variant of one project."""
    counted = len(storages) if storage_count is None else storage_count
    tail = pickled(list(views)) if views_raw is None else views_raw
    held = pickled(counted) + b"".join(storages) + tail
    blocks = [
        tar_member("sys_info", pickled(ordered_dict([("protocol_version", 1000)]))),
        tar_member("pickle", pickled(tree)),
        tar_member("storages", held),
    ]
    if tensors is not None:
        counted = len(tensors) if tensor_count is None else tensor_count
        blocks.append(tar_member("tensors", pickled(counted) + b"".join(tensors)))
    return tar_bytes(*blocks, extra, end=end)


def tensor_id(key: str) -> Raw:
    """The persistent id of a tensor (or storage) of the legacy tar."""
    return persistent(key)
