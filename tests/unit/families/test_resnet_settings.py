"""Settings of the families on ResNet trunks: how they are read, what their keys say of them."""

from collections import Counter
from random import Random

import pytest
from builders.resnet_settings import posenet_settings, resnet_settings, stack_settings
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.errors import UsageError
from ckptscope.facts.claims import Claim
from ckptscope.families.base import Configuration
from ckptscope.families.layers import count_tensors
from ckptscope.families.probe import infer_architectures
from ckptscope.families.registry import AnyFamily, find_family
from ckptscope.specs.loading import tables_for

FAMILIES = {"resnet": resnet_settings, "posenet": posenet_settings, "rootnet": stack_settings}
each_family = pytest.mark.parametrize("name", FAMILIES)


def configurations(name: str, count: int) -> tuple[AnyFamily, list[Configuration]]:
    family, random = find_family(name), Random(f"settings of {name}")
    return family, [family.configure(FAMILIES[name](random)) for _ in range(count)]


def term_value(family: AnyFamily, configuration: Configuration, term: str) -> int:
    """What a term such as `dims[2]` stands for."""
    name, _, index = term.removesuffix("]").partition("[")
    value = {**family.attributes(configuration), **family.settings(configuration)}[name]
    found = value[int(index)] if index else value  # type: ignore[index]
    assert isinstance(found, int)
    return found


@each_family
def test_the_settings_on_an_axis_multiply_to_its_size(name: str) -> None:
    family, made = configurations(name, 60)
    seen: Counter[str] = Counter()
    for configuration in made:
        for tensor in family.keys(configuration):
            assert len(tensor.terms) == len(tensor.shape)
            for size, terms in zip(tensor.shape, tensor.terms, strict=True):
                product = 1
                for term in terms:
                    product *= term_value(family, configuration, term)
                    seen[term.partition("[")[0]] += 1
                assert product == size or not terms, (tensor, terms)
    assert {"dims", "groups", "group_dims", "stem_width", "stem_kernel"} <= seen.keys()


@each_family
def test_axes_without_a_setting_are_fixed_by_the_layer(name: str) -> None:
    family, made = configurations(name, 30)
    fixed = {
        size
        for configuration in made
        for tensor in family.keys(configuration)
        for size, terms in zip(tensor.shape, tensor.terms, strict=True)
        if not terms
    }
    # 1×1 and 3×3 kernels, and RootNet's single outputs.
    assert fixed == {1, 3}


@each_family
def test_what_decides_on_a_tensor_is_a_setting_or_a_fact(name: str) -> None:
    family, made = configurations(name, 10)
    for configuration in made:
        known = {*family.attributes(configuration), *family.settings(configuration)}
        for tensor in family.keys(configuration):
            assert {term.partition("[")[0] for term in tensor.presence} <= known, tensor
            if tensor.key.startswith(("layer", "backbone.layer")):
                assert tensor.presence


@each_family
def test_counts_in_closed_form_are_the_sums_of_the_keys(name: str) -> None:
    family, made = configurations(name, 60)
    for configuration in made:
        counts = family.count(configuration)
        macs = {part.part: part.macs for part in counts.parts}
        assert count_tensors(family.keys(configuration), macs) == counts


@each_family
def test_settings_make_the_same_configuration_again(name: str) -> None:
    family, made = configurations(name, 60)
    for configuration in made:
        assert family.configure(family.settings(configuration)) == configuration


@each_family
def test_every_fact_is_what_the_attributes_say(name: str) -> None:
    family, made = configurations(name, 40)
    for configuration in made:
        (found,) = infer_architectures(state_dict_of(shapes_of(family.keys(configuration))))
        assert found.settings is not None
        attributes = family.attributes(family.configure(found.settings))
        told = {fact.name for fact in found.facts} & attributes.keys()
        assert {"backbone", "depths", "parameters", "macs", "input_size"} <= told
        for one in told:
            fact = found.fact(one)
            assert fact is not None
            assert fact.value == attributes[one], (one, configuration)


@each_family
def test_an_unknown_dialect_is_an_error(name: str) -> None:
    family, (configuration,) = configurations(name, 1)
    assert family.keys(configuration, family.dialects[0]) == family.keys(configuration)
    with pytest.raises(UsageError, match="no dialect 'klingon'"):
        family.keys(configuration, "klingon")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resnet", {}, "expected a value for 'block', found none"),
        ("resnet", {"backbone": "ResNet-50", "depth": 3}, "resnet has no setting 'depth'"),
        ("resnet", {"backbone": "AlexNet"}, "no ResNet backbone 'AlexNet'"),
        (
            "resnet",
            {"block": "Block", "depths": (1,), "dims": (8,), "group_dims": (8,)},
            "expected 'block' to be BasicBlock or Bottleneck, found 'Block'",
        ),
        (
            "resnet",
            {"block": "BasicBlock", "depths": (1, 2), "dims": (8,)},
            "as many values of 'depths' as of 'dims', found 2 and 1",
        ),
        (
            "resnet",
            {"block": "BasicBlock", "depths": (), "dims": ()},
            "expected at least one stage in 'dims', found none",
        ),
        ("resnet", {"backbone": "ResNet-50", "classes": 2**40}, "'classes' between 1 and"),
        ("posenet", {"backbone": "ResNet-50"}, "posenet: expected a value for 'joints'"),
        (
            "posenet",
            {"backbone": "ResNet-50", "joints": 17, "final_channels": 1152},
            "expected 'final_channels' to be 17 × ..., found 1152",
        ),
        (
            "posenet",
            {"backbone": "ResNet-50", "final_channels": "many"},
            "expected 'final_channels' to be a number, found 'many'",
        ),
        (
            "rootnet",
            {"backbone": "ResNet-50", "head_kernels": (4, 4)},
            "as many values of 'head_kernels' as of 'head_out_channels', found 2 and 3",
        ),
        (
            "rootnet",
            {"backbone": "ResNet-50", "head_out_channels": (8,) * 17},
            "expected at most 16 layers in 'head_out_channels', found 17",
        ),
    ],
)
def test_settings_that_make_no_network_are_an_error(name, settings, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        find_family(name).configure(settings)
    assert message in str(raised.value)


def test_shorter_ways_to_say_several_settings() -> None:
    resnet, posenet = find_family("resnet"), find_family("posenet")
    wide = resnet.configure({"backbone": "ResNet-50", "width_per_group": 128})
    assert wide == resnet.configure({"backbone": "Wide ResNet-50-2"})
    grouped = resnet.configure({"backbone": "ResNet-50", "width_per_group": 4, "groups": 32})
    assert grouped == resnet.configure({"backbone": "ResNeXt-50 32x4d"})
    bare = resnet.configure({"backbone": "ResNet-50", "classes": 0})
    assert [key.key for key in resnet.keys(bare)][-1] == "layer4.2.bn3.num_batches_tracked"
    square = resnet.configure({"backbone": "ResNet-50", "input_size": 256})
    assert resnet.attributes(square)["input_size"] == (256, 256)
    head = posenet.configure(
        {"backbone": "ResNet-50", "joints": 18, "head_width": 128, "head_layers": 2}
    )
    assert posenet.attributes(head)["head_out_channels"] == (128, 128)
    assert posenet.attributes(head)["heatmap"] == (32, 32)
    by_outputs = posenet.configure({"backbone": "ResNet-50", "final_channels": 1152, "joints": 18})
    assert by_outputs == posenet.configure({"backbone": "ResNet-50", "joints": 18})
    flat = posenet.configure({"backbone": "ResNet-50", "joints": 18, "upsamplings": 2})
    assert posenet.attributes(flat)["upsampling"] == (True, True, False)


def test_basic_blocks_have_a_shortcut_where_the_channels_change() -> None:
    family = find_family("resnet")
    settings = {"block": "BasicBlock", "depths": (1, 1), "dims": (64, 128), "classes": 0}
    keys = {tensor.key for tensor in family.keys(family.configure(settings))}
    assert "layer1.0.downsample.0.weight" not in keys
    assert "layer2.0.downsample.0.weight" in keys
    other = {tensor.key for tensor in family.keys(family.configure({**settings, "stem_width": 32}))}
    assert "layer1.0.downsample.0.weight" in other


@each_family
def test_a_row_of_the_table_is_the_network_that_it_claims(name: str) -> None:
    family = find_family(name)
    (table,) = tables_for(name)
    decided = 0
    for row in table.rows:
        attributes = family.attributes(family.configure(row.settings))
        for attribute, claimed in row.claims.items():
            rule = table.rule(attribute)
            assert rule is not None
            if rule.fact:
                claim = Claim(subject=row.name, rule=rule, value=claimed)
                assert claim.admits(attributes[rule.fact]), (row.name, attribute)
                decided += 1
    assert decided >= 4
    assert all(rule.source for rule in table.rules)
