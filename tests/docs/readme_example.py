"""The example of the README: `python -m tests.docs.readme_example` writes it anew.

Enters: the demonstration file of S. Leaves: what `inspect` prints of it, with most rows of the long
tables left out.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fixtures.build import build, demo_set

README = Path(__file__).parents[2] / "README.md"
SHOWN = "ConvNeXtPose_S.tar"
COLUMNS = 92
START, END = "<!-- inspect: start -->", "<!-- inspect: end -->"

_LEFT_OUT = ("backbone.downs", "head.deconv", "torch.FloatStorage", "torch.LongStorage")
_ELLIPSIS = "  ..."


def build_shown(folder: Path) -> None:
    """Build the file that is shown."""
    build(next(one for one in demo_set() if one.name == SHOWN), folder)


def render_example(folder: Path) -> str:
    """Return the example as it stands between the markers."""
    run = subprocess.run(
        [sys.executable, "-m", "ckptscope", "inspect", SHOWN],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    lines: list[str] = []
    for line in run.stdout.rstrip().splitlines():
        if not line.strip().startswith(_LEFT_OUT):
            lines.append(line)
        elif lines[-1] != _ELLIPSIS:
            lines.append(_ELLIPSIS)
    return "\n".join(("", "```", f"$ ckptscope inspect {SHOWN}", *lines, "```", ""))


def main() -> None:
    """Write the example into the README."""
    before, _, rest = README.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    with tempfile.TemporaryDirectory() as folder:
        build_shown(Path(folder))
        example = render_example(Path(folder))
    README.write_text(f"{before}{START}{example}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
