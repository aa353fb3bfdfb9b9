"""Where results and messages go: stdout or a file, stderr, whole or not at all."""

import errno
import os
import shutil
import sys
from pathlib import Path

#: Columns where there is no terminal: tables at their best, and names in full.
_PIPE_COLUMNS = 120
_PIPE_COLUMNS_OF_LISTS = 200
_LEAST_COLUMNS = 40
#: Reports are text; every container of checkpoints has a zero byte within so many.
_START_BYTES = 4096


def refuse_inputs_as_output(files: list[str], output: Path | None) -> None:
    """Refuse to write a report over a file that is to be inspected, or over another checkpoint.

    Raises:
        UsageError: The output is one of the files, or exists and is no text.
    """
    from ckptscope.errors import UsageError

    if output is None or not output.is_file():
        return
    for name in files:
        if Path(name).is_file() and output.samefile(name):
            raise UsageError(f"expected another file for the report, found the input {name!r}")
    with open(output, "rb") as found:
        is_text = b"\0" not in found.read(_START_BYTES)
    if not is_text:
        raise UsageError(
            f"expected a new file or an old report to write to, found {str(output)!r}, which is no "
            "text: remove it first if it is not needed"
        )


def write_result(data: bytes, output: Path | None) -> None:
    """Write to a file beside and rename, or to stdout; a reader that left is no error."""
    if output is not None:
        from ckptscope.writers.atomic import writing_file

        with writing_file(output) as file:
            file.write(data)
        return
    if sys.stdout is None:  # closed before the program started
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # `ckptscope inspect ... | head`: the rest is not wanted. The interpreter flushes stdout
        # once more at its end, which must go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_error(message: str) -> None:
    """Write one line to stderr; control characters of names are shown, not sent."""
    from ckptscope.reports.escaping import escape_terminal

    print(f"ckptscope: {escape_terminal(message)}", file=sys.stderr)  # noqa: T201


def wants_color(output: Path | None) -> bool:
    """Whether colours are welcome: a terminal, and NO_COLOR unset (no-color.org)."""
    if output is not None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    if sys.stdout is None:
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def text_width(*, lists: bool) -> int:
    """Columns to fill: COLUMNS, the terminal's, or enough for a file or a pipe.

    Args:
        lists: Whether long lists of names are shown, which nobody wants cut in a pipe.
    """
    beyond = _PIPE_COLUMNS_OF_LISTS if lists else _PIPE_COLUMNS
    return max(shutil.get_terminal_size((beyond, 24)).columns, _LEAST_COLUMNS)


def nothing_found(skipped: int) -> str:
    """Say that there was nothing to report on.

    Args:
        skipped: Files that were looked at and are no checkpoints.
    """
    others = "1 other file was" if skipped == 1 else f"{skipped:,} other files were"
    return f"no checkpoint found; {others} looked at"
