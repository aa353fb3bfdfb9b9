"""Files against a paper's table, from paths to the report."""

import tarfile

import pytest
from builders.paper_files import entries_of, write_deflated, write_sparse
from builders.pickles import pickled

from ckptscope.errors import SpecError, UsageError
from ckptscope.facts.claims import ClaimSource, Verdict
from ckptscope.facts.paper import PaperOutcome
from ckptscope.facts.tensors import Origin
from ckptscope.pipeline.paper import compare_with_paper
from fixtures.convnextpose import Configuration, Dialect, state_dict_entries

ROWS = ("XS", "S", "M", "L")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The four variants under their own names; never written to."""
    folder = tmp_path_factory.mktemp("released")
    for row in ROWS:
        write_sparse(folder / f"ConvNeXtPose_{row}.safetensors", entries_of(row))
    return folder


@pytest.fixture
def put(released, tmp_path):
    """Put variants into a folder of their own under other names, without copying a byte."""

    def link(**names):
        for name, row in names.items():
            target = tmp_path / f"{name}.safetensors"
            target.hardlink_to(released / f"ConvNeXtPose_{row}.safetensors")
        return tmp_path

    return link


def outcomes(report):
    return {file.path.rpartition("/")[2].partition(".")[0]: file.outcome for file in report.files}


def test_a_right_set_matches_and_every_row_is_held(released):
    report = compare_with_paper([released])
    assert set(outcomes(report).values()) == {PaperOutcome.MATCHES}
    (matrix,) = report.matrices
    held = {one.row: report.files[one.file].label.row for one in matrix.assignment}
    assert held == {row: row for row in ROWS}
    assert (matrix.mislabelled, matrix.missing, report.same_weights) == ((), (), ())


def test_a_swapped_set_is_assigned_rightly_from_the_folder_alone(put, monkeypatch):
    monkeypatch.chdir(
        put(ConvNeXtPose_XS="S", ConvNeXtPose_S="XS", ConvNeXtPose_M="L", ConvNeXtPose_L="M")
    )
    report = compare_with_paper()
    assert report.is_walk
    assert set(outcomes(report).values()) == {PaperOutcome.CONTRADICTS}
    (matrix,) = report.matrices
    held = {one.row: report.files[one.file].path for one in matrix.assignment}
    assert held == {
        "XS": "ConvNeXtPose_S.safetensors",
        "S": "ConvNeXtPose_XS.safetensors",
        "M": "ConvNeXtPose_L.safetensors",
        "L": "ConvNeXtPose_M.safetensors",
    }
    circles = [{report.files[i].label.row for i in circle} for circle in matrix.swapped]
    assert sorted(circles, key=sorted) == [{"L", "M"}, {"S", "XS"}]


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_dialect_of_the_head_changes_nothing(tmp_path, dialect):
    file = write_sparse(tmp_path / "ConvNeXtPose_M.safetensors", entries_of("M", dialect))
    (found,) = compare_with_paper([file]).files
    assert (found.outcome, found.standing.variant) == (PaperOutcome.MATCHES, "M")


def test_the_authors_container_is_compared_under_the_name_of_a_second_download(tmp_path):
    path = write_deflated(tmp_path / "ConvNeXtPose_L (1).tar", entries_of("L"), epoch=83)
    (found,) = compare_with_paper([path]).files
    assert (found.outcome, found.label.row, found.prefix) == (PaperOutcome.MATCHES, "L", "module.")
    params = next(one for one in found.judgements if one.attribute == "params")
    assert params.found == 8_380_352


def test_only_observed_and_derived_facts_ever_contradict(put):
    folder = put(ConvNeXtPose_XS="L", ConvNeXtPose_S="XS", ConvNeXtPose_M="S", ConvNeXtPose_L="M")
    for file in compare_with_paper([folder]).files:
        origins = {one.origin for one in file.judgements if one.verdict is Verdict.CONTRADICTS}
        assert origins
        assert origins <= {Origin.OBSERVED, Origin.DERIVED}


def test_a_wrong_label_is_told_from_the_content_by_tensors_even_where_another_row_is_nearer(put):
    (file,) = compare_with_paper([put(ConvNeXtPose_XS="L")]).files
    assert file.standing.runner_up == "M"
    assert file.told_from_label[0] == (
        "head.final_layer.weight: [1152, 512, 1, 1] in L, [576, 128, 1, 1] in XS"
    )
    (near,) = compare_with_paper([put(ConvNeXtPose_M="L") / "ConvNeXtPose_M.safetensors"]).files
    assert near.told_from_label == ()


def test_a_file_whose_name_says_nothing_is_held_against_the_row_that_fits_best(put):
    folder = put(snapshot_83="L")
    (file,) = compare_with_paper([folder / "snapshot_83.safetensors"]).files
    assert (file.outcome, file.label, file.row) == (PaperOutcome.UNLABELLED, None, "L")
    assert {one.verdict for one in file.judgements} == {Verdict.MATCHES, Verdict.NOT_DECIDABLE}


def test_the_user_labels_what_names_do_not_and_overrules_no_name(put):
    folder = put(snapshot_83="L", ConvNeXtPose_S="S")
    report = compare_with_paper([folder], variant="m")
    labels = {file.path.rpartition("/")[2]: file.label for file in report.files}
    assert labels["snapshot_83.safetensors"].row == "M"
    assert labels["snapshot_83.safetensors"].made_by is ClaimSource.COMMAND_LINE
    assert labels["ConvNeXtPose_S.safetensors"].row == "S"
    assert outcomes(report)["snapshot_83"] is PaperOutcome.CONTRADICTS


def test_a_variant_that_no_table_has_is_a_wrong_request(put):
    with pytest.raises(UsageError, match="no row 'Q' in the tables; there are: convnextpose: XS"):
        compare_with_paper([put(a="S")], variant="Q")


def test_what_the_user_states_is_taken_and_decides_nothing(put):
    folder = put(ConvNeXtPose_S="S")
    (file,) = compare_with_paper([folder], stated={"joints": 9, "depth_bins": 64}).files
    assert file.outcome is PaperOutcome.MATCHES


def test_the_name_of_a_member_labels_where_the_files_own_name_does_not(released, tmp_path):
    inner = released / "ConvNeXtPose_XS.safetensors"
    wrapped = tmp_path / "download (1).tar.gz"
    with tarfile.open(wrapped, "w:gz", compresslevel=1) as tar:
        tar.add(inner, "weights/XS/model.safetensors")
    (file,) = compare_with_paper([wrapped]).files
    assert (file.label.row, file.label.source) == ("XS", "the name 'XS'")
    assert file.outcome is PaperOutcome.MATCHES


def test_the_name_of_a_wrapper_of_several_checkpoints_labels_none_of_them(released, tmp_path):
    wrapped = tmp_path / "ConvNeXtPose_M.tar.gz"
    with tarfile.open(wrapped, "w:gz", compresslevel=1) as tar:
        tar.add(released / "ConvNeXtPose_XS.safetensors", "XS.safetensors")
        tar.add(released / "ConvNeXtPose_S.safetensors", "other.safetensors")
    first, second = compare_with_paper([wrapped]).files
    assert (first.label.row, second.label) == ("XS", None)
    assert (second.outcome, second.standing.variant) == (PaperOutcome.UNLABELLED, "S")


def test_the_same_weights_are_found_under_any_name_and_dialect(tmp_path):
    write_sparse(tmp_path / "a.safetensors", entries_of("XS"), seed=7)
    write_sparse(tmp_path / "b.safetensors", entries_of("XS"), seed=7, prefix="")
    write_sparse(tmp_path / "c.safetensors", entries_of("XS", Dialect.INDEXED), seed=7)
    write_sparse(tmp_path / "d.safetensors", entries_of("XS"), seed=8)
    write_sparse(tmp_path / "e.safetensors", entries_of("S"), seed=7)
    report = compare_with_paper([tmp_path])
    (same,) = report.same_weights
    names = [report.files[index].path.rpartition("/")[2][0] for index in same.files]
    assert (names, same.same_names) == (["a", "b", "c"], False)
    assert same.evidence == "SHA-256 of the values of 194 tensors"
    (tmp_path / "c.safetensors").unlink()
    (same,) = compare_with_paper([tmp_path]).same_weights
    assert same.same_names


def test_one_named_file_is_not_read_for_its_weights_and_has_no_matrix(put):
    folder = put(ConvNeXtPose_S="S")
    report = compare_with_paper([folder / "ConvNeXtPose_S.safetensors"])
    assert (report.matrices, report.same_weights, report.remarks) == ((), (), ())


def test_a_network_that_no_family_knows_is_not_compared(tmp_path):
    path = tmp_path / "ConvNeXtPose_S.pkl"
    path.write_bytes(pickled({"epoch": 3}))
    (file,) = compare_with_paper([path]).files
    assert (file.outcome, file.remark) == (PaperOutcome.NOT_COMPARED, "it holds no network")


def test_a_file_that_is_no_row_contradicts_its_label_and_is_given_none(tmp_path):
    odd = Configuration((48, 96, 192, 384), (3, 3, 9, 3), (256,) * 3, joints=17)
    write_sparse(tmp_path / "ConvNeXtPose_S.safetensors", state_dict_entries(odd))
    write_sparse(tmp_path / "ConvNeXtPose_L.safetensors", entries_of("L"))
    report = compare_with_paper([tmp_path])
    assert outcomes(report) == {
        "ConvNeXtPose_S": PaperOutcome.CONTRADICTS,
        "ConvNeXtPose_L": PaperOutcome.MATCHES,
    }
    (matrix,) = report.matrices
    assert matrix.missing == ("XS", "S", "M")
    assert matrix.mislabelled == ()


def test_a_damaged_file_does_not_keep_the_others_from_being_compared(tmp_path, released):
    (tmp_path / "ConvNeXtPose_M.pt").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "ConvNeXtPose_L.safetensors").hardlink_to(released / "ConvNeXtPose_L.safetensors")
    report = compare_with_paper([tmp_path])
    assert sorted(outcomes(report).values()) == [PaperOutcome.MATCHES, PaperOutcome.UNREAD]


MINE = """\
schema = "ckptscope/spec/1"
name = "mine"
family = "convnextpose"
title = "Mine"
source = "a page"
[variants.small]
labels = ["small", "S"]
[variants.small.claims]
dims = [48, 96, 192, 384]
final_channels = 1152
[variants.unseen.claims]
dims = [1, 2, 3, 4]
"""


def test_a_users_table_is_used_for_the_labels_that_it_has(put, tmp_path_factory):
    spec = tmp_path_factory.mktemp("spec") / "mine.toml"
    spec.write_text(MINE)
    folder = put(ConvNeXtPose_S="S", ConvNeXtPose_M="M")
    small, medium = sorted(
        compare_with_paper([folder], specs=[spec]).files, key=lambda file: file.label.row != "small"
    )
    assert (small.label.table, small.label.row) == ("mine", "small")
    assert small.outcome is PaperOutcome.CONTRADICTS
    assert (medium.label.table, medium.outcome) == ("convnextpose", PaperOutcome.MATCHES)


def test_a_wrong_table_is_refused_before_any_file_is_read(tmp_path):
    (tmp_path / "bad.toml").write_text("x = 1\n")
    with pytest.raises(SpecError, match=r"bad\.toml"):
        compare_with_paper([tmp_path / "absent"], specs=[tmp_path / "bad.toml"])


def test_a_name_of_another_family_is_contradicted_by_a_network_that_is_wholly_of_its_own(put):
    folder = put(**{"convnext-tiny": "S"})
    (file,) = compare_with_paper([folder]).files
    assert (file.label.table, file.outcome) == ("convnext", PaperOutcome.CONTRADICTS)
    (judged,) = file.judgements
    assert (judged.attribute, judged.claimed, judged.found) == (
        "family",
        "convnext",
        "convnextpose",
    )
    assert file.standing.variant == "S"
