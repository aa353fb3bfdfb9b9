"""Two tensors, element by element: what is counted is what numpy counts over the whole arrays."""

import itertools
import math
import sys
import warnings

import ml_dtypes
import msgspec
import numpy as np
import pytest
from builders.held_tensors import NAMES, expanded, held
from builders.reading import build_one, tensors
from builders.weights import random_weights, weights_zip
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numbers_of

from ckptscope.errors import TensorLayoutError
from ckptscope.tensors.casts import cast_elements, is_cast_of
from ckptscope.tensors.pairs import compare_tensors

DTYPES = sorted(NAMES, key=NAMES.__getitem__)
FLOATS = [dtype for dtype in DTYPES if dtype.kind in "fV"]
#: More than the elements that are gone over at once, and than a piece of a file.
LONG = (1 << 18) + 77
LARGEST = sys.float_info.max


def compare(one, other, **options):
    return compare_tensors(*held(one), *held(other), **options)


def bits_of(array):
    return [row.tobytes() for row in array.reshape(-1, 1)]


def numbers(array):
    """The elements as numbers; a truth value may be stored as any byte."""
    flat = array.reshape(-1)
    if array.dtype == np.bool_:
        return flat.view(np.uint8) != 0
    return flat


def wide(array):
    kind = np.complex128 if array.dtype.kind == "c" else np.float64
    return numbers(array).astype(kind)


def plainly(one, other, atol=0.0, rtol=0.0):
    """The same counts, by numpy over whole arrays and by Python's own comparisons."""
    left, right = wide(one), wide(other)
    exactly = [list(map(_python, numbers(side))) for side in (one, other)]
    none = np.isnan(left), np.isnan(right)
    equal = np.array([a == b for a, b in zip(*exactly, strict=True)], bool) | (none[0] & none[1])
    finite = np.isfinite(left) & np.isfinite(right)
    a, b = left[finite], right[finite]
    zero = left == 0, right == 0
    near = finite.copy()
    near[finite] = np.abs(a - b) <= atol + rtol * np.abs(b)
    same = [x == y for x, y in zip(bits_of(one), bits_of(other), strict=True)]
    return {
        "elements": one.size,
        "equal_bits": sum(same) if one.dtype == other.dtype else 0,
        "equal_numbers": int(equal.sum()),
        "within": int((near | equal).sum()) if atol or rtol else int(equal.sum()),
        "not_finite": int((~finite).sum()),
        "zeroed": int((~zero[0] & ~none[0] & zero[1]).sum()),
        "filled": int((~zero[1] & ~none[1] & zero[0]).sum()),
        "zeros_left": int(zero[0].sum()),
        "zeros_right": int(zero[1].sum()),
        "squares_left": float((np.abs(a) ** 2).sum()),
        "squares_right": float((np.abs(b) ** 2).sum()),
        "products": float((a * b.conj()).real.sum()),
        "squares_apart": float((np.abs(a - b) ** 2).sum()),
        "largest": float(np.abs(a - b).max(initial=0)),
    }


def _python(number):
    if number.dtype.kind in "biuc":
        return number.item()
    return float(number)


def assert_as_plain(found, one, other, **tolerance):
    expected = plainly(one, other, **tolerance)
    scale = expected["squares_left"] + expected["squares_right"]
    for name, value in expected.items():
        got = getattr(found, name)
        if isinstance(value, int):
            assert got == value, name
        else:
            assert got == pytest.approx(value, rel=1e-9, abs=1e-12 * scale), name


def assortment(dtype, count=400, seed=0):
    """Numbers of a dtype with zeros of both signs, infinities and NaN, as far as it has them."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "c":
        parts = [assortment(np.dtype(np.float32), count, seed + i).astype(dtype) for i in (0, 1)]
        return parts[0] + 1j * np.where(np.isfinite(parts[1]), parts[1], 0).astype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        made = rng.integers(limits.min, limits.max, count, dtype, endpoint=True)
        made[::3] = rng.integers(0, 4, made[::3].size)
        return made
    if dtype == np.bool_:
        return rng.random(count) < 0.5
    with np.errstate(all="ignore"):
        made = np.round(rng.standard_normal(count) * 2, 1).astype(np.float32)
        made[rng.integers(0, count, 20)] = 0.0
        made[rng.integers(0, count, 20)] = -0.0
        made[rng.integers(0, count, 9)] = np.inf
        made[rng.integers(0, count, 9)] = -np.inf
        made[rng.integers(0, count, 9)] = np.nan
        return made.astype(dtype)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.product(DTYPES, DTYPES)), ids=lambda dtype: NAMES[dtype]
)
def test_any_two_dtypes_are_counted_as_numpy_counts_them(one, other):
    left, right = assortment(one), assortment(other, seed=1)
    # What is equal as far as it can be stands beside what is not.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right[:200] = cast_elements(left[:200], other)
    found = compare(left, right)
    with np.errstate(all="ignore"):
        assert_as_plain(found, left, right)
    if one == other:
        assert found.equal_cast == found.equal_bits
    else:
        casts = is_cast_of(right, left).sum(), is_cast_of(left, right).sum()
        assert found.equal_cast == max(casts)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (), (1,), (7, 1, 5)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "complex64", "bool"])
def test_empty_and_single_elements_are_compared(shape, dtype):
    kind = next(made for made, name in NAMES.items() if name == dtype)
    one = np.ones(shape, kind)
    other = one.copy()
    other.reshape(-1)[:1] = 0
    assert_as_plain(compare(one, other), one, other)
    assert_as_plain(compare(one, one), one, one)
    assert compare(one, other).row_cosine is None


finite_or_not = st.floats(width=32, allow_subnormal=True)


@given(st.data(), st.sampled_from([0.0, 1e-3]), st.sampled_from([0.0, 1e-2]))
def test_any_two_float32_arrays_are_counted_as_numpy_counts_them(data, atol, rtol):
    shape = data.draw(numbers_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    arrays = numbers_of.arrays(np.float32, shape, elements=finite_or_not)
    one, other = data.draw(arrays), data.draw(arrays)
    kept = data.draw(numbers_of.arrays(np.bool_, shape))
    other = np.where(kept, one, other)
    with np.errstate(all="ignore"):
        found = compare(one, other, atol=atol, rtol=rtol)
        assert_as_plain(found, one, other, atol=atol, rtol=rtol)


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)), max_size=30),
    st.booleans(),
)
def test_long_integers_are_equal_only_if_they_are(pairs, is_signed):
    one = np.array([a for a, _ in pairs], np.int64)
    other = np.array([b for _, b in pairs], np.uint64)
    other[::2] = np.abs(one[::2])
    if is_signed:
        other = other.view(np.int64)
    assert_as_plain(compare(one, other), one, other)
    floats = one.astype(np.float64)
    found = compare(one, floats)
    assert found.equal_numbers == sum(int(a) == float(b) for a, b in zip(one, floats, strict=True))
    assert found.equal_cast == one.size


def test_a_neighbour_beyond_two_to_the_53_is_another_number():
    one = np.array([2**53, 2**53 + 1, 2**60], np.int64)
    assert compare(one, one + 1).equal_numbers == 0
    assert compare(one, (one + 1).astype(np.uint64)).equal_numbers == 0
    assert compare(one, np.full(3, 2.0**53)).equal_numbers == 1


def test_one_changed_element_in_a_million_is_found():
    one = random_weights(1024, 1024)
    other = one.copy()
    other[700, 3] = np.nextafter(other[700, 3], np.float32(9))
    found = compare(one, other)
    assert (found.changed, found.equal_numbers) == (1, one.size - 1)
    assert found.largest == float(np.float64(other[700, 3]) - np.float64(one[700, 3]))
    assert found.squares_apart == pytest.approx(found.largest**2)


def test_the_same_nan_has_the_same_bits_and_another_is_an_equal_number():
    one = np.array([np.nan, 1, 2], np.float32)
    other = one.copy()
    assert compare(one, other).equal_bits == 3
    other.view(np.uint32)[0] ^= 1
    found = compare(one, other)
    assert (found.equal_bits, found.equal_numbers, found.not_finite) == (2, 3, 1)
    assert found.squares_left == 5


def test_zeros_of_other_signs_are_equal_numbers():
    one, other = np.array([0.0, -0.0, 1.0]), np.array([-0.0, -0.0, 1.0])
    found = compare(one, other)
    assert (found.equal_bits, found.equal_numbers, found.largest) == (2, 3, 0)
    assert (found.zeros_left, found.zeros_right, found.zeroed, found.filled) == (2, 2, 0, 0)


def test_infinities_are_in_no_sum_and_equal_only_to_themselves():
    one = np.array([np.inf, np.inf, -np.inf, 0, 3], np.float32)
    other = np.array([np.inf, -np.inf, 0, np.inf, 3], np.float32)
    found = compare(one, other, atol=1e9)
    assert (found.equal_numbers, found.within, found.not_finite) == (2, 2, 4)
    assert (found.zeroed, found.filled, found.largest) == (1, 1, 0)
    assert (found.squares_left, found.products) == (9, 9)


def test_what_was_set_to_zero_and_what_was_filled_are_counted():
    one = np.array([0, 1, 2, 3, 0, np.nan], np.float16)
    other = np.array([0, 0, 2, 0, 5, 0], np.float16)
    found = compare(one, other)
    assert (found.zeros_left, found.zeros_right) == (2, 4)
    assert (found.zeroed, found.filled) == (2, 1)


def test_tolerance_is_relative_to_the_second_one():
    one, other = np.array([100.0, 110.0]), np.array([110.0, 100.0])
    assert compare(one, other, rtol=0.095).within == 1
    assert compare(one, other, atol=10).within == 2
    assert compare(one, other).within == 0


@pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16)])
def test_the_largest_numbers_of_short_dtypes_have_finite_sums(dtype):
    most = np.full(LONG, ml_dtypes.finfo(dtype).max, dtype)
    found = compare(most, -most)
    size = float(most[0])
    assert found.squares_apart == pytest.approx(4 * size * size * LONG)
    assert found.products == pytest.approx(-size * size * LONG)
    assert found.cosine == -1
    assert found.relative_l2 == pytest.approx(2)


def test_sums_that_float64_cannot_hold_are_its_largest_number():
    most = np.full(5, LARGEST)
    found = compare(most, -most)
    assert found.squares_left == found.squares_right == found.squares_apart == LARGEST
    assert (found.products, found.largest, found.not_finite) == (-LARGEST, LARGEST, 0)
    assert compare(most, most).products == LARGEST
    mixed = np.array([1e200, -1e200, 1.0])
    assert compare(mixed, np.array([1e200, 1e200, 1.0])).products == pytest.approx(0, abs=1e300)
    assert all(math.isfinite(one) for one in msgspec.structs.astuple(found) if one is not None)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"axes": (1, 0)}),
        ({"byteorder": "big"}, {"axes": (1, 0), "before": 3}),
        ({"lazy": ("neg",)}, {}),
    ],
)
def test_layouts_and_byte_orders_change_nothing(ours, theirs):
    one = random_weights(700, 450)
    other = one.copy()
    other[5, 7:90] += 1
    found = compare_tensors(*held(one, **ours), *held(other, **theirs))
    assert found == compare(one, other)
    assert found.changed == 83


def test_conjugates_are_compared_as_they_are_read():
    one = assortment(np.dtype(np.complex64))
    assert compare_tensors(*held(one, lazy=("conj",)), *held(one)).equal_bits == one.size


def test_a_repeated_row_is_compared_with_what_it_stands_for():
    row = random_weights(300)
    found = compare_tensors(*expanded(row, 50), *held(np.tile(row, (50, 1))))
    assert (found.elements, found.equal_bits) == (15_000, 15_000)


def test_pieces_of_both_sides_need_not_be_of_one_length():
    # Pieces are of bytes: half as many elements of float64 as of float32.
    one = random_weights(LONG)
    other = one.astype(np.float64)
    other[-1] += 1
    found = compare_tensors(*held(one), *held(other))
    assert (found.elements, found.equal_bits, found.equal_numbers) == (LONG, 0, LONG - 1)
    assert found.equal_cast == LONG - 1
    assert_as_plain(found, one, other)


def test_little_is_held_at_once_and_progress_is_told():
    one = random_weights(4, LONG)
    sides = held(one), held(one + 1)
    told: list[int] = []
    compare_tensors(*sides[0], *sides[1], progress=told.append)
    assert sum(told) == one.nbytes
    assert max(side[0].source.largest for side in sides) <= 1 << 20


def test_different_numbers_are_counted_up_to_257():
    rng = np.random.default_rng(0)
    few = (rng.integers(-100, 100, LONG) / 7).astype(np.float32)
    found = compare(few, random_weights(LONG))
    assert (found.levels_left, found.levels_right) == (np.unique(few).size, 257)
    assert compare(few, few).levels_right == np.unique(few).size
    late = np.zeros(LONG, np.float32)
    late[-300:] = np.arange(300)
    late[:5] = -0.0
    late[9] = np.nan
    assert compare(late, few).levels_left == 257
    assert compare(late[: LONG - 200], few[: LONG - 200]).levels_left == 100


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float8_e5m2", "bool", "complex64", "int64"])
def test_different_numbers_of_any_dtype_are_counted(dtype):
    kind = next(made for made, name in NAMES.items() if name == dtype)
    one = assortment(kind, 3000)
    plain = np.unique(wide(one))
    expected = min(plain[~np.isnan(plain)].size, 257)
    if kind.kind == "i":
        expected = min(np.unique(one).size, 257)
    found = compare(one, one)
    assert found.levels_left == found.levels_right == expected
    assert compare(one[:1000], one[:1000]).levels_left == 0


def test_integers_are_set_against_floats_row_by_row():
    weights = random_weights(40, 5000)
    scales = np.abs(weights).max(axis=1, keepdims=True) / 127
    stored = np.round(weights / scales).astype(np.int8)
    found = compare(weights, stored)
    rows = [
        float(a @ b / np.sqrt((a @ a) * (b @ b)))
        for a, b in zip(weights.astype(float), stored.astype(float), strict=True)
    ]
    assert found.row_cosine == pytest.approx(min(rows), rel=1e-12)
    assert found.row_cosine > 0.999
    reverse = compare(stored, weights)
    assert reverse.row_cosine == found.row_cosine
    stored[7] = stored[7][::-1]
    assert compare(weights, stored).row_cosine < 0.1
    assert compare(weights, weights + 1).row_cosine is None
    assert compare(stored, stored.astype(np.int16)).row_cosine is None


def test_rows_of_zeros_have_an_angle_only_to_others():
    weights, stored = np.ones((3, 4), np.float32), np.ones((3, 4), np.int8)
    weights[0], stored[0] = 0, 0
    assert compare(weights, stored).row_cosine == pytest.approx(1)
    stored[1] = 0
    assert compare(weights, stored).row_cosine == 0
    weights[0, 0] = np.nan
    assert compare(weights[:1], stored[:1]).row_cosine is None


def test_quantized_tensors_are_compared_as_stored_integers():
    stored = np.arange(-6, 6, dtype=np.int8)
    found = compare_tensors(*held(stored, dtype="qint8"), *held(stored))
    assert (found.equal_bits, found.equal_numbers, found.equal_cast) == (0, 12, 12)
    both = compare_tensors(*held(stored, dtype="qint8"), *held(stored, dtype="qint8"))
    assert both.equal_bits == 12


def test_truth_values_are_compared_as_truth_whatever_byte_stands_for_it():
    one = np.array([0, 1, 2, 255], np.uint8).view(np.bool_)
    found = compare(one, np.array([False, True, True, True]))
    assert (found.equal_bits, found.equal_numbers, found.squares_left) == (2, 4, 3)


def test_tensors_of_a_file_are_compared():
    arrays = {"w": random_weights(30, 20), "b": random_weights(30, seed=1)}
    changed = arrays | {"w": arrays["w"] * np.float32(1.5)}
    one, other = build_one(weights_zip(arrays)), build_one(weights_zip(changed))
    found = compare_tensors(one, tensors(one.manifest)["w"], other, tensors(other.manifest)["w"])
    assert found.relative_l2 == pytest.approx(0.5, rel=1e-6)
    assert found.cosine == pytest.approx(1)


def test_what_cannot_be_read_is_refused():
    build, info = held(random_weights(4, 4))
    meta = msgspec.structs.replace(info, storage=None)
    with pytest.raises(TensorLayoutError, match="no elements of its own"):
        compare_tensors(build, meta, build, info)
    outside = msgspec.structs.replace(info, offset=1)
    with pytest.raises(TensorLayoutError, match="ends at byte 68 of a storage of 64 bytes"):
        compare_tensors(build, info, build, outside)
    packed = msgspec.structs.replace(info, dtype="quint4x2")
    with pytest.raises(TensorLayoutError, match="numpy has no quint4x2"):
        compare_tensors(build, packed, build, info)
    with pytest.raises(ValueError, match="of one shape"):
        compare_tensors(build, info, *held(random_weights(16)))


# Casts


@pytest.mark.parametrize("target", FLOATS, ids=lambda dtype: NAMES[dtype])
def test_a_cast_is_recognised_in_both_directions(target):
    weights = random_weights(4000, scale=3)
    cast = cast_elements(weights, target)
    assert compare(weights, cast).equal_cast == 4000
    assert compare(cast, weights).equal_cast == 4000
    moved = weights * np.float32(1.7)
    assert compare(moved, cast).equal_cast < 4000


def test_a_cast_rounds_to_even_and_beyond_the_largest_to_infinity():
    numbers = np.array([1 + 2**-11, 1 + 3 * 2**-11, 65519, 65520, -7e4], np.float32)
    expected = np.array([1, 1 + 2**-9, 65504, np.inf, -np.inf], np.float16)
    assert cast_elements(numbers, np.dtype(np.float16)).tolist() == expected.tolist()
    assert compare(numbers, expected).equal_cast == 5


def test_nan_is_any_nan_after_a_cast():
    one = np.array([np.nan, -np.nan, 1], np.float32)
    other = np.array([np.nan, np.nan, 1], np.float16)
    assert compare(one, other).equal_cast == 3


def test_a_cast_to_integers_counts_where_it_keeps_the_number():
    weights = np.array([0.4, -0.4, 3.0, 2.5, np.nan, 1e10, -0.0, 127], np.float32)
    stored = np.array([0, 0, 3, 2, 0, 127, 0, 127], np.int8)
    assert compare(weights, stored).equal_cast == 3
    counters = np.array([3, 2**40, 2**63 - 1, -1], np.int64)
    assert compare(counters, counters.astype(np.int32)).equal_cast == 2
    assert compare(counters, counters.view(np.uint64)).equal_cast == 3
    assert compare(np.array([0, 1, 2], np.uint8), np.array([False, True, True])).equal_cast == 2


def test_a_cast_to_real_numbers_counts_where_there_is_no_imaginary_part():
    one = np.array([1 + 0j, 2 + 1j, 3 - 0j], np.complex64)
    assert compare(one, np.array([1, 2, 3], np.float16)).equal_cast == 2
    assert compare(np.array([1, 2, 3], np.float32), one).equal_cast == 2


def test_too_large_for_float8_is_the_largest_or_nan_as_versions_of_torch_have_it():
    one = np.array([1e4, -1e4, 464, 465], np.float32)
    dtype = ml_dtypes.float8_e4m3fn
    assert compare(one, np.array([448, -448, 448, 448], dtype)).equal_cast == 4
    assert compare(one, np.array([np.nan, np.nan, 448, np.nan], dtype)).equal_cast == 4
    assert compare(one, np.array([np.nan, np.nan, np.nan, 416], dtype)).equal_cast == 2
