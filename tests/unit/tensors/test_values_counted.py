"""Counting what is not zero: right for every dtype and layout, and never more than a piece."""

import struct

import msgspec
import numpy as np
import pytest
from builders.pickles import tensor
from builders.reading import build_one
from builders.zips import changed, torch_members, torch_zip, zip_bytes
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.errors import ContainerFormatError, TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import MemorySource
from ckptscope.tensors.values import NUMPY_DTYPES, count_nonzero, read_values


class Watched:
    """A storage that remembers how much of it was read at once, and in all."""

    def __init__(self, content: bytes) -> None:
        self._source = MemorySource(content)
        self.size = len(content)
        self.name = None
        self.largest = self.total = 0

    def read(self, offset: int, length: int) -> bytes:
        self.largest = max(self.largest, length)
        self.total += length
        return self._source.read(offset, length)


class Opened:
    """What `count_nonzero` asks of a build."""

    def __init__(self, content: bytes, byteorder: str = "little") -> None:
        self.source = Watched(content)
        self._byteorder = byteorder

    def open_storage(self, key: str) -> Watched:
        return self.source

    def byteorder_of(self, key: str) -> str:
        return self._byteorder


def view(dtype: str, shape, stride, offset: int = 0, **more: object) -> TensorInfo:
    return TensorInfo(
        key="w", shape=shape, dtype=dtype, stride=stride, offset=offset, storage="0", **more
    )


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_every_dtype_that_can_be_read_is_counted_bit_by_bit_as_numpy_reads_it(dtype):
    size = np.dtype(NUMPY_DTYPES[dtype]).itemsize
    content = bytes(np.random.default_rng(7).integers(0, 256, 240 * size, dtype=np.uint8))
    content = content[: 60 * size] + bytes(60 * size) + content[120 * size :]
    for byteorder in ("little", "big"):
        opened = Opened(content, byteorder)
        one = view(dtype, (240,), (1,))
        values = read_values(opened, one)
        expected = sum(1 for value in values.view(np.dtype(NUMPY_DTYPES[dtype])) if value != 0)
        assert count_nonzero(opened, one, chunk_bytes=7 * size) == expected
        assert 0 < expected < 240 or dtype == "float8_e8m0fnu"


def test_nan_is_not_zero_and_negative_zero_is():
    numbers = floats(float("nan"), -0.0, 0.0, float("inf"), 1e-45, -1.0)
    assert count_nonzero(Opened(numbers), view("float32", (6,), (1,))) == 4


def test_a_signalling_nan_is_counted_like_any_other():
    assert count_nonzero(Opened(b"\x01\x00\x80\x7f" * 3), view("float32", (3,), (1,))) == 3


def test_a_truth_value_stored_as_another_byte_than_one_counts_once():
    assert count_nonzero(Opened(b"\x02\x00\xff\x01"), view("bool", (4,), (1,))) == 3


def test_a_scalar_and_an_empty_tensor_are_counted():
    assert count_nonzero(Opened(floats(3)), view("float32", (), ())) == 1
    assert count_nonzero(Opened(b""), view("float32", (0, 1 << 40), (1, 1))) == 0


def test_of_a_large_tensor_no_more_than_a_piece_is_held_and_nothing_is_read_twice():
    opened = Opened(floats(1) * 10_000)
    assert count_nonzero(opened, view("float32", (10, 1000), (1000, 1)), chunk_bytes=1024) == 10_000
    assert opened.source.largest <= 1024
    assert opened.source.total == 40_000


def test_a_transposed_tensor_is_read_in_the_order_of_its_storage():
    opened = Opened(floats(*range(10_000)))
    assert count_nonzero(opened, view("float32", (100, 100), (1, 100)), chunk_bytes=256) == 9_999
    assert opened.source.total == 40_000


def test_a_repeated_element_is_counted_as_often_as_it_stands_in_the_tensor():
    opened = Opened(floats(0, 1, 2))
    assert count_nonzero(opened, view("float32", (1 << 40, 3), (0, 1))) == 2 << 40
    assert opened.source.total == 12


def test_a_view_whose_elements_overlap_is_refused_before_it_is_unfolded():
    side = 1 << 20
    opened = Opened(bytes(2 * side))
    with pytest.raises(TensorLayoutError, match="overlap"):
        count_nonzero(opened, view("int8", (side, side), (1, 1)))
    assert opened.source.total == 0


def test_a_tensor_that_leaves_its_storage_is_refused():
    with pytest.raises(TensorLayoutError, match="ends at byte 16"):
        count_nonzero(Opened(floats(1, 2, 3)), view("float32", (4,), (1,)))


def test_a_tensor_without_elements_of_its_own_is_refused():
    with pytest.raises(TensorLayoutError, match="no elements of its own"):
        count_nonzero(Opened(b""), view("float32", (4,), None, layout="sparse_coo"))


def test_a_dtype_without_a_counterpart_in_numpy_is_refused():
    with pytest.raises(TensorLayoutError, match="complex32"):
        count_nonzero(Opened(bytes(16)), view("complex32", (4,), (1,)))


@st.composite
def layouts(draw):
    """Shapes and strides as slicing, transposing and expanding a tensor leave them."""
    base = draw(st.lists(st.integers(1, 6), max_size=4))
    array = np.zeros(base, np.int32)
    array.flat[:] = draw(st.lists(st.integers(0, 2), min_size=array.size, max_size=array.size))
    cut = array
    for axis in range(len(base)):
        start = draw(st.integers(0, base[axis] - 1))
        step = draw(st.integers(1, 3))
        cut = cut[(slice(None),) * axis + (slice(start, None, step),)]
    cut = cut.transpose(draw(st.permutations(range(len(base)))))
    if draw(st.booleans()):
        cut = np.broadcast_to(cut, (3, *cut.shape))
    offset = cut.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    return array, cut, offset // 4


@given(layouts(), st.integers(1, 64))
def test_any_slice_of_a_tensor_is_counted_as_numpy_counts_it(layout, chunk_bytes):
    array, cut, offset = layout
    one = view("int32", cut.shape, tuple(step // 4 for step in cut.strides), offset)
    opened = Opened(array.tobytes())
    assert count_nonzero(opened, one, chunk_bytes=chunk_bytes) == np.count_nonzero(cut)
    assert opened.source.largest <= max(chunk_bytes, 4)
    assert opened.source.total <= array.nbytes


@pytest.mark.parametrize("deflate", [False, True], ids=["stored", "deflated"])
def test_a_tensor_of_a_file_is_counted_however_the_file_holds_it(deflate):
    members = torch_members({"w": tensor("0", (2, 3))}, {"0": floats(0, 1, 2, 0, 3, 4)})
    build = build_one(zip_bytes(changed(members, "data/0", deflate=deflate)))
    assert count_nonzero(build, build.manifest.state_dicts[0].tensors[0]) == 4


def test_a_storage_that_is_missing_is_an_error_of_the_file():
    build = build_one(torch_zip({"w": tensor("0", (2,))}, {"0": floats(1, 2)}))
    lost = msgspec.structs.replace(build.manifest.state_dicts[0].tensors[0], storage="9")
    with pytest.raises(ContainerFormatError, match="missing"):
        count_nonzero(build, lost)
