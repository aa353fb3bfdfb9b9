"""The few causes behind the many lines of load_state_dict."""

import pytest
from builders.loading import XS, L, M, S, adds_up, counts, forecast, only_step

from ckptscope.facts.architecture import Fact
from ckptscope.facts.differences import CauseKind
from ckptscope.facts.tensors import Origin


def test_one_width_that_differs_is_one_cause_of_all_its_lines():
    found = only_step(S, {**S, "dims": (40, 96, 192, 384)})
    (cause,) = found.causes
    assert cause.text == "dims[0] is 48 in the file, 40 in the configuration"
    assert (cause.setting, cause.found, cause.expected) == ("dims[0]", "48", "40")
    assert len(cause.mismatched) == found.differences.count == 41
    assert "dims[0]=48" in cause.advice


def test_a_list_that_differs_in_more_than_one_item_is_one_cause():
    found = only_step(S, XS)
    assert counts(found) == [("dims", 155), ("depths", 66), ("head_out_channels", 18)]
    assert found.causes[0].text == (
        "dims is 48, 96, 192, 384 in the file, 40, 80, 160, 320 in the configuration"
    )
    assert adds_up(found)


def test_a_line_of_two_settings_stands_under_one_and_is_shared_with_the_other():
    found = only_step(S, XS)
    shared = {cause.setting: cause.shared for cause in found.causes}
    assert shared["head_out_channels"] == ("head.deconv_layers_1.pwconv.weight",)
    assert "head.deconv_layers_1.pwconv.weight" in found.causes[0].mismatched


def test_blocks_that_only_the_file_has_are_put_down_to_the_depth_of_their_stage():
    found = only_step(S, {**S, "depths": (3, 3, 6, 3)})
    (cause,) = found.causes
    assert cause.text == "depths[2] is 9 in the file, 6 in the configuration"
    assert len(cause.unexpected) == 33
    assert cause.evidence == ("only in the file: backbone.stages.2.{6..8}.* (33)",)


def test_a_product_is_told_with_its_factors():
    (cause,) = only_step(S, M).causes
    assert cause.setting == "depth_bins"
    assert any("576 = 18 × 32 in the file, 1152 = 18 × 64" in text for text in cause.evidence)


def test_factors_that_nothing_tells_apart_are_one_cause():
    (cause,) = only_step(S, {**M, "joints": 21}).causes
    assert cause.setting == "joints, depth_bins"
    assert len(cause.mismatched) == 2


def test_a_product_that_the_file_does_not_divide_is_compared_as_such():
    file = {name: value for name, value in S.items() if name not in ("joints", "depth_bins")}
    (cause,) = only_step({**file, "final_channels": 1100}, M).causes
    assert cause.text == "joints × depth_bins is 1100 in the file, 1152 in the configuration"


def test_a_norm_of_another_kind_is_found_although_no_axis_names_it():
    assert counts(only_step(S, {**S, "norm": "LayerNorm"})) == [("norm", 78)]
    found = only_step({**S, "norm": "LayerNorm"}, S)
    assert counts(found) == [("norm", 52)]
    assert len(found.differences.tolerated) == 26


@pytest.mark.parametrize("setting", ["layer_scale", "grn"])
def test_parameters_of_blocks_are_put_down_to_their_switch_and_not_to_the_depth(setting):
    found = only_step({**S, setting: True, "depths": (3, 3, 10, 3)}, S)
    by_setting = {cause.setting: cause.unexpected for cause in found.causes}
    assert by_setting.keys() == {setting, "depths[2]"}
    assert adds_up(found)
    assert all("gamma" in key or "beta" in key for key in by_setting[setting])
    assert all(".stages.2.9." in key for key in by_setting["depths[2]"])


def test_a_layer_of_the_head_that_the_file_lacks_is_its_number_of_layers():
    file = {**S, "head_out_channels": (256, 256), "upsampling": (True, True)}
    found = only_step(file, S)
    assert counts(found) == [("head_layers", 8)]
    assert len(found.differences.tolerated) == 1


def test_stages_that_only_one_side_has_leave_nothing_unexplained():
    found = only_step(S, {**S, "dims": (48, 96, 192), "depths": (3, 3, 9)})
    assert found.unexplained.is_empty
    assert adds_up(found)
    assert {cause.setting for cause in found.causes} == {"dims", "depths"}


def test_a_lost_head_is_told_as_a_part_of_the_file_that_is_missing():
    found = only_step(S, S, without=["head."])
    (cause,) = found.causes
    assert cause.kind is CauseKind.LOST
    assert cause.text.startswith("the file has no head: all 26 tensors of it")
    assert len(found.differences.tolerated) == 3


def test_single_tensors_that_are_lost_are_counted():
    found = only_step(S, S, without=["backbone.stages.1.1.pwconv1"])
    assert found.causes[0].text.startswith("2 tensors that networks of these settings have")


def test_counters_that_are_gone_are_no_lost_tensors_and_say_what_to_do():
    versions = {"backbone.norm": 2}
    found = only_step(S, S, without=["num_batches_tracked"], versions=versions)
    (cause,) = found.causes
    assert cause.kind is CauseKind.COUNTERS
    assert cause.missing == ("backbone.norm.num_batches_tracked",)
    assert "dict(state_dict)" in cause.advice
    assert len(found.differences.tolerated) == 25


def test_keys_of_something_else_are_grouped_by_what_they_begin_with():
    more = {"loss.scale": (1,), "loss.shift": (1,), "ema.head.final_layer.bias": (576,)}
    found = only_step(S, S, more=more, networks={"ema.": "a further network, ConvNeXtPose"})
    texts = [cause.text for cause in found.causes]
    assert texts == [
        "2 keys under 'loss': no ConvNeXtPose has them",
        "1 key under 'ema.': a further network, ConvNeXtPose",
    ]


def test_hundreds_of_foreign_names_are_few_causes_that_add_up():
    found = only_step(S, S, more={f"x{number}.weight": (1,) for number in range(300)})
    assert len(found.causes) <= 9
    assert adds_up(found)


def test_entries_that_are_no_tensors_are_unexpected_and_said_to_be_none():
    found = only_step(S, S, more={"epoch": None, "loss": None})
    (cause,) = found.causes
    assert cause.kind is CauseKind.NO_TENSORS
    assert found.differences.unexpected == cause.unexpected == ("epoch", "loss")


def test_a_tensor_that_does_not_fit_its_own_file_is_put_down_to_no_setting():
    found = only_step(S, S, more={"backbone.norm.weight": (7,)})
    (cause,) = found.causes
    assert cause.setting == ""
    assert cause.mismatched == ("backbone.norm.weight",)
    assert "'backbone.norm.weight' is [7]" in cause.evidence[0]


def test_a_cause_is_as_weak_as_the_fact_that_it_rests_on():
    fact = Fact(name="depth_bins", value=32, origin=Origin.ASSUMED, assumptions=("the cube rule",))
    (cause,) = only_step(S, M, facts=[fact]).causes
    assert (cause.origin, cause.assumptions) == (Origin.ASSUMED, ("the cube rule",))
    (cause,) = only_step(L, M, facts=[fact]).causes
    assert cause.origin is Origin.DERIVED


def test_with_nothing_known_of_the_file_no_setting_is_blamed():
    found = only_step(S, XS, known={})
    assert adds_up(found)
    assert "depths" not in dict(counts(found))
    assert "dims" not in dict(counts(found))
    assert "backbone.stages.2.8.dwconv.weight" in found.unexplained.unexpected


def test_what_a_file_does_not_tell_is_taken_to_be_as_in_the_configuration():
    facts = [
        Fact(name=name, value=S[name], origin=Origin.OBSERVED)
        for name in ("dims", "depths", "head_out_channels")
    ]
    found = only_step(S, {**M, "depths": (3, 3, 8, 3)}, known={}, facts=facts, without=["final"])
    assert dict(counts(found)) == {"depths[2]": 11, "lost": 2}


def test_the_prefix_of_a_wrapper_is_a_cause_of_its_own_and_hides_no_other():
    saved, stripped = forecast(S, M, prefix="module.")
    assert (saved.changes, stripped.changes) == ("nothing", "prefix")
    (cause,) = saved.diagnosis.causes
    assert (cause.kind, cause.found, cause.expected) == (CauseKind.PREFIX, "module.", "")
    assert len(cause.missing) == 234
    assert len(cause.unexpected) == 260
    assert "nn.DataParallel(network)" in cause.advice
    assert counts(stripped.diagnosis) == [("depth_bins", 2)]


def test_lines_that_a_prefix_does_not_explain_keep_their_own_cause():
    saved, _ = forecast(S, XS, prefix="module.")
    assert dict(counts(saved.diagnosis)) == {"prefix": 368, "depths": 66}
    assert adds_up(saved.diagnosis)


def test_names_of_another_dialect_are_one_cause_with_rules():
    named, renamed = forecast(M, S, dialect="indexed", network_dialect="list")
    cause = named.diagnosis.causes[0]
    assert cause.kind is CauseKind.NAMES
    assert (len(cause.missing), len(cause.unexpected)) == (24, 27)
    assert cause.evidence[0] == (
        "'head.deconv_layers_{k}.0' in the file is 'head.deconv_layers.{k-1}.dwconv' in the network"
    )
    assert renamed.changes == "names"
    assert counts(renamed.diagnosis) == [("depth_bins", 2)]


def test_layers_beyond_the_network_keep_their_cause_under_names_of_another_dialect():
    network = {**S, "head_out_channels": (256, 256), "upsampling": (True, True)}
    named, _ = forecast(S, network, dialect="indexed", network_dialect="named")
    assert dict(counts(named.diagnosis)) == {"names": 34, "head_layers": 9}
    assert adds_up(named.diagnosis)
