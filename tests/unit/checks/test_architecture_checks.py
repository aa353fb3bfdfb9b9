"""Is it the network that it is said to be?"""

from pathlib import Path

import msgspec
import pytest
from builders.convnextpose import shapes
from builders.finding_cases.case import Subject, findings_of, judge
from builders.paper_files import entries_of, write_sparse
from builders.training_files import Storages, checkpoint

from ckptscope.checks.architecture import check_architecture
from ckptscope.facts.claims import ClaimSource, Verdict
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.paper import Label, PaperFile
from ckptscope.facts.report import Failure, FileReport
from ckptscope.facts.standing import Judgement
from ckptscope.facts.tensors import Origin
from ckptscope.policies.policy import Policy

LABEL = Label(table="t", row="M", made_by=ClaimSource.FILE_NAME, source="the name 'm.pt'")


def found(path: Path, **policy: object) -> list[Finding]:
    report = judge(Subject(path=path, policy=Policy(**policy)))  # type: ignore[arg-type]
    return [one for one in findings_of(report) if one.code.value.startswith("ARC")]


def configured(folder: Path, *, at: str = "cfg", **values: object) -> list[Finding]:
    """Gate a small network of 18 joints and 32 depth bins beside a configuration."""
    s = Storages()
    network = s.network({f"module.{key}": shape for key, shape in shapes().items()})
    path = folder / "model.pt"
    path.write_bytes(checkpoint({"network": network, at: dict(values)}, s))
    return [one for one in found(path) if one.code is Code.CONFIGURATION_CONTRADICTED]


@pytest.mark.parametrize("row", ["XS", "S", "M", "L"])
def test_a_file_of_its_row_is_not_remarked_on(row: str, tmp_path: Path) -> None:
    path = write_sparse(tmp_path / f"ConvNeXtPose_{row}.safetensors", entries_of(row))
    assert found(path) == []


@pytest.mark.parametrize("row", ["XS", "M", "L"])
def test_a_name_that_says_another_row_is_contradicted_by_tensors(row: str, tmp_path: Path) -> None:
    path = write_sparse(tmp_path / f"ConvNeXtPose_{row}.safetensors", entries_of("S"))
    (only,) = found(path)
    assert only.code is Code.LABEL_CONTRADICTED
    assert only.severity is Severity.ERROR
    assert f"says row '{row}'" in only.message
    assert "it matches row S" in only.message
    assert any(".weight: " in line and " in S" in line for line in only.evidence)
    assert any(line.startswith("params: claimed") for line in only.evidence)


def test_nothing_is_called_mislabelled_or_wrong(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "ConvNeXtPose_L.safetensors", entries_of("S"))
    told = repr(found(path))
    assert "mislabel" not in told
    assert "wrong" not in told


def test_a_row_that_the_policy_asks_for_is_contradicted_too(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "weights.safetensors", entries_of("S"))
    (only,) = found(path, variant="L")
    assert only.code is Code.SPEC_CONTRADICTED
    assert "the file is said to be row 'L'" in only.message


def test_a_file_without_a_name_is_held_to_nothing(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "weights.safetensors", entries_of("S"))
    assert found(path) == []


def test_a_name_that_means_two_rows_decides_nothing(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "ConvNeXtPose_S_M.safetensors", entries_of("S"))
    (only,) = found(path)
    assert only.code is Code.LABEL_UNDECIDED
    assert only.severity is Severity.INFO
    assert "S and M" in only.message


def test_a_label_about_which_no_fact_decides_is_said_to_be_undecided() -> None:
    claim = Judgement(
        attribute="upsamplings",
        claimed=3,
        claimed_text="3",
        found=2,
        found_text="2",
        origin=Origin.ASSUMED,
        verdict=Verdict.NOT_DECIDABLE,
        agrees=False,
    )
    file = PaperFile(path="m.pt", label=LABEL, title="T", table="t", judgements=(claim,))
    (only,) = check_architecture(file, FileReport(path="m.pt"))
    assert only.code is Code.LABEL_UNDECIDED
    assert only.evidence == ("upsamplings: claimed 3, found 2 (assumed)",)
    decided = msgspec.structs.replace(
        file, judgements=(msgspec.structs.replace(claim, verdict=Verdict.MATCHES),)
    )
    assert check_architecture(decided, FileReport(path="m.pt")) == ()


def test_a_label_of_another_family_is_contradicted_without_a_row() -> None:
    other = Judgement(
        attribute="family",
        claimed="a",
        claimed_text="a",
        found="b",
        found_text="b",
        origin=Origin.OBSERVED,
        verdict=Verdict.CONTRADICTS,
        explanation="all of its tensors are those of B",
    )
    file = PaperFile(path="m.pt", label=LABEL, title="B", table="u", judgements=(other,))
    (only,) = check_architecture(file, FileReport(path="m.pt"))
    assert "its network is a B" in only.message
    assert "all of its tensors are those of B" in only.message


def test_a_file_that_was_not_read_is_not_judged() -> None:
    file = PaperFile(path="m.pt", label=LABEL, failure=Failure(kind="x", message="y"))
    assert check_architecture(file, FileReport(path="m.pt")) == ()


def test_missing_blocks_are_a_misfit_of_the_family(tmp_path: Path) -> None:
    entries = [one for one in entries_of("S") if "stages.2.4." not in one.key]
    (only,) = found(write_sparse(tmp_path / "weights.safetensors", entries))
    assert only.code is Code.FAMILY_MISFIT
    assert only.severity is Severity.WARNING
    assert any("block 4 is missing" in line for line in only.evidence)


@pytest.mark.parametrize(
    "values",
    [
        {"joint_num": 17},
        {"joint_num": 17, "depth_dim": 64},
        {"num_deconv_layers": 2},
        {"dims": [40, 80, 160, 320]},
        {"deconv_channels": [9, 9, 9]},
    ],
)
def test_a_configuration_that_shapes_contradict_is_told(
    values: dict[str, object], tmp_path: Path
) -> None:
    (only,) = configured(tmp_path, **values)
    assert only.severity is Severity.WARNING
    assert only.where.key == "cfg"
    assert all(name in only.message for name in values)


@pytest.mark.parametrize(
    "values",
    [
        {"joint_num": 18, "depth_dim": 32},
        # 576 final channels are 16 joints of 36 bins as well: nothing contradicts that.
        {"joint_num": 16},
        {"num_deconv_layers": 3, "dims": [4, 6, 8, 12]},
        {"deconv_channels": [10, 14, 16]},
        # Incoming channels, as a fork documents them.
        {"deconv_channels": [12, 10, 14]},
        {"dims": "atto", "joint_num": None, "depths": []},
        {"epochs": 70, "lr": 1e-3},
        {"joint_num": -4},
    ],
)
def test_a_configuration_that_nothing_contradicts_is_not_told(
    values: dict[str, object], tmp_path: Path
) -> None:
    assert configured(tmp_path, **values) == []


def test_settings_of_another_network_are_not_held_against_this_one(tmp_path: Path) -> None:
    assert configured(tmp_path, at="teacher_cfg", joint_num=17) == []
    assert configured(tmp_path, at="statistics", joint_num=17) == []


def test_a_network_that_no_family_knows_is_said_to_be_unchecked(tmp_path: Path) -> None:
    s = Storages()
    path = tmp_path / "model.pt"
    path.write_bytes(checkpoint(s.network(), s))
    (only,) = found(path)
    assert only.code is Code.FAMILY_UNKNOWN
    assert only.severity is Severity.INFO
