"""Which row a file's name claims, and which names claim nothing."""

import pytest
from paper_networks import PAPER

from ckptscope.facts.claims import ClaimSource
from ckptscope.specs.labelling import find_label, names_of
from ckptscope.specs.labels import claims_named, row_meant, rows_named
from ckptscope.specs.loading import all_tables, load_table

SIZES = """\
schema = "ckptscope/spec/1"
name = "resnets"
family = "convnextpose"
title = "Sizes"
source = "a page"
[variants.18.claims]
params = 1
[variants.Femto.claims]
params = 1
[variants.Femto-L.claims]
params = 1
[attributes.params]
unit = "M"
"""


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "sizes.toml"
    path.write_text(SIZES)
    return load_table(path)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("ConvNeXtPose_L (1).tar", "L"),
        ("ConvNeXtPose_XS.tar.gz", "XS"),
        ("convnextpose-xs-final.pth", "XS"),
        ("ConvNeXt-Pose-m.pth", "M"),
        ("ConvNeXtPoseS.pth", "S"),
        ("convnextposeXS.pth", "XS"),
        ("convnextpose_s.pth", "S"),
        ("CONVNEXTPOSE_S.PTH", "S"),
        ("weights_S_best.pth", "S"),
        ("S.tar", "S"),
        ("s.pth", "S"),
        ("xs.ckpt", "XS"),
        ("S", "S"),
    ],
)
def test_a_name_claims_a_row(name, row):
    assert rows_named(name, PAPER) == (row,)


@pytest.mark.parametrize(
    "name",
    [
        "snapshot_83.pth.tar",
        "snapshot_68.pth",
        "convnextpose_68.pth",
        "model's.pth",
        "MODEL'S.PTH",
        "L\N{RIGHT SINGLE QUOTATION MARK}avion.pth",
        "my_s_model.pth",
        "convnextposes.pth",
        "xsmall.pth",
        "XSS.pth",
        "best.pth",
        "data.pkl",
        ".pth",
        "",
        "\x00\x1b[31m\n",
        "_" * 5000 + "S",
    ],
)
def test_a_name_that_only_looks_like_it_claims_none(name):
    assert rows_named(name, PAPER) == ()


def test_a_name_with_two_labels_claims_both():
    assert rows_named("ConvNeXtPose_S_and_M.tar", PAPER) == ("S", "M")


def test_a_longer_label_hides_the_shorter_one_within_it(sizes):
    assert rows_named("femto-l.pth", sizes) == ("Femto-L",)
    assert rows_named("FemtoL.pth", sizes) == ("Femto-L",)
    assert rows_named("femto.pth", sizes) == ("Femto",)
    assert rows_named("femto_and_femto-l.pth", sizes) == ("Femto", "Femto-L")


def test_a_number_is_a_label_only_behind_the_name_of_the_family(sizes):
    assert rows_named("resnets18.pth", sizes) == ("18",)
    assert rows_named("resnets-18.pth", sizes) == ("18",)
    assert rows_named("snapshot_18.pth", sizes) == ()
    assert rows_named("18.pth", sizes) == ()


def test_a_row_is_meant_by_its_name_or_a_label_in_any_case(sizes):
    assert row_meant("xs", PAPER) == "XS"
    assert row_meant("femto-l", sizes) == "Femto-L"
    assert row_meant("Q", PAPER) is None


def label_of(*names, variant=None, family="convnextpose", tables=None):
    return find_label(names, family, tables or all_tables(), variant=variant)


def test_the_first_name_that_says_anything_counts():
    label, remark = label_of("snapshot_83.pth", "ConvNeXtPose_L", "ConvNeXtPose_S")
    assert (label.row, label.made_by, remark) == ("L", ClaimSource.FILE_NAME, "")
    assert label.source == "the name 'ConvNeXtPose_L'"


def test_a_name_comes_before_the_option_and_the_option_before_nothing():
    label, remark = label_of("ConvNeXtPose_L.tar", variant="m")
    assert (label.row, remark) == ("L", "--variant m is for files whose names say nothing")
    label, remark = label_of("snapshot_70.pth.tar", variant="m")
    assert (label.row, label.made_by, label.source, remark) == (
        "M",
        ClaimSource.COMMAND_LINE,
        "--variant",
        "",
    )
    assert label_of("snapshot_70.pth.tar") == (None, "")


def test_two_labels_in_a_name_are_none_and_that_is_said():
    label, remark = label_of("S_or_M.tar", "ConvNeXtPose_L")
    assert (label, remark) == (None, "the name 'S_or_M.tar' means S and M")


def test_a_name_that_speaks_of_another_family_claims_a_row_of_that_one_or_none():
    classifier = label_of("convnext-tiny.pth")[0]
    assert (classifier.table, classifier.row) == ("convnext", "V1-Tiny")
    assert label_of("convnext_XS.pth") == (None, "")
    assert label_of("ConvNeXtPose_S.pth", family="convnext")[0].table == "convnextpose"


def test_the_names_of_a_checkpoint_are_the_files_and_then_those_inside_from_the_innermost():
    location = ("all/XS/snapshot_68.pth.tar", "deep/x")
    assert names_of("S.tar", location, is_shared=False) == (
        "S.tar",
        "x",
        "deep",
        "snapshot_68.pth.tar",
        "XS",
        "all",
    )
    assert names_of("S.tar", ("XS.pth",), is_shared=True) == ("XS.pth",)


def test_the_claims_of_a_name_are_those_of_its_row_and_say_who_makes_them():
    claims = claims_named("ConvNeXtPose_S.tar", [PAPER])
    assert {claim.rule.attribute: claim.value for claim in claims}["params"] == 7.44
    assert all(claim.source.endswith("row S, said by the name of the file") for claim in claims)
    assert claims_named("S_or_M.tar", [PAPER]) == ()
    assert claims_named("snapshot_83.pth.tar", [PAPER]) == ()
