"""Archives around finished files and folders, as people pack checkpoints for sharing.

Enters: files and folders on disk. Leaves: a tar (plain, .gz, .bz2, .xz), a zip, or one compressed
file. Written by the stdlib's tarfile, zipfile, gzip, bz2 and lzma; owner, times and modes are
fixed, so that equal content gives equal bytes.
"""

import bz2
import enum
import gzip
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from ckptscope.errors import UsageError
from ckptscope.writers.atomic import Target, opened

#: Name in the archive, and what is put there: a file, or a folder with all that it holds.
Entry = tuple[str, Path]

_COPY_BYTES: Final = 1 << 20
#: The earliest time that a zip can hold.
_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class Compression(enum.StrEnum):
    """How a wrapper is compressed; the value is the suffix."""

    NONE = ""
    GZIP = "gz"
    BZIP2 = "bz2"
    XZ = "xz"


def wrap_tar(
    target: Target, entries: Iterable[Entry], *, compression: Compression = Compression.NONE
) -> None:
    """Put files and folders into a tar.

    Raises:
        UsageError: An entry is neither file nor folder, or nothing can be written there.
    """
    with (
        opened(target) as file,
        _compressed(file, compression) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in _walk(entries):
            member = tarfile.TarInfo(name)
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            else:
                member.size = path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(member, content)


def wrap_zip(target: Target, entries: Iterable[Entry], *, deflate: bool = False) -> None:
    """Put files and folders into a zip.

    Raises:
        UsageError: An entry is neither file nor folder, or nothing can be written there.
    """
    with opened(target) as file, zipfile.ZipFile(file, "w") as archive:
        for name, path in _walk(entries):
            folder = path.is_dir()
            member = zipfile.ZipInfo(name + "/" if folder else name, _ZIP_EPOCH)
            member.create_system = 3
            member.external_attr = (0o40755 << 16 | 0x10) if folder else 0o100644 << 16
            if folder:
                archive.writestr(member, b"")
                continue
            member.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
            member.file_size = path.stat().st_size
            with path.open("rb") as content, archive.open(member, "w") as place:
                shutil.copyfileobj(content, place, _COPY_BYTES)


def compress_file(target: Target, source: Path, compression: Compression) -> None:
    """Compress one file, without an archive around it.

    Raises:
        UsageError: `source` is no file, or nothing can be written there.
    """
    if not source.is_file():
        raise UsageError(f"expected a file to compress, found none at {str(source)!r}")
    with (
        source.open("rb") as content,
        opened(target) as file,
        _compressed(file, compression) as packed,
    ):
        shutil.copyfileobj(content, packed, _COPY_BYTES)


@contextmanager
def _compressed(file: BinaryIO, compression: Compression) -> Iterator[BinaryIO]:
    match compression:
        case Compression.NONE:
            yield file
        case Compression.GZIP:
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        case Compression.BZIP2:
            with bz2.BZ2File(file, "wb") as packed:
                yield cast(BinaryIO, packed)
        case Compression.XZ:
            with lzma.LZMAFile(file, "wb", preset=6) as packed:
                yield cast(BinaryIO, packed)


def _walk(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield files and folders, each folder before what it holds, in the order of names."""
    for name, path in entries:
        if path.is_dir():
            yield name, path
            yield from _walk((f"{name}/{child.name}", child) for child in sorted(path.iterdir()))
        elif path.is_file():
            yield name, path
        else:
            raise UsageError(f"expected a file or folder, found none at {str(path)!r}")
