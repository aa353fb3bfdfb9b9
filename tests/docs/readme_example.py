"""The examples of the README: `python -m tests.docs.readme_example` writes them anew.

Enters: the demonstration file of S with its manifest, the same under a name that does not fit, the
same converted to another container and dialect, and a pasted error.
Leaves: what the commands print of them, with some rows of the long tables left out.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from ckptscope.writers.safetensors import write_safetensors
from fixtures.build import build, demo_set
from fixtures.checkpoint import network_tensors, released
from fixtures.convnextpose import Dialect

README = Path(__file__).parents[2] / "README.md"
SHOWN, MISNAMED, PASTED = "ConvNeXtPose_S.tar", "ConvNeXtPose_XS.tar", "error.txt"
MANIFEST = "ConvNeXtPose_S.ckpt.json"
CONVERTED = "converted.safetensors"
UNPACKED = "S.safetensors"
COLUMNS = 92


class Example(NamedTuple):
    """One command of the README.

    Attributes:
        name: Stands in the markers around it.
        arguments: Of the command.
        code: Its exit code.
    """

    name: str
    arguments: tuple[str, ...]
    code: int = 0


EXAMPLES = (
    Example("inspect", ("inspect", SHOWN, "--depth", "1")),
    Example("paper", ("diff", "--paper", MISNAMED), code=1),
    Example("variant", ("diff", SHOWN, "--variant", "XS"), code=1),
    Example("compare", ("diff", SHOWN, CONVERTED)),
    Example("explain", ("explain", PASTED)),
    Example("gate", ("gate", MISNAMED), code=1),
    Example("identity", ("identity", "--verify", MANIFEST, MISNAMED)),
    Example("unpack", ("unpack", SHOWN, "-o", UNPACKED, "--strip-prefix", "--dtype", "bfloat16")),
)

_LEFT_OUT = ("torch.FloatStorage", "torch.LongStorage")
_ELLIPSIS = "  ..."
#: What people paste: weights for 18 joints, a network for 17.
_PASTE = """\
RuntimeError: Error(s) in loading state_dict for ResPoseNet:
    size mismatch for module.head.final_layer.weight: copying a param with shape \
torch.Size([1152, 256, 1, 1]) from checkpoint, the shape in current model is \
torch.Size([1088, 256, 1, 1]).
    size mismatch for module.head.final_layer.bias: copying a param with shape \
torch.Size([1152]) from checkpoint, the shape in current model is torch.Size([1088]).
"""


def markers(name: str) -> tuple[str, str]:
    """Return what stands before an example and behind it."""
    return f"<!-- {name}: start -->", f"<!-- {name}: end -->"


def build_shown(folder: Path) -> None:
    """Build the files that are shown."""
    build(next(one for one in demo_set() if one.name == SHOWN), folder)
    (folder / MISNAMED).hardlink_to(folder / SHOWN)
    # Its tensors again, as somebody would have converted them for another code base.
    recipe = dataclasses.replace(released("S"), dialect=Dialect.INDEXED, prefix="")
    write_safetensors(folder / CONVERTED, network_tensors(recipe))
    (folder / PASTED).write_text(_PASTE, encoding="utf-8")
    arguments = (sys.executable, "-m", "ckptscope", "identity", SHOWN, "-o", MANIFEST)
    subprocess.run(arguments, cwd=folder, check=True)


def render_example(example: Example, folder: Path) -> str:
    """Return an example as it stands between its markers."""
    run = subprocess.run(
        [sys.executable, "-m", "ckptscope", *example.arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if run.returncode != example.code:
        raise AssertionError(f"{example.arguments}: exit {run.returncode}: {run.stderr}")
    lines: list[str] = []
    for line in run.stdout.rstrip().splitlines():
        if not line.strip().startswith(_LEFT_OUT):
            lines.append(line)
        elif lines[-1] != _ELLIPSIS:
            lines.append(_ELLIPSIS)
    command = f"$ ckptscope {' '.join(example.arguments)}"
    return "\n".join(("", "```", command, *lines, "```", ""))


def main() -> None:
    """Write the examples into the README."""
    page = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        build_shown(Path(folder))
        for example in EXAMPLES:
            start, end = markers(example.name)
            before, _, rest = page.partition(start)
            _, _, after = rest.partition(end)
            page = f"{before}{start}{render_example(example, Path(folder))}{end}{after}"
    README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
