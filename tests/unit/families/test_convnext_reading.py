"""A ConvNeXt trunk from names and shapes, in every layout, whole and damaged."""

import random

import pytest
from builders.state_dicts import Shape, shapes_of, state_dict_of
from msgspec.structs import replace

from ckptscope.facts.tensors import Origin
from ckptscope.families.trunks.convnext import (
    BATCH_NORM,
    HUGGING_FACE,
    LAYER_NORM,
    ORIGINAL,
    RMS_NORM,
    TIMM,
    TORCHVISION,
    Layout,
    Trunk,
    trunk_keys,
)
from ckptscope.families.trunks.convnext_names import dense_count
from ckptscope.families.trunks.convnext_reading import TrunkReading, read_trunk
from ckptscope.families.view import NetworkView, read_number

LAYOUTS = (ORIGINAL, TIMM, TORCHVISION, HUGGING_FACE)
TRUNK = Trunk(dims=(4, 6, 8, 12), depths=(2, 2, 5, 2))


def keys(trunk: Trunk = TRUNK, layout: Layout = ORIGINAL, prefix: str = "") -> dict[str, Shape]:
    return shapes_of(trunk_keys(trunk, layout, prefix=prefix))


def read(
    found: dict[str, Shape], layout: Layout = ORIGINAL, prefix: str = "", usual: Trunk | None = None
) -> TrunkReading:
    view = NetworkView(state_dict_of(found))
    reading = (
        read_trunk(view, layout, prefix=prefix)
        if usual is None
        else read_trunk(view, layout, prefix=prefix, usual=usual)
    )
    assert reading is not None
    return reading


def random_trunk(rng: random.Random, layout: Layout) -> Trunk:
    stages = rng.choice((1, 2, 3, 4, 4, 7))
    overlaps = layout.overlapping_stem is not None and rng.random() < 0.4
    return Trunk(
        dims=tuple(rng.randint(2, 300) for _ in range(stages)),
        depths=tuple(rng.randint(1, 5) for _ in range(stages)),
        kernel_size=rng.choice((1, 3, 5, 7, 9)),
        expansion=rng.randint(1, 6),
        norm=rng.choice((BATCH_NORM, LAYER_NORM, RMS_NORM)),
        stem_kernel=rng.choice((2, 3, 4, 7)),
        layer_scale=rng.random() < 0.5,
        grn=layout.response is not None and rng.random() < 0.5,
        pointwise_convolutions=rng.random() < 0.5,
        final_norm=rng.random() < 0.7,
        stem_channels=rng.randint(1, 40) if overlaps else None,
        stem_activation=overlaps and rng.random() < 0.5,
        input_channels=rng.choice((1, 3, 4)),
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_random_trunks_come_back_from_every_layout_in_any_order(layout: Layout) -> None:
    rng = random.Random(layout.name)
    for _ in range(120):
        trunk, prefix = random_trunk(rng, layout), rng.choice(("", "backbone.", "a.b."))
        pairs = list(keys(trunk, layout, prefix).items())
        rng.shuffle(pairs)
        reading = read(dict(pairs), layout, prefix)
        assert reading.trunk == trunk
        assert reading.notes == ()
        assert reading.undetermined == ()
        assert sorted(reading.explained) == sorted(dict(pairs))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_keys_of_others_beside_the_trunk_are_not_explained(layout: Layout) -> None:
    own = keys(TRUNK, layout)
    others = {"other.weight": (3,), "stages.x.0.dwconv.weight": (4,), "features.one.0.weight": ()}
    first = next(iter(own)).rpartition(".")[0]
    others[f"{first}.weight_g"] = (4,)
    assert set(read(own | others, layout).explained) == own.keys()


def test_every_setting_says_what_it_rests_on() -> None:
    settings = read(keys()).settings
    assert set(settings) == set(Trunk.__struct_fields__)
    observed = [name for name, one in settings.items() if one.origin is Origin.OBSERVED]
    assert {"dims", "depths", "kernel_size", "stem_kernel", "input_channels"} <= set(observed)
    assert settings["expansion"].origin is Origin.DERIVED
    assert settings["norm"].origin is Origin.ASSUMED
    assert read(keys(replace(TRUNK, norm=BATCH_NORM))).settings["norm"].origin is Origin.OBSERVED


def test_evidence_of_a_width_is_the_convolution_that_makes_it() -> None:
    dims = read(dict(reversed(keys().items()))).settings["dims"]
    assert [one.key for one in dims.evidence] == [
        "downsample_layers.0.0.weight",
        "downsample_layers.1.1.weight",
        "downsample_layers.2.1.weight",
        "downsample_layers.3.1.weight",
    ]
    assert [one.shape[one.axis] for one in dims.evidence] == list(TRUNK.dims)  # type: ignore[index]


def test_what_is_lost_is_assumed_to_be_as_the_caller_says() -> None:
    bare = {key: (1,) for key in keys() if key.endswith("gamma") or "dwconv.bias" in key}
    usual = replace(TRUNK, kernel_size=9, norm=BATCH_NORM, expansion=3, stem_kernel=2)
    reading = read(bare, usual=usual)
    for name in ("kernel_size", "norm", "expansion", "stem_kernel"):
        assert getattr(reading.trunk, name) == getattr(usual, name)
        assert reading.settings[name].origin is Origin.ASSUMED
        assert reading.settings[name].assumptions


def test_most_tensors_decide_and_the_others_are_named() -> None:
    found = keys(replace(TRUNK, layer_scale=True))
    found["stages.2.0.dwconv.weight"] = (8, 1, 5, 5)
    found["stages.2.1.pwconv1.weight"] = (24, 8)
    del found["stages.0.0.gamma"]
    reading = read(found)
    assert reading.trunk == replace(TRUNK, layer_scale=True)
    assert [note.partition(" by")[0] for note in reading.notes] == [
        "kernel_size is 7",
        "expansion is 4",
        "layer_scale is True",
    ]
    assert "'stages.2.0.dwconv.weight'" in reading.notes[0]
    assert reading.settings["kernel_size"].origin is Origin.ASSUMED


def test_a_lost_width_is_undetermined_and_lists_the_named_sizes_that_remain() -> None:
    tiny = Trunk(dims=(96, 192, 384, 768), depths=(3, 3, 9, 3))
    found = {key: s for key, s in keys(tiny).items() if not key.startswith("stages.2.")}
    depths = read(found).settings["depths"]
    assert depths.value is None
    assert depths.alternatives == ((3, 3, 9, 3), (3, 3, 27, 3))
    assert read(found).undetermined == ("depths",)
    assert read(found).trunk.depths == (3, 3, 1, 3)


def test_without_a_block_there_is_no_trunk() -> None:
    for found in ({}, {"norm.weight": (3,)}, {"downsample_layers.1.1.weight": (6, 4, 2, 2)}):
        assert read_trunk(NetworkView(state_dict_of(found)), ORIGINAL) is None


@pytest.mark.parametrize(
    ("numbers", "count"),
    [
        ([], 0),
        ([0], 1),
        ([2], 3),
        ([3], 0),
        ([0, 1, 2, 3], 4),
        ([0, 1, 2, 4, 5, 6, 7, 8], 9),
        ([0, 1, 999999999], 2),
        ([0, 0, 1, 1], 2),
        ([7, 8, 9], 0),
        ([*range(9), 17], 9),
    ],
)
def test_numbers_are_counted_as_far_as_they_are_dense(numbers: list[int], count: int) -> None:
    assert dense_count(numbers) == count


def test_a_count_never_exceeds_what_is_there_by_more_than_half() -> None:
    rng = random.Random(0)
    for _ in range(500):
        numbers = {rng.randrange(10 ** rng.randint(1, 9)) for _ in range(rng.randint(1, 50))}
        count = dense_count(numbers)
        there = len([number for number in numbers if number < count])
        assert count - there <= max(2, there // 2)


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1.0", "\u0661", " 1", "1_0", "9" * 12])
def test_only_numbers_as_torch_writes_them_are_numbers(text: str) -> None:
    assert read_number(text) is None
    assert read_number("0") == 0
    assert read_number("120") == 120
