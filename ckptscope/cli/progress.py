"""How far reading has come, as a bar on stderr.

Enters: bytes that have been gone over. Leaves: a bar while there is a terminal to draw it on and
enough to wait for; nothing in a pipe, and nothing once the work is done.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Less is done within half a second or so, before anybody could read a bar.
_LEAST_BYTES: Final = 200_000_000
#: Bytes between two looks at the bar; drawing is left to rich, ten times a second.
_STEP_BYTES: Final = 8 << 20


@contextmanager
def showing_progress(
    is_wanted: bool, paths: Iterable[str | Path] = ()
) -> Iterator[Callable[[int], None] | None]:
    """Yield what is to be told how many bytes more have been gone over; None if nobody looks.

    Args:
        is_wanted: Whether anything is read that takes long.
        paths: What is read, as far as that is known; the bar has no end without.
    """
    if not is_wanted or not _is_watched():
        yield None
        return
    total = sum(_size(Path(path)) for path in paths)
    if total and total < _LEAST_BYTES:
        yield None
        return
    bar = _Bar(total or None)
    try:
        yield bar.advance
    finally:
        bar.close()


@contextmanager
def showing_announced_progress(
    is_wanted: bool,
) -> Iterator[tuple[Callable[[int], None] | None, Callable[[int], None] | None]]:
    """Yield what is to be told of bytes gone over, and what of bytes that are still to come.

    Args:
        is_wanted: Whether anything is read that takes long.
    """
    if not is_wanted or not _is_watched():
        yield None, None
        return
    bar = _Bar(0)
    try:
        yield bar.advance, bar.expect
    finally:
        bar.close()


def default_jobs() -> int:
    """Return how many threads to read with where the user names no number.

    Four at most: then the disk is what takes its time.
    """
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, 4)


def _is_watched() -> bool:
    stream = sys.stderr
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _size(path: Path) -> int:
    """Bytes of a file or of all files below a folder; 0 for what cannot be looked at."""
    try:
        if path.is_dir():
            return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


class _Bar:
    """A bar that appears once there is something to wait for."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._done = 0
        self._shown = 0
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def expect(self, count: int) -> None:
        """Take note of so many bytes that are to come, beside those announced before."""
        with self._lock:
            self._total = (self._total or 0) + count
            if self._progress is not None and self._task is not None:
                self._progress.update(self._task, total=self._total)

    def advance(self, count: int) -> None:
        """Take note of so many bytes more; may be called from any thread."""
        with self._lock:
            self._done += count
            if self._done - self._shown < _STEP_BYTES:
                return
            if (self._done if self._total is None else self._total) < _LEAST_BYTES:
                return
            self._shown = self._done
            if self._progress is None:
                self._open()
            if self._progress is not None and self._task is not None:
                self._progress.update(self._task, completed=self._done)

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        console = Console(file=sys.stderr, stderr=True)
        self._progress = Progress(*columns, console=console, transient=True)
        # A file may be gone over more than once, or hold more than its bytes: the bar stays full.
        self._task = self._progress.add_task("", total=self._total)
        self._progress.start()
