"""What is said of one network: which numbers can be true together, and what would have to change."""

import pytest
from builders.claims import check_one, network_of, told

from ckptscope.facts.checked import ChangeKind, ClaimVerdict
from ckptscope.families.registry import find_family
from ckptscope.specs.arithmetic.evaluation import evaluate

HOLDS = ClaimVerdict.HOLDS
ITSELF = ClaimVerdict.CONTRADICTS_ITSELF
TABLE = ClaimVerdict.CONTRADICTS_TABLE
OPEN = ClaimVerdict.NOT_DECIDABLE
#: S, whole: nothing is left to a row.
WHOLE = {
    "backbone": "Femto-L",
    "head_out_channels": [256, 256, 256],
    "joints": 18,
    "depth_bins": 32,
    "upsampling": [True, True, False],
}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("parameters", 7_438_976),
        ("parameters", "7,438,976"),
        ("params", 7.44),
        ("params", "7.44 M"),
        ("params", "7.4 M"),
        ("params", "≈ 7 M"),
        ("elements", "7.45 M"),
        ("total", "7.44 M"),
        ("total", "7.45 M"),
        ("head_total", "0.39 M"),
        ("head_parameters", 388_928),
        ("head_share", "5.2 %"),
        ("gflops", 1.76),
        ("macs", "1.738 GMACs"),
        ("flops", "3.48 G"),
        ("upsamplings", "2UP"),
        ("heatmap", "32×32"),
        ("heatmap", [32, 32]),
        ("head_in_channels", [384, 256, 256]),
        ("dims", [48, 96, 192, 384]),
        ("depths[2]", 9),
        ("final_channels", 576),
        ("file_size", "85.41 MiB"),
        ("file_size", "28.5 MiB"),
        ("parameters", {"any_of": ["3.53 M", "7.44 M"]}),
        ("parameters", {"value": "7.5 M", "tolerance": 0.01}),
    ],
)
def test_what_is_true_of_a_row_holds_however_it_is_printed(tmp_path, attribute, value):
    claim = check_one(tmp_path, network_of(row="S", **{attribute: value}))
    assert claim.verdict is HOLDS, told(claim)


@pytest.mark.parametrize(
    ("attribute", "value", "change"),
    [
        ("params", "7.45 M", "7.45 M counted as elements"),
        ("elements", "7.44 M", "7.44 M counted as parameters"),
        ("gflops", "3.48 G", "3.48 G counted as operations, two to a multiply-accumulate"),
        ("file_size", "85.41 MB", "85.41 MB in MiB"),
        ("head_parameters", "0.40 M", "head_parameters = 388,928 (0.39 M)"),
        ("head_share", "9.9 %", "head_share = 5.2 %"),
    ],
)
def test_a_number_that_means_something_else_is_read_otherwise(tmp_path, attribute, value, change):
    claim = check_one(tmp_path, network_of(row="S", **{attribute: value}))
    assert claim.verdict in {ITSELF, TABLE}
    assert claim.parts[0].remedies[0].text == change


def test_a_total_that_other_usual_values_explain_contradicts_the_row_alone(tmp_path):
    claim = check_one(tmp_path, network_of(row="S", elements="7.60 M"))
    assert claim.verdict is TABLE
    assert "18 × 64 = 1,152 final channels: 7,596,986 elements (7.60 M)" in told(claim)
    assert [owner.row for owner in claim.parts[0].same_numbers] == []


def test_numbers_of_another_row_are_given_back_to_it(tmp_path):
    claim = check_one(tmp_path, network_of(row="S", head_width=512, total="8.38 M"))
    assert claim.verdict is TABLE
    assert claim.parts[0].remedies[0].text == "row = L"


def test_the_head_alone_can_contradict_the_depth_bins(tmp_path):
    claim = check_one(tmp_path, network_of(row="XS", depth_bins=64, head_parameters="0.16 M"))
    assert claim.verdict is ITSELF
    assert claim.parts[0].remedies[0].text == "depth_bins = 32"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({**WHOLE, "parameters": "7.44 M"}, HOLDS),
        ({**WHOLE, "parameters": "7.46 M"}, ITSELF),
        ({"backbone": "Femto-L", "head_width": 256, "elements": "7.45 M"}, HOLDS),
        # 26 × 32 would do, and no row says that it is not so.
        ({"backbone": "Femto-L", "head_width": 256, "head_layers": 2, "total": "7.44 M"}, OPEN),
        ({"head_width": 256, "total": "7.59 M"}, OPEN),
        ({"joints": 18}, OPEN),
        (WHOLE, OPEN),
        # Without a row, an upsampling that is not said is whatever it may be.
        ({**{k: v for k, v in WHOLE.items() if k != "upsampling"}, "macs": "3.35 G"}, ITSELF),
        ({**{k: v for k, v in WHOLE.items() if k != "upsampling"}, "macs": "2.19 G"}, HOLDS),
    ],
)
def test_a_network_of_no_row_is_judged_by_what_is_said_of_it(tmp_path, values, verdict):
    claim = check_one(tmp_path, network_of(**values))
    assert claim.verdict is verdict, told(claim)


def test_settings_that_are_not_said_are_named_and_so_is_the_row_with_these_numbers(tmp_path):
    claim = check_one(tmp_path, network_of(head_width=256, total="7.59 M"))
    assert claim.reason == "not said, and no row completes it: dims, depths, joints, depth_bins"
    assert [owner.row for owner in claim.parts[0].same_numbers] == ["M"]


def test_unusual_values_that_would_fit_a_row_are_told_and_save_nothing(tmp_path):
    claim = check_one(tmp_path, network_of(row="S", head_layers=2, total="7.44 M"))
    assert claim.verdict is ITSELF
    assert "none of the usual values fits; 25 × 32, 13 × 64, 26 × 32, ... would" in told(claim)
    assert any("joints 18, 16, 19, 21, 17" in text for text in claim.parts[0].assumptions)


def test_values_that_fit_nowhere_are_told_with_what_was_looked_at(tmp_path):
    claim = check_one(tmp_path, network_of(row="S", depths_2=27, total="7.45 M"))
    assert "no values fit, usual or not (joints up to 1,024, powers of two of depth_bins)" in told(
        claim
    )


def test_two_settings_are_changed_where_one_is_not_enough(tmp_path):
    network = network_of(row="L", joints=17, head_width=256, total="8.39 M", gflops="4.30 G")
    remedy = check_one(tmp_path, network).parts[0].remedies[0]
    assert remedy.text == "joints = 18 and head_width = 512"
    assert remedy.settings["head_out_channels"] == (512, 512, 512)


def test_a_setting_is_solved_for_where_no_row_helps(tmp_path):
    settings = {**WHOLE, "head_out_channels": [104, 96, 88], "depths": [3, 3, 9, 3]}
    true = evaluate(find_family("convnextpose"), {k: _frozen(v) for k, v in settings.items()})
    total = f"{true.facts['parameters'] / 1e6:.3f} M"
    wrong = {**settings, "head_out_channels": [104, 72, 88], "parameters": total}
    remedies = check_one(tmp_path, network_of(**wrong)).parts[0].remedies
    assert "head_out_channels[1] = 96" in [remedy.text for remedy in remedies]
    assert remedies[0].changes[0].kind is ChangeKind.SETTING


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"joints": 0}, "expected 'joints' between 1 and 1,000,000, found 0"),
        ({"backbone": "Fentom"}, "no ConvNeXt backbone 'Fentom'"),
        ({"dims": [48, 96]}, "expected as many values of 'depths' as of 'dims'"),
        ({"depths[7]": 3}, "expected an item 7 of 'depths', found 4 items"),
    ],
)
def test_a_network_that_cannot_be_is_said_in_the_words_of_its_family(tmp_path, values, words):
    claim = check_one(tmp_path, network_of(row="S", **values))
    assert claim.verdict is ITSELF
    assert words in claim.reason


@pytest.mark.parametrize(
    ("key", "shape", "verdict"),
    [
        ("head.final_layer.weight", [576, 256, 1, 1], HOLDS),
        ("module.head.final_layer.weight", [576, 256], HOLDS),
        ("head.deconv_layers_2.0.weight", [256, 1, 3, 3], HOLDS),
        ("head.deconv_layers.1.dwconv.weight", [256, 1, 3, 3], HOLDS),
        ("backbone.stages.2.8.dwconv.weight", [192, 1, 7, 7], HOLDS),
        ("backbone.stages.2.9.dwconv.weight", [192, 1, 7, 7], ITSELF),
        ("backbone.stages.0.0.dwconv.weight", [48, 48, 7, 7], ITSELF),
        ("head.final_layer.weight", [1152, 256, 1, 1], TABLE),
        ("head.deconv_layers_2.pwconv.weight", [256, 128], TABLE),
    ],
)
def test_shapes_of_tensors_say_settings(tmp_path, key, shape, verdict):
    claim = check_one(tmp_path, network_of(row="S", tensors={key: shape}))
    assert claim.verdict is verdict, told(claim)


@pytest.mark.parametrize(
    ("value", "verdict", "words"),
    [
        (51.80, HOLDS, "no arithmetic gives mpjpe"),
        ("51.80 mm", HOLDS, "as the table prints it"),
        ("49.75 mm", TABLE, "mpjpe is printed as 51.80 mm, claimed 49.75 mm"),
    ],
)
def test_what_no_arithmetic_gives_is_held_against_the_printed_row(tmp_path, value, verdict, words):
    claim = check_one(tmp_path, network_of(row="S", mpjpe=value))
    assert claim.verdict is verdict
    assert words in told(claim)


def test_what_neither_arithmetic_nor_the_row_gives_is_not_decidable(tmp_path):
    claim = check_one(tmp_path, network_of(row="S", pa_mpjpe=34.5))
    assert claim.verdict is OPEN
    assert claim.reason == "no arithmetic gives pa_mpjpe"


def test_a_network_without_end_is_counted_and_not_searched(tmp_path):
    claim = check_one(tmp_path, network_of(row="S", head_layers=20_000, total="7.45 M"))
    assert claim.verdict is ITSELF
    assert "with so many tensors no other settings were tried" in told(claim)


@pytest.mark.parametrize(
    ("family", "values", "verdict"),
    [
        ("convnext", {"row": "V1-Tiny", "total": "28.6 M"}, HOLDS),
        ("convnext", {"row": "V1-Tiny", "depths[2]": 27, "total": "28.6 M"}, ITSELF),
        ("convnext", {"row": "V1-Tiny", "depths[2]": 27, "total": "50.2 M"}, TABLE),
        ("resnet", {"row": "ResNet-50", "total": "25.6 M"}, HOLDS),
        ("resnet", {"row": "ResNet-50", "depths": [3, 4, 23, 3], "total": "44.5 M"}, TABLE),
        ("posenet", {"row": "MuCo-3DHP", "joints": 18, "total": "34.34 M"}, ITSELF),
    ],
)
def test_the_rules_are_those_of_no_family(tmp_path, family, values, verdict):
    claim = check_one(tmp_path, network_of(**values), family=family)
    assert claim.verdict is verdict, told(claim)
