"""`ckptscope unpack FILE --carve -o OUT.safetensors`: what is left of a file without its pickle."""

from typing import TYPE_CHECKING, Final

import msgspec
import typer

from ckptscope.cli.exits import Exit

if TYPE_CHECKING:
    from ckptscope.facts.carved_file import CarvedFile, CarveRequest
    from ckptscope.facts.unpacking import UnpackRequest

#: Options that say nothing of storages without names, by the field that they fill.
_OTHERS: Final = {
    "member": "--member",
    "strip_prefix": "--strip-prefix",
    "prefix": "--prefix",
    "keys": "--keys",
    "only": "--only",
    "drop": "--drop",
    "skip_unsupported": "--skip-unsupported",
    "metadata": "--metadata",
}


class CarveOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options that are about carving alone.

    Attributes:
        carve: Whether it is asked for.
        fill: Whether missing tensors get initial values.
        uncertain: Whether what fits best is taken in any case.
        max_spool: Bytes that compressed contents may unpack to, as it was written; None if not.
    """

    carve: bool
    fill: bool
    uncertain: bool
    max_spool: str | None


def run_carving(
    file: str, output: str, request: "UnpackRequest", options: CarveOptions, *, as_json: bool
) -> None:
    """Write what was carved, and the report of it to stdout."""
    from ckptscope.cli.output import write_error, write_result

    record = _write(file, output, request, options)
    try:
        write_result(_render(record, as_json=as_json), None)
    except OSError as error:
        write_error(f"cannot write to stdout: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error


def _write(file: str, output: str, request: "UnpackRequest", options: CarveOptions) -> "CarvedFile":
    from ckptscope.cli.output import write_error
    from ckptscope.cli.progress import showing_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.errors import ArtifactError, UsageError
    from ckptscope.pipeline.unpack_carving import unpack_carved

    try:
        wanted = _request(request, options)
        with showing_progress(True, [file]) as progress:
            return unpack_carved(
                file,
                output,
                wanted,
                limits=limits_of(options.max_spool),
                progress=progress,
                tell=write_error,
            )
    except UsageError as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except ArtifactError as error:
        write_error(f"{file}: {error}")
        raise typer.Exit(Exit.UNREADABLE) from error
    except OSError as error:
        write_error(f"cannot write to {output}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error


def _request(request: "UnpackRequest", options: CarveOptions) -> "CarveRequest":
    """Turn options into a request.

    Raises:
        UsageError: One does not fit the others.
    """
    from ckptscope.errors import UsageError
    from ckptscope.facts.carved_file import CarveRequest, Entry

    if not options.carve:
        name = "--fill" if options.fill else "--uncertain"
        raise UsageError(f"expected --carve beside {name}, found none")
    for field, option in _OTHERS.items():
        if getattr(request, field):
            raise UsageError(
                f"expected no {option} beside --carve; unpack the new file once more for that"
            )
    entries = {one.value: one for one in Entry}
    entry = request.entry or Entry.NETWORK.value
    if entry not in entries:
        raise UsageError(
            f"expected one of {', '.join(entries)} as --entry with --carve, found {entry!r:.100}"
        )
    return CarveRequest(
        entry=entries[entry],
        fill=options.fill,
        uncertain=options.uncertain,
        dtype=request.dtype,
        force=request.force,
    )


def _render(record: "CarvedFile", *, as_json: bool) -> bytes:
    from ckptscope.reports.carved_file import describe_carved_file, render_carved_json

    if as_json:
        return render_carved_json(record)
    from ckptscope.cli.rendering import TableFormat, render_blocks

    return render_blocks(describe_carved_file(record), TableFormat.TEXT, None)
