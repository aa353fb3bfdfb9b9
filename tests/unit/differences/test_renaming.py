"""Prefixes, dialects and rules of renaming."""

import pytest
from builders.loading import FAMILY, S, shapes

from ckptscope.differences.renaming import (
    common_prefix_of,
    matching_keys,
    prefix_advice,
    prefix_origin,
    renaming_rules,
)
from ckptscope.families.registry import find_family, known_families


@pytest.mark.parametrize("one", FAMILY.dialects)
@pytest.mark.parametrize("other", FAMILY.dialects)
def test_every_key_of_one_dialect_has_its_counterpart_of_the_same_shape(one, other):
    pairs = matching_keys(FAMILY, FAMILY.configure(S), one, other)
    before, after = shapes(S, one), shapes(S, other)
    assert pairs.keys() == before.keys()
    assert {after[pairs[key]] == before[key] for key in before} == {True}
    assert sorted(pairs.values()) == sorted(after)


@pytest.mark.parametrize("dialect", ["timm", "torchvision", "hugging face"])
def test_dialects_that_list_layers_in_another_order_are_paired_by_what_the_layers_are(dialect):
    family = find_family("convnext")
    configuration = family.configure({"backbone": "Atto"})
    pairs = matching_keys(family, configuration, "original", dialect)
    assert len(pairs) == len(family.keys(configuration))
    last = "downsample_layers.3.1.weight"
    (expected,) = (
        tensor.key
        for tensor in family.keys(configuration, dialect)
        if tensor.shape == (320, 160, 2, 2)
    )
    assert pairs[last] == expected
    sizes = {tensor.key: tensor.elements for tensor in family.keys(configuration, dialect)}
    assert all(sizes[pairs[tensor.key]] == tensor.elements for tensor in family.keys(configuration))


def test_a_dialect_that_cannot_name_a_network_gives_no_pairs():
    family = find_family("convnext")
    configuration = family.configure({"backbone": "Atto", "stem_type": "overlap"})
    assert matching_keys(family, configuration, "timm", "torchvision") == {}


def test_every_family_that_comes_along_pairs_its_dialects_completely():
    for family in known_families():
        assert len(set(family.dialects)) == len(family.dialects)


def test_rules_that_differ_in_a_number_become_one_with_a_letter():
    pairs = [
        (f"head.deconv_layers_{k}.{old}.weight", f"head.deconv_layers.{k - 1}.{new}.weight")
        for k in (1, 2, 3)
        for old, new in (("0", "dwconv"), ("1", "norm"))
    ]
    assert renaming_rules(pairs) == (
        ("head.deconv_layers_{k}.0", "head.deconv_layers.{k-1}.dwconv"),
        ("head.deconv_layers_{k}.1", "head.deconv_layers.{k-1}.norm"),
    )


def test_one_pair_is_its_own_rule():
    assert renaming_rules([("fc.weight", "head.weight")]) == (("fc", "head"),)


def test_well_known_wrappers_are_named_and_others_are_not():
    assert prefix_origin("module.") == "nn.DataParallel or DistributedDataParallel"
    assert "torch.compile" in prefix_origin("module._orig_mod.")
    assert prefix_origin("student.") == ""
    assert "'student.'" in prefix_advice("student.")
    assert "torch.compile(network)" in prefix_advice("_orig_mod.")


def test_a_prefix_must_make_half_of_the_keys_meet():
    keys = [f"a{n}.weight" for n in range(10)]
    odd = [f"b{n}.weight" for n in range(10)]
    assert common_prefix_of(keys, [f"p.{key}" for key in keys]) == ("p.", "")
    assert common_prefix_of(keys, [*(f"p.{key}" for key in keys[:3]), *odd]) is None
    assert common_prefix_of([], keys) is None
