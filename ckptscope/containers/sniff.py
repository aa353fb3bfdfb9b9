"""What the first bytes of a source are.

Enters: a source. Leaves: a `Format`, decided by bytes alone; names and endings are never asked.
"""

import enum

from ckptscope.containers.pickle_starts import HIGHEST_PROTOCOL, begins_pickled
from ckptscope.containers.signatures import is_legacy_stream, is_safetensors, is_tar
from ckptscope.pickles.opcodes import Op
from ckptscope.sources import ByteSource

#: A tar header needs 512 bytes; everything else shows earlier.
_HEAD_BYTES = 512
_OPCODES = frozenset(int(op) for op in Op)


class Format(enum.Enum):
    """What a reader exists for."""

    ZIP = enum.auto()
    LEGACY_STREAM = enum.auto()
    TAR = enum.auto()
    GZIP = enum.auto()
    BZIP2 = enum.auto()
    XZ = enum.auto()
    SAFETENSORS = enum.auto()
    NUMPY = enum.auto()
    PICKLE = enum.auto()
    MAYBE_PICKLE = enum.auto()
    UNKNOWN = enum.auto()


def sniff_format(source: ByteSource) -> Format:
    """Tell the format by the first bytes, and for a self-extracting zip by the last."""
    head = source.peek(0, _HEAD_BYTES)
    for magic, found in (
        (b"PK\x03\x04", Format.ZIP),
        (b"PK\x05\x06", Format.ZIP),
        (b"PK\x07\x08PK\x03\x04", Format.ZIP),
        (b"\x1f\x8b", Format.GZIP),
        (b"\xfd7zXZ\x00", Format.XZ),
        (b"\x93NUMPY", Format.NUMPY),
    ):
        if head.startswith(magic):
            return found
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return Format.BZIP2
    if is_legacy_stream(head):
        return Format.LEGACY_STREAM
    if is_tar(head):
        return Format.TAR
    if is_safetensors(head):
        return Format.SAFETENSORS
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= HIGHEST_PROTOCOL:
        return Format.PICKLE
    if _ends_with_directory(source):
        return Format.ZIP
    if head[:1] and head[0] in _OPCODES and (_ends_with_stop(source) or begins_pickled(head)):
        return Format.MAYBE_PICKLE
    return Format.UNKNOWN


def _ends_with_directory(source: ByteSource) -> bool:
    """Whether a zip's end record without a comment closes the file: bytes stand before a zip."""
    tail = source.peek(max(source.size - 22, 0), 22)
    return len(tail) == 22 and tail.startswith(b"PK\x05\x06") and tail[-2:] == b"\0\0"


def _ends_with_stop(source: ByteSource) -> bool:
    return source.peek(source.size - 1, 1) == b"." or b"." in source.peek(0, _HEAD_BYTES)
