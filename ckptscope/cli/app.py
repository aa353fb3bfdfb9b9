"""The program: its commands and what they share.

Rooms are imported inside the commands: `--help` must not wait for them.
"""

import os
import sys
from typing import Annotated

import typer

from ckptscope.cli.diff import diff_command
from ckptscope.cli.exits import Exit
from ckptscope.cli.explain import explain_command
from ckptscope.cli.forward import forward_command
from ckptscope.cli.inspect import inspect_command
from ckptscope.cli.schema import schema_command
from ckptscope.cli.spec import spec_app
from ckptscope.version import VERSION

app = typer.Typer(
    name="ckptscope",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("inspect")(inspect_command)
app.command("forward")(forward_command)
app.command("diff")(diff_command)
app.command("explain")(explain_command)
app.command("schema")(schema_command)
app.add_typer(spec_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ckptscope {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Say what a PyTorch checkpoint really is, without executing a byte of it."""


def main() -> None:
    """Run the program and end the process.

    The interpreter would free every object one by one, which takes a fifth of the time of an
    `inspect`; the system does it at once. Nothing waits for the interpreter's end: outputs are
    renamed into place and temporary files have no names.
    """
    code: int = Exit.FINE
    try:
        app()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except OSError as error:
        code = _stdout_failed(error)
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BrokenPipeError:
        # Whoever read the output has left.
        pass
    except OSError as error:
        code = _stdout_failed(error)
    os._exit(code)


def _stdout_failed(error: OSError) -> Exit:
    """`--help` and `--version` write to stdout themselves, which may be full or closed."""
    from ckptscope.cli.output import write_error

    write_error(f"cannot write to stdout: {error.strerror}")
    return Exit.UNREADABLE
