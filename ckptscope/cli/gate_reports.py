"""Where the gate's reports go: `--format`, `-o` and any number of `--report FORMAT=FILE`.

Enters: the options, checked before a file is read. Leaves: every report whole, or none of it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.reports.gate_formats import GateFormat

if TYPE_CHECKING:
    from ckptscope.facts.gate import GateReport


#: Every report but the text names us in its first lines.
_START_BYTES: Final = 4096


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One report.

    Attributes:
        format: How to show it.
        path: Where to write it; None for stdout.
    """

    format: GateFormat
    path: Path | None


def read_targets(
    reports: Iterable[str],
    output_format: GateFormat,
    output: Path | None,
    *,
    inputs: Sequence[str],
    others: Iterable[Path | None] = (),
) -> tuple[Target, ...]:
    """Return where reports go, the main one first.

    Args:
        reports: `sarif=out.sarif`, as typed.
        output_format: Format of the main report.
        output: Where the main report goes; None for stdout.
        inputs: What is read: checkpoints, the policy, tables, known findings.
        others: Further files that this run will write.

    Raises:
        UsageError: A format is unknown; a report cannot be written, or would be over an input or
            another report.
    """
    targets = (Target(format=output_format, path=output), *map(_read_target, reports))
    taken: dict[str, Path] = {}
    for path in (*(one.path for one in targets), *others):
        if path is None:
            continue
        _require_writable(path)
        _refuse_input(path, inputs)
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"expected another file for each report, found {str(path)!r} twice")
        taken[real] = path
    return targets


def write_reports(report: "GateReport", targets: Sequence[Target]) -> None:
    """Render all reports, then write them, the main one last.

    Raises:
        OSError: One cannot be written; those before it are whole.
    """
    from ckptscope.cli.output import text_width, wants_color
    from ckptscope.reports.gate_formats import render_gate

    rendered = [
        render_gate(
            report,
            one.format,
            width=text_width(lists=False),
            color=wants_color(one.path),
            root=_here(),
        )
        for one in targets
    ]
    for one, content in reversed(list(zip(targets, rendered, strict=True))):
        _write(content, one.path)


def _here() -> Path | None:
    """Return the current folder; None if somebody removed it."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def write_text(text: str, path: Path | None) -> None:
    """Write text to a file, or to stdout.

    Raises:
        OSError: It cannot be written.
    """
    _write(text.encode("utf-8", "backslashreplace"), path)


def refuse_checkpoints(report: "GateReport", paths: Iterable[Path | None]) -> None:
    """Refuse to write over what was judged, be it met in a folder or by a glob.

    Raises:
        UsageError: One of the paths is a checkpoint, or stands in the folder of one; there a
            former report of ours may be written over, and nothing else.
    """
    judged = {os.path.realpath(one.path): one.path for one in report.files}
    for path in paths:
        real = os.path.realpath(path) if path is not None else ""
        if path is None or not os.path.isfile(real):
            continue
        for at in (real, *map(str, Path(real).parents)):
            if at in judged and (at == real or not _is_report(real)):
                raise UsageError(
                    f"expected another file for the report, found {str(path)!r}, which is of the "
                    f"checkpoint {judged[at]!r}"
                )


def _is_report(path: str) -> bool:
    """Whether a file begins like a report of ours, which may be written anew."""
    with open(path, "rb") as file:
        start = file.read(_START_BYTES)
    return b"ckptscope" in start and b"\0" not in start


def _write(content: bytes, path: Path | None) -> None:
    from ckptscope.cli.output import write_result

    with naming(path):
        write_result(content, path)


@contextmanager
def naming(path: Path | None) -> Iterator[None]:
    """Let an error of writing name what was asked for, not the file beside it."""
    try:
        yield
    except OSError as error:
        name = "stdout" if path is None else str(path)
        raise OSError(error.errno, error.strerror, name) from error


def _read_target(text: str) -> Target:
    name, equals, path = text.partition("=")
    formats = [one.value for one in GateFormat]
    if not equals or not path or name not in formats:
        raise UsageError(
            f"expected a report such as sarif=out.sarif, found {text!r}; formats: "
            f"{', '.join(formats)}"
        )
    return Target(format=GateFormat(name), path=Path(path))


def _require_writable(path: Path) -> None:
    """Find out before the files are read whether a report can be written.

    Raises:
        UsageError: Its folder is missing or closed, or it is a folder itself.
    """
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise UsageError(f"cannot write {str(path)!r}: no folder {str(folder)!r}")
    if path.is_dir():
        raise UsageError(f"expected a file to write, found the folder {str(path)!r}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"cannot write {str(path)!r}: permission denied")


def _refuse_input(path: Path, inputs: Sequence[str]) -> None:
    from ckptscope.cli.output import refuse_inputs_as_output

    refuse_inputs_as_output(list(inputs), path)
