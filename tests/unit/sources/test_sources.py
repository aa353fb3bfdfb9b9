"""Random access to bytes: files, windows, memory, spool."""

import gc
import os
import tempfile
from pathlib import Path

import pytest

from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError, UsageError
from ckptscope.sources import MemorySource, Window, open_local, spool_stream

CONTENT = bytes(range(200))


@pytest.fixture(params=["file", "memory", "window", "window of a window", "spool", "large spool"])
def source(request, tmp_path, monkeypatch):
    """The same bytes behind every kind of source."""
    if request.param == "file":
        path = tmp_path / "f"
        path.write_bytes(CONTENT)
        return open_local(path)
    if request.param == "window":
        return Window(MemorySource(b"##" + CONTENT + b"##"), 2, len(CONTENT))
    if request.param == "window of a window":
        outer = Window(MemorySource(b"##" + CONTENT + b"##"), 1, len(CONTENT) + 2)
        return Window(outer, 1, len(CONTENT))
    if "spool" in request.param:
        if request.param == "large spool":
            monkeypatch.setattr("ckptscope.sources.spool._IN_MEMORY_BYTES", 10)
        chunks = [CONTENT[n : n + 7] for n in range(0, len(CONTENT), 7)]
        return spool_stream(chunks, name=None, limit_bytes=1000)
    return MemorySource(CONTENT)


def test_reads_give_exactly_the_bytes_that_were_asked_for(source):
    assert source.size == len(CONTENT)
    for offset in (0, 1, 99, 199, 200):
        for length in (0, 1, 200 - offset):
            if offset + length <= 200:
                assert source.read(offset, length) == CONTENT[offset : offset + length]


@pytest.mark.parametrize(("offset", "length"), [(0, 201), (200, 1), (150, 51), (10_000, 1)])
def test_a_read_past_the_end_is_an_error_that_says_where(source, offset, length):
    with pytest.raises(ContainerFormatError) as caught:
        source.read(offset, length)
    assert caught.value.offset_bytes is not None


def test_a_read_before_the_start_is_an_error(source):
    with pytest.raises(ContainerFormatError):
        source.read(-1, 5)


def test_a_peek_gives_what_there_is(source):
    assert source.peek(190, 100) == CONTENT[190:]
    assert source.peek(0, 3) == CONTENT[:3]
    assert source.peek(200, 5) == b""
    assert source.peek(500, 5) == b""
    assert source.peek(-5, 5) == b""
    assert source.peek(5, 0) == b""
    assert source.peek(5, -1) == b""


def test_a_window_outside_its_parent_cannot_be_made():
    parent = MemorySource(b"12345", "parent")
    for start, size in ((0, 6), (5, 1), (-1, 2), (2, -1), (1 << 60, 1)):
        with pytest.raises(ContainerFormatError) as caught:
            Window(parent, start, size)
        assert caught.value.member == "parent"


def test_a_window_goes_by_its_own_name_or_that_of_its_parent():
    parent = MemorySource(b"12345", "parent")
    assert Window(parent, 0, 1).name == "parent"
    assert Window(parent, 0, 1, "member").name == "member"
    with pytest.raises(ContainerFormatError, match="'member'"):
        Window(parent, 0, 1, "member").read(0, 2)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        open_local(tmp_path / "nothing")


def test_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ArtifactError, match="folder"):
        open_local(tmp_path)


def test_a_fifo_is_refused_by_name_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="FIFO"):
        open_local(tmp_path / "pipe")


def test_a_device_is_refused_by_name():
    with pytest.raises(ArtifactError, match="character device"):
        open_local(Path(os.devnull))


def test_a_path_that_cannot_be_is_refused(tmp_path):
    with pytest.raises((ArtifactError, UsageError)):
        open_local(tmp_path / ("x" * 5000))
    with pytest.raises((ArtifactError, UsageError)):
        open_local(Path("a\0b"))


def test_a_file_that_shrinks_is_an_error_and_no_crash(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    with open_local(path) as source:
        os.truncate(path, 50)
        assert source.read(0, 50) == CONTENT[:50]
        with pytest.raises(ContainerFormatError, match="shrank"):
            source.read(40, 20)


def test_a_closed_file_cannot_be_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    with open_local(path, "inner") as source:
        assert source.name == "inner"
    with pytest.raises(ArtifactError, match="cannot be read"):
        source.read(0, 1)


@pytest.mark.parametrize("held_in_memory", [1, 10, 1000])
def test_a_spool_stops_at_its_limit_and_leaves_no_file(held_in_memory, monkeypatch, tmp_path):
    monkeypatch.setattr("ckptscope.sources.spool._IN_MEMORY_BYTES", held_in_memory)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = []

    def chunks():
        for n in range(100):
            taken.append(n)
            yield b"x" * 10

    gc.collect()  # what earlier tests left must not go away in between
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(LimitError) as caught:
        spool_stream(chunks(), name="a.gz", limit_bytes=95)
    assert (caught.value.limit, caught.value.allowed) == ("spool_bytes", 95)
    assert len(taken) == 10
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_spooled_file_has_no_name_while_it_lives(monkeypatch, tmp_path):
    monkeypatch.setattr("ckptscope.sources.spool._IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = spool_stream([CONTENT] * 3, name=None, limit_bytes=1000)
    assert source.read(0, 600) == CONTENT * 3
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_chunks_closes_the_spool(monkeypatch, tmp_path):
    monkeypatch.setattr("ckptscope.sources.spool._IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def chunks():
        yield b"x" * 100
        raise ContainerFormatError("damaged")

    gc.collect()  # what earlier tests left must not go away in between
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ContainerFormatError, match="damaged"):
        spool_stream(chunks(), name=None, limit_bytes=1000)
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) <= descriptors
