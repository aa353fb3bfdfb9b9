"""One pass over values says of any tensor what numpy says of the whole array."""

import math

import ml_dtypes
import numpy as np
import pytest
from builders.opened_storages import Opened, scan_array, view
from builders.pickles import tensor
from builders.reading import build_one
from builders.zips import changed, torch_members, torch_zip, zip_bytes
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.facts.tensors import TensorInfo
from ckptscope.facts.values import TensorValues
from ckptscope.tensors.scan_plan import bytes_to_scan
from ckptscope.tensors.scan_statistics import BINS, MOST_SAMPLED
from ckptscope.tensors.scanning import scan_values
from ckptscope.tensors.values import NUMPY_DTYPES, read_values


@np.errstate(all="ignore")
def check_against_numpy(found: TensorValues, array: np.ndarray) -> None:
    """Hold every statistic against numpy's of the whole array."""
    assert found.unread == ""
    assert found.elements == array.size
    is_complex = array.dtype.kind == "c"
    flat = array.reshape(-1)
    if not is_complex:
        wide = flat.astype(np.float64)
        parts = wide
        assert found.positive_infinite == np.count_nonzero(np.isposinf(wide))
        assert found.negative_infinite == np.count_nonzero(np.isneginf(wide))
    else:
        wide = flat.astype(np.complex128)
        parts = wide.view(np.float64)
    assert found.nan == np.count_nonzero(np.isnan(wide))
    assert found.infinite == np.count_nonzero(np.isinf(wide) & ~np.isnan(wide))
    assert found.zeros == np.count_nonzero(flat == 0)
    finite = parts[np.isfinite(parts)]
    if not finite.size:
        assert found.least is found.greatest is found.mean is found.std is None
        return
    assert found.least == finite.min()
    assert found.greatest == finite.max()
    mean, std = finite.mean(), finite.std()
    if np.isfinite(mean):
        assert found.mean == pytest.approx(mean, rel=1e-9, abs=1e-9 * np.abs(finite).max())
    if np.isfinite(std):
        scale = max(abs(finite.max() - finite.min()), 1e-300)
        assert found.std == pytest.approx(std, rel=1e-9, abs=1e-9 * scale)
    if array.dtype.kind not in "biu":
        part = np.dtype(array.dtype.type(0).real.dtype) if is_complex else array.dtype
        limits = ml_dtypes.finfo(part)
        sizes = np.abs(finite)
        small = (sizes < float(limits.smallest_normal)) & (sizes > 0)
        assert found.denormals == np.count_nonzero(small)
        assert found.near_largest == np.count_nonzero(sizes > float(limits.max) / 2)
    else:
        assert found.denormals == found.near_largest == 0


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_every_dtype_that_can_be_read_is_described_bit_by_bit_as_numpy_reads_it(dtype, byteorder):
    size = np.dtype(NUMPY_DTYPES[dtype]).itemsize
    content = bytearray(np.random.default_rng(7).integers(0, 256, 240 * size, dtype=np.uint8))
    content[60 * size : 120 * size] = bytes(60 * size)
    # Small numbers: of little-endian storages their high bytes, which hold the exponent, are zero.
    content[120 * size + size - 1 : 160 * size : size] = bytes(40)
    if dtype == "bool":
        content = bytearray(one & 1 for one in content)
    one = view(dtype, (240,))
    opened = Opened(bytes(content), one, byteorder=byteorder)
    (found,) = scan_values(opened, chunk_bytes=7 * size)
    check_against_numpy(found, read_values(opened, one))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "numbers",
    [
        [1e-40, 1.0],
        [-1e-40, -1.0],
        [-1e-40, 1.0],
        [1e-40, -1.0],
        [-0.0, 5.0],
        [-5.0, -0.0],
        [-5.0, 0.0],
        [-5.0, 3.0],
        [2.0, 3.0],
        [-1e-40, -0.0, 1e-40],
    ],
)
def test_numbers_close_to_zero_are_counted_on_either_side_of_it(numbers, dtype):
    array = np.array(numbers, dtype) if dtype == "float32" else np.array(numbers) * 1e-270
    found = scan_array(array)
    check_against_numpy(found, array)
    assert sum(found.histogram) in (0, array.size)


@pytest.mark.parametrize("mean", [0, 1, 30, 1e3, 1e6])
def test_the_deviation_is_right_however_far_the_mean_is_from_zero(mean):
    array = mean + np.random.default_rng(1).standard_normal(70_000)
    assert scan_array(array).std == pytest.approx(array.std(), rel=1e-11)


@st.composite
def layouts(draw):
    """Arrays as slicing, transposing and expanding leave them, with the array that holds them."""
    base = draw(st.lists(st.integers(1, 6), max_size=4))
    array = np.zeros(base, draw(st.sampled_from(["f4", "f8", "f2", "i4", "u1"])))
    special = [0, -0.0, 1, 2, 3]
    if array.dtype.kind == "f":
        special += [np.nan, np.inf, -np.inf, 1e-7, -60000.0]
    picks = st.sampled_from(special)
    array.flat[:] = draw(st.lists(picks, min_size=array.size, max_size=array.size))
    cut = array
    for axis in range(len(base)):
        start = draw(st.integers(0, base[axis] - 1))
        cut = cut[(slice(None),) * axis + (slice(start, None, draw(st.integers(1, 3))),)]
    cut = cut.transpose(draw(st.permutations(range(len(base)))))
    if draw(st.booleans()):
        cut = np.broadcast_to(cut, (3, *cut.shape))
        if draw(st.booleans()) and cut.ndim > 1:
            cut = cut.swapaxes(0, 1)
    offset = cut.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    return array, cut, offset // array.itemsize


@given(layouts(), st.integers(1, 64), st.sampled_from([1, 3]))
def test_any_slice_of_a_tensor_is_described_as_numpy_describes_it(layout, chunk_bytes, jobs):
    array, cut, offset = layout
    strides = tuple(step // array.itemsize for step in cut.strides)
    one = view(str(array.dtype), cut.shape, strides, offset)
    opened = Opened(array.tobytes(), one)
    (found,) = scan_values(opened, chunk_bytes=chunk_bytes, jobs=jobs)
    check_against_numpy(found, np.ascontiguousarray(cut))
    assert opened.source.largest <= max(chunk_bytes, array.itemsize)
    check_channels(found, cut)


def check_channels(found: TensorValues, cut: np.ndarray) -> None:
    """Hold what is said of rows against rows that are compared one by one."""
    if found.channels is None:
        assert cut.ndim == 0 or cut.strides[0] == 0
        return
    rows = [np.ascontiguousarray(row) for row in cut]
    zero = [index for index, row in enumerate(rows) if not np.any(row)]
    assert found.channels.count == len(rows)
    assert found.channels.zero == len(zero)
    assert found.channels.zero_first == tuple(zero)
    seen: dict[bytes, int] = {}
    repeated = []
    for index, row in enumerate(rows):
        first = seen.setdefault(row.tobytes(), index)
        if first != index and index not in zero:
            repeated.append((index, first))
    # Rows of one element are equal by chance, and nobody asks.
    steps = [step for size, step in zip(cut.shape[1:], cut.strides[1:], strict=True) if size > 1]
    expected = repeated if any(steps) else []
    assert found.channels.repeated == len(expected)
    assert found.channels.repeated_first == tuple(expected)


@given(
    st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), min_size=1, max_size=40),
    st.integers(8, 80),
)
def test_the_largest_and_smallest_numbers_of_float64_upset_nothing(numbers, chunk_bytes):
    array = np.array(numbers)
    found = scan_array(array, chunk_bytes=chunk_bytes)
    assert (found.least, found.greatest) == (array.min(), array.max())
    assert found.mean is None or math.isfinite(found.mean)
    assert found.std is None or math.isfinite(found.std)
    assert sum(found.histogram) in (0, array.size)


def test_a_mean_far_from_zero_costs_the_deviation_no_digits():
    array = 1e8 + np.random.default_rng(0).standard_normal(300_000)
    found = scan_array(array)
    assert found.std == pytest.approx(array.std(), rel=1e-10)


def test_a_histogram_counts_every_element_of_a_small_tensor():
    found = scan_array(np.arange(48, dtype=np.float32))
    assert found.histogram == (2,) * BINS
    assert found.sampled == 48


def test_a_histogram_of_a_large_tensor_is_made_of_evenly_spaced_elements():
    array = np.linspace(-1, 1, 100_000, dtype=np.float32)
    found = scan_array(array, chunk_bytes=1 << 14)
    assert MOST_SAMPLED / 2 < found.sampled <= MOST_SAMPLED
    share = found.sampled / BINS
    assert all(abs(count - share) <= 2 for count in found.histogram)


def test_a_constant_tensor_has_no_histogram_and_is_constant():
    found = scan_array(np.full(100, 0.5, np.float32))
    assert found.histogram == ()
    assert found.is_constant
    assert not scan_array(np.full(1, 0.5, np.float32)).is_constant
    assert not scan_array(np.array([0.5, np.nan], np.float32)).is_constant


def test_every_byte_is_read_once_and_no_more_than_a_piece_is_held():
    array = np.random.default_rng(0).standard_normal((300, 700)).astype(np.float32)
    opened = Opened(array.tobytes(), view("float32", array.shape))
    told: list[int] = []
    scan_values(opened, chunk_bytes=1 << 12, progress=told.append)
    assert opened.source.largest <= 1 << 12
    assert opened.source.total == array.nbytes == sum(told) == bytes_to_scan(opened.manifest)


def test_a_tensor_under_several_names_is_read_once_and_described_under_each():
    array = np.arange(6, dtype=np.float32)
    opened = Opened(array.tobytes(), view("float32", (6,), key="a"), view("float32", (6,), key="b"))
    first, second = scan_values(opened)
    assert (first.key, second.key) == ("a", "b")
    assert first.mean == second.mean == 2.5
    assert opened.source.total == array.nbytes
    assert opened.opened["0"] == 1


def test_a_repeated_element_counts_as_often_as_it_stands_in_the_tensor():
    opened = Opened(
        np.array([0, np.nan, 2], np.float32).tobytes(), view("float32", (1 << 40, 3), (0, 1))
    )
    (found,) = scan_values(opened)
    assert (found.elements, found.zeros, found.nan) == (3 << 40, 1 << 40, 1 << 40)
    assert found.mean == 1


def test_views_of_one_storage_are_not_read_without_end():
    size = 2 << 20
    opened = Opened(
        bytes(size), *(view("uint8", (size - i,), (1,), i, key=f"w{i}") for i in range(100))
    )
    found = scan_values(opened)
    unread = [one for one in found if one.unread]
    assert 0 < len(unread) < 100
    assert "gone over 8 times" in unread[0].unread
    assert opened.source.total <= 8 * size


def test_a_tensor_that_cannot_be_read_says_why_and_hides_no_other():
    opened = Opened(
        np.arange(4, dtype=np.float32).tobytes(),
        view("float32", (9,), key="long"),
        view("complex32", (1,), key="half"),
        view("float32", (4, 4), (1, 1), key="overlapping"),
        TensorInfo(key="meta", shape=(3,), dtype="float32", stride=(1,), device="meta"),
        view("float32", (4,), key="good"),
    )
    found = {one.key: one for one in scan_values(opened)}
    assert "ends at byte 36" in found["long"].unread
    assert "complex32" in found["half"].unread
    assert "no elements of its own" in found["meta"].unread
    assert found["overlapping"].unread
    assert (found["good"].unread, found["good"].mean) == ("", 1.5)


def test_an_empty_tensor_is_read_and_has_no_statistics():
    opened = Opened(b"", view("float32", (0, 4), (4, 1)))
    (found,) = scan_values(opened)
    assert (found.unread, found.elements, found.mean) == ("", 0, None)


def test_the_parts_of_a_sparse_tensor_are_described_one_by_one():
    content = np.array([0, 2, 0, 1], np.int64).tobytes() + np.array([3, 5], np.float64).tobytes()
    indices = view("int64", (2, 2), key="0")
    values = view("float64", (2,), offset=4, key="1")
    sparse = TensorInfo(
        key="w",
        shape=(3, 3),
        dtype="float64",
        stride=None,
        layout="sparse_coo",
        parts=(indices, values),
    )
    found = scan_values(Opened(content, sparse))
    assert [(one.key, one.part) for one in found] == [("w", "0"), ("w", "1")]
    assert found[1].mean == 4


def test_numbers_that_still_have_to_be_negated_are():
    array = np.array([1, 2, 4], np.float32)
    opened = Opened(array.tobytes(), view("float32", (3,), lazy=("neg",)))
    (found,) = scan_values(opened)
    assert (found.least, found.greatest) == (-4, -1)


@pytest.mark.parametrize("deflate", [False, True], ids=["stored", "deflated"])
def test_a_tensor_of_a_file_is_described_however_the_file_holds_it(deflate):
    array = np.arange(1, 7, dtype=np.float32)
    members = torch_members({"w": tensor("0", (2, 3))}, {"0": array.tobytes()})
    build = build_one(zip_bytes(changed(members, "data/0", deflate=deflate)))
    (found,) = scan_values(build)
    assert (found.key, found.mean, found.channels.count) == ("w", 3.5, 2)


def test_truth_values_that_still_have_to_be_negated_are_refused():
    opened = Opened(b"\0\1", view("bool", (2,), lazy=("neg",)))
    (found,) = scan_values(opened)
    assert "no negative" in found.unread


def test_threads_find_what_one_finds():
    rng = np.random.default_rng(0)
    tensors = {f"w{i}": tensor(str(i), (1 << 20,)) for i in range(4)}
    storages = {str(i): rng.standard_normal(1 << 20).astype(np.float32).tobytes() for i in range(4)}
    build = build_one(torch_zip(tensors, storages))
    assert scan_values(build, jobs=3) == scan_values(build)


def test_what_goes_wrong_in_a_thread_is_raised():
    build = build_one(
        torch_zip(
            {f"w{i}": tensor(str(i), (1 << 20,)) for i in range(4)},
            {str(i): bytes(4 << 20) for i in range(4)},
        )
    )

    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_values(build, jobs=2, progress=interrupt)
