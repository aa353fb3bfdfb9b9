"""Damaged files, and files that hold more than one network: what does not fit is named."""

import pytest
from builders.convnextpose import (
    FAMILY,
    SMALL,
    fact,
    infer,
    renamed,
    shapes,
    view_of,
    without,
)
from builders.state_dicts import Shape, state_dict_of, tensor_of
from msgspec.structs import replace

from ckptscope.facts.tensors import Origin
from ckptscope.families.view import NetworkView

Shapes = dict[str, Shape]


def as_indexed(key: str, *layers: int) -> str:
    for layer in layers:
        for old, new in (("dwconv", "0"), ("norm", "1"), ("pwconv", "2")):
            name = f"head.deconv_layers_{layer}"
            key = key.replace(f"{name}.{old}.", f"{name}.{new}.")
    return key


def test_a_block_that_is_missing_between_others_is_named() -> None:
    found = infer(without(shapes(), "stages.2.3."))
    assert fact(found, "depths").value == SMALL.depths
    assert found.misfits[0] == ("stage 2 has 5 blocks by their numbers, but block 3 is missing")
    assert len(found.differences.missing) == 10
    assert all("stages.2.3." in key for key in found.differences.missing)


def test_several_missing_blocks_are_named_in_one_sentence() -> None:
    deep = replace(SMALL, depths=(2, 2, 12, 2))
    gaps = without(shapes(deep), "stages.2.3.", "stages.2.4.", "stages.2.7.")
    assert infer(gaps).misfits[0] == (
        "stage 2 has 12 blocks by their numbers, but blocks 3 to 4, 7 are missing"
    )


def test_blocks_that_are_missing_at_the_end_leave_a_shallower_network() -> None:
    found = infer(without(shapes(), "stages.2.4."))
    assert fact(found, "depths").value == (2, 2, 4, 2)
    assert found.misfits == ()


def test_the_depth_of_a_lost_stage_is_assumed_where_one_name_alone_fits() -> None:
    named = replace(SMALL, dims=(48, 96, 192, 384), depths=(3, 3, 9, 3))
    found = infer(without(shapes(named), "stages.2."))
    depths = fact(found, "depths")
    assert (depths.value, depths.origin) == ((3, 3, 9, 3), Origin.ASSUMED)
    assert "Femto-L" in depths.assumptions[0]
    assert found.misfits[0] == "no block of stage 2 is there"


def test_the_depth_of_a_lost_stage_is_undetermined_otherwise() -> None:
    found = infer(without(shapes(), "stages.2."))
    depths = fact(found, "depths")
    assert (depths.value, depths.origin) == (None, Origin.UNDETERMINED)
    assert found.settings is None
    assert found.counts is None
    assert fact(found, "backbone").origin is Origin.UNDETERMINED
    assert fact(found, "macs").value is None
    assert fact(found, "joints").value == 18


def test_widths_of_a_lost_stage_are_told_by_the_stages_beside_it() -> None:
    found = infer(without(shapes(), "stages.2.", "downsample_layers.2."))
    assert fact(found, "dims").value == SMALL.dims


def test_a_lost_stem_is_named_and_its_kernel_assumed() -> None:
    found = infer(without(shapes(), "downsample_layers.0."))
    kernel = fact(found, "stem_kernel")
    assert (kernel.value, kernel.origin) == (4, Origin.ASSUMED)
    assert found.misfits[0] == "the stem is missing"
    assert fact(found, "dims").value == SMALL.dims


def test_a_block_of_odd_shapes_is_outvoted_and_named() -> None:
    odd = {
        key: tuple(3 * size for size in shape) if "stages.2.1." in key else shape
        for key, shape in shapes().items()
    }
    found = infer(odd)
    dims = fact(found, "dims")
    assert (dims.value, dims.origin) == (SMALL.dims, Origin.ASSUMED)
    assert any(text.startswith("dims[2] is 8 by") for text in found.misfits)
    assert {one.key for one in found.differences.mismatched} == {
        f"module.{key}" for key, shape in shapes().items() if "stages.2.1." in key and shape
    }


def test_a_stray_number_is_not_believed() -> None:
    found = infer(shapes() | {"backbone.stages.2.999999999.dwconv.weight": (8, 1, 7, 7)})
    assert fact(found, "depths").value == SMALL.depths
    assert found.misfits[0] == "block 999999999 of stage 2 stands apart from its 5 blocks"
    assert found.coverage < 1


def test_blocks_that_are_other_blocks_under_new_names_are_found_by_their_tensors() -> None:
    pairs = shapes()
    tensors = [tensor_of(key, shape) for key, shape in pairs.items()]
    for block in (3, 4):
        for key, shape in pairs.items():
            if f"stages.2.{block}." in key:
                copy = key.replace(f"2.{block}.", f"2.{block + 2}.")
                tensors.append(replace(tensor_of(copy, shape), alias_of=key))
    state_dict = replace(state_dict_of(pairs), tensors=tuple(tensors))
    found = FAMILY.infer(NetworkView(state_dict))
    assert fact(found, "depths").value == (2, 2, 7, 2)
    assert found.misfits[0] == (
        "blocks 5 to 6 of stage 2 repeat blocks 3 to 4: the same tensors under other names"
    )


def test_without_a_final_layer_joints_and_bins_cannot_be_told() -> None:
    found = infer(without(shapes(), "final_layer"))
    assert found.misfits == ("the final layer is missing: joints and depth bins cannot be told",)
    for name in ("final_channels", "joints", "depth_bins", "upsampling", "macs"):
        assert fact(found, name).value is None
        assert fact(found, name).origin is Origin.UNDETERMINED
    assert found.settings is None
    assert found.differences.is_empty
    assert fact(found, "head_parameters").value == sum(
        tensor.elements
        for tensor in FAMILY.keys(SMALL)
        if tensor.part == "head" and "final" not in tensor.key and tensor.kind == "parameter"
    )


def test_a_truncated_head_is_a_head_of_fewer_layers_and_its_parameters_are_those_there() -> None:
    found = infer(without(shapes(), "deconv_layers_2", "deconv_layers_3", "final_layer"))
    assert fact(found, "head_layers").value == 1
    assert fact(found, "head_out_channels").value == (10,)
    assert found.misfits == ("the final layer is missing: joints and depth bins cannot be told",)


def test_a_head_layer_that_is_missing_between_others_is_read_from_its_neighbours() -> None:
    found = infer(without(shapes(), "deconv_layers_2"))
    assert found.misfits[0] == "the head has 3 layers by their numbers, but layer 2 is missing"
    for name in ("head_in_channels", "head_out_channels"):
        assert fact(found, name).value == getattr(SMALL, name)
        assert fact(found, name).origin is Origin.DERIVED
    kernels = fact(found, "head_kernels")
    assert (kernels.value, kernels.origin) == ((3, 3, 3), Origin.ASSUMED)
    assert len(found.differences.missing) == 8


def test_a_head_that_is_lost_leaves_the_backbone() -> None:
    found = infer({k: s for k, s in shapes().items() if k.startswith("backbone.")})
    assert fact(found, "head_layers").value == 0
    assert fact(found, "head_parameters").value == 0
    assert fact(found, "dialect").origin is Origin.UNDETERMINED
    assert "no layer of the head is there" in found.misfits
    assert found.differences.is_empty


def test_a_network_without_layers_between_backbone_and_final_layer_has_a_cube_of_its_own() -> None:
    plain = replace(SMALL, head_out_channels=(), head_kernels=(), upsampling=(), depth_bins=8)
    found = infer(shapes(plain))
    assert fact(found, "upsampling").value == ()
    assert fact(found, "depth_bins").value == 8
    assert fact(found, "heatmap").value == (8, 8)


def test_dialects_that_are_mixed_in_one_head_are_named() -> None:
    found = infer(renamed(shapes(), lambda key: as_indexed(key, 2)))
    dialect = fact(found, "dialect")
    assert dialect.value == "named"
    assert [one.text for one in dialect.evidence] == [
        "layer 1 is named",
        "layer 2 is indexed",
        "layer 3 is named",
    ]
    assert found.misfits == (
        "the head mixes dialects: layers 1, 3 named, layer 2 indexed; load_state_dict takes one, "
        "so rename layer 2 to named",
    )
    assert fact(found, "parameters").value == FAMILY.count(SMALL).parameters
    assert found.coverage == 1.0


def test_what_load_state_dict_would_say_of_mixed_dialects_is_that_of_one() -> None:
    found = infer(renamed(shapes(), lambda key: as_indexed(key, 2)))
    assert len(found.differences.missing) == 8
    assert len(found.differences.unexpected) == 9
    assert len(found.differences.tolerated) == 1


def test_the_dialect_of_most_layers_is_that_of_the_head() -> None:
    found = infer(renamed(shapes(), lambda key: as_indexed(key, 2, 3)))
    assert fact(found, "dialect").value == "indexed"
    assert found.dialect == "indexed"
    assert "rename layer 1 to indexed" in found.misfits[0]


def test_a_layer_whose_parts_are_of_two_dialects_is_still_whole() -> None:
    mixed = renamed(shapes(), lambda key: key.replace("layers_2.dwconv", "layers_2.0"))
    found = infer(mixed)
    assert found.misfits == ("head layer 2 is named, and other parts are indexed",)
    assert fact(found, "state_elements").value == FAMILY.count(SMALL).elements
    assert fact(found, "head_in_channels").value == SMALL.head_in_channels


def test_a_head_that_is_there_under_two_names_is_counted_once() -> None:
    twice = shapes() | {k: s for k, s in shapes(SMALL, "list").items() if k.startswith("head.")}
    found = infer(twice)
    assert fact(found, "parameters").value == FAMILY.count(SMALL).parameters
    assert found.misfits[0] == (
        "head layers 1 to 3 are named, and some parts are there again as list"
    )
    assert len(found.differences.unexpected) == 27


def test_layers_whose_channels_do_not_meet_are_named() -> None:
    broken = shapes()
    for key, shape in broken.items():
        if key.startswith("head.deconv_layers_2") and shape:
            broken[key] = tuple(20 if size == 10 else size for size in shape)
    found = infer(broken)
    assert fact(found, "head_in_channels").value == (12, 20, 14)
    assert fact(found, "head_out_channels").value == (10, 14, 16)
    assert "head layer 1 gives 10 channels, head layer 2 takes 20" in found.misfits


def test_a_head_of_another_network_is_named_by_its_width() -> None:
    other = replace(SMALL, dims=(4, 6, 8, 20))
    mixed = {k: s for k, s in shapes(other).items() if k.startswith("backbone.")}
    mixed |= {k: s for k, s in shapes().items() if k.startswith("head.")}
    assert "the backbone gives 20 channels, head layer 1 takes 12" in infer(mixed).misfits


def test_weight_and_bias_of_the_final_layer_may_disagree() -> None:
    found = infer(shapes() | {"head.final_layer.bias": (544,)})
    final = fact(found, "final_channels")
    assert (final.value, final.origin) == (576, Origin.ASSUMED)
    assert found.misfits[0] == (
        "final_channels is 576 by 1 tensor, 544 by 1 ('module.head.final_layer.bias')"
    )


def test_tensors_of_others_are_named_with_the_first_of_them() -> None:
    found = infer(shapes() | {f"ema.{i}": (2,) for i in range(12)})
    assert found.misfits[0].startswith("12 tensors do")
    assert "'module.ema.0'" in found.misfits[0]
    assert found.coverage == len(shapes()) / (len(shapes()) + 12)


def test_a_norm_without_statistics_in_the_head_alone_is_named() -> None:
    bare = {
        key: shape
        for key, shape in shapes().items()
        if not ("deconv_layers_1.norm" in key and ("running" in key or "batches" in key))
    }
    assert "the norm of head layer 1 is no BatchNorm2d, unlike the backbone's" in (
        infer(bare).misfits
    )


def test_a_state_dict_without_a_block_gives_no_facts() -> None:
    for found in ({}, {"fc.weight": (3, 4)}, {"head.final_layer.weight": (576, 4, 1, 1)}):
        architecture = infer(found)
        assert architecture.facts == ()
        assert architecture.misfits[0] == "no block of a ConvNeXt backbone is there"
        assert FAMILY.matches(view_of(found)).explained == frozenset()


HUGE = 2**62


@pytest.mark.parametrize(
    "shape",
    [(), (0,), (0, 0, 0, 0), (HUGE,) * 4, (HUGE,) * 40, (1,) * 5, (4, 3, 0, 0), (-1, 3, 4, 4)],
)
@pytest.mark.parametrize(
    "part",
    [
        "downsample_layers.0.0.weight",
        "stages.1.0.dwconv.weight",
        "stages.2.0.pwconv1.weight",
        "backbone.norm.weight",
        "deconv_layers_1.dwconv.weight",
        "deconv_layers_3.pwconv.weight",
        "final_layer.weight",
    ],
)
def test_absurd_shapes_are_facts_or_misfits_and_never_errors(part: str, shape: Shape) -> None:
    damaged = {key: shape if part in key else own for key, own in shapes().items()}
    found = infer(damaged)
    assert FAMILY.snippets(found) is not None
    if found.settings is not None:
        assert FAMILY.settings(FAMILY.configure(found.settings)) == found.settings
    else:
        assert found.misfits


def test_sizes_that_no_network_can_have_leave_no_settings() -> None:
    huge = {
        key: tuple(HUGE if size == 4 else size for size in shape) for key, shape in shapes().items()
    }
    found = infer(huge)
    assert found.settings is None
    assert fact(found, "macs").value is None
    assert found.misfits[0].startswith("no network can be built of what the tensors say")
    assert fact(found, "dims").value == (HUGE, 6, 8, 12)


@pytest.mark.parametrize(
    "key",
    [
        "backbone.stages.-1.0.dwconv.weight",
        "backbone.stages.00.0.dwconv.weight",
        "backbone.stages.2.1e3.dwconv.weight",
        "backbone.stages.\u0663.0.dwconv.weight",
        "backbone.stages.99999999999999999999.0.dwconv.weight",
        "backbone.stages.2..dwconv.weight",
        "head.deconv_layers_0.dwconv.weight",
        "head.deconv_layers_01.dwconv.weight",
        "head.deconv_layers_999999.dwconv.weight",
        "head.deconv_layers.-1.dwconv.weight",
        "head.deconv_layers.\n.dwconv.weight",
    ],
)
def test_names_with_odd_numbers_belong_to_no_layer(key: str) -> None:
    found = infer(shapes() | {key: (4, 1, 7, 7)})
    assert found.settings == infer(shapes()).settings
    assert found.differences.unexpected == (f"module.{key}",)


def test_thousands_of_stages_blocks_and_layers_are_read() -> None:
    deep = replace(SMALL, depths=(1, 3000, 1, 1), upsampling=None)
    assert fact(infer(shapes(deep)), "depths").value == (1, 3000, 1, 1)
    wide = replace(SMALL, dims=(3,) * 2000, depths=(1,) * 2000, upsampling=None)
    found = infer(shapes(wide))
    assert fact(found, "dims").value == (3,) * 2000
    assert found.differences.is_empty
    long = replace(SMALL, head_out_channels=(5,) * 3000, head_kernels=(), upsampling=None)
    found = infer(shapes(long))
    assert fact(found, "upsampling").value == (True, True, *(False,) * 2998)
    assert found.differences.is_empty
