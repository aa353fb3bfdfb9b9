"""The program: its commands and what they share.

Rooms are imported inside the commands: `--help` must not wait for them.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer

from ckptscope.cli.exits import Exit
from ckptscope.version import VERSION


def _inspect(app: typer.Typer) -> None:
    from ckptscope.cli.inspect import inspect_command

    app.command("inspect")(inspect_command)


def _forward(app: typer.Typer) -> None:
    from ckptscope.cli.forward import forward_command

    app.command("forward")(forward_command)


def _diff(app: typer.Typer) -> None:
    from ckptscope.cli.diff import diff_command

    app.command("diff")(diff_command)


def _gate(app: typer.Typer) -> None:
    from ckptscope.cli.gate import gate_command

    app.command("gate")(gate_command)


def _identity(app: typer.Typer) -> None:
    from ckptscope.cli.identity import identity_command

    app.command("identity")(identity_command)


def _unpack(app: typer.Typer) -> None:
    from ckptscope.cli.unpack import unpack_command

    app.command("unpack")(unpack_command)


def _explain(app: typer.Typer) -> None:
    from ckptscope.cli.explain import explain_command

    app.command("explain")(explain_command)


def _schema(app: typer.Typer) -> None:
    from ckptscope.cli.schema import schema_command

    app.command("schema")(schema_command)


def _spec(app: typer.Typer) -> None:
    from ckptscope.cli.spec import spec_app

    app.add_typer(spec_app)


#: What adds each command, in the order of the help.
_COMMANDS: Final[dict[str, Callable[[typer.Typer], None]]] = {
    "inspect": _inspect,
    "forward": _forward,
    "diff": _diff,
    "gate": _gate,
    "identity": _identity,
    "unpack": _unpack,
    "explain": _explain,
    "spec": _spec,
    "schema": _schema,
}


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Build the program; typer takes a millisecond for each command, so only what is called.

    Args:
        arguments: Of the command line. If the first is a command, it is the only one that is built.
    """
    app = typer.Typer(
        name="ckptscope",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(options)
    called = arguments[0] if arguments and arguments[0] in _COMMANDS else None
    for name, add in _COMMANDS.items():
        if called in (None, name):
            add(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ckptscope {VERSION}")
        raise typer.Exit


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
        build_app(sys.argv[1:])()
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
