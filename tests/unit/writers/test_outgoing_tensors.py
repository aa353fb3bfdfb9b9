import struct

import pytest

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.writers.byte_order import swap_words
from ckptscope.writers.tensors import (
    STORAGE_CLASSES,
    UNTYPED,
    OutgoingStorage,
    OutgoingTensor,
    StorageView,
    bytes_storage,
    contiguous_stride,
    item_size,
    tensor_over,
    word_size,
)

FLOATS = struct.pack("<12f", *range(12))


def read(thing):
    return b"".join(thing.read())


def test_element_sizes_are_those_of_the_dtypes():
    sizes = {dtype: item_size(dtype) for dtype in (*STORAGE_CLASSES, *UNTYPED)}
    assert {d for d, s in sizes.items() if s == 16} == {"complex128"}
    assert {d for d, s in sizes.items() if s == 8} == {"float64", "int64", "uint64", "complex64"}
    assert {d for d, s in sizes.items() if s == 4} == {
        "float32",
        "int32",
        "uint32",
        "qint32",
        "complex32",
    }
    assert {d for d, s in sizes.items() if s == 2} == {"float16", "bfloat16", "int16", "uint16"}
    assert sizes["float8_e4m3fn"] == sizes["bool"] == sizes["quint4x2"] == 1
    assert (word_size("complex64"), word_size("complex32"), word_size("float64")) == (4, 2, 8)


def test_a_dtype_that_torch_lacks_is_refused():
    with pytest.raises(UsageError, match="'float17'"):
        bytes_storage(b"", "float17")


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 0, 3), (4, 1, 3)])
def test_contiguous_strides_are_torchs(shape):
    expected = {(): (), (5,): (1,), (2, 3): (3, 1), (2, 0, 3): (3, 3, 1), (4, 1, 3): (3, 3, 1)}
    assert contiguous_stride(shape) == expected[shape]


@pytest.mark.parametrize(
    "parts", [(b"12345678",), (b"123", b"", b"4567", b"8"), (memoryview(b"12345678").cast("I"),)]
)
def test_a_storage_yields_its_bytes_however_they_are_cut(parts):
    storage = OutgoingStorage(dtype="float32", elements=2, chunks=lambda: parts)
    assert read(storage) == b"12345678"


@pytest.mark.parametrize("content", [b"", b"1234567", b"123456789", b"1" * 100])
def test_a_storage_that_gives_another_number_of_bytes_is_refused(content):
    storage = OutgoingStorage(dtype="float32", elements=2, chunks=lambda: (content,))
    with pytest.raises(TensorLayoutError, match="expected 8 bytes"):
        read(storage)


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ((13,), (1,), 0),
        ((12,), (1,), 1),
        ((3, 4), (4, 2), 0),
        ((3,), (1, 1), 0),
        ((-1,), (1,), 0),
        ((2,), (-1,), 1),
        ((2,), (1,), -1),
        ((), (), 12),
    ],
)
def test_a_tensor_that_leaves_its_storage_cannot_be_described(shape, stride, offset):
    storage = bytes_storage(FLOATS, "float32")
    with pytest.raises(TensorLayoutError):
        OutgoingTensor(storage=storage, shape=shape, stride=stride, offset=offset)


def test_views_stay_within_their_root():
    storage = bytes_storage(FLOATS, "float32")
    for offset, elements in ((0, 13), (12, 1), (-1, 2), (3, -1)):
        with pytest.raises(TensorLayoutError):
            StorageView(root=storage, offset=offset, elements=elements)
    assert tensor_over(StorageView(root=storage, offset=12, elements=0), (0,)).elements == 0


def test_a_tensor_reads_its_own_part_of_a_shared_storage():
    storage = bytes_storage(FLOATS, "float32")
    view = StorageView(root=storage, offset=2, elements=8)
    tensor = tensor_over(view, (2, 2), offset=3)
    assert read(tensor) == struct.pack("<4f", 5, 6, 7, 8)
    assert (tensor.root_offset, tensor.dtype, tensor.elements) == (5, "float32", 4)


def test_a_tensor_asks_for_no_bytes_behind_its_end():
    def chunks():
        yield FLOATS[:16]
        raise AssertionError("read too far")

    storage = OutgoingStorage(dtype="float32", elements=12, chunks=chunks)
    assert read(tensor_over(storage, (4,))) == FLOATS[:16]
    assert read(tensor_over(storage, (0, 3))) == b""


def test_a_transposed_tensor_has_no_run_of_bytes_of_its_own():
    tensor = OutgoingTensor(storage=bytes_storage(FLOATS, "float32"), shape=(3, 4), stride=(1, 3))
    assert not tensor.is_contiguous
    with pytest.raises(TensorLayoutError, match="contiguous"):
        tensor.read()


def test_strides_of_axes_of_length_one_do_not_matter():
    tensor = OutgoingTensor(storage=bytes_storage(FLOATS, "float32"), shape=(1, 12), stride=(7, 1))
    assert read(tensor) == FLOATS


@pytest.mark.parametrize("cut", range(1, 9))
@pytest.mark.parametrize("word", [1, 2, 4, 8])
def test_words_are_reversed_wherever_the_chunks_are_cut(word, cut):
    content = bytes(range(16))
    chunks = [content[i : i + cut] for i in range(0, 16, cut)]
    expected = b"".join(content[i : i + word][::-1] for i in range(0, 16, word))
    assert b"".join(swap_words(chunks, word)) == expected
