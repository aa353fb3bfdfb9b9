"""Forecasts of files that are not all there, or would take more reading than is allowed."""

import struct

import msgspec
from builders.pickles import new, tensor
from builders.streams import legacy_stream
from builders.zips import Member, torch_members, zip_bytes

from ckptscope.facts.gate import CheckState, GateFile
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.pipeline import inspect
from ckptscope.pipeline.gating import gate

TREE = {"w": tensor("0", (2,)), "note": "x" * 5000, "net": new("lab", "Net")}
HELD = {"0": struct.pack("<2f", 1, 2)}


def compressed() -> bytes:
    members = torch_members(TREE, HELD)
    return zip_bytes([Member(name=one.name, data=one.data, deflate=True) for one in members])


def run_of(file: GateFile):
    return next(one for one in file.checks if one.name == "weights_only")


def test_a_pickle_that_may_not_be_unpacked_again_leaves_the_check_unfinished(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(compressed())
    once = 0
    # The least that is enough to read the file is not enough to read its pickle once more.
    for once in range(5_000, 100_000, 1_000):
        limits = msgspec.structs.replace(DEFAULT_LIMITS, spool_bytes=once)
        (file,) = gate(path, limits=limits).files
        if file.failure is None:
            break
    run = run_of(file)
    assert run.state is CheckState.UNFINISHED
    assert "spool_bytes" in run.remark
    (report,) = inspect(path, limits=limits).files
    assert report.manifest is not None
    assert report.weights_only is None
    (whole,) = gate(path).files
    assert run_of(whole).state is CheckState.RAN


def test_a_file_that_lacks_bytes_is_loaded_by_no_version(tmp_path):
    path = tmp_path / "cut.pth"
    whole = legacy_stream({"w": tensor("0", (2,), legacy=True)}, [("0", 2, bytes(8))])
    path.write_bytes(whole[:-4])
    (report,) = inspect(path).files
    assert report.weights_only is not None
    (verdict,) = report.weights_only.verdicts
    assert verdict.obstacle is not None
    assert verdict.obstacle.subject == "cut off"
