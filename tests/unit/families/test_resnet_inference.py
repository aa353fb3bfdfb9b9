"""What the ResNet family says of whole, odd and damaged state_dicts."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Given
from ckptscope.families.known.resnet import ResNet
from ckptscope.families.probe import infer_architectures
from ckptscope.families.trunks.resnet import NAMED_TRUNKS

FAMILY = ResNet()
Shapes = dict[str, tuple[int, ...]]


def shapes(**settings) -> Shapes:
    return shapes_of(FAMILY.keys(FAMILY.configure({"backbone": "ResNet-50", **settings})))


def infer(tensors: Shapes, *, prefix: str = "", stated=None, **options) -> Architecture:
    given = Given(stated=stated or {})
    (found,) = infer_architectures(state_dict_of(tensors, prefix=prefix, **options), given)
    assert found.family == "resnet"
    return found


def value(architecture: Architecture, name: str):
    fact = architecture.fact(name)
    assert fact is not None, name
    return fact.value


def origin(architecture: Architecture, name: str) -> Origin:
    fact = architecture.fact(name)
    assert fact is not None, name
    return fact.origin


def said(architecture: Architecture) -> str:
    return "\n".join(architecture.misfits)


@pytest.mark.parametrize("backbone", NAMED_TRUNKS)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module.encoder."])
def test_every_named_size_is_recognised_under_any_prefix(backbone: str, prefix: str) -> None:
    tensors = shapes(backbone=backbone)
    found = infer(tensors, prefix=prefix)
    assert (value(found, "backbone"), found.prefix) == (backbone, prefix)
    assert (found.coverage, found.misfits, found.dialect) == (1.0, (), "torchvision")
    assert found.settings == FAMILY.settings(FAMILY.configure({"backbone": backbone}))


def test_the_facts_of_a_resnet_50_are_observed_or_derived_but_for_its_input() -> None:
    found = infer(shapes())
    assert value(found, "depths") == (3, 4, 6, 3)
    assert value(found, "dims") == (256, 512, 1024, 2048)
    assert value(found, "block") == "Bottleneck"
    assert value(found, "stem") == "Conv2d 3→64 7×7, BatchNorm2d"
    assert value(found, "downsample") == "Conv2d 1×1, BatchNorm2d"
    assert value(found, "classes") == 1000
    assert value(found, "parameters") == 25_557_032
    assert value(found, "state_elements") == 25_610_205
    assert value(found, "backbone_parameters") == 23_508_032
    assert value(found, "head_parameters") == 2_049_000
    assert value(found, "input_size") == (224, 224)
    assert value(found, "macs") == 4_089_184_256
    assumed = {fact.name for fact in found.facts if fact.origin is Origin.ASSUMED}
    assert assumed == {"input_size", "macs"}
    for fact in found.facts:
        assert bool(fact.assumptions) == (fact.origin is Origin.ASSUMED), fact.name


def test_every_tensor_that_is_named_as_evidence_is_in_the_file_with_that_size() -> None:
    tensors = shapes(backbone="ResNeXt-50 32x4d")
    found = infer(tensors, prefix="module.")
    named = [(fact, proof) for fact in found.facts for proof in fact.evidence if proof.key]
    assert len(named) > 10
    for fact, proof in named:
        assert proof.key is not None
        assert tensors[proof.key.removeprefix("module.")] == proof.shape, fact.name
        assert proof.axis is None or proof.shape is not None
        assert proof.axis is None or proof.axis < len(proof.shape)


def test_groups_are_read_from_the_second_axis_of_the_inner_convolution() -> None:
    found = infer(shapes(backbone="ResNeXt-101 64x4d"))
    assert (value(found, "groups"), origin(found, "groups")) == (64, Origin.DERIVED)
    assert value(found, "group_dims") == (4, 8, 16, 32)


def test_sizes_without_a_name_are_none_of_the_named_ones() -> None:
    found = infer(shapes(depths=(3, 4, 7, 3)))
    fact = found.fact("backbone")
    assert fact is not None
    assert fact.value is None
    assert fact.origin is Origin.DERIVED
    assert "none of the named ones" in fact.evidence[0].text
    assert found.misfits == ()


def test_a_trunk_alone_has_no_classes_and_still_the_classifiers_count() -> None:
    found = infer(shapes(classes=0))
    assert (value(found, "classes"), origin(found, "classes")) == (0, Origin.OBSERVED)
    assert value(found, "parameters") == 23_508_032
    assert value(found, "classifier_parameters") == 25_557_032
    assert origin(found, "classifier_parameters") is Origin.DERIVED
    assert found.settings is not None
    assert found.settings["classes"] is None
    assert found.misfits == ()


def test_a_network_for_grey_images_keeps_its_name() -> None:
    found = infer(shapes(input_channels=1))
    assert value(found, "backbone") == "ResNet-50"
    assert value(found, "input_channels") == 1


def test_a_file_older_than_the_counters_fits_and_says_so() -> None:
    tensors = {k: v for k, v in shapes().items() if not k.endswith("num_batches_tracked")}
    found = infer(tensors)
    assert found.differences.is_empty
    assert len(found.differences.tolerated) == 53
    assert said(found).startswith("53 counters num_batches_tracked are not in the file")
    assert "before 0.4.1" in said(found)
    assert value(found, "parameters") == 25_557_032
    assert origin(found, "backbone") is Origin.DERIVED


def test_counters_that_a_newer_file_lacks_are_missing() -> None:
    tensors = shapes()
    del tensors["bn1.num_batches_tracked"]
    found = infer(tensors, versions={"bn1": 2})
    assert found.differences.missing == ("bn1.num_batches_tracked",)


def test_a_lost_tensor_is_named_and_changes_nothing_else() -> None:
    tensors = shapes()
    del tensors["layer3.2.conv2.weight"]
    found = infer(tensors)
    assert found.differences.missing == ("layer3.2.conv2.weight",)
    assert "1 tensor of the network is missing: 'layer3.2.conv2.weight'" in said(found)
    assert value(found, "backbone") == "ResNet-50"
    fact = found.fact("parameters")
    assert fact is not None
    assert fact.value == 25_557_032 - 256 * 256 * 9
    assert "the settings add up to 25,557,032" in fact.evidence[0].text


def test_a_lost_block_leaves_a_gap_and_the_depth_is_assumed() -> None:
    tensors = {k: v for k, v in shapes().items() if not k.startswith("layer3.2.")}
    found = infer(tensors)
    fact = found.fact("depths")
    assert fact is not None
    assert fact.value == (3, 4, 6, 3)
    assert fact.origin is Origin.ASSUMED
    assert fact.assumptions == ("1 of 6 blocks of layer3 are lost",)
    assert len(found.differences.missing) == 15
    assert "3 counters num_batches_tracked are not in the file (others are)" in said(found)


def test_a_lost_stage_between_others_is_read_from_its_neighbours() -> None:
    tensors = {k: v for k, v in shapes().items() if not k.startswith("layer3.")}
    found = infer(tensors)
    assert value(found, "dims") == (256, 512, 1024, 2048)
    assert value(found, "depths") == (3, 4, 1, 3)
    assert origin(found, "depths") is Origin.ASSUMED


def test_a_cut_off_trunk_tells_of_the_stages_that_it_has() -> None:
    tensors = {k: v for k, v in shapes().items() if not k.startswith("layer4.")}
    found = infer(tensors)
    assert value(found, "depths") == (3, 4, 6)
    assert value(found, "backbone") is None
    assert "fc.weight [1000, 2048], expected [1000, 1024]" in said(found)


def test_a_file_without_its_stem_assumes_the_usual_one() -> None:
    tensors = {k: v for k, v in shapes().items() if k.startswith(("layer", "fc"))}
    found = infer(tensors)
    assert value(found, "backbone") == "ResNet-50"
    assert origin(found, "stem_kernel") is Origin.ASSUMED
    assert origin(found, "backbone") is Origin.ASSUMED
    # The first block tells what the stem gave it.
    assert origin(found, "stem_width") is Origin.OBSERVED


def test_a_doubled_block_is_one_more_block() -> None:
    tensors = shapes()
    twice = {k.replace("layer4.2.", "layer4.3."): v for k, v in tensors.items() if "layer4.2" in k}
    found = infer({**tensors, **twice})
    assert value(found, "depths") == (3, 4, 6, 4)
    assert value(found, "backbone") is None
    assert found.misfits == ()


@pytest.mark.parametrize(
    "stray",
    [
        "layer1.999999.conv1.weight",
        "layer1.1000000000000.conv1.weight",
        "layer1.07.conv1.weight",
        "layer99.0.conv1.weight",
        "layer1.٣.conv1.weight",
        "layer2.-1.conv1.weight",
        "layer.0.conv1.weight",
        "layer1.0.se.fc1.weight",
        "ema.decay",
    ],
)
def test_a_stray_key_is_named_and_believed_in_nothing(stray: str) -> None:
    found = infer({**shapes(), stray: (3, 3, 3, 3)})
    assert value(found, "backbone") == "ResNet-50"
    assert found.differences.unexpected == (stray,)
    assert f"1 tensor does not belong to the network: {stray!r}" in said(found)
    assert found.coverage == 320 / 321


@pytest.mark.parametrize("size", [0, 2**62, 1_000_001])
def test_a_size_that_no_layer_has_is_not_believed(size: int) -> None:
    tensors = shapes()
    tensors["layer4.0.conv3.weight"] = (size, 512, 1, 1)
    found = infer(tensors)
    assert value(found, "dims") == (256, 512, 1024, 2048)
    assert f"layer4.0.conv3.weight [{size}, 512, 1, 1], expected [2048, 512, 1, 1]" in said(found)


def test_tensors_that_disagree_weaken_what_most_of_them_say() -> None:
    tensors = shapes()
    tensors["layer4.0.conv3.weight"] = (1999, 512, 1, 1)
    found = infer(tensors)
    fact = found.fact("dims")
    assert fact is not None
    assert fact.value == (256, 512, 1024, 2048)
    assert fact.origin is Origin.ASSUMED
    assert "1999 by 1 ('layer4.0.conv3.weight')" in fact.assumptions[0]
    assert origin(found, "backbone") is Origin.ASSUMED


def test_a_tensor_of_forty_dimensions_changes_nothing() -> None:
    tensors = {**shapes(), "layer1.0.conv2.weight": (1,) * 40, "conv1.weight": (64,)}
    found = infer(tensors)
    assert value(found, "backbone") == "ResNet-50"
    assert len(found.differences.mismatched) == 2


def test_another_network_in_the_same_state_dict_stands_outside() -> None:
    first = {f"net.{k}": v for k, v in shapes().items()}
    second = {f"teacher.{k}": v for k, v in shapes(backbone="ResNet-18", classes=10).items()}
    found = infer_architectures(state_dict_of({**first, **second}))
    assert [(one.prefix, value(one, "backbone")) for one in found] == [
        ("net.", "ResNet-50"),
        ("teacher.", "ResNet-18"),
    ]
    assert "122 tensors stand outside the network's prefix 'net.': 'teacher." in said(found[0])
    assert value(found[1], "classes") == 10


def only_blocks(tensors: Shapes, dimensions: int) -> Shapes:
    """Convolutions of another number of dimensions, as networks for video or sound have."""
    return {
        key: shape[:2] + (3,) * dimensions if len(shape) == 4 else shape
        for key, shape in tensors.items()
    }


def test_networks_that_only_share_names_are_not_claimed() -> None:
    tensors = shapes()
    hrnet = {k: v for k, v in tensors.items() if k.startswith(("conv1", "bn1", "layer1."))}
    hrnet |= {f"stage2.0.branches.{i}.conv1.weight": (32, 32, 3, 3) for i in range(400)}
    for others in (
        only_blocks(tensors, 3),
        only_blocks(tensors, 1),
        hrnet,
        {k: v for k, v in tensors.items() if k.endswith("conv1.weight")},
        {},
    ):
        assert infer_architectures(state_dict_of(others)) == ()


def test_many_empty_blocks_cost_no_table() -> None:
    """A key for each of 100,000 blocks would give a table eighteen times as long."""
    tensors = {f"layer1.{j}.conv1.weight": (64, 64, 1, 1) for j in range(100_000)}
    tensors |= {"layer2.0.conv1.weight": (64, 64, 1, 1)}
    assert infer_architectures(state_dict_of(tensors)) == ()


def test_a_stated_input_replaces_the_assumed_one() -> None:
    found = infer(shapes(), stated={"input_size": (448, 448)})
    assert (value(found, "input_size"), origin(found, "input_size")) == (
        (448, 448),
        Origin.STATED,
    )
    assert value(found, "macs") == 4 * (4_089_184_256 - 2_048_000) + 2_048_000
    assert found.misfits == ()


def test_one_side_of_a_square_input_is_enough() -> None:
    assert value(infer(shapes(), stated={"input_size": 256}), "input_size") == (256, 256)


def test_a_stated_setting_that_a_shape_contradicts_is_said_and_not_believed() -> None:
    found = infer(shapes(), prefix="module.", stated={"classes": 10, "depths": (3, 4, 23, 3)})
    assert value(found, "classes") == 1000
    assert value(found, "backbone") == "ResNet-50"
    assert "classes is 10 as stated, and 1000 in the file" in said(found)
    assert "'module.fc.weight'" in said(found)
    assert "depths is [3, 4, 23, 3] as stated, and [3, 4, 6, 3] in the file" in said(found)


def test_a_stated_backbone_is_held_against_each_size_that_it_means() -> None:
    found = infer(shapes(), stated={"backbone": "ResNet-101"})
    assert [text.partition(" ")[0] for text in found.misfits] == ["depths"]


def test_a_stated_list_of_another_length_is_contradicted_and_no_error() -> None:
    found = infer(shapes(), stated={"dims": (64, 128)})
    assert "dims is [64, 128] as stated, and [256, 512, 1024, 2048] in the file" in said(found)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"joints": 17}, "resnet has no setting 'joints'; it has: block, depths"),
        ({"classes": -3}, "expected 'classes' between 1 and"),
        ({"backbone": "ResNet-51"}, "resnet: no ResNet backbone 'ResNet-51'; there are: ResNet-18"),
        ({"input_size": "big"}, "resnet: 'input_size': expected `array`, got `str`"),
    ],
)
def test_a_stated_setting_that_cannot_be_is_an_error(stated, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        infer(shapes(), stated=stated)


def test_the_order_of_the_file_does_not_matter() -> None:
    tensors = shapes()
    backwards = dict(reversed(tensors.items()))
    assert infer(backwards).settings == infer(tensors).settings
    assert infer(backwards).misfits == ()


def test_a_network_for_small_images_without_shortcuts_says_what_it_lacks() -> None:
    tensors = {
        k: v
        for k, v in shapes(backbone="ResNet-18", stem_kernel=3).items()
        if "downsample" not in k
    }
    found = infer(tensors)
    assert value(found, "downsample") == "none"
    assert value(found, "stem_kernel") == 3
    assert value(found, "backbone") is None
    assert "tensors of the network are missing: 'layer2.0.downsample" in said(found)
