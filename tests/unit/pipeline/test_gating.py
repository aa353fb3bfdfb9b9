"""The gate's way through: which files are judged, by what, and what comes out of it."""

import datetime
import json
import struct
import tomllib
from pathlib import Path

import msgspec
import pytest
from builders.headers import entry, safetensors
from builders.paper_files import entries_of, write_deflated, write_sparse
from builders.pickles import call, new, pickled, tensor
from builders.tars import tar_bytes, tar_member
from builders.zips import torch_zip

from ckptscope.errors import ArtifactError, PolicyError, UsageError
from ckptscope.facts.findings import Code
from ckptscope.facts.gate import CheckState, GateFile, GateVerdict
from ckptscope.pipeline.gating import gate, propose
from ckptscope.policies.baseline import write_baseline
from ckptscope.policies.loading import parse_policy
from ckptscope.policies.policy import FROM_NAME, Policy, Selection, Waiver

TODAY = datetime.date(2026, 5, 1)
NAN = struct.pack("<2f", float("nan"), 1)
SOUND = torch_zip({"w": tensor("0", (2,))}, {"0": struct.pack("<2f", 1, 2)})
SICK = torch_zip({"w": tensor("0", (2,))}, {"0": NAN})
EVIL = pickled(call("os", "system", "true"))
UNKNOWN = pickled(new("mylab.models", "PoseNet"))


def judge(path: Path, content: bytes, policy: Policy | None = None) -> GateFile:
    """Judge a file that holds one checkpoint."""
    path.write_bytes(content)
    (file,) = gate(path, policy or Policy(), today=TODAY).files
    return file


def failing(file: GateFile) -> list[Code]:
    return [one.finding.code for one in file.rulings if one.is_failing]


def states(file: GateFile) -> dict[str, CheckState]:
    return {one.name: one.state for one in file.checks}


def test_a_path_that_is_no_list_is_one_path(tmp_path):
    (tmp_path / "a.pt").write_bytes(SOUND)
    for paths in (tmp_path / "a.pt", str(tmp_path / "a.pt"), [tmp_path / "a.pt"]):
        assert [one.verdict for one in gate(paths).files] == [GateVerdict.PASSED]


def test_files_come_in_the_order_of_the_request_and_none_hides_another(tmp_path):
    for name, content in (("b.pt", EVIL), ("a.pt", SOUND), ("cut.pt", SOUND[:40])):
        (tmp_path / name).write_bytes(content)
    asked = [tmp_path / name for name in ("b.pt", "cut.pt", "absent.pt", "a.pt")]
    files = gate(asked).files
    assert [Path(one.path).name for one in files] == ["b.pt", "cut.pt", "absent.pt", "a.pt"]
    assert [one.verdict.value for one in files] == ["refused", "unreadable", "unreadable", "pass"]
    assert files[2].failure.kind == "UsageError"


def test_where_nothing_is_a_checkpoint_nothing_is_judged_and_nothing_passes(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    report = gate(tmp_path)
    assert report.files == ()
    assert [Path(one.path).name for one in report.skipped] == ["notes.txt"]
    assert report.verdict is GateVerdict.INCONCLUSIVE


def test_values_and_crcs_are_gone_over_where_they_are_asked_for_alone(tmp_path):
    path = tmp_path / "net.pt"
    plain = judge(path, SICK)
    assert (plain.verdict, states(plain)["values"]) == (GateVerdict.PASSED, CheckState.NOT_ASKED)
    assert states(plain)["crc"] is CheckState.NOT_ASKED
    asked = judge(path, SICK, Policy(values=True, deep=True))
    assert (states(asked)["values"], states(asked)["crc"]) == (CheckState.RAN, CheckState.RAN)
    assert failing(asked) == [Code.VALUES_NAN]


def test_progress_is_told_every_byte_of_the_weights(tmp_path):
    (tmp_path / "net.pt").write_bytes(SOUND)
    told: list[int] = []
    gate(tmp_path / "net.pt", Policy(values=True), progress=told.append)
    assert sum(told) == 8


def test_a_changed_byte_is_found_by_the_crc_and_not_without(tmp_path):
    at = SOUND.index(struct.pack("<2f", 1, 2))
    changed = SOUND[:at] + b"\x01" + SOUND[at + 1 :]
    assert judge(tmp_path / "net.pt", changed).verdict is GateVerdict.PASSED
    deep = judge(tmp_path / "net.pt", changed, Policy(deep=True))
    assert failing(deep) == [Code.MEMBER_CRC]


def test_what_a_pickle_names_before_it_breaks_off_counts(tmp_path):
    file = judge(tmp_path / "cut.pkl", EVIL[:-1])
    assert file.verdict is GateVerdict.UNREADABLE
    assert failing(file) == [Code.IMPORT_DANGEROUS]


def test_an_allowed_import_is_trusted_in_a_file_that_breaks_off_too(tmp_path):
    policy = Policy(imports=("mylab.*",))
    for content in (UNKNOWN, UNKNOWN[:-1]):
        assert Code.IMPORT_UNKNOWN in failing(judge(tmp_path / "net.pkl", content))
        assert failing(judge(tmp_path / "net.pkl", content, policy)) == []


def test_a_waiver_holds_to_its_last_day_by_the_day_that_is_given(tmp_path):
    (tmp_path / "evil.pkl").write_bytes(EVIL)
    waiver = Waiver(code="SAF", reason="ours", expires=TODAY)
    policy = Policy(waivers=(waiver,))
    after = TODAY + datetime.timedelta(days=1)
    assert gate(tmp_path / "evil.pkl", policy, today=TODAY).verdict is GateVerdict.PASSED
    over = gate(tmp_path / "evil.pkl", policy, today=after)
    assert over.verdict is GateVerdict.REFUSED
    assert [one.finding.code for one in over.notices] == [Code.WAIVER_EXPIRED]


def test_known_findings_pardon_what_they_are_of_and_the_rest_counts(tmp_path):
    (tmp_path / "evil.pkl").write_bytes(EVIL)
    known = tmp_path / "known.json"
    write_baseline(known, gate(tmp_path / "evil.pkl"))
    policy = Policy(baseline=str(known))
    assert gate(tmp_path / "evil.pkl", policy).verdict is GateVerdict.PASSED
    (tmp_path / "other.pkl").write_bytes(EVIL)
    assert gate(tmp_path / "other.pkl", policy).verdict is GateVerdict.REFUSED


def test_a_baseline_that_is_wrong_is_told_before_any_file_is_read(tmp_path):
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"schema": "other"}), encoding="utf-8")
    with pytest.raises(PolicyError, match=r"known\.json"):
        gate(tmp_path / "absent.pkl", Policy(baseline=str(known)))


def test_the_size_of_a_file_is_that_on_disk_and_of_a_folder_that_of_the_checkpoint(tmp_path):
    (tmp_path / "net.pt").write_bytes(SOUND)
    exact = Policy(max_bytes=len(SOUND))
    assert gate(tmp_path / "net.pt", exact).verdict is GateVerdict.PASSED
    less = msgspec.structs.replace(exact, max_bytes=len(SOUND) - 1)
    assert failing(gate(tmp_path / "net.pt", less).files[0]) == [Code.FILE_TOO_LARGE]
    folder = tmp_path / "unpacked"
    (folder / "data").mkdir(parents=True)
    (folder / "data.pkl").write_bytes(pickled({"w": tensor("0", (2,))}))
    (folder / "data" / "0").write_bytes(bytes(8))
    held = len(pickled({"w": tensor("0", (2,))})) + 8
    assert failing(gate(folder, Policy(max_bytes=held)).files[0]) == []
    assert failing(gate(folder, Policy(max_bytes=held - 1)).files[0]) == [Code.FILE_TOO_LARGE]


def test_a_policys_own_upkeep_may_refuse_a_run_whose_files_all_pass(tmp_path):
    (tmp_path / "net.pt").write_bytes(SOUND)
    idle = Waiver(code="SAF", reason="ours", expires=TODAY)
    policy = Policy(waivers=(idle,), overrides=Selection(fail=("POL021",)))
    report = gate(tmp_path / "net.pt", policy, today=TODAY)
    assert [one.verdict for one in report.files] == [GateVerdict.PASSED]
    assert report.verdict is GateVerdict.REFUSED


def test_the_name_of_a_file_with_several_checkpoints_is_the_label_of_none(tmp_path):
    content = write_deflated(tmp_path / "one", entries_of("S"), epoch=1).read_bytes()
    alone = tar_bytes(tar_member("net.pth", content))
    both = tar_bytes(tar_member("a.pth", content), tar_member("b.pth", content))
    policy = Policy(variant=FROM_NAME)
    path = tmp_path / "ConvNeXtPose_S.tar"
    assert failing(judge(path, alone, policy)) == []
    path.write_bytes(both)
    files = gate(path, policy).files
    assert [one.location for one in files] == [("a.pth",), ("b.pth",)]
    assert {one.verdict for one in files} == {GateVerdict.INCONCLUSIVE}


def test_a_label_that_the_tensors_contradict_is_refused_without_any_policy(tmp_path):
    names = ("ConvNeXtPose_M.safetensors", "ConvNeXtPose_S.safetensors")
    wrong, right = gate([write_sparse(tmp_path / name, entries_of("S")) for name in names]).files
    assert failing(wrong) == [Code.LABEL_CONTRADICTED]
    assert failing(right) == []
    assert (wrong.family, wrong.variant) == ("convnextpose", "S")


def test_a_policy_is_proposed_that_its_example_passes(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(SOUND)
    told: list[int] = []
    proposal = propose(path, values=True, deep=True, jobs=2, progress=told.append)
    assert proposal.objections == ()
    assert tomllib.loads(proposal.text)["gate"]["values"] is True
    assert sum(told) > 0
    assert gate(path, parse_policy(proposal.text, "x.toml")).verdict is GateVerdict.PASSED
    assert "values" not in tomllib.loads(propose(path).text)["gate"]


def test_weights_that_are_sick_are_an_objection_where_values_are_gone_over(tmp_path):
    (tmp_path / "net.pt").write_bytes(SICK)
    assert propose(tmp_path / "net.pt").objections == ()
    sick = propose(tmp_path / "net.pt", values=True).objections
    assert [one.code for one in sick] == [Code.VALUES_NAN]


def test_no_policy_is_proposed_after_what_is_not_one_readable_checkpoint(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        propose(tmp_path / "absent.pt")
    (tmp_path / "cut.pt").write_bytes(SOUND[:40])
    with pytest.raises(ArtifactError, match=r"cut\.pt"):
        propose(tmp_path / "cut.pt")
    two = tar_bytes(tar_member("a.pth", SOUND), tar_member("b.pth", SOUND))
    (tmp_path / "two.tar").write_bytes(two)
    with pytest.raises(UsageError, match="found 2"):
        propose(tmp_path / "two.tar")


def test_a_file_that_torch_load_is_not_for_has_no_forecast(tmp_path):
    file = judge(tmp_path / "net.safetensors", safetensors({"w": entry([2], 0, 8)}, bytes(8)))
    forecast = next(one for one in file.checks if one.name == "weights_only")
    assert (forecast.state, forecast.remark) == (CheckState.RAN, "no file for torch.load")
