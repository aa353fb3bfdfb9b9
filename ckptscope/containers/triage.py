"""What is no checkpoint: its name, and what to do about it.

Enters: the first bytes of a source that no reader wants. Leaves: an `UnknownContainerError` whose
sentence says what the file is and what the user can do.
"""

import html
import re

from ckptscope.errors import UnknownContainerError
from ckptscope.sources import ByteSource

#: Bytes that are looked at.
HEAD_BYTES = 4096
_LFS = b"version https://git-lfs.github.com/spec/"

#: First bytes, what they mean, what to do. Source: the formats' own descriptions.
_MAGICS: tuple[tuple[bytes, str, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with 7z and inspect what it holds"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it and inspect what it holds"),
    (b"\x28\xb5\x2f\xfd", "zstandard-compressed data", "unpack it with zstd first"),
    (b"\x04\x22\x4d\x18", "LZ4-compressed data", "unpack it with lz4 first"),
    (b"GGUF", "a GGUF model (llama.cpp)", "it holds no PyTorch checkpoint; use a GGUF tool"),
    (b"ggml", "a GGML model (llama.cpp)", "it holds no PyTorch checkpoint"),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (Keras, h5py)",
        "it holds no PyTorch checkpoint; use an HDF5 tool",
    ),
    (b"\x7fELF", "an ELF executable or library", "do not run it to find out"),
    (b"MZ", "a Windows executable", "do not run it to find out"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O executable", "do not run it to find out"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", ""),
    (b"\xff\xd8\xff", "a JPEG image", ""),
    (b"GIF8", "a GIF image", ""),
    (b"BM", "a BMP image", ""),
    (b"%PDF-", "a PDF document", ""),
    (b"SQLite format 3\0", "an SQLite database", ""),
    (b"\xca\xfe\xba\xbe", "a Java class or Mach-O binary", "do not run it to find out"),
)
#: Bytes at an offset, likewise.
_OFFSET_MAGICS: tuple[tuple[int, bytes, str, str], ...] = (
    (4, b"TFL3", "a TensorFlow Lite model", "it holds no PyTorch checkpoint"),
    (8, b"WEBP", "a WebP image", ""),
)
#: ONNX is a protobuf message: field 1 (ir_version) comes first, then producer, domain, graph or
#: opset. Source: `onnx.proto`.
_ONNX = re.compile(rb"\x08[\x01-\x20](\x12.|\x1a.|\x22.|\x3a.|\x42.)", re.DOTALL)
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{0,200})", re.IGNORECASE)
_TEXT_BYTES = frozenset(range(32, 256)) | {7, 8, 9, 10, 12, 13, 27}


def describe(source: ByteSource) -> UnknownContainerError:
    """Make the error that says what a source is."""
    what, advice = _identify(source)
    return UnknownContainerError(
        f"expected a checkpoint, found {what}", member=source.name, advice=advice or None
    )


def is_empty_of_sense(head: bytes) -> bool:
    """Whether the first bytes are all zero."""
    return bool(head) and not head.strip(b"\0")


def _identify(source: ByteSource) -> tuple[str, str]:
    head = source.peek(0, HEAD_BYTES)
    if not head:
        return "an empty file", "the download or the copy failed: get it again"
    if head.startswith(_LFS):
        return _lfs_pointer(head)
    for magic, what, advice in _MAGICS:
        if head.startswith(magic):
            return what, advice
    for offset, magic, what, advice in _OFFSET_MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return what, advice
    if is_empty_of_sense(head):
        return (
            f"{source.size:,} bytes that start with zeros",
            "the download was reserved but never filled, or the disk is damaged: get it again",
        )
    if _ONNX.match(head):
        return "an ONNX model", "it holds no PyTorch checkpoint; use an ONNX tool"
    return _text(source, head) or (
        f"{source.size:,} bytes of no known format that start with {head[:8].hex(' ')}",
        "",
    )


def _lfs_pointer(head: bytes) -> tuple[str, str]:
    fields = dict(line.partition(" ")[::2] for line in head.decode("utf-8", "replace").split("\n"))
    oid, size = fields.get("oid", "?")[:80], fields.get("size", "?")[:20]
    return (
        f"a git-LFS pointer; the file itself has {size} bytes and oid {oid}",
        "fetch it with `git lfs pull`",
    )


def _text(source: ByteSource, head: bytes) -> tuple[str, str] | None:
    if not _TEXT_BYTES.issuperset(head):
        return None
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # Only a character cut off by the end of the sample is forgiven.
        if error.start < max(len(head) - 4, 1):
            return None
        text = head[: error.start].decode("utf-8")
    start = text.lstrip("\ufeff \t\r\n")
    if re.match(r"<!doctype html|<html|<head|<\?xml[^>]*>\s*<html", start, re.IGNORECASE):
        return _page(head)
    if start.startswith("<?xml"):
        return "an XML document", "it may be a server's error message: open it in an editor"
    if start.startswith(("{", "[")) and '"weight_map"' in text:
        return "the index of a sharded checkpoint", "inspect the shards that it names"
    if start.startswith(("{", "[")):
        return (
            f"JSON text that starts with {start[:40]!r}",
            "a configuration beside the checkpoint?",
        )
    return f"text that starts with {start[:40]!r}", "open it in an editor to see what it says"


def _page(head: bytes) -> tuple[str, str]:
    found = _TITLE.search(head)
    title = html.unescape(found.group(1).decode("utf-8", "replace")).strip() if found else ""
    what = f"an HTML page titled {' '.join(title.split())!r}" if title else "an HTML page"
    return what, (
        "the server sent a page and not the file (a log-in, a quota, a moved link): download it "
        "with a browser, or with the host's own tool"
    )
