"""The legacy stream of torch 0.1.10 to 1.5, and gzip and its kin."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Sequence

from builders.pickles import pickled

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}


def legacy_stream(
    tree: object,
    storages: Sequence[tuple[str, int, bytes]],
    *,
    keys: object = None,
    version: object = 1001,
    system: object = None,
    pickle: bytes | None = None,
    protocol: int = 2,
    trailing: bytes = b"",
    framed: bool = False,
) -> bytes:
    """Five pickles, then for each (key, count, bytes) the count and the bytes."""
    listed = [key for key, _, _ in storages] if keys is None else keys
    parts = [
        pickled(MAGIC, protocol),
        pickled(version, protocol),
        pickled(SYSTEM if system is None else system, protocol),
        pickled(tree, protocol) if pickle is None else pickle,
        pickled(listed, protocol),
    ]
    if framed:
        parts = [_framed(part) for part in parts]
    parts += [struct.pack("<q", count) + data for _, count, data in storages]
    return b"".join(parts) + trailing


def _framed(whole: bytes) -> bytes:
    """Put everything behind PROTO into one FRAME, as CPython does from protocol 4 on."""
    return whole[:2] + b"\x95" + struct.pack("<Q", len(whole) - 2) + whole[2:]


COMPRESSORS = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
