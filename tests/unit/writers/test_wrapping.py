import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile

import pytest

from ckptscope.errors import UsageError
from ckptscope.writers.wrapping import Compression, compress_file, wrap_tar, wrap_zip

UNPACK = {
    Compression.NONE: bytes,
    Compression.GZIP: gzip.decompress,
    Compression.BZIP2: bz2.decompress,
    Compression.XZ: lzma.decompress,
}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "snapshot_83.pth"
    (place / "data").mkdir(parents=True)
    (place / "data.pkl").write_bytes(b"pickle")
    (place / "data" / "1").write_bytes(b"one")
    (place / "data" / "0").write_bytes(b"zero" * 100)
    return place


ORDER = ["x.pth", "x.pth/data", "x.pth/data/0", "x.pth/data/1", "x.pth/data.pkl"]


@pytest.mark.parametrize("compression", Compression)
def test_a_folder_in_a_tar_comes_out_as_it_was(folder, compression):
    file = io.BytesIO()
    wrap_tar(file, [("x.pth", folder)], compression=compression)
    with tarfile.open(fileobj=io.BytesIO(UNPACK[compression](file.getvalue()))) as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == ORDER
        assert [m.isdir() for m in members] == [True, True, False, False, False]
        assert archive.extractfile("x.pth/data/0").read() == b"zero" * 100
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}


@pytest.mark.parametrize("deflate", [False, True])
def test_a_folder_in_a_zip_comes_out_as_it_was(folder, deflate):
    file = io.BytesIO()
    wrap_zip(file, [("x.pth", folder)], deflate=deflate)
    archive = zipfile.ZipFile(io.BytesIO(file.getvalue()))
    assert [name.rstrip("/") for name in archive.namelist()] == ORDER
    assert archive.testzip() is None
    assert archive.read("x.pth/data/0") == b"zero" * 100
    kinds = {i.compress_type for i in archive.infolist() if not i.is_dir()}
    assert kinds == {zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED}


@pytest.mark.parametrize("compression", Compression)
def test_one_file_is_compressed_without_an_archive(folder, compression):
    file = io.BytesIO()
    compress_file(file, folder / "data.pkl", compression)
    assert UNPACK[compression](file.getvalue()) == b"pickle"


@pytest.mark.parametrize("compression", Compression)
def test_times_and_places_of_the_files_do_not_show(tmp_path, folder, compression):
    first, second = io.BytesIO(), io.BytesIO()
    wrap_tar(first, [("x", folder)], compression=compression)
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))
    moved = folder.rename(tmp_path / "elsewhere")
    wrap_tar(second, [("x", moved)], compression=compression)
    assert first.getvalue() == second.getvalue()


def test_zips_do_not_show_times_either(folder):
    first, second = io.BytesIO(), io.BytesIO()
    wrap_zip(first, [("x", folder)])
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))
    wrap_zip(second, [("x", folder)])
    assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize("wrap", [wrap_tar, wrap_zip])
def test_a_missing_file_is_refused_and_leaves_no_archive(tmp_path, wrap):
    with pytest.raises(UsageError, match="expected a file or folder"):
        wrap(tmp_path / "out", [("x", tmp_path / "missing")])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_cannot_be_compressed_bare(tmp_path):
    with pytest.raises(UsageError, match="expected a file to compress"):
        compress_file(tmp_path / "out", tmp_path, Compression.GZIP)
