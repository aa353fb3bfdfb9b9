"""Casts between floating types, by vectors from the standards; torch is asked elsewhere."""

import struct

import pytest

from ckptscope.errors import UsageError
from ckptscope.tensors.casting import cast_pieces


def cast(content: bytes, found: str, wanted: str, step: int | None = None) -> bytes:
    step = step or max(len(content), 1)
    pieces = [content[start : start + step] for start in range(0, len(content), step)]
    return b"".join(cast_pieces(pieces, found, wanted))


@pytest.mark.parametrize(
    ("number", "bits"),
    [
        (1.0, 0x3C00),
        (2049.0, 0x6800),
        (2051.0, 0x6802),
        (65504.0, 0x7BFF),
        (65519.99609375, 0x7BFF),
        (65520.0, 0x7C00),
        (-1e30, 0xFC00),
        (-0.0, 0x8000),
        (2**-24, 0x0001),
        (2**-25, 0x0000),
        (1.5 * 2**-25, 0x0001),
        (float("inf"), 0x7C00),
    ],
)
def test_float16_rounds_to_even_and_overflows_to_infinity(number, bits):
    assert cast(struct.pack("<f", number), "float32", "float16") == struct.pack("<H", bits)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0x3F800000, 0x3F80),
        (0x3F808000, 0x3F80),
        (0x3F818000, 0x3F82),
        (0x3F808001, 0x3F81),
        (0x7F7FFFFF, 0x7F80),
        (0x00000001, 0x0000),
        (0x80000000, 0x8000),
    ],
)
def test_bfloat16_rounds_to_even_and_overflows_to_infinity(before, after):
    found = cast(struct.pack("<I", before), "float32", "bfloat16")
    assert found == struct.pack("<H", after)


def test_float64_goes_by_way_of_float32_as_in_torch():
    # Just above the middle of two float16, by less than a float32 can say: rounded twice it is even.
    number = 1 + 2**-11 + 2**-40
    assert cast(struct.pack("<d", number), "float64", "float16") == struct.pack("<H", 0x3C00)


@pytest.mark.parametrize(
    ("found", "wanted", "before", "after"),
    [
        ("float16", "float32", b"\x01\x7c", struct.pack("<I", 0x7FC02000)),
        ("float32", "float16", struct.pack("<I", 0x7FA00000), b"\x00\x7f"),
        ("bfloat16", "float32", b"\x81\x7f", struct.pack("<I", 0x7F810000)),
        ("float8_e5m2", "float16", b"\x7e", b"\x00\x7e"),
    ],
)
def test_a_nan_stays_one_and_becomes_quiet(found, wanted, before, after):
    assert cast(before, found, wanted) == after


def test_pieces_may_be_cut_within_an_element_and_be_larger_than_what_is_cast_at_once():
    content = struct.pack("<1000000f", *map(float, range(1_000_000)))
    whole = cast(content, "float32", "float64")
    assert struct.unpack("<1000000d", whole) == tuple(map(float, range(1_000_000)))
    assert cast(content[:4000], "float32", "float64", 7) == whole[:8000]
    assert cast(b"", "float32", "float16") == b""


@pytest.mark.parametrize(
    ("found", "wanted"),
    [("int32", "float16"), ("float32", "int8"), ("float32", "float8_e5m2"), ("bool", "float32")],
)
def test_integers_truth_values_and_eight_bits_are_no_part_of_a_cast(found, wanted):
    with pytest.raises(UsageError, match="expected a cast between floating types"):
        cast(bytes(8), found, wanted)
