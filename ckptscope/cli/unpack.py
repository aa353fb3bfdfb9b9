"""`ckptscope unpack FILE -o OUT`: rewrite a checkpoint as safetensors or as a plain torch zip."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.options import MaxSpool

if TYPE_CHECKING:
    from ckptscope.errors import ArtifactError
    from ckptscope.facts.unpacking import UnpackReport, UnpackRequest


class ReportFormat(StrEnum):
    """How to show what was written."""

    TEXT = "text"
    JSON = "json"


class Fill(StrEnum):
    """What takes the place of tensors of which nothing is left."""

    INIT = "init"


_File = Annotated[str, typer.Argument(metavar="FILE", help="A checkpoint in any container.")]
_Target = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="NAME.safetensors, NAME.pth (.pt, .ckpt, .bin), or FOLDER/ for all state_dicts.",
    ),
]
_Entry = Annotated[
    str | None,
    typer.Option(
        "--entry", metavar="NAME", help="Which state_dict; the network if it is left to choose."
    ),
]
_Member = Annotated[
    str | None,
    typer.Option("--member", metavar="NAME", help="Which checkpoint, where a wrapper has several."),
]
_StripPrefix = Annotated[
    bool, typer.Option("--strip-prefix", help="Take off what wrappers put before every key.")
]
_Prefix = Annotated[
    str, typer.Option("--prefix", metavar="PREFIX", help="Take this off the keys instead.")
]
_Keys = Annotated[
    str,
    typer.Option(
        "--keys",
        metavar="DIALECT",
        help="Name the network's layers as this dialect of its family does: named, indexed, list.",
    ),
]
_Dtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="TYPE",
        help="Cast floating tensors, as torch does: float16, bfloat16, float32, float64.",
    ),
]
_Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PATTERN", help="Keep keys that fit: 'head.*'; repeatable."),
]
_Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="ROLE|NAME",
        help="State_dicts that are not wanted: optimizer, ema, other, or one by name; repeatable.",
    ),
]
_Skip = Annotated[
    bool,
    typer.Option("--skip-unsupported", help="Leave out tensors that the target cannot hold."),
]
_Metadata = Annotated[
    str | None,
    typer.Option("--metadata", metavar="FILE.json", help="Write what is no tensor there."),
]
_Carve = Annotated[
    bool,
    typer.Option(
        "--carve", help="Of a file that lost its pickle: write what its storages tell of."
    ),
]
_Fill = Annotated[
    Fill | None,
    typer.Option(
        "--fill", help="With --carve: give missing tensors the initial values of their family."
    ),
]
_Uncertain = Annotated[
    bool,
    typer.Option("--uncertain", help="With --carve: write what fits best if nothing is certain."),
]
_Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
_Format = Annotated[ReportFormat, typer.Option("--format", "-f", help="How to show the report.")]


def unpack_command(
    file: _File,
    output: _Target,
    entry: _Entry = None,
    member: _Member = None,
    strip_prefix: _StripPrefix = False,
    prefix: _Prefix = "",
    keys: _Keys = "",
    dtype: _Dtype = "",
    only: _Only = None,
    drop: _Drop = None,
    skip_unsupported: _Skip = False,
    metadata: _Metadata = None,
    carve: _Carve = False,
    fill: _Fill = None,
    uncertain: _Uncertain = False,
    force: _Force = False,
    output_format: _Format = ReportFormat.TEXT,
    max_spool: MaxSpool = None,
) -> None:
    """Rewrite a checkpoint as safetensors, or as a torch zip that weights_only=True accepts.

    Nothing of the file is executed. What is written is read back and compared with the source
    before it is given its name; the source is never changed.
    """
    from ckptscope.facts.unpacking import UnpackRequest

    request = UnpackRequest(
        member=member,
        entry=entry,
        strip_prefix=strip_prefix,
        prefix=prefix,
        keys=keys,
        dtype=dtype,
        only=tuple(only or ()),
        drop=tuple(drop or ()),
        skip_unsupported=skip_unsupported,
        metadata=metadata,
        force=force,
    )
    if carve or fill is not None or uncertain:
        from ckptscope.cli.unpack_carving import CarveOptions, run_carving

        options = CarveOptions(
            carve=carve, fill=fill is not None, uncertain=uncertain, max_spool=max_spool
        )
        run_carving(file, output, request, options, as_json=output_format is ReportFormat.JSON)
        return
    _show(_run(file, output, request, max_spool), output_format)


def _run(file: str, output: str, request: "UnpackRequest", max_spool: str | None) -> "UnpackReport":
    from ckptscope.cli.output import write_error
    from ckptscope.cli.progress import showing_progress
    from ckptscope.cli.sizes import limits_of
    from ckptscope.errors import ArtifactError, UsageError
    from ckptscope.pipeline.unpacking import unpack

    try:
        with showing_progress(True, [file]) as progress:
            return unpack(
                file,
                output,
                request,
                limits=limits_of(max_spool),
                progress=progress,
                tell=write_error,
            )
    except UsageError as error:
        write_error(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except ArtifactError as error:
        write_error(f"{file}: {error}{_advice(file, error)}")
        raise typer.Exit(Exit.UNREADABLE) from error
    except OSError as error:
        write_error(f"cannot write to {output}: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error


def _advice(file: str, error: "ArtifactError") -> str:
    """Name the option for what is left of a damaged file, if anything is."""
    from pathlib import Path

    from ckptscope.pipeline.carving import has_survivors, is_damage
    from ckptscope.pipeline.reading import failure_of

    if not is_damage(failure_of(error, ())) or not has_survivors(Path(file)):
        return ""
    return "; --carve writes what the storages that are left tell of"


def _show(report: "UnpackReport", output_format: ReportFormat) -> None:
    """Write the report to stdout, and to stderr what nobody may miss."""
    from ckptscope.cli.output import write_error, write_result

    count = len(report.values) + report.more_values
    if count and report.metadata is None:
        named = ", ".join(one.path or "the top" for one in report.values[:6])
        more = ", ..." if count > 6 else ""
        write_error(
            f"not in {report.target}, for it is no tensor: {named}{more}; "
            "--metadata FILE.json keeps it"
        )
    try:
        write_result(_render(report, output_format), None)
    except OSError as error:
        write_error(f"cannot write to stdout: {error.strerror}")
        raise typer.Exit(Exit.UNREADABLE) from error


def _render(report: "UnpackReport", output_format: ReportFormat) -> bytes:
    from ckptscope.reports.unpacked import describe_unpacked, render_unpack_json

    if output_format is ReportFormat.JSON:
        return render_unpack_json(report)
    from ckptscope.cli.rendering import TableFormat, render_blocks

    return render_blocks(describe_unpacked(report), TableFormat.TEXT, None)
