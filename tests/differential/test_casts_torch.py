"""What torch makes of elements in another dtype is found to be a cast, bit for bit."""

import itertools

import pytest

torch = pytest.importorskip("torch")

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
from builders.held_tensors import NAMES, held  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ckptscope.tensors.casts import cast_elements, is_cast_of  # noqa: E402
from ckptscope.tensors.pairs import compare_tensors  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    # Of complex numbers, that their imaginary part is dropped.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

DTYPES = sorted((one for one in NAMES if hasattr(torch, NAMES[one])), key=NAMES.__getitem__)
SHORT = [dtype for dtype in DTYPES if dtype.kind in "fV" and dtype.itemsize < 4]
FLOATS = [dtype for dtype in DTYPES if dtype.kind in "fV"]


def words(array):
    return array.reshape(-1).view(np.uint8).reshape(array.size, -1)


def in_torch(array):
    made = torch.frombuffer(bytearray(array.tobytes()), dtype=getattr(torch, NAMES[array.dtype]))
    return made.reshape(array.shape)


def cast_by_torch(array, target):
    cast = in_torch(array).to(getattr(torch, NAMES[target])).contiguous()
    return np.frombuffer(cast.view(torch.uint8).numpy().tobytes(), target)


def every_pattern(dtype, seed=0):
    """All bit patterns of short dtypes; of others, many that are drawn at random."""
    if dtype.itemsize <= 2:
        return np.arange(1 << (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype)
    raw = np.random.default_rng(seed).integers(0, 256, 100_000 * dtype.itemsize, np.uint8)
    with np.errstate(all="ignore"):
        near = (np.random.default_rng(seed).standard_normal(20_000) * 30).astype(dtype)
    return np.concatenate([raw.view(dtype), near])


def same_or_nan(one, other):
    same = (words(one) == words(other)).all(axis=1)
    return same | (np.isnan(one) & np.isnan(other))


@pytest.mark.parametrize(
    ("source", "target"),
    [(one, other) for one, other in itertools.product(FLOATS, FLOATS) if one != other],
    ids=lambda dtype: NAMES[dtype],
)
def test_floats_become_other_floats_as_in_torch(source, target):
    values = every_pattern(source)
    expected = cast_by_torch(values, target)
    made = cast_elements(values, target)
    wrong = ~same_or_nan(made, expected)
    if NAMES[target] == "float8_e4m3fn":
        # Versions of torch before 2.13 make NaN of what is too large.
        wrong &= ~np.isnan(expected)
    assert not wrong.any(), (values[wrong][:5], made[wrong][:5], expected[wrong][:5])
    found = compare_tensors(*held(values), *held(expected))
    assert found.equal_cast == values.size


@pytest.mark.parametrize("target", FLOATS, ids=lambda dtype: NAMES[dtype])
@pytest.mark.parametrize(
    "source", [one for one in DTYPES if one.kind in "biu"], ids=lambda dtype: NAMES[dtype]
)
def test_integers_become_floats_as_in_torch(source, target):
    raw = np.random.default_rng(0).integers(0, 256, 4000 * source.itemsize, np.uint8)
    values = np.concatenate([raw.view(source), np.arange(100).astype(source)])
    if source == np.bool_:
        values = values.view(np.uint8).astype(np.bool_)
    expected = cast_by_torch(values, target)
    assert same_or_nan(cast_elements(values, target), expected).all()
    assert compare_tensors(*held(values), *held(expected)).equal_cast == values.size


@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(DTYPES, DTYPES)), ids=lambda dtype: NAMES[dtype]
)
def test_small_numbers_become_any_dtype_as_in_torch(source, target):
    numbers = np.array([0, 1, 2, 3, 4, 8, 16, 64], np.float32)
    values = cast_by_torch(numbers, source)
    expected = cast_by_torch(values, target)
    made = cast_elements(values, target)
    assert (
        same_or_nan(made, expected).all()
        if made.dtype.kind not in "biu"
        else (words(made) == words(expected)).all()
    )
    # A cast to integers counts where it keeps the number: 2 is no truth value, 2**-127 not 0.
    is_kept = values.astype(np.complex128) == expected.astype(np.complex128)
    expected_casts = is_kept if target.kind in "biu" else np.ones(numbers.size, np.bool_)
    assert is_cast_of(expected, values).tolist() == expected_casts.tolist()


@pytest.mark.parametrize("target", SHORT, ids=lambda dtype: NAMES[dtype])
@given(st.lists(st.floats(width=64), min_size=1, max_size=40))
def test_any_float64_becomes_what_torch_makes_of_it(target, numbers):
    values = np.array(numbers)
    assert same_or_nan(cast_elements(values, target), cast_by_torch(values, target)).all()


@given(st.lists(st.complex_numbers(max_magnitude=1e5, allow_nan=False), min_size=1, max_size=40))
def test_complex_numbers_lose_their_imaginary_part_as_in_torch(numbers):
    values = np.array(numbers, np.complex64)
    for target in (np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)):
        expected = cast_by_torch(values, target)
        assert same_or_nan(cast_elements(values, target), expected).all()
        assert is_cast_of(expected, values).tolist() == (values.imag == 0).tolist()
