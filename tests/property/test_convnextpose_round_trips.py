"""Configuration → names and shapes → the same configuration, and damage that never breaks."""

import random

import pytest
from builders.convnextpose import (
    FAMILY,
    GFLOPS,
    SMALL,
    UPSAMPLINGS,
    claim,
    fact,
    random_configuration,
    random_names,
    shapes,
)
from builders.state_dicts import Shape, state_dict_of
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Given
from ckptscope.families.known.convnextpose.configuration import (
    DIALECTS,
    INPUT_SIZE,
    JOINT_SETS,
    ConvNeXtPoseConfiguration,
)
from ckptscope.families.probe import infer_architectures
from ckptscope.families.view import NetworkView

ROUNDS = 2000
OPEN = ("joints", "depth_bins", "undivided", "upsampling")

widths = st.integers(1, 400)
prefixes = st.sampled_from(["", "module.", "_orig_mod.", "a.b.c.", "model.0."])


def sides(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(1, 9)] * count)


@st.composite
def configurations(draw: st.DrawFn) -> ConvNeXtPoseConfiguration:
    """Any network of the family, those included of which not everything can be inferred."""
    stages, layers = draw(st.integers(1, 6)), draw(st.integers(0, 9))
    return ConvNeXtPoseConfiguration(
        dims=draw(st.tuples(*[widths] * stages)),
        depths=draw(st.tuples(*[st.integers(1, 5)] * stages)),
        head_out_channels=draw(st.tuples(*[widths] * layers)),
        head_kernels=draw(sides(layers)),
        joints=draw(st.integers(1, 60)),
        depth_bins=draw(st.integers(1, 130)),
        kernel_size=draw(st.integers(1, 11)),
        expansion=draw(st.integers(1, 8)),
        norm=draw(st.sampled_from(["BatchNorm2d", "LayerNorm"])),
        stem_kernel=draw(st.integers(1, 9)),
        layer_scale=draw(st.booleans()),
        grn=draw(st.booleans()),
        input_channels=draw(st.integers(1, 9)),
    )


def closed(configuration: ConvNeXtPoseConfiguration) -> ConvNeXtPoseConfiguration:
    """The part of a configuration that shapes decide."""
    return replace(
        configuration,
        joints=None,
        depth_bins=None,
        undivided=configuration.final_channels,
        upsampling=None,
        input_size=INPUT_SIZE,
    )


@given(configurations(), st.sampled_from(DIALECTS), prefixes, st.randoms(use_true_random=False))
def test_what_shapes_decide_comes_back_in_any_dialect_prefix_and_order(
    configuration: ConvNeXtPoseConfiguration, dialect: str, prefix: str, rng: random.Random
) -> None:
    pairs = list(shapes(configuration, dialect).items())
    rng.shuffle(pairs)
    state_dict = state_dict_of(pairs, prefix=prefix)
    found = FAMILY.infer(NetworkView(state_dict, prefix))
    assert found.settings is not None
    assert closed(FAMILY.configure(found.settings)) == closed(configuration)
    assert found.differences.is_empty
    assert found.misfits == ()
    assert found.coverage == 1.0
    counts = FAMILY.count(configuration)
    assert fact(found, "parameters").value == counts.parameters
    assert fact(found, "state_elements").value == counts.elements
    assert fact(found, "tensors").value == len(pairs)
    if configuration.head_out_channels:
        assert found.dialect == dialect


@given(configurations(), st.sampled_from(DIALECTS))
def test_matches_explains_every_tensor(
    configuration: ConvNeXtPoseConfiguration, dialect: str
) -> None:
    pairs = shapes(configuration, dialect)
    assert FAMILY.matches(NetworkView(state_dict_of(pairs))).explained == pairs.keys()


@given(configurations())
def test_nothing_that_shapes_do_not_decide_is_observed_or_derived(
    configuration: ConvNeXtPoseConfiguration,
) -> None:
    found = FAMILY.infer(NetworkView(state_dict_of(shapes(configuration))))
    # Without layers there is nothing that could upsample.
    names = ["joints", "depth_bins", "heatmap", "macs", "input_size", "head_input"]
    names += ["upsampling"] if configuration.head_out_channels else []
    for name in names:
        one = fact(found, name)
        assert one.origin in (Origin.ASSUMED, Origin.UNDETERMINED)
        assert bool(one.assumptions) == (one.origin is Origin.ASSUMED)
        assert (one.value is None) == (one.origin is Origin.UNDETERMINED)


@given(configurations(), st.sampled_from(list(JOINT_SETS)), st.integers(0, 5))
def test_a_known_joint_set_in_a_cube_comes_back(
    configuration: ConvNeXtPoseConfiguration, joints: int, count: int
) -> None:
    layers = len(configuration.head_out_channels)
    height, width = configuration.head_input
    count = min(count, layers)
    if not height or height != width:
        return
    whole = replace(
        configuration,
        joints=joints,
        depth_bins=height << count,
        upsampling=tuple(i < count for i in range(layers)),
    )
    found = FAMILY.infer(NetworkView(state_dict_of(shapes(whole))))
    divisions = [one for one in found.rankings if "joints" in one.settings]
    if divisions[0].ties:
        # Planes that are no power of two let several known sets fit: 18 × 32 and 16 × 36.
        assert fact(found, "joints").value is None
        best = divisions[0].candidates[: divisions[0].ties + 1]
        assert joints in [one.values["joints"] for one in best]
    else:
        assert found.settings is not None
        assert FAMILY.configure(found.settings) == whole


def test_two_thousand_random_networks_come_back_whole() -> None:
    rng = random.Random(20231019)
    for _ in range(ROUNDS):
        configuration = random_configuration(rng)
        dialect, prefix = random_names(rng)
        pairs = list(shapes(configuration, dialect).items())
        rng.shuffle(pairs)
        found = FAMILY.infer(NetworkView(state_dict_of(pairs, prefix=prefix), prefix))
        assert found.settings is not None
        assert FAMILY.configure(found.settings) == configuration
        assert found.dialect == dialect
        assert found.misfits == ()
        assert found.counts == FAMILY.count(configuration)


def test_the_probe_finds_random_networks_by_itself() -> None:
    rng = random.Random(7)
    for _ in range(150):
        configuration = random_configuration(rng)
        dialect, prefix = random_names(rng)
        state_dict = state_dict_of(shapes(configuration, dialect), prefix=prefix)
        (found,) = infer_architectures(state_dict)
        assert (found.family, found.prefix) == ("convnextpose", prefix)
        assert found.settings is not None
        assert FAMILY.configure(found.settings) == configuration


@given(configurations(), st.data())
def test_lost_tensors_are_missing_and_nothing_else_is_said_of_the_rest(
    configuration: ConvNeXtPoseConfiguration, data: st.DataObject
) -> None:
    whole = shapes(configuration)
    # Biases tell no size that a weight does not, and no layer goes with them.
    biases = [key for key in whole if key.endswith(".bias") and "norm" not in key]
    lost = data.draw(st.sets(st.sampled_from(biases), max_size=6))
    state_dict = state_dict_of({key: s for key, s in whole.items() if key not in lost})
    found = FAMILY.infer(NetworkView(state_dict))
    assert found.settings is not None
    assert closed(FAMILY.configure(found.settings)) == closed(configuration)
    assert set(found.differences.missing) == lost
    assert not found.differences.unexpected
    assert not found.differences.mismatched


ODD_SIZES = (0, 1, 2, 3, 7, 17, 576, 1_000_001, 2**31, 2**62, 2**70)
ODD_PARTS = (
    *("0", "1", "2", "7", "00", "01", "-1", "999999999", "9" * 30, "\u0663", "1e3", "", "\x00"),
    *("dwconv", "norm", "pwconv", "pwconv1", "gamma", "grn", "weight", "backbone", "stages"),
    *("head", "final_layer", "deconv_layers", "deconv_layers_1", "deconv_layers_77"),
)


def damage(rng: random.Random, found: dict[str, Shape]) -> None:
    """Do one thing to a file: lose, reshape, rename or add a tensor."""
    key = rng.choice(list(found))
    what = rng.randrange(4)
    if what == 0:
        del found[key]
    elif what == 1:
        shape = list(found[key]) or [1]
        shape[rng.randrange(len(shape))] = rng.choice(ODD_SIZES)
        found[key] = tuple(shape[: rng.randint(0, 9)] * rng.choice((1, 1, 1, 2)))
    elif what == 2:
        parts = key.split(".")
        parts[rng.randrange(len(parts))] = rng.choice(ODD_PARTS)
        found[".".join(parts)] = found[key]
    else:
        found[f"{rng.choice(('backbone.', 'head.', 'backbone.stages.1.'))}{key}"] = found[key]


STATED = (
    {},
    {"joints": 17},
    {"upsamplings": 2, "head_width": 8},
    {"depth_bins": 8, "joints": 4},
    {"upsampling": (True,), "input_size": (3, 999)},
    {"depths": (2, 2, 5, 2), "dims": (1, 2)},
    {"final_channels": 12, "backbone": "Atto"},
)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_never_raise_and_their_settings_can_be_built(seed: int) -> None:
    rng = random.Random(seed)
    claims = (claim(GFLOPS, 1.76), claim(UPSAMPLINGS, 3), claim(UPSAMPLINGS, "three"))
    for _ in range(250):
        found = shapes(SMALL, rng.choice(DIALECTS))
        for _ in range(rng.choice((1, 2, 5, 20, 60))):
            damage(rng, found)
            if not found:
                break
        view = NetworkView(state_dict_of(found))
        explained = FAMILY.matches(view).explained
        assert explained <= found.keys()
        architecture = FAMILY.infer(view, Given(stated=dict(rng.choice(STATED)), claims=claims))
        assert 0 <= architecture.coverage <= 1
        FAMILY.snippets(architecture)
        if architecture.settings is None:
            assert architecture.misfits
        else:
            configuration = FAMILY.configure(architecture.settings)
            assert FAMILY.settings(configuration) == architecture.settings
            assert FAMILY.count(configuration) == architecture.counts
