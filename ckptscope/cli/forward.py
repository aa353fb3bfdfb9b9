"""`ckptscope forward FILE`: run the network of a checkpoint and watch every layer."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptscope.cli.exits import Exit
from ckptscope.cli.inspect import OutputFormat
from ckptscope.cli.options import Output
from ckptscope.cli.rendering import TableFormat

if TYPE_CHECKING:
    from ckptscope.facts.trace import ForwardReport, PassRequest
    from ckptscope.pipeline.choosing import Choice


class ElementType(StrEnum):
    """Element types that a pass can be computed with."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


_File = Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint in any container.")]
_Input = Annotated[
    Path | None,
    typer.Option(
        "--input", "-i", help="What goes in: a .npy array [N, 3, H, W] of float32, a JPEG or a PNG."
    ),
]
_Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of the noise.")]
_Size = Annotated[
    str | None,
    typer.Option("--size", metavar="N|HxW", help="Sides of the input; the family's own if left."),
]
_Device = Annotated[
    str, typer.Option("--device", metavar="cpu|cuda|meta", help="meta follows shapes alone.")
]
_Batch = Annotated[int | None, typer.Option("--batch", min=1, help="Images of noise; 1.")]
_Dtype = Annotated[
    ElementType | None, typer.Option("--dtype", help="Element type of the pass; on a CPU float32.")
]
_Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of a CPU.")]
_Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="OUT.npy", help="Write the output there, as float32."),
]
_Variant = Annotated[
    str | None,
    typer.Option("--variant", help="Row of the paper's table; the file's name says it if left."),
]
_Assume = Annotated[
    list[str] | None,
    typer.Option(
        "--assume",
        metavar="NAME=VALUE",
        help="Take a setting of the network as known: joints=17; repeatable.",
    ),
]
_Specs = Annotated[
    list[Path] | None,
    typer.Option("--spec", metavar="FILE.toml", help="A table of variants; repeatable."),
]
_StateDict = Annotated[
    str | None,
    typer.Option("--state-dict", metavar="PATH", help="Which network, where there are several."),
]
_Member = Annotated[
    str | None,
    typer.Option("--member", metavar="NAME", help="Which checkpoint, where a wrapper has several."),
]
_Format = Annotated[OutputFormat, typer.Option("--format", "-f", help="How to show the report.")]


def forward_command(
    file: _File,
    input_file: _Input = None,
    seed: _Seed = 0,
    size: _Size = None,
    device: _Device = "cpu",
    batch: _Batch = None,
    dtype: _Dtype = None,
    threads: _Threads = None,
    save: _Save = None,
    variant: _Variant = None,
    assume: _Assume = None,
    spec: _Specs = None,
    state_dict: _StateDict = None,
    member: _Member = None,
    output_format: _Format = OutputFormat.TEXT,
    output: Output = None,
) -> None:
    """Run the network of a checkpoint: planes, multiply-accumulates and values, layer by layer.

    Needs torch (pip install 'ckptscope[forward]'). Nothing of the file is executed: the network is
    ckptscope's own, and only weights are taken from it.
    """
    from ckptscope.cli.settings import parse_settings
    from ckptscope.errors import UsageError
    from ckptscope.facts.trace import PassRequest
    from ckptscope.pipeline.choosing import Choice

    try:
        request = PassRequest(
            seed=seed,
            input=None if input_file is None else str(input_file),
            size=None if size is None else _read_size(size),
            device=device,
            batch=batch,
            dtype=None if dtype is None else dtype.value,
            threads=threads,
        )
        choice = Choice(
            member=member,
            state_dict=state_dict,
            stated=parse_settings(assume or ()),
            variant=variant,
            specs=tuple(spec or ()),
        )
    except UsageError as error:
        raise _failed(error) from error
    code = _run(file, request, choice, save, output_format, output)
    if code is not Exit.FINE:
        raise typer.Exit(code)


def _read_size(text: str) -> tuple[int, int]:
    """Return height and width of `256` or `256x192`.

    Raises:
        UsageError: It is neither.
    """
    from ckptscope.cli.settings import parse_settings
    from ckptscope.errors import UsageError

    found = parse_settings([f"size={text}"])["size"]
    sides = (found, found) if isinstance(found, int) else found
    if isinstance(sides, tuple) and len(sides) == 2:
        height, width = sides
        if type(height) is int and type(width) is int:
            return height, width
    raise UsageError(f"expected --size as 256 or 256x192, found {text!r}")


def _run(
    file: Path,
    request: "PassRequest",
    choice: "Choice",
    save: Path | None,
    output_format: OutputFormat,
    output: Path | None,
) -> Exit:
    from ckptscope.cli.output import refuse_inputs_as_output, write_error, write_result
    from ckptscope.errors import CkptscopeError, UsageError
    from ckptscope.pipeline.forwarding import forward

    try:
        refuse_inputs_as_output([str(file), request.input or str(file)], output)
        if output is not None and save is not None and output.resolve() == save.resolve():
            raise UsageError("expected two files for the report and the output, found one")
        report = forward(file, request=request, choice=choice, save=save, progress=Progress().tell)
        write_result(_render(report, output_format, output), output)
    except CkptscopeError as error:
        raise _failed(error, file) from error
    except OSError as error:
        write_error(f"cannot write to {error.filename or output or 'stdout'}: {error.strerror}")
        return Exit.UNREADABLE
    for failure in report.failures:
        write_error(f"{file}: {failure}")
    if report.failures:
        return Exit.UNREADABLE
    return Exit.FOUND if report.is_contradicted else Exit.FINE


def _failed(error: Exception, file: Path | None = None) -> typer.Exit:
    """Say what went wrong, and return the exit that it deserves."""
    from ckptscope.cli.output import write_error
    from ckptscope.errors import ArtifactError

    if isinstance(error, ArtifactError):
        write_error(f"{file}: {error}")
        return typer.Exit(Exit.UNREADABLE)
    write_error(str(error))
    return typer.Exit(Exit.USAGE)


def _render(report: "ForwardReport", output_format: OutputFormat, output: Path | None) -> bytes:
    if output_format is OutputFormat.JSON:
        from ckptscope.reports.forward_json import render_forward_json

        return render_forward_json(report)
    from ckptscope.cli.rendering import render_blocks
    from ckptscope.reports.forward import describe_forward

    return render_blocks(describe_forward(report), TableFormat(output_format.value), output)


class Progress:
    """Says how far a long pass has come, on stderr."""

    #: Seconds of silence before the first word, and between words.
    PATIENCE = 2.0

    def __init__(self) -> None:
        self._told: float | None = None

    def tell(self, name: str, done: int, of: int) -> None:
        """Say that a row is done, if nothing was said for long."""
        from ckptscope.cli.output import write_error

        now = time.monotonic()
        if self._told is None:
            self._told = now
        if now - self._told >= self.PATIENCE and done < of:
            self._told = now
            write_error(f"{name} done, {done} of {of} layers")
