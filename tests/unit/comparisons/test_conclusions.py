"""Bounds between verdicts, on numbers written by hand."""

import msgspec
import pytest
from builders.tensor_pairs import difference, moved, pair, subject

from ckptscope.comparisons.concluding import conclude, conclude_structure
from ckptscope.facts.comparison import (
    ComparedTensor,
    Rearrangement,
    Relation,
    Structure,
    TensorPair,
    Way,
)


def relations(one):
    return [found.relation for found in conclude(one)]


def test_nothing_in_common_is_another_structure():
    alone = Structure(only_left=(ComparedTensor(key="a", dtype="float32", shape=(2,)),))
    assert relations(subject(structure=alone)) == [Relation.OTHER_STRUCTURE]


def test_nothing_at_all_is_no_sameness_and_no_difference():
    left_out = subject(structure=Structure(ignored=3))
    for found in (conclude(left_out), conclude_structure(left_out)):
        assert [one.relation for one in found] == [Relation.UNDECIDED]
        assert found[0].evidence == ("3 tensors left out on request",)


def test_ways_make_the_same_weights_of_what_is_identical():
    same = pair("a.weight", difference(100))
    assert relations(subject(same)) == [Relation.IDENTICAL]
    found = conclude(subject(same, ways=(Way.CONTAINER, Way.ORDER, Way.PREFIX)))
    assert [one.relation for one in found] == [Relation.SAME_WEIGHTS]
    assert "in another container, in another order and under another prefix" in found[0].sentence


@pytest.mark.parametrize(
    ("cosine", "relation"),
    [
        (0.0, Relation.UNRELATED),
        (0.19, Relation.UNRELATED),
        (0.3, Relation.UNDECIDED),
        (0.6, Relation.FINE_TUNED),
    ],
)
def test_the_angle_tells_kin_from_strangers(cosine, relation):
    apart = (2 * (1 - cosine)) ** 0.5
    pairs = [pair(f"layers.{index}.weight", moved(10_000, apart)) for index in range(6)]
    assert relations(subject(*pairs)) == [relation]


def test_vectors_do_not_count_for_the_angle():
    """Norms are near 1 in all networks alike."""
    norms = [pair(f"n.{i}.weight", difference(5000), shape=(5000,)) for i in range(4)]
    kernels = [pair(f"k.{i}.weight", moved(5000, 2**0.5)) for i in range(4)]
    assert relations(subject(*norms, *kernels)) == [Relation.UNRELATED]


def test_close_everywhere_is_an_average_as_well_as_training():
    pairs = [pair(f"layers.{i}.weight", moved(10_000, 0.01)) for i in range(6)]
    assert relations(subject(*pairs)) == [Relation.FINE_TUNED, Relation.AVERAGED]
    assert relations(subject(*pairs, roles=("network", "ema"))) == [
        Relation.AVERAGED,
        Relation.FINE_TUNED,
    ]
    frozen = pair("stem.weight", difference(10_000))
    assert relations(subject(frozen, *pairs)) == [Relation.FINE_TUNED]


def test_a_layer_at_right_angles_among_kin_was_begun_anew():
    body = [pair(f"layers.{i}.weight", moved(10_000, 0.01)) for i in range(6)]
    head = pair("head.weight", moved(1000, 2**0.5))
    found = conclude(subject(*body, head))
    assert [one.relation for one in found] == [Relation.HEAD_RESET, Relation.FINE_TUNED]
    assert "'head'" in found[0].sentence


def test_what_could_not_be_read_is_never_called_the_same():
    same, broken = pair("a.weight", difference(100)), pair("b.weight", unread="the file ends")
    found = conclude(subject(same, broken))
    assert found[0].relation is Relation.UNDECIDED
    assert "'b.weight'" in found[0].evidence[0]
    changed = conclude(subject(pair("a.weight", moved(100, 2**0.5)), broken))
    assert [one.relation for one in changed] == [Relation.UNRELATED, Relation.UNDECIDED]


@pytest.mark.parametrize("equal", [5000, 0])
def test_two_verdicts_stand_side_by_side_where_both_fit(equal):
    half = difference(
        10_000,
        equal_bits=equal,
        equal_numbers=equal,
        equal_cast=equal,
        zeroed=5000,
        zeros_right=5000,
        squares_right=9000.0,
        products=9000.0,
        squares_apart=1000.0,
    )
    trained = [] if equal else [Relation.FINE_TUNED]
    assert relations(subject(pair("a.weight", half))) == [Relation.PRUNED, *trained]


def test_a_cast_that_does_not_explain_everything_is_not_the_same():
    cast = pair("a.weight", difference(100, equal_bits=0), right_dtype="float16")
    assert relations(subject(cast, ways=(Way.DTYPE,))) == [Relation.SAME_WEIGHTS]
    off = pair("b.weight", difference(100, equal_bits=0, equal_cast=99), right_dtype="float16")
    assert Relation.SAME_WEIGHTS not in relations(subject(cast, off, ways=(Way.DTYPE,)))


def test_a_permutation_beside_other_changes_is_told_beside_them():
    turned = TensorPair(
        left=ComparedTensor(key="a.weight", dtype="float32", shape=(4, 8)),
        right=ComparedTensor(key="a.weight", dtype="float32", shape=(4, 8)),
        difference=moved(32, 1.2),
        rearrangement=Rearrangement(channels=((0, 4),), permutation=((0, "ab"),)),
    )
    found = relations(subject(turned, pair("b.weight", moved(32, 0.01))))
    assert found[0] is Relation.PERMUTED
    assert Relation.FINE_TUNED in found


def test_structure_alone_is_judged_by_names_shapes_and_dtypes():
    alike = pair("a.weight")
    assert conclude_structure(subject(alike))[0].relation is Relation.SAME_STRUCTURE
    more = Structure(only_right=(ComparedTensor(key="b", dtype="float32", shape=(2,)),))
    found = conclude_structure(subject(alike, structure=more))[0]
    assert found.relation is Relation.OTHER_STRUCTURE
    assert found.evidence == ("1 only on the right",)


def test_states_of_an_optimizer_are_no_weights():
    state = pair("state/0/exp_avg", moved(100, 1.4))
    assert relations(subject(state, roles=("optimizer", "optimizer"))) == [Relation.UNDECIDED]
    same = pair("state/0/exp_avg", difference(100))
    assert relations(subject(same, roles=("optimizer", "optimizer"))) == [Relation.IDENTICAL]


def test_something_before_some_names_alone_is_a_renaming():
    same = pair("a.weight", difference(100))
    other = msgspec.structs.replace(
        same, right=msgspec.structs.replace(same.right, key="net.a.weight")
    )
    assert relations(subject(other, other, ways=(Way.PREFIX,))) == [Relation.SAME_WEIGHTS]
    assert relations(subject(other, same, ways=(Way.PREFIX,))) == [Relation.RENAMED]


def test_the_same_values_have_a_cosine_of_exactly_one():
    found = difference(3, squares_left=0.3, squares_right=0.3, products=0.29999999999999993)
    assert found.cosine == 1
