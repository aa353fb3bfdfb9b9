"""Settings of a user over those of a file or of a table."""

import pytest
from builders.loading import FAMILY, S, whole

from ckptscope.differences.configuring import override_settings
from ckptscope.errors import UsageError
from ckptscope.families.registry import find_family

BASE = whole(S)


def test_a_field_replaces_the_one_of_the_base():
    settings, remarks = override_settings(FAMILY, BASE, {"joints": 17})
    assert settings == {**BASE, "joints": 17}
    assert remarks == ()


def test_a_shorter_way_replaces_the_fields_that_it_stands_for():
    settings, _ = override_settings(FAMILY, BASE, {"backbone": "Atto"})
    assert (settings["dims"], settings["depths"]) == ((40, 80, 160, 320), (2, 2, 6, 2))
    assert settings["head_out_channels"] == (256, 256, 256)


def test_a_field_wins_over_a_shorter_way_given_with_it():
    settings, _ = override_settings(FAMILY, BASE, {"head_width": 64, "depths": (1, 1, 1, 1)})
    assert settings["head_out_channels"] == (64, 64, 64)
    assert settings["depths"] == (1, 1, 1, 1)


def test_a_shorter_way_also_replaces_fields_that_have_a_usual_value():
    family = find_family("convnext")
    base = family.settings(family.configure({"backbone": "Tiny", "version": "v1"}))
    settings, _ = override_settings(family, base, {"version": "v2"})
    assert (settings["layer_scale"], settings["grn"]) == (False, True)


def test_lists_follow_the_length_of_one_that_the_user_gives_and_that_is_said():
    base = {**BASE, "head_kernels": (3, 3, 5)}
    settings, remarks = override_settings(FAMILY, base, {"head_out_channels": (64, 64)})
    assert settings["upsampling"] == (True, True)
    assert remarks == ("made as long as the lists given: head_kernels=3,3",)
    longer, _ = override_settings(FAMILY, base, {"head_out_channels": (64,) * 4})
    assert longer["head_kernels"] == (3, 3, 5, 5)


def test_a_setting_of_the_file_that_contradicts_what_is_given_is_left_out_and_that_is_said():
    base = {key: value for key, value in BASE.items() if key not in ("joints", "depth_bins")}
    given = {"joints": 17, "depth_bins": 64}
    settings, remarks = override_settings(FAMILY, {**base, "final_channels": 1100}, given)
    assert (settings["joints"], settings["depth_bins"]) == (17, 64)
    assert remarks == ("left out, since it does not go with what is given: final_channels",)


@pytest.mark.parametrize(
    "given", [{"jionts": 17}, {"joints": "many"}, {"joints": 0}, {"backbone": "Gigantic"}]
)
def test_unknown_names_and_impossible_values_are_refused(given):
    with pytest.raises(UsageError):
        override_settings(FAMILY, BASE, given)


def test_a_shorter_way_that_takes_no_effect_is_refused_and_never_ignored():
    with pytest.raises(UsageError, match=r"head_layers|head layers"):
        override_settings(FAMILY, BASE, {"head_layers": 2})
