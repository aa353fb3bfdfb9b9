"""Axes and channels in another order are found, bit for bit; and nothing where nothing moved."""

import itertools

import ml_dtypes
import msgspec
import numpy as np
import pytest
from builders.held_tensors import NAMES, expanded, held
from builders.weights import random_weights
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.errors import TensorLayoutError
from ckptscope.tensors import rearranging
from ckptscope.tensors.rearranging import Permutations, find_rearrangement

RNG = np.random.default_rng(0)
#: Of truth values there are too few to tell.
DTYPES = sorted(NAMES.keys() - {np.dtype(np.bool_)}, key=NAMES.__getitem__)
TWELVE, EIGHT = RNG.permutation(12), RNG.permutation(8)


def find(one, other, known=None):
    return find_rearrangement(*held(one), *held(other), known)


def moved(order):
    return int((order != np.arange(order.size)).sum())


@pytest.mark.parametrize(
    "axes", [one for one in itertools.permutations(range(3)) if one != (0, 1, 2)]
)
@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 3, 4), (4, 3, 3), (5, 5, 5)])
def test_any_order_of_axes_is_found(shape, axes):
    one = random_weights(*shape)
    found = find(one, one.transpose(axes))
    assert found is not None
    assert found.axes == axes
    assert not found.channels


def test_a_square_matrix_and_its_transpose_are_told_apart():
    one = random_weights(6, 6)
    assert find(one, one.T).axes == (1, 0)
    assert find(one, one) is None
    assert find(one + one.T, (one + one.T).T) is None
    changed = one.T.copy()
    changed[5, 4] += 1
    assert find(one, changed) is None


def test_axes_of_one_index_are_no_reason_to_try_more_orders():
    one = random_weights(4, 1, 1, 6)
    found = find(one, one.transpose(3, 1, 2, 0))
    assert found.axes == (3, 1, 2, 0)
    assert find(one, one) is None
    assert find(one.reshape(24, 1), one.reshape(1, 24)).axes == (1, 0)
    assert find(random_weights(2, 3), random_weights(6)) is None


def test_axes_of_a_tensor_too_large_to_be_held_are_found_piece_by_piece(monkeypatch):
    monkeypatch.setattr(rearranging, "MOST_BYTES", 1 << 20)
    one = random_weights(700, 900)
    assert find(one, one.T).axes == (1, 0)
    assert find_rearrangement(*held(one, axes=(1, 0)), *held(one.T)).axes == (1, 0)
    changed = one.T.copy()
    changed[-1, -1] += 1
    assert find(one, changed) is None
    assert find(np.ones((700, 900)), np.ones((900, 700))) is None
    # Channels would need both sides at once.
    assert find(one, one[::-1]) is None


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda one: NAMES[one])
def test_channels_of_any_dtype_are_found(dtype):
    raw = RNG.integers(0, 250, (12, 8, 3, 3 * dtype.itemsize), np.uint8)
    one = raw.view(dtype)
    for other, orders in (
        (one[TWELVE], {0: TWELVE}),
        (one[:, EIGHT], {1: EIGHT}),
        (one[TWELVE][:, EIGHT], {0: TWELVE, 1: EIGHT}),
    ):
        found = find(one, other)
        assert found is not None
        assert found.axes == ()
        assert found.channels == tuple((axis, moved(order)) for axis, order in orders.items())


def test_a_stage_shares_one_permutation():
    known = Permutations()
    convolution, norm = random_weights(12, 8, 3, 3), random_weights(12, seed=1)
    following = random_weights(8, 12, 1, 1, seed=2)
    # Of a norm some channels are equal: where they came from, the others know.
    norm[3:9] = 1
    orders = [
        find(one, other, known).permutation
        for one, other in (
            (convolution, convolution[TWELVE]),
            (norm, norm[TWELVE]),
            (following, following[:, TWELVE]),
        )
    ]
    (out,), (scale,), (into,) = orders
    assert (out[0], scale[0], into[0]) == (0, 0, 1)
    assert out[1] == scale[1] == into[1]
    assert len(out[1]) == 16
    other = RNG.permutation(12)
    assert find(convolution, convolution[other]).permutation[0][1] != out[1]


def test_the_hash_of_a_permutation_is_as_documented():
    one = np.array([10, 20, 30], np.float32)
    found = find(one, np.array([30, 10, 20], np.float32))
    # printf '\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0' | sha256sum
    assert found.permutation == ((0, "53afea624a503a0b"),)
    assert found.channels == ((0, 3),)


def test_equal_channels_that_may_stay_do():
    one = random_weights(10, 4)
    one[2:7] = 0
    other = one.copy()
    other[[0, 1]] = one[[1, 0]]
    assert find(one, other).channels == ((0, 2),)


def test_rows_of_the_same_numbers_in_other_orders_are_told_apart():
    # Every row, and every column, holds the same numbers.
    one = np.array([np.roll(np.arange(12), index) for index in range(12)], np.float32)
    assert find(one, one[TWELVE]).channels == ((0, moved(TWELVE)),)
    assert find(one, one[:, TWELVE]).channels == ((1, moved(TWELVE)),)


def test_rows_alike_are_told_apart_by_what_stands_in_their_columns():
    one = np.zeros((8, 12), np.float32)
    for index in range(8):
        one[index, index] = one[index, index + 4] = 1
    one[0, 11], one[3, 9], one[6, 10] = 5, 7, 2
    found = find(one, one[EIGHT][:, TWELVE])
    assert [axis for axis, _ in found.channels] == [0, 1]


def test_one_other_bit_is_no_permutation():
    one = random_weights(12, 8)
    other = one[TWELVE][:, EIGHT]
    other.view(np.uint32)[4, 5] ^= 1
    assert find(one, other) is None
    assert find(one, random_weights(12, 8, seed=5)) is None
    zeros = np.array([0.0, 1, 2, 3])
    assert find(zeros, np.array([3, 1, 2, -0.0])) is None


def test_the_same_numbers_in_no_order_of_channels_are_no_permutation():
    one = random_weights(12, 8)
    assert find(one, RNG.permutation(one.reshape(-1)).reshape(12, 8)) is None
    rows = np.array([RNG.permutation(row) for row in one])
    assert find(one, rows) is None


@pytest.mark.parametrize("one", [np.ones((3, 5)), np.zeros(8), np.array([0.0, 1.0, 1.0, 1.0])])
def test_too_few_values_tell_nothing(one):
    for other in (one.T, one[::-1]):
        assert find(one, other) is None


def test_empty_tensors_and_dtypes_that_no_cast_joins_are_no_rearrangement():
    assert find(np.zeros((0, 3)), np.zeros((3, 0))) is None
    assert find(np.float32(1), np.float32(2)) is None
    one = random_weights(4, 3)
    assert find(one, one.T.astype(np.int32)) is None
    assert find(one.astype(np.float16), one.T.astype(ml_dtypes.bfloat16)) is None


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_another_order_is_found_behind_a_cast_and_before_it(dtype):
    one = random_weights(12, 8)
    for ours, theirs in ((one, one.astype(dtype)), (one.astype(dtype), one)):
        assert find(ours, theirs.T).axes == (1, 0)
        assert find(ours, theirs[TWELVE]).channels == ((0, moved(TWELVE)),)
        assert find(ours, theirs) is None
    off = one.T.astype(dtype)
    off[0, 0] += 1
    assert find(one, off) is None


def test_what_is_cast_is_held_and_so_is_bounded(monkeypatch):
    one = random_weights(4, 3)
    monkeypatch.setattr(rearranging, "MOST_BYTES", 47)
    assert find(one, one.T).axes == (1, 0)
    assert find(one, one.T.astype(np.float16)) is None


def test_too_many_channels_are_not_tried(monkeypatch):
    one = random_weights(12, 8)
    monkeypatch.setattr(rearranging, "_MOST_CHANNELS", 11)
    assert find(one, one[TWELVE]) is None
    assert find(one[:11], one[10::-1]).channels == ((0, 10),)


def test_views_are_read_as_they_are_laid_out():
    one = random_weights(12, 8)
    left = held(one, axes=(1, 0), before=5, byteorder="big")
    assert find_rearrangement(*left, *held(one[TWELVE])).channels == ((0, moved(TWELVE)),)
    assert find_rearrangement(*left, *held(one.T, lazy=("neg",))).axes == (1, 0)
    row = random_weights(6)
    found = find_rearrangement(*expanded(row, 4), *held(np.tile(row[::-1], (4, 1))))
    assert found.channels == ((1, 6),)


def test_a_tensor_without_elements_is_refused():
    build, info = held(random_weights(4, 4))
    meta = msgspec.structs.replace(info, storage=None)
    with pytest.raises(TensorLayoutError, match="no elements of its own"):
        find_rearrangement(build, meta, build, info)
    packed = msgspec.structs.replace(info, dtype="quint4x2")
    assert find_rearrangement(build, packed, build, packed) is None


@given(st.data(), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_whatever_is_found_holds(data, rows, columns, rest):
    numbers = st.lists(
        st.integers(0, 5), min_size=rows * columns * rest, max_size=rows * columns * rest
    )
    one = np.array(data.draw(numbers), np.int64).reshape(rows, columns, rest)
    row = np.array(data.draw(st.permutations(range(rows))))
    column = np.array(data.draw(st.permutations(range(columns))))
    other = one[row][:, column]
    found = find(one, other)
    if np.array_equal(one, other):
        assert found is None
    elif found is not None and found.axes:
        assert np.array_equal(one.transpose(found.axes), other)
    elif found is not None:
        assert all(count > 1 for _, count in found.channels)
        assert [axis for axis, _ in found.channels] == [axis for axis, _ in found.permutation]
    # What is alike in everything but its place may be left; one axis alone never is.
    if np.unique(one).size > 2 and (np.array_equal(one[row], other) or rows == 1):
        assert (found is None) == np.array_equal(one, other)
