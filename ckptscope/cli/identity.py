"""`ckptscope identity FILE...`: what is the content, and is it still what was recorded?"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.options import MaxSpool, Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ckptscope.facts.identity import (
        ArchiveComparison,
        IdentityFile,
        IdentityReport,
        VerifyReport,
    )
    from ckptscope.facts.limits import Limits
    from ckptscope.reports.blocks import Block


class IdentityFormat(StrEnum):
    """How to show identities."""

    TEXT = "text"
    JSON = "json"


_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Checkpoints, folders or globs; kinds are told by content."
    ),
]
_Verify = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        metavar="MANIFEST",
        help="Say which tensors are not as this file records them; -o wrote it before.",
    ),
]
_Fast = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="Say of two torch zips whether they are probably the same, by the checksums that "
        "they record; no tensor is read.",
    ),
]
_Tensors = Annotated[
    bool,
    typer.Option("--tensors", help="List every tensor instead of totals (JSON always does)."),
]
_Member = Annotated[
    str | None,
    typer.Option(
        "--member",
        metavar="NAME",
        help="Which checkpoint, where a wrapper holds several: the names on the way, joined by "
        "' > '.",
    ),
]
_Format = Annotated[
    IdentityFormat | None,
    typer.Option(
        "--format",
        "-f",
        help="How to show it: text, or json where -o is given, whose file is the manifest.",
    ),
]
_Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=1, metavar="N", help="Threads (one a core, four at most)."),
]


def identity_command(
    files: _Files,
    verify: _Verify = None,
    fast: _Fast = False,
    tensors: _Tensors = False,
    member: _Member = None,
    output_format: _Format = None,
    output: Output = None,
    jobs: _Jobs = None,
    max_spool: MaxSpool = None,
) -> None:
    """Hash the content of checkpoints: the same in any container, order, prefix or wrapper.

    Exit 0: as asked, the same, probably the same; 1: different; 2: a wrong request or manifest;
    3: something could not be read, or told.
    """
    from ckptscope.cli.output import refuse_inputs_as_output, write_error
    from ckptscope.cli.sizes import limits_of
    from ckptscope.errors import ArtifactError, UsageError

    problem = _problem(files, verify, member, fast=fast, output=output)
    if problem:
        write_error(problem)
        raise typer.Exit(Exit.USAGE)
    try:
        refuse_inputs_as_output([*files, *([str(verify)] if verify else [])], output)
        limits = limits_of(max_spool)
        shown = output_format or (IdentityFormat.TEXT if output is None else IdentityFormat.JSON)
        show = _Show(shown, output, tensors=tensors)
        if fast:
            code = _run_fast(files, limits, show)
        else:
            code = _run(files, verify, member, limits, jobs, show)
    except UsageError as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except ArtifactError as error:
        write_error(str(error))
        raise typer.Exit(Exit.UNREADABLE) from error
    except OSError as error:
        write_error(f"cannot write to {output or 'stdout'}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _problem(
    files: list[str], verify: Path | None, member: str | None, *, fast: bool, output: Path | None
) -> str:
    """Say what is wrong with a request; empty if nothing is."""
    if fast and (verify is not None or member is not None):
        return "expected --fast without --verify and --member: it compares two files"
    if fast and len(files) != 2:
        return f"expected two files to compare, found {len(files)}"
    if output is not None and output.is_dir():
        return f"expected a file to write to, found the folder {str(output)!r}"
    return ""


class _Show:
    """How and where results are shown."""

    def __init__(self, shown: IdentityFormat, output: Path | None, *, tensors: bool) -> None:
        self.is_json = shown is IdentityFormat.JSON
        self.tensors = tensors
        self._output = output

    def text(self, blocks: "Iterator[Block]") -> None:
        """Lay blocks out and write them."""
        from ckptscope.cli.output import text_width, wants_color, write_result
        from ckptscope.reports.text import lay_out

        color = wants_color(self._output)
        text = lay_out(blocks, width=text_width(lists=self.tensors), color=color)
        write_result(text.encode("utf-8", "backslashreplace"), self._output)

    def json(self, content: bytes) -> None:
        """Write what is rendered already."""
        from ckptscope.cli.output import write_result

        write_result(content, self._output)


def _run_fast(files: list[str], limits: "Limits", show: _Show) -> Exit:
    from ckptscope.facts.identity import Likeness
    from ckptscope.pipeline.identity import same_archives

    comparison: ArchiveComparison = same_archives(files[0], files[1], limits=limits)
    if show.is_json:
        from ckptscope.reports.identity_json import render_archives_json

        show.json(render_archives_json(comparison))
    else:
        from ckptscope.reports.identity import describe_archives

        show.text(describe_archives(comparison, tensors=show.tensors))
    codes = {Likeness.SAME: Exit.FINE, Likeness.DIFFERENT: Exit.FOUND}
    return codes.get(comparison.outcome, Exit.UNREADABLE)


def _run(
    files: list[str],
    verify: Path | None,
    member: str | None,
    limits: "Limits",
    jobs: int | None,
    show: _Show,
) -> Exit:
    from ckptscope.cli.output import nothing_found, write_error
    from ckptscope.cli.progress import default_jobs, showing_progress
    from ckptscope.pipeline.identity import identify_content

    manifest = None
    if verify is not None:
        from ckptscope.pipeline.verifying import read_manifest, verify_content

        # Before files are read for minutes: it may be wrong.
        manifest = read_manifest(verify)
    with showing_progress(True, files) as progress:
        report = identify_content(
            files, member=member, limits=limits, jobs=jobs or default_jobs(), progress=progress
        )
    code = _conclude(report)
    if manifest is None:
        _show_identities(report, show)
    else:
        verified = _show_verified(verify_content(manifest, report.files, name=str(verify)), show)
        # Of a file that is not there nothing is decided; its own code says why.
        is_known = code is not Exit.FINE and verified is Exit.UNREADABLE
        code = code if is_known else max(code, verified)
    if not report.files:
        write_error(nothing_found(len(report.skipped)))
        return Exit.USAGE
    return code


def _show_identities(report: "IdentityReport", show: _Show) -> None:
    if show.is_json:
        from ckptscope.reports.identity_json import render_identity_json

        show.json(render_identity_json(report))
    else:
        from ckptscope.reports.identity import describe_identities

        show.text(describe_identities(report, tensors=show.tensors))


def _show_verified(report: "VerifyReport", show: _Show) -> Exit:
    from ckptscope.facts.identity import Sameness

    if show.is_json:
        from ckptscope.reports.identity_json import render_verify_json

        show.json(render_verify_json(report))
    else:
        from ckptscope.reports.identity import describe_verification

        show.text(describe_verification(report, tensors=show.tensors))
    outcomes = {one.outcome for one in report.files}
    if Sameness.UNDECIDED in outcomes:
        return Exit.UNREADABLE
    return Exit.FINE if outcomes <= {Sameness.SAME} else Exit.FOUND


def _conclude(report: "IdentityReport") -> Exit:
    """Say on stderr what could not be read, and return the gravest code."""
    from ckptscope.cli.output import write_error

    code = Exit.FINE
    for file in report.files:
        if file.failure is not None:
            write_error(f"{file.path}: {file.failure.message}")
            absent = file.failure.kind == "UsageError"
            code = max(code, Exit.USAGE if absent else Exit.UNREADABLE)
        for said in _unread(file):
            write_error(said)
            code = max(code, Exit.UNREADABLE)
    return code


def _unread(file: "IdentityFile") -> "Iterator[str]":
    """Say of which state_dicts not every tensor could be read."""
    for one in file.identity.state_dicts if file.identity is not None else ():
        unread = one.unread
        if unread:
            count = f"{len(unread):,} of {len(one.tensors):,} tensors"
            yield f"{file.path}: {one.path!r:.200}: {count} not read: {unread[0].unread}"
