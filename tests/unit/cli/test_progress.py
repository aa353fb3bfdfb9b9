"""A bar while somebody watches and waits, and nothing otherwise."""

import io
import threading
from types import SimpleNamespace

import pytest

from ckptscope.cli import progress
from ckptscope.cli.progress import default_jobs, showing_announced_progress, showing_progress


class Terminal(io.StringIO):
    """A stream that is looked at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    # pytest puts a stream of its own in place between the parts of a test.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setenv("TERM", "xterm")
    return stream


@pytest.fixture
def large(tmp_path):
    """A file of a gigabyte that takes no room."""
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    return path


def test_on_a_terminal_a_bar_is_drawn_and_taken_away(terminal, large):
    with showing_progress(True, [large]) as advance:
        advance(300_000_000)
        advance(300_000_000)
    drawn = terminal.getvalue()
    assert "GB" in drawn
    # The last line is cleared, so that nothing is left of it.
    assert drawn.rstrip().endswith("\x1b[2K")


def test_work_that_is_announced_piece_by_piece_is_drawn_once_it_is_long(terminal):
    with showing_announced_progress(True) as (advance, expect):
        expect(100_000_000)
        advance(90_000_000)
        assert terminal.getvalue() == ""
        expect(900_000_000)
        advance(20_000_000)
    assert "1.0 GB" in terminal.getvalue()


def test_work_that_is_announced_is_not_drawn_where_nobody_looks(monkeypatch, terminal):
    with showing_announced_progress(False) as told:
        assert told == (None, None)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=io.StringIO()))
    with showing_announced_progress(True) as told:
        assert told == (None, None)


def test_in_a_pipe_nothing_is_drawn(monkeypatch, large):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    with showing_progress(True, [large]) as advance:
        assert advance is None
    assert stream.getvalue() == ""


def test_where_nothing_takes_long_nothing_is_drawn(terminal, tmp_path, large):
    small = tmp_path / "small.pth"
    small.write_bytes(b"1")
    for is_wanted, paths in ((True, [small]), (False, [large])):
        with showing_progress(is_wanted, paths) as advance:
            assert advance is None
    assert terminal.getvalue() == ""


def test_a_terminal_that_cannot_draw_is_left_alone(terminal, monkeypatch, large):
    monkeypatch.setenv("TERM", "dumb")
    with showing_progress(True, [large]) as advance:
        assert advance is None


def test_without_a_known_end_the_bar_appears_once_there_is_something_to_wait_for(terminal):
    with showing_progress(True) as advance:
        advance(10_000_000)
        assert terminal.getvalue() == ""
        advance(1_000_000_000)
        assert terminal.getvalue() != ""


def test_a_folder_is_as_large_as_its_files_and_a_missing_path_is_nothing(terminal, large, tmp_path):
    with showing_progress(True, [large.parent]) as advance:
        assert advance is not None
    with showing_progress(True, [tmp_path / "absent"]) as advance:
        advance(1)
    assert terminal.getvalue() == ""


def test_the_bar_is_taken_away_when_reading_fails(terminal, large):
    def read() -> None:
        with showing_progress(True, [large]) as advance:
            advance(900_000_000)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        read()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")


def test_threads_count_together(terminal, large):
    with showing_progress(True, [large]) as advance:
        bar = advance.__self__
        threads = [
            threading.Thread(target=lambda: [advance(1000) for _ in range(500)]) for _ in range(4)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert bar._done == 2_000_000


def test_there_are_four_threads_at_most(monkeypatch):
    monkeypatch.setattr(progress.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert default_jobs() == 4
