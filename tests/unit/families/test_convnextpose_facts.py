"""What is said of a whole ConvNeXtPose, and what it rests on."""

import pytest
from builders.convnextpose import (
    FAMILY,
    GFLOPS,
    SMALL,
    UPSAMPLINGS,
    claim,
    fact,
    infer,
    renamed,
    shapes,
    view_of,
    without,
)
from builders.state_dicts import state_dict_of
from msgspec.structs import replace

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.tensors import Origin
from ckptscope.families.known.convnextpose.configuration import DIALECTS
from ckptscope.families.probe import infer_architectures
from ckptscope.families.view import NetworkView
from fixtures.convnextpose import VARIANTS, state_dict_entries

#: The table of the paper, as reproduced by building the networks: parameters, elements, tensors,
#: parameters and elements of the head, GMACs at 256×256, outputs.
PAPER = {
    "XS": (3_528_008, 3_534_140, 194, 155_328, 156_483, 0.8152, 576, (32, 32)),
    "S": (7_438_976, 7_448_954, 260, 388_928, 390_723, 1.7380, 576, (32, 32)),
    "M": (7_587_008, 7_596_986, 260, 536_960, 538_755, 2.7950, 1152, (64, 64)),
    "L": (8_380_352, 8_391_354, 260, 1_330_304, 1_333_123, 4.2638, 1152, (64, 64)),
}
BACKBONES = {"XS": "Atto", "S": "Femto-L", "M": "Femto-L", "L": "Femto-L"}
ORDER = [
    "depths",
    "dims",
    "backbone",
    "stem",
    "kernel_size",
    "expansion",
    "norm",
    "head_layers",
    "head_in_channels",
    "head_out_channels",
    "head_kernels",
    "final_channels",
    "joints",
    "depth_bins",
    "upsampling",
    "heatmap",
    "input_size",
    "dialect",
    "prefix",
    "parameters",
    "state_elements",
    "backbone_parameters",
    "head_parameters",
    "macs",
]


def released(name: str, dialect: str = "") -> dict[str, tuple[int, ...]]:
    variant = VARIANTS[name]
    own = type(variant.dialect)(dialect) if dialect else variant.dialect
    return {e.key: e.shape for e in state_dict_entries(variant.configuration, own)}


def values(architecture: Architecture, *names: str) -> list[object]:
    return [fact(architecture, name).value for name in names]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", PAPER)
def test_every_number_of_the_papers_table_is_found_in_every_dialect(
    name: str, dialect: str
) -> None:
    architecture = infer(released(name, dialect))
    parameters, elements, tensors, head, head_elements, gmacs, final, heatmap = PAPER[name]
    assert values(architecture, "parameters", "state_elements", "tensors") == [
        parameters,
        elements,
        tensors,
    ]
    assert values(architecture, "head_parameters", "head_elements") == [head, head_elements]
    assert values(architecture, "backbone_parameters") == [parameters - head]
    assert values(architecture, "backbone", "dialect") == [BACKBONES[name], dialect]
    assert values(architecture, "final_channels", "joints", "heatmap") == [final, 18, heatmap]
    macs = fact(architecture, "macs").value
    assert isinstance(macs, int)
    assert round(macs / 1e9, 4) == gmacs
    assert architecture.counts is not None
    assert architecture.counts.parameters == parameters
    assert architecture.counts.macs == macs
    assert architecture.differences.is_empty
    assert architecture.misfits == ()
    assert architecture.coverage == 1.0


def test_channels_into_and_out_of_the_head_are_two_facts() -> None:
    architecture = infer(released("L"))
    assert fact(architecture, "head_in_channels").value == (384, 512, 512)
    assert fact(architecture, "head_out_channels").value == (512, 512, 512)


def test_the_facts_are_told_in_the_order_of_the_network() -> None:
    names = [one.name for one in infer(shapes()).facts]
    assert [name for name in names if name in ORDER] == ORDER
    assert len(set(names)) == len(names)


def test_sizes_are_observed_and_point_at_a_tensor_as_saved_with_its_axis() -> None:
    found = shapes()
    architecture = infer(found)
    for name in ("dims", "kernel_size", "head_in_channels", "head_out_channels", "head_kernels"):
        one = fact(architecture, name)
        sizes = one.value if isinstance(one.value, tuple) else (one.value,)
        assert one.origin is Origin.OBSERVED
        assert len(one.evidence) == len(sizes)
        for size, evidence in zip(sizes, one.evidence, strict=True):
            assert evidence.key is not None
            assert evidence.axis is not None
            assert evidence.shape == found[evidence.key.removeprefix("module.")]
            assert evidence.shape[evidence.axis] == size


def test_depths_point_at_the_last_block_of_each_stage() -> None:
    evidence = fact(infer(shapes()), "depths").evidence
    assert [one.key for one in evidence] == [
        f"module.backbone.stages.{i}.{depth - 1}.dwconv.weight"
        for i, depth in enumerate(SMALL.depths)
    ]


@pytest.mark.parametrize(
    "name", ["backbone", "stem", "expansion", "parameters", "state_elements", "head_width"]
)
def test_what_follows_from_sizes_is_derived(name: str) -> None:
    assert fact(infer(released("S")), name).origin is Origin.DERIVED


@pytest.mark.parametrize(
    "name", ["joints", "depth_bins", "upsampling", "heatmap", "macs", "input_size"]
)
def test_what_no_shape_decides_is_assumed_and_says_what_it_assumes(name: str) -> None:
    one = fact(infer(shapes()), name)
    assert one.origin is Origin.ASSUMED
    assert any("256×256" in text for text in one.assumptions)
    assert one.decided_by


def test_the_order_of_upsampling_is_an_assumption_where_it_matters() -> None:
    two, three = infer(released("S")), infer(released("M"))
    assert any("come first" in text for text in fact(two, "upsampling").assumptions)
    assert not any("come first" in text for text in fact(three, "upsampling").assumptions)


def test_a_backbone_of_no_name_is_an_answer_that_names_the_nearest() -> None:
    configuration = replace(SMALL, dims=(48, 96, 192, 384), depths=(3, 3, 7, 3))
    backbone = fact(infer(shapes(configuration)), "backbone")
    assert backbone.value is None
    assert backbone.origin is Origin.DERIVED
    assert "none of the named ones; the nearest, Femto-L, has depths[2] = 9" in (
        backbone.evidence[0].text
    )


def test_layer_norm_is_assumed_since_a_group_norm_has_the_same_names() -> None:
    norm = fact(infer(shapes(replace(SMALL, norm="LayerNorm"))), "norm")
    assert (norm.value, norm.origin) == ("LayerNorm", Origin.ASSUMED)
    assert "GroupNorm" in norm.assumptions[0]


@pytest.mark.parametrize("setting", ["layer_scale", "grn"])
def test_layer_scale_and_grn_are_found_where_they_are(setting: str) -> None:
    there = fact(infer(shapes(replace(SMALL, **{setting: True}))), setting)
    assert there.value is True
    assert there.evidence[0].key is not None
    assert fact(infer(shapes()), setting).value is False


def test_settings_are_what_the_family_builds_the_same_keys_from() -> None:
    architecture = infer(shapes())
    assert architecture.settings is not None
    assert FAMILY.configure(architecture.settings) == SMALL


def test_reasons_say_how_much_of_the_network_is_there() -> None:
    reasons = FAMILY.matches(view_of(shapes())).reasons
    assert reasons[0].startswith("154 of 154 tensors of a ConvNeXt backbone")
    assert "3 depthwise-separable layers" in reasons[1]


def test_the_probe_finds_the_prefix_by_itself() -> None:
    state_dict = state_dict_of(shapes(), prefix="_orig_mod.module.")
    (architecture,) = infer_architectures(state_dict)
    assert architecture.family == "convnextpose"
    assert architecture.prefix == "_orig_mod.module."
    assert fact(architecture, "prefix").value == "_orig_mod.module."


def test_a_second_network_in_the_file_is_found_and_named() -> None:
    pairs = {f"teacher.{key}": shape for key, shape in shapes().items()}
    pairs |= {f"student.{key}": shape for key, shape in shapes().items()}
    found = infer_architectures(state_dict_of(pairs))
    assert [one.prefix for one in found] == ["teacher.", "student."]
    assert [one.coverage for one in found] == [0.5, 0.5]
    assert "'student.backbone" in found[0].misfits[-1]


def test_a_backbone_alone_is_of_this_family_if_its_blocks_are() -> None:
    own = {key: shape for key, shape in shapes().items() if key.startswith("backbone.")}
    assert FAMILY.matches(view_of(own)).explained == own.keys()
    plain = replace(SMALL, norm="LayerNorm", layer_scale=True)
    others = {key: shape for key, shape in shapes(plain).items() if key in own or "gamma" in key}
    assert FAMILY.matches(view_of(others)).explained == frozenset()


def test_a_head_of_other_names_is_no_part_of_the_network() -> None:
    found = renamed(shapes(), lambda key: key.replace("head.", "decoder."))
    explained = FAMILY.matches(view_of(found)).explained
    assert explained == {key for key in found if key.startswith("backbone.")}


def test_less_than_half_of_a_network_is_claimed_by_nobody() -> None:
    biases = {key: shape for key, shape in shapes().items() if key.endswith(".bias")}
    assert 2 * len(biases) < len(shapes())
    assert FAMILY.matches(view_of(biases)).explained == frozenset()
    more = without(shapes(), "running_", "num_batches")
    assert 2 * len(more) > len(shapes())
    assert FAMILY.matches(view_of(more)).explained == more.keys()


@pytest.mark.parametrize("shuffled", [True, False])
def test_matches_explains_exactly_the_tensors_of_the_network(shuffled: bool) -> None:
    found = shapes() | {"backbone.extra.weight": (3,), "head.other.bias": (4,)}
    if shuffled:
        found = dict(reversed(found.items()))
    assert FAMILY.matches(view_of(found)).explained == shapes().keys()


def test_the_share_of_non_zero_weights_counts_weights_of_each_head_layer() -> None:
    view = NetworkView(state_dict_of(shapes()))
    architecture = FAMILY.infer(view)
    (found,) = FAMILY.value_facts(
        view,
        architecture,
        lambda tensor: 0 if "deconv_layers_2" in tensor.key else tensor.elements - 1,
    )
    # dwconv, norm and pwconv of layer 1: 12·9 + 12 + 10·12 weights, of which one each is zero.
    assert isinstance(found.value, tuple)
    assert found.value[:2] == (237 / 240, 0.0)
    assert found.origin is Origin.OBSERVED
    assert found.evidence[0].text == "107 of 108 are not zero"
    assert "upsampling" in found.evidence[-1].text


def test_no_share_is_said_of_a_head_that_has_lost_a_layer() -> None:
    pairs = {k: s for k, s in shapes().items() if "deconv_layers_2" not in k}
    view = NetworkView(state_dict_of(pairs))
    (found,) = FAMILY.value_facts(view, FAMILY.infer(view), lambda tensor: tensor.elements)
    assert (found.value, found.origin) == (None, Origin.UNDETERMINED)


def test_claims_never_overrule_the_shapes() -> None:
    claims = (claim(GFLOPS, 2.82, "M"), claim(UPSAMPLINGS, 3, "M"))
    found = infer(released("S"), claims=claims)
    assert fact(found, "joints").value == 18
    assert fact(found, "upsampling").value == (True, True, False)
