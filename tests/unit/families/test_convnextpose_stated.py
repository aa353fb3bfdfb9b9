"""Settings: those that a user states of a file, and the shorter ways to say them."""

import pytest
from builders.convnextpose import FAMILY, SMALL, fact, infer, shapes, without
from msgspec.structs import replace

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.tensors import Origin


def final(channels: int) -> dict[str, tuple[int, ...]]:
    return shapes(replace(SMALL, joints=None, depth_bins=None, undivided=channels))


def test_stated_joints_win_and_give_the_bins() -> None:
    found = infer(final(1152), stated={"joints": 36})
    joints, bins = fact(found, "joints"), fact(found, "depth_bins")
    assert (joints.value, joints.origin) == (36, Origin.STATED)
    assert (bins.value, bins.origin) == (32, Origin.STATED)
    assert bins.evidence[0].text == "1152 = 36 × 32"
    assert fact(found, "upsampling").value == (True, True, False)
    assert not any("joints" in one.settings for one in found.rankings)


def test_stated_bins_win_and_give_the_joints() -> None:
    found = infer(final(1152), stated={"depth_bins": 16})
    assert fact(found, "joints").value == 72
    assert fact(found, "upsampling").value == (True, False, False)


def test_joints_that_do_not_divide_the_channels_leave_the_bins_undetermined() -> None:
    found = infer(final(1152), stated={"joints": 17})
    bins = fact(found, "depth_bins")
    assert fact(found, "joints").value == 17
    assert (bins.value, bins.origin) == (None, Origin.UNDETERMINED)
    assert found.misfits == ("17 joints do not divide 1,152 final channels",)
    assert found.settings is not None
    assert found.settings["final_channels"] == 1152
    assert found.differences.is_empty
    assert any("joints" in one.settings for one in found.rankings)


def test_joints_and_bins_that_are_not_the_channels_are_said() -> None:
    found = infer(final(1152), stated={"joints": 17, "depth_bins": 64})
    assert found.misfits == (
        "17 joints × 64 depth bins are 1,088 final channels, the file has 1,152",
    )
    assert fact(found, "final_channels").value == 1152


def test_joints_and_bins_stand_in_for_a_lost_final_layer() -> None:
    found = infer(without(shapes(), "final_layer"), stated={"joints": 18, "depth_bins": 32})
    channels = fact(found, "final_channels")
    assert (channels.value, channels.origin) == (576, Origin.STATED)
    assert found.settings is not None
    assert FAMILY.configure(found.settings) == SMALL
    assert [key.rpartition(".")[2] for key in found.differences.missing] == ["weight", "bias"]


@pytest.mark.parametrize(
    ("stated", "name", "words"),
    [
        ({"dims": (40, 80, 160, 320)}, "dims", "[40, 80, 160, 320]"),
        ({"backbone": "Tiny"}, "dims", "[96, 192, 384, 768]"),
        ({"head_width": 128}, "head_out_channels", "[128, 128, 128]"),
        ({"final_channels": 1088}, "final_channels", "1088"),
        ({"kernel_size": 5}, "kernel_size", "5"),
        ({"norm": "LayerNorm"}, "norm", "LayerNorm"),
    ],
)
def test_shapes_contradict_what_is_stated_and_stay(
    stated: dict[str, FactValue], name: str, words: str
) -> None:
    found, plain = infer(shapes(), stated=stated), infer(shapes())
    assert fact(found, name) == fact(plain, name)
    assert found.settings == plain.settings
    assert any(name in text and words in text for text in found.misfits)


def test_what_shapes_say_as_well_stays_observed() -> None:
    found = infer(shapes(), stated={"dims": SMALL.dims, "kernel_size": 7})
    assert fact(found, "dims").origin is Origin.OBSERVED
    assert found.misfits == ()


def test_what_is_only_assumed_gives_way_to_what_is_stated() -> None:
    found = infer(without(shapes(), "downsample_layers.0."), stated={"stem_kernel": 8})
    kernel = fact(found, "stem_kernel")
    assert (kernel.value, kernel.origin) == (8, Origin.STATED)
    assert found.settings is not None
    assert found.settings["stem_kernel"] == 8


def test_a_lost_depth_may_be_stated() -> None:
    found = infer(without(shapes(), "stages.2."), stated={"depths": (2, 2, 5, 2)})
    assert fact(found, "depths").origin is Origin.STATED
    assert found.settings is not None
    assert FAMILY.configure(found.settings) == SMALL


def test_stated_upsampling_is_the_only_cube() -> None:
    found = infer(final(1152), stated={"upsampling": (True, True, False)})
    upsampling = fact(found, "upsampling")
    assert (upsampling.value, upsampling.origin) == ((True, True, False), Origin.STATED)
    assert fact(found, "heatmap").value == (32, 32)
    # 36 × 32 is a cube and no known set, 18 × 64 and 16 × 72 are known sets and no cube.
    assert fact(found, "joints").value is None
    assert not any("upsampling" in one.settings for one in found.rankings)


def test_a_stated_number_of_upsamplings_means_the_first_layers() -> None:
    found = infer(shapes(), stated={"upsamplings": 2})
    assert fact(found, "upsampling").value == (True, True, False)
    assert fact(found, "upsampling").origin is Origin.STATED


def test_a_stated_input_changes_planes_and_cost() -> None:
    plain, larger = infer(shapes()), infer(shapes(), stated={"input_size": (512, 512)})
    assert fact(larger, "input_size").origin is Origin.STATED
    assert fact(larger, "head_input").value == (16, 16)
    assert fact(larger, "upsampling").value == (True, False, False)
    assert fact(larger, "heatmap").value == fact(plain, "heatmap").value == (32, 32)
    assert not any("256" in text for text in fact(larger, "macs").assumptions)


def test_with_everything_stated_nothing_is_assumed() -> None:
    stated = {"joints": 18, "upsampling": (True, True, False), "input_size": (256, 256)}
    found = infer(shapes(), stated=stated)
    assert not [one.name for one in found.facts if one.origin is Origin.ASSUMED]
    assert fact(found, "macs").origin is Origin.STATED


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"head_layers": 2}, "stated head_layers is 2, the file has 3"),
        ({"upsamplings": 4}, "stated upsamplings is 4, the file has 3 head layers"),
        ({"upsampling": (True,)}, "stated upsampling is of 1 layers, the file has 3 head layers"),
        ({"dims": (4, 6)}, "stated dims has 2 values, the file has 4 of them"),
    ],
)
def test_what_cannot_be_true_of_this_file_is_said_and_left(
    stated: dict[str, FactValue], words: str
) -> None:
    found = infer(shapes(), stated=stated)
    assert found.misfits == (words,)
    assert found.settings == infer(shapes()).settings


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"fingers": 5}, "no setting 'fingers'"),
        ({"joints": 0}, "between 1 and"),
        ({"joints": "many"}, "expected `int`"),
        ({"joints": 2**40}, "between 1 and"),
        ({"norm": "GroupNorm"}, "expected BatchNorm2d or LayerNorm"),
        ({"backbone": "Giant"}, "no ConvNeXt backbone 'Giant'"),
        ({"backbone": 3}, "expected a name"),
        ({"head_width": 1.5}, "expected a whole number"),
        ({"upsamplings": -1}, "'upsamplings'"),
        ({"input_size": (256,)}, "'input_size'"),
        ({"dims": (0, 1)}, "between 1 and"),
    ],
)
def test_unknown_names_and_impossible_values_are_errors_even_without_a_network(
    stated: dict[str, FactValue], words: str
) -> None:
    for found in (shapes(), {}):
        with pytest.raises(UsageError) as caught:
            infer(found, stated=stated)
        assert words in str(caught.value)


BASE: dict[str, FactValue] = {
    "dims": SMALL.dims,
    "depths": SMALL.depths,
    "head_out_channels": SMALL.head_out_channels,
    "upsampling": SMALL.upsampling,
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"joints": 18, "depth_bins": 32}, (18, 32, 576)),
        ({"final_channels": 576}, (None, None, 576)),
        ({"final_channels": 576, "joints": 18}, (18, 32, 576)),
        ({"final_channels": 576, "depth_bins": 16}, (36, 16, 576)),
        ({"final_channels": 576, "joints": 18, "depth_bins": 32}, (18, 32, 576)),
    ],
)
def test_final_channels_stand_for_joints_and_bins(
    given: dict[str, FactValue], expected: tuple[int | None, ...]
) -> None:
    found = FAMILY.configure(BASE | given)
    assert (found.joints, found.depth_bins, found.final_channels) == expected
    assert FAMILY.configure(FAMILY.settings(found)) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "expected a value for 'joints'"),
        ({"joints": 18}, "expected a value for 'depth_bins'"),
        ({"final_channels": 1152, "joints": 17}, "17 joints do not divide 1,152"),
        ({"final_channels": 1152, "joints": 17, "depth_bins": 64}, "are 1,088 final channels"),
        ({"final_channels": 0}, "between 1 and"),
        ({"joints": 18, "depth_bins": 32, "upsamplings": 3}, "expected 3 layers that upsample"),
        ({"joints": 18, "depth_bins": 32, "upsamplings": 4}, "at most 3 'upsamplings'"),
        ({"joints": 18, "depth_bins": 32, "head_layers": 2}, "expected 2 values"),
        ({"joints": 18, "depth_bins": 32, "norm": "RMSNorm"}, "expected BatchNorm2d"),
        ({"joints": 18, "depth_bins": 32, "depths": (1, 1)}, "as many values of 'depths'"),
        ({"joints": 18, "depth_bins": 32, "color": 1}, "no setting 'color'"),
        ({"joints": 18, "depth_bins": 32, "head_width": "wide"}, "expected a whole number"),
    ],
)
def test_a_configuration_that_does_not_add_up_is_refused(
    given: dict[str, FactValue], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        FAMILY.configure(BASE | given)
    assert words in str(caught.value)


def test_keys_need_no_upsampling_and_costs_do() -> None:
    given = {name: value for name, value in BASE.items() if name != "upsampling"}
    found = FAMILY.configure(given | {"joints": 18, "depth_bins": 32})
    assert {one.key: one.shape for one in FAMILY.keys(found)} == shapes()
    assert FAMILY.count(found).macs is None
    assert FAMILY.attributes(found)["heatmap"] is None
    assert FAMILY.attributes(found)["parameters"] == FAMILY.count(SMALL).parameters


def test_more_upsamplings_than_any_plane_stands_are_refused() -> None:
    given: dict[str, FactValue] = {
        "backbone": "Atto",
        "head_width": 8,
        "head_layers": 40,
        "joints": 18,
        "depth_bins": 32,
    }
    assert FAMILY.configure(given | {"upsamplings": 20}).heatmap == (8 << 20, 8 << 20)
    with pytest.raises(UsageError, match="at most 20"):
        FAMILY.configure(given | {"upsamplings": 21})
