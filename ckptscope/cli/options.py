"""Options that several commands have in common.

Enters: nothing. Leaves: types of parameters, as typer reads them.
"""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here instead of stdout.")
]
MaxSpool = Annotated[
    str | None,
    typer.Option(
        "--max-spool",
        metavar="SIZE",
        help="Bytes that compressed contents may unpack to (2G, and 50 times the file).",
    ),
]
