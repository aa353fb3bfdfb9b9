"""Bytes of a compressed wrapper, unpacked into memory or an unnamed temporary file.

Enters: an iterator of byte chunks. Leaves: a source of random access. The temporary file has no
name, so nothing of it remains, however the process ends.
"""

import os
from collections.abc import Iterable

from ckptscope.errors import ArtifactError, LimitError
from ckptscope.sources.base import ByteSource
from ckptscope.sources.local import LocalFile
from ckptscope.sources.memory import MemorySource

#: Up to this size the bytes stay in memory: most wrapped files of tests and configurations.
_IN_MEMORY_BYTES = 4 << 20


def spool_stream(chunks: Iterable[bytes], *, name: str | None, limit_bytes: int) -> ByteSource:
    """Take up all chunks and return them as a source.

    Raises:
        LimitError: There are more than `limit_bytes`; the temporary file is gone by then.
    """
    total = 0
    held: list[bytes] = []
    descriptor: int | None = None
    try:
        for chunk in chunks:
            total += len(chunk)
            _require_room(total, limit_bytes, name)
            held.append(chunk)
            if descriptor is None and total > _IN_MEMORY_BYTES:
                descriptor = _unnamed_file()
            if descriptor is not None:
                _write_all(descriptor, b"".join(held))
                held.clear()
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        raise ArtifactError(
            f"cannot be unpacked into a temporary file: {error.strerror}",
            member=name,
            advice="set TMPDIR to a disk with room",
        ) from error
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        raise
    if descriptor is None:
        return MemorySource(b"".join(held), name)
    return LocalFile(descriptor, total, name)


def _require_room(total: int, limit_bytes: int, name: str | None) -> None:
    if total > limit_bytes:
        raise LimitError(
            "spool_bytes",
            allowed=limit_bytes,
            actual=total,
            member=name,
            advice="raise it with --max-spool if the file is trusted to be this large",
        )


def _unnamed_file() -> int:
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="ckptscope-")
    os.unlink(path)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
