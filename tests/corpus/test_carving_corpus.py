"""A real checkpoint without its pickle: named, explained, written, run."""

import json
import subprocess
import sys

import pytest
from corpus_files import require

from ckptscope.facts.carving import Slot
from ckptscope.pipeline import inspect

CORPUS = require()
REAL = CORPUS / "benign/ConvNeXtPose_XS_released/snapshot_68.pth"

pytestmark = pytest.mark.corpus


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )


def test_the_released_xs_is_named_and_explained():
    (file,) = inspect(REAL).files
    assert file.failure is not None
    found = file.carved
    assert found is not None
    assert found.is_certain
    best = found.best
    assert best is not None
    assert (best.family, best.variant) == ("convnextpose", "XS")
    assert (best.settings["dims"], best.settings["final_channels"]) == ((40, 80, 160, 320), 576)
    left = {one.number for one in found.survivors}
    for slots, agreeing in (((Slot.NETWORK,), 183), (tuple(Slot)[2:], 402)):
        places = [one for one in found.tensors if one.slot in slots]
        assert sum(one.number in left for one in places) == agreeing
        assert sum(one.storage is not None for one in places) == agreeing
    missing = [one for one in found.tensors if one.storage is None]
    assert [one.number for one in missing] == list(range(11))
    assert all(one.key.startswith("backbone.downsample_layers.") for one in missing)
    facts = {fact.name: fact.value for fact in found.training}
    assert (facts["steps"], facts["epochs"], facts["iterations_per_epoch"]) == (
        1_346_328,
        69,
        19_512,
    )
    assert all(check.holds for check in found.checks)


def test_one_command_shows_it():
    done = run("inspect", REAL)
    assert done.returncode == 3
    assert "what it was: ConvNeXtPose XS (certain)" in done.stdout
    assert "network    183 of 183 storages that are left agree" in done.stdout
    assert "state      402 of 402 storages that are left agree" in done.stdout
    assert "1,346,328 = 69 × 19,512" in done.stdout


@pytest.mark.torch
def test_filled_up_it_runs(tmp_path):
    pytest.importorskip("torch")
    out = tmp_path / "XS.safetensors"
    done = run("unpack", REAL, "--carve", "--fill", "init", "-o", out, "-f", "json")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert record["filled"] == 11
    assert sum(one["is_written"] for one in record["tensors"]) == 194
    ran = run("forward", out)
    assert ran.returncode == 0, ran.stderr
    assert "Layer by layer" in ran.stdout
    assert "XS" in run("inspect", out).stdout
