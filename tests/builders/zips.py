"""Zip archives whose every field can be forged (APPNOTE 6.3.10)."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from builders.pickles import pickled

ZIP64_EXTRA = 1


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member; None means the true value, `local_*` differ from the directory if given."""

    name: str | bytes
    data: bytes = b""
    deflate: bool = False
    method: int | None = None
    flags: int = 0
    crc: int | None = None
    stored: int | None = None
    size: int | None = None
    extra: bytes = b""
    comment: bytes = b""
    zip64: bool = False
    #: Sizes and CRC of the local header are 0 and follow the data.
    descriptor: bool = False
    descriptor_signature: bool = True
    #: No local header and data of its own: the directory points at this offset.
    points_at: int | None = None
    header_shift: int = 0
    local_name: str | bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_crc: int | None = None
    local_stored: int | None = None
    local_size: int | None = None
    local_extra: bytes = b""
    local_signature: bytes = b"PK\x03\x04"
    #: Bytes between this member and the next.
    gap: bytes = b""


def zip_bytes(
    members: Sequence[Member],
    *,
    prefix: bytes = b"",
    prefix_counted: bool = False,
    count: int | None = None,
    directory_size: int | None = None,
    directory_start: int | None = None,
    directory_tail: bytes = b"",
    before_directory: bytes = b"",
    comment: bytes = b"",
    comment_size: int | None = None,
    zip64: bool = False,
    end: bool = True,
    trailing: bytes = b"",
) -> bytes:
    """Write an archive; `prefix_counted` says whether offsets know of the bytes before it."""
    out = bytearray(prefix)
    base = 0 if prefix_counted else len(prefix)
    directory = bytearray()
    for member in members:
        offset = len(out) - base
        if member.points_at is None:
            out += _local(member)
        else:
            offset = member.points_at
        directory += _entry(member, offset + member.header_shift)
    out += before_directory
    start = len(out) - base
    out += directory + directory_tail
    held = len(members) if count is None else count
    size = len(directory) + len(directory_tail) if directory_size is None else directory_size
    start = start if directory_start is None else directory_start
    if zip64:
        place = len(out) - base
        out += struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, held, held, size, start)
        out += struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)
        held, size, start = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    if end:
        length = len(comment) if comment_size is None else comment_size
        out += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, held, held, size, start, length)
        out += comment
    return bytes(out + trailing)


def _raw_name(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()


def _packed(member: Member) -> bytes:
    if not member.deflate:
        return member.data
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(member.data) + engine.flush()


def _first(*candidates: int | None) -> int:
    return next(one for one in candidates if one is not None)


def _local(member: Member) -> bytes:
    packed = _packed(member)
    method = _first(member.local_method, member.method, 8 if member.deflate else 0)
    crc = _first(member.local_crc, member.crc, zlib.crc32(member.data))
    stored = _first(member.local_stored, member.stored, len(packed))
    size = _first(member.local_size, member.size, len(member.data))
    name = _raw_name(member.local_name if member.local_name is not None else member.name)
    extra, flags = member.local_extra, _first(member.local_flags, member.flags)
    tail = b""
    if member.descriptor:
        layout = "<LQQ" if member.zip64 else "<LLL"
        tail = struct.pack(layout, crc, stored, size)
        tail = (b"PK\x07\x08" if member.descriptor_signature else b"") + tail
        flags |= 0x8
        crc = stored = size = 0
    elif member.zip64:
        extra += struct.pack("<2H2Q", ZIP64_EXTRA, 16, size, stored)
        stored = size = 0xFFFFFFFF
    head = struct.pack(
        "<4s5H3L2H",
        member.local_signature,
        45 if member.zip64 else 20,
        flags,
        method,
        0,
        0x21,
        crc,
        stored,
        size,
        len(name),
        len(extra),
    )
    return head + name + extra + packed + tail + member.gap


def _entry(member: Member, offset: int) -> bytes:
    packed = _packed(member)
    method = _first(member.method, 8 if member.deflate else 0)
    crc = _first(member.crc, zlib.crc32(member.data))
    stored, size = _first(member.stored, len(packed)), _first(member.size, len(member.data))
    name, extra = _raw_name(member.name), member.extra
    if member.zip64:
        extra += struct.pack("<2H3Q", ZIP64_EXTRA, 24, size, stored, offset)
        stored = size = offset = 0xFFFFFFFF
    return (
        struct.pack(
            "<4s6H3L5H2L",
            b"PK\x01\x02",
            45,
            45 if member.zip64 else 20,
            member.flags | (0x8 if member.descriptor else 0),
            method,
            0,
            0x21,
            crc,
            stored,
            size,
            len(name),
            len(extra),
            len(member.comment),
            0,
            0,
            0,
            offset,
        )
        + name
        + extra
        + member.comment
    )


def torch_members(
    tree: object,
    storages: dict[str, bytes],
    *,
    root: str = "archive",
    byteorder: str | None = "little",
    pickle: bytes | None = None,
) -> list[Member]:
    """Return the members of a torch zip: data.pkl first, as torch writes them."""
    data = pickled(tree) if pickle is None else pickle
    made = [Member(name=f"{root}/data.pkl", data=data)]
    if byteorder is not None:
        made.append(Member(name=f"{root}/byteorder", data=byteorder.encode()))
    made += [Member(name=f"{root}/data/{key}", data=held) for key, held in storages.items()]
    return [*made, Member(name=f"{root}/version", data=b"3\n")]


def torch_zip(tree: object, storages: dict[str, bytes], **options: object) -> bytes:
    """Write a sound torch zip."""
    return zip_bytes(torch_members(tree, storages, **options))  # type: ignore[arg-type]


def changed(members: Sequence[Member], ending: str, /, **fields: object) -> list[Member]:
    """Return the members, one of them with other fields."""
    found = [m for m in members if str(m.name).endswith(ending)]
    assert found, f"no member {ending}"
    return [replace(m, **fields) if m in found else m for m in members]  # type: ignore[arg-type]
