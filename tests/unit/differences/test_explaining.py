"""One setting behind the lines of a pasted error, with no file at hand."""

import pytest
from builders.loading import (
    XS,
    L,
    M,
    S,
    adds_up,
    counts,
    difference,
    error_text,
    size_line,
    whole,
)

from ckptscope.differences.explaining import explain_error
from ckptscope.differences.recognising import make_catalogue
from ckptscope.differences.solving import Reference
from ckptscope.differences.traceback import read_errors
from ckptscope.facts.differences import CauseKind
from ckptscope.facts.tensors import Origin
from ckptscope.families.registry import find_family

ROWS = {"XS": XS, "S": S, "M": M, "L": L}
REFERENCES = [
    Reference(row=row, table="rows", settings=whole(settings)) for row, settings in ROWS.items()
]
CATALOGUES = (make_catalogue(find_family("convnextpose"), REFERENCES),)


def resnet_catalogue():
    family = find_family("resnet")
    references = [
        Reference(
            row=name,
            table="rows",
            settings=family.settings(family.configure({"backbone": name})),
        )
        for name in ("ResNet-18", "ResNet-50")
    ]
    return make_catalogue(family, references)


def explained(text: str, catalogues=CATALOGUES):
    (error,) = read_errors(text)
    found = explain_error(error, catalogues)
    assert adds_up(found.diagnosis)
    return found


def final_layer(found: int, expected: int, prefix: str = "") -> str:
    key = f"{prefix}head.final_layer"
    return (
        size_line(f"{key}.weight", (found, 256, 1, 1), (expected, 256, 1, 1))
        + "\n"
        + size_line(f"{key}.bias", (found,), (expected,))
    )


@pytest.mark.parametrize(
    ("found", "expected", "setting", "values"),
    [
        (1152, 1088, "joints", ("18", "17")),
        (1152, 1344, "joints", ("18", "21")),
        (576, 1152, "depth_bins", ("32", "64")),
        (1024, 1152, "joints", ("16", "18")),
    ],
)
def test_final_channels_are_divided_by_what_is_usual(found, expected, setting, values):
    made = explained(final_layer(found, expected))
    (cause,) = made.diagnosis.causes
    assert (cause.setting, cause.found, cause.expected) == (setting, *values)
    assert cause.origin is Origin.ASSUMED
    assert cause.assumptions
    assert cause.alternatives
    assert made.is_reproduced
    assert f"{found} = " in cause.evidence[1]
    assert f"{setting}={values[0]}" in cause.advice


def test_both_factors_may_differ_if_each_is_usual():
    (cause,) = explained(final_layer(576, 1344)).diagnosis.causes
    assert cause.setting == "joints, depth_bins"
    assert (cause.found, cause.expected) == ("18; 32", "21; 64")


def test_a_prefix_on_both_sides_is_seen_through():
    made = explained(final_layer(1152, 1088, "model.module."))
    assert counts(made.diagnosis) == [("joints", 2)]
    assert made.diagnosis.causes[0].mismatched[0] == "model.module.head.final_layer.weight"


@pytest.mark.parametrize("file", ROWS)
@pytest.mark.parametrize("network", ROWS)
def test_any_row_loaded_into_any_other_is_named_and_reproduced(file, network):
    if file == network:
        return
    made = explained(error_text(difference(ROWS[file], ROWS[network])))
    assert made.is_reproduced
    assert made.beyond == 0
    assert made.diagnosis.unexplained.is_empty
    assert all(cause.kind is CauseKind.SETTING for cause in made.diagnosis.causes)
    assert file in made.found_row.split(" or ")
    assert network in made.expected_row.split(" or ")


def test_networks_of_no_table_are_solved_for():
    file = {**S, "dims": (56, 96, 192, 400), "depths": (3, 3, 27, 3), "joints": 19}
    network = {
        **S,
        "kernel_size": 5,
        "head_out_channels": (100, 256),
        "upsampling": (True, True),
    }
    made = explained(error_text(difference(file, network)))
    assert made.is_reproduced
    assert made.diagnosis.unexplained.is_empty
    texts = {cause.setting: (cause.found, cause.expected) for cause in made.diagnosis.causes}
    assert texts["depths[2]"] == ("27", "9")
    assert texts["kernel_size"] == ("7", "5")
    assert texts["head_layers"] == ("3", "2")
    assert texts["joints"] == ("19", "18")
    assert (made.found_row, made.expected_row) == ("", "")


def test_settings_that_no_axis_names_are_found_by_trying_them():
    made = explained(error_text(difference({**S, "layer_scale": True}, S)))
    assert counts(made.diagnosis) == [("layer_scale", 18)]
    assert made.is_reproduced


def test_a_prefix_of_one_side_is_the_cause_and_hides_the_shapes():
    made = explained(error_text(difference(S, XS, prefixes=("module.", ""))))
    kinds = dict(counts(made.diagnosis))
    assert set(kinds) == {"prefix", "depths"}
    assert made.diagnosis.causes[0].kind is CauseKind.PREFIX
    assert any("shapes agree" in text for text in made.undecided)


def test_different_prefixes_on_both_sides_are_told_with_both():
    made = explained(error_text(difference(S, S, prefixes=("module.", "model."))))
    (cause,) = made.diagnosis.causes
    assert (cause.kind, cause.found, cause.expected) == (CauseKind.PREFIX, "module.", "model.")


@pytest.mark.parametrize("other", ["indexed", "list"])
def test_names_of_another_dialect_are_told_beside_the_setting_that_differs(other):
    made = explained(error_text(difference(M, S, dialects=(other, "named"))))
    assert dict(counts(made.diagnosis)).keys() == {"names", "depth_bins"}
    names = made.diagnosis.causes[0]
    assert (names.found, names.expected) == (other, "named")


def test_a_norm_of_another_kind_is_told_although_no_row_has_it():
    made = explained(error_text(difference({**S, "norm": "LayerNorm"}, S)))
    assert counts(made.diagnosis) == [("norm", 78)]
    assert made.diagnosis.unexplained.is_empty


def test_a_file_without_the_last_layer_is_told_as_such():
    text = 'Missing key(s) in state_dict: "head.final_layer.weight", "head.final_layer.bias". '
    (cause,) = explained(text).diagnosis.causes
    assert cause.kind is CauseKind.LOST


def test_a_part_of_the_lines_is_explained_and_the_others_are_counted():
    text = size_line("head.final_layer.weight", (1152, 256, 1, 1), (1088, 256, 1, 1))
    made = explained(text)
    assert counts(made.diagnosis) == [("joints", 1)]
    assert (made.is_reproduced, made.beyond) == (True, 1)


def test_a_paste_that_breaks_off_says_so():
    text = error_text(difference(S, M)) + '\tUnexpected key(s) in state_dict: "a'
    made = explained(text)
    assert made.error.cut_off == 1
    assert any("breaks off" in text for text in made.undecided)


def test_blocks_of_another_kind_need_two_known_networks():
    family = find_family("resnet")
    settings = {
        name: family.settings(family.configure({"backbone": name}))
        for name in ("ResNet-18", "ResNet-50")
    }
    lines = difference(
        settings["ResNet-18"], settings["ResNet-50"], dialects=("", ""), family=family
    )
    made = explained(error_text(lines, "ResNet"), (*CATALOGUES, resnet_catalogue()))
    assert (made.family, made.found_row, made.expected_row) == ("resnet", "ResNet-18", "ResNet-50")
    assert made.is_reproduced
    assert made.diagnosis.unexplained.is_empty


def test_a_part_of_the_lines_is_enough_to_tell_two_kinds_of_block_apart():
    family = find_family("resnet")
    rows = {
        name: family.settings(family.configure({"backbone": name}))
        for name in ("ResNet-18", "ResNet-50")
    }
    lines = difference(rows["ResNet-18"], rows["ResNet-50"], dialects=("", ""), family=family)
    first = [one for one in lines.mismatched if "layer1" in one.key or "layer2.0" in one.key]
    text = "\n".join(size_line(one.key, one.found, one.expected) for one in first)
    made = explained(text, (resnet_catalogue(),))
    assert made.is_reproduced
    assert made.beyond > 0
    assert {"block", "dims"} <= set(dict(counts(made.diagnosis)))
    assert made.diagnosis.unexplained.is_empty


def test_names_that_any_network_may_have_are_not_put_down_to_a_family():
    text = size_line("fc.weight", (1000, 512), (10, 512)) + size_line("fc.bias", (1000,), (10,))
    catalogues = (*CATALOGUES, resnet_catalogue())
    assert explained(text, catalogues).family == ""
    named = f"Error(s) in loading state_dict for ResNet:\n{text}"
    made = explained(named, catalogues)
    assert made.family == "resnet"
    assert counts(made.diagnosis) == [("classes", 2)]


def test_two_families_that_know_the_keys_are_both_named_and_no_row_is():
    posenet = find_family("posenet")
    settings = posenet.settings(posenet.configure({"backbone": "ResNet-50", "joints": 18}))
    rows = [Reference(row="18", table="rows", settings=settings)]
    catalogues = (*CATALOGUES, make_catalogue(posenet, rows))
    made = explained(final_layer(1152, 1088), catalogues)
    assert {made.family, *made.rivals} == {"convnextpose", "posenet"}
    assert made.found_row == ""
    named = f"Error(s) in loading state_dict for ResPoseNet:\n{final_layer(1152, 1088)}"
    assert explained(named, catalogues).family == "posenet"


def test_a_block_of_an_absurd_number_costs_nothing_and_is_not_explained_by_a_depth():
    names = [key for key in difference(S, XS).unexpected if ".stages.2.8." in key]
    keys = ", ".join('"' + key.replace(".8.", ".999999.") + '"' for key in names)
    made = explained(f"Unexpected key(s) in state_dict: {keys}. ")
    assert "depths[2]" not in dict(counts(made.diagnosis))
