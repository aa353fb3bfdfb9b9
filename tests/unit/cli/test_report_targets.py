"""No report is written over a checkpoint, whichever command writes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.pickles import tensor
from builders.zips import torch_zip

SOUND = torch_zip({"w": tensor("0", (4,))}, {"0": bytes(16)})


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "ckptscope", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.pt", "other.pt"):
        (tmp_path / name).write_bytes(SOUND)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "model.pt", "-o", "other.pt"),
        ("gate", "model.pt", "--report", "sarif=other.pt"),
        ("diff", "model.pt", "model.pt", "-o", "other.pt"),
        ("identity", "model.pt", "-o", "other.pt"),
        ("spec", "list", "-o", "other.pt"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_report_never_takes_the_place_of_a_checkpoint_that_is_not_its_subject(folder, arguments):
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert "'other.pt', which is no text" in done.stderr
    assert (folder / "other.pt").read_bytes() == SOUND


def test_a_report_takes_the_place_of_an_older_one(folder):
    for _ in range(2):
        assert run(folder, "inspect", "model.pt", "-o", "report.txt").returncode == 0


def test_a_link_to_nothing_is_told_beside_the_other_files(folder):
    os.symlink("nowhere", folder / "dangling.pt")
    done = run(folder, "gate", "model.pt", "dangling.pt")
    assert done.returncode == 2
    assert done.stdout.startswith("model.pt\n")
    assert "a link that leads nowhere" in done.stderr
