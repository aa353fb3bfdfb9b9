"""Sizes that are products, and what is tried to divide them."""

import math

import pytest
from builders.loading import FAMILY, S, shapes
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.differences.factors import rank_guesses
from ckptscope.differences.grounds import table_of, values_of
from ckptscope.differences.templates import Repeat, Template
from ckptscope.differences.values import value_of
from ckptscope.families.registry import find_family

USUAL = {"joints": (18, 16, 19, 21, 17), "depth_bins": (8, 16, 32, 64)}
NAMES = ("joints", "depth_bins")


@pytest.mark.parametrize(
    ("sizes", "found", "expected"),
    [
        ((1152, 1088), (18, 64), (17, 64)),
        ((576, 1152), (18, 32), (18, 64)),
        ((576, 1344), (18, 32), (21, 64)),
        ((1152, 1152), (18, 64), (18, 64)),
    ],
)
def test_usual_values_and_one_difference_come_first(sizes, found, expected):
    best = rank_guesses(NAMES, sizes, USUAL)[0]
    assert (best.found, best.expected) == (found, expected)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_every_guess_gives_both_sizes(one, other):
    guesses = rank_guesses(NAMES, (one, other), USUAL)
    assert guesses
    for guess in guesses:
        assert math.prod(guess.found) == one
        assert math.prod(guess.expected) == other


def test_absurd_sizes_cost_nothing():
    assert rank_guesses(NAMES, (0, 7), USUAL) == ()
    for size in (2**61 - 1, 2**62, 10**18):
        assert rank_guesses(NAMES, (size, size), USUAL)


@pytest.fixture(scope="module")
def template():
    return Template(table_of(FAMILY, S, "indexed"), values_of(FAMILY, S))


def test_a_block_behind_the_last_is_known_by_those_before(template):
    tensor = template.find("backbone.stages.2.26.dwconv.weight")
    assert tensor.terms[0] == ("dims[2]",)
    assert tensor.presence == ("depths[2]",)
    assert template.repeat("backbone.stages.2.26.dwconv.weight") == Repeat("depths[2]", 26)


def test_a_layer_of_the_head_is_counted_by_its_own_number_and_not_by_its_parts(template):
    assert template.repeat("head.deconv_layers_3.2.weight") == Repeat("head_layers", 2)
    assert template.repeat("head.deconv_layers_4.0.weight") == Repeat("head_layers", 3)


@pytest.mark.parametrize(
    "key", ["backbone.stages.4.0.dwconv.weight", "head.final_layer.2.weight", "a.0", "", "...0..."]
)
def test_what_no_layer_is_like_is_not_known(template, key):
    assert template.find(key) is None
    assert template.repeat(key) is None


def test_a_sequential_that_counts_in_steps_is_counted_in_repetitions():
    family = find_family("posenet")
    settings = family.settings(family.configure({"backbone": "ResNet-50", "joints": 18}))
    found = Template(table_of(family, settings, ""), values_of(family, settings))
    for number, index in ((0, 0), (1, 0), (3, 1), (7, 2), (9, 3), (10, 3)):
        repeat = found.repeat(f"head.deconv_layers.{number}.weight")
        assert (repeat.setting, repeat.index) == ("head_layers", index)


def test_every_tensor_with_a_setting_on_an_axis_is_that_setting_in_size():
    values = values_of(FAMILY, S)
    for key, shape in shapes(S).items():
        tensor = table_of(FAMILY, S, "named")[key]
        for size, names in zip(shape, tensor.terms, strict=True):
            if names:
                assert math.prod(value_of(values, name) for name in names) == size
