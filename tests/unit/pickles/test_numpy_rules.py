"""numpy arrays and scalars as they are pickled, compared with numpy itself."""

import pickle

import numpy as np
import pytest
from builders.pickles import build, call, global_, pickled
from builders.reading import root_of

from ckptscope.pickles.numpy_rules import dtype_text, read_array, read_scalar

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("code", DTYPES)
def test_an_array_of_any_plain_type_gives_shape_dtype_and_bytes(code, protocol):
    made = np.arange(6).reshape(2, 3).astype(code)
    found = read_array(root_of(pickle.dumps(made, protocol)), "a/b")
    assert (found.path, found.shape, found.dtype) == ("a/b", (2, 3), made.dtype.name)
    assert (found.size_bytes, found.fortran_order) == (made.nbytes, False)


@pytest.mark.parametrize("protocol", range(6))
def test_fortran_order_is_told(protocol):
    made = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = read_array(root_of(pickle.dumps(made, protocol)), "")
    assert (found.shape, found.fortran_order) == ((2, 3), True)


def test_an_array_of_other_types_keeps_numpys_type_string():
    found = read_array(root_of(pickle.dumps(np.array(["abc", "d"]), 2)), "")
    assert (found.shape, found.dtype, found.size_bytes) == ((2,), "U3", 24)
    assert read_array(root_of(pickle.dumps(np.zeros(2, "c16"), 2)), "").dtype == "c16"


def test_an_array_of_objects_has_no_bytes():
    made = np.array([{"a": 1}, None], dtype=object)
    found = read_array(root_of(pickle.dumps(made, 2)), "")
    assert (found.shape, found.dtype, found.size_bytes) == ((2,), "O8", None)


def test_a_large_array_stays_in_the_file():
    made = np.zeros((100, 100), "f4")
    assert read_array(root_of(pickle.dumps(made, 5)), "").size_bytes == 40_000


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_scalar_gives_its_value_in_either_byte_order(code, protocol, order):
    made = np.array([1.5]).astype(order + code)[0]
    found = read_scalar(root_of(pickle.dumps(made, protocol)))
    assert found == made.item()
    assert type(found) is type(made.item())


def test_a_scalar_stored_big_endian_is_swapped():
    dtype = build(call("numpy", "dtype", "i4", False, True), (3, ">", None, None, None, -1, -1, 0))
    node = root_of(pickled(call("numpy.core.multiarray", "scalar", dtype, b"\0\0\1\0")))
    assert dtype_text(node.args[0]) == ("int32", ">")
    assert read_scalar(node) == 256


@pytest.mark.parametrize(
    "node",
    [
        call("mylab", "scalar", 1, b"1234"),
        call("numpy.core.multiarray", "scalar", 1),
        call("numpy.core.multiarray", "scalar", "f4", b"1234"),
        call("numpy.core.multiarray", "scalar", call("numpy", "dtype", "f4"), b"123"),
        call("numpy.core.multiarray", "scalar", call("numpy", "dtype", "f4"), 5),
        call("numpy.core.multiarray", "scalar", call("numpy", "dtype", "M8"), b"12345678"),
    ],
)
def test_an_odd_scalar_has_no_value(node):
    assert read_scalar(root_of(pickled(node))) is None


@pytest.mark.parametrize(
    "node",
    [
        5,
        call("numpy.core.multiarray", "_reconstruct", global_("numpy", "ndarray"), (0,), b"b"),
        build(call("numpy.core.multiarray", "_reconstruct"), (1, (2,))),
        build(call("numpy.core.multiarray", "_reconstruct"), (1, 5, None, False, b"")),
        build(call("numpy.core.multiarray", "_reconstruct"), (1, ("a",), None, False, b"")),
        call("numpy.core.numeric", "_frombuffer", b""),
        call("mylab", "_reconstruct"),
    ],
)
def test_an_odd_array_is_none(node):
    assert read_array(root_of(pickled(node)), "") is None


def test_a_dtype_that_is_no_dtype_is_unknown():
    assert dtype_text(5)[0] == "unknown"
    assert dtype_text(root_of(pickled(call("numpy", "dtype", 5))))[0] == "unknown"
