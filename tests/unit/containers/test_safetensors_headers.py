"""safetensors: the header's rules, one by one."""

import json

import pytest
from builders.headers import entry, safetensors
from builders.reading import build_one, codes, group, manifest, outcomes, refusal, tensors

from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.dtypes import ITEM_BYTES, SAFETENSORS_DTYPES
from ckptscope.facts.limits import Limits

GOOD = {"__metadata__": {"format": "pt"}, "w": entry([2, 3], 0, 24), "b": entry([3], 24, 48, "I64")}
DATA = bytes(range(48))


def test_a_sound_file_gives_tensors_bytes_and_metadata():
    data = safetensors(GOOD, DATA)
    build = build_one(data)
    made = build.manifest
    assert made.containers == (ContainerKind.SAFETENSORS,)
    assert {n: (t.dtype, t.shape, t.stride) for n, t in tensors(made).items()} == {
        "w": ("float32", (2, 3), (3, 1)),
        "b": ("int64", (3,), (1,)),
    }
    assert made.metadata == (("format", "pt"),)
    assert codes(made) == []
    assert build.open_storage("b").read(0, 24) == DATA[24:]
    assert sum(s.size_bytes for s in made.spending) == len(data)
    assert made.pickles == ()


def test_tensors_stand_in_the_order_of_their_bytes():
    header = {"b": entry([1], 4, 8), "a": entry([1], 0, 4)}
    assert [t.key for t in group(manifest(safetensors(header, bytes(8)))).tensors] == ["a", "b"]


def test_no_tensors_and_no_metadata_is_a_sound_file():
    made = manifest(safetensors({}))
    assert (list(tensors(made)), codes(made)) == ([], [])


@pytest.mark.parametrize(("name", "dtype"), SAFETENSORS_DTYPES.items())
def test_every_dtype_of_the_format_is_known(name, dtype):
    size = ITEM_BYTES[dtype] * 2
    (found,) = tensors(
        manifest(safetensors({"w": entry([2], 0, size, name)}, bytes(size)))
    ).values()
    assert found.dtype == dtype


def test_zero_dimensions_and_zero_elements_are_sound():
    header = {"s": entry([], 0, 4), "e": entry([0, 3], 4, 4)}
    made = manifest(safetensors(header, bytes(4)))
    assert {n: t.shape for n, t in tensors(made).items()} == {"s": (), "e": (0, 3)}
    assert codes(made) == []


def test_an_unknown_dtype_is_ten006():
    assert codes(manifest(safetensors({"w": entry([2], 0, 8, "F33")}, bytes(8)))) == ["TEN006"]


def test_a_key_that_stands_twice_is_con030():
    raw = b'{"w":%s,"w":%s}' % (
        json.dumps(entry([1], 0, 4)).encode(),
        json.dumps(entry([2], 0, 8)).encode(),
    )
    made = manifest(safetensors(raw, bytes(8)))
    assert codes(made) == ["CON030"]


def test_overlap_is_con009_and_a_hole_con050_and_a_tail_con011():
    overlap = {"a": entry([2], 0, 8), "b": entry([2], 4, 12)}
    assert codes(manifest(safetensors(overlap, bytes(12)))) == ["CON009"]
    hole = {"a": entry([1], 0, 4), "b": entry([1], 8, 12)}
    made = manifest(safetensors(hole, bytes(12)))
    assert codes(made) == ["CON050"]
    assert made.findings[0].severity == "error"
    assert codes(manifest(safetensors(GOOD, DATA + b"#"))) == ["CON011"]


REFUSED = {
    "no json": b"{nonsense",
    "no utf-8": b'{"\xff":1}',
    "an empty header": b"",
    "a list": b"[]",
    "nested without end": b'{"a":' + b"[" * 100_000,
    "an entry that is a number": {"w": 5},
    "an entry without shape": {"w": {"dtype": "F32", "data_offsets": [0, 4]}},
    "an entry without offsets": {"w": {"dtype": "F32", "shape": [1]}},
    "an entry without dtype": {"w": {"shape": [1], "data_offsets": [0, 4]}},
    "a negative size": {"w": entry([-1], 0, 4)},
    "a fractional size": {"w": {**entry([1], 0, 4), "shape": [1.0]}},
    "a size that is true": {"w": {**entry([1], 0, 4), "shape": [True]}},
    "a shape that is text": {"w": {**entry([1], 0, 4), "shape": "1"}},
    "one offset": {"w": {**entry([1], 0, 4), "data_offsets": [0]}},
    "three offsets": {"w": {**entry([1], 0, 4), "data_offsets": [0, 4, 4]}},
    "offsets in reverse": {"w": entry([1], 4, 0)},
    "offsets beyond the file": {"w": entry([100], 0, 400)},
    "a size of 2**63": {"w": entry([1 << 63], 0, 4)},
    "a size with 5000 digits": b'{"w":{"dtype":"F32","shape":['
    + b"9" * 5000
    + b'],"data_offsets":[0,4]}}',
    "a shape that does not fit": {"w": entry([2, 4], 0, 24)},
    "a product of 2**100": {"w": entry([1 << 50, 1 << 50], 0, 24)},
    "metadata that is a list": {"__metadata__": []},
    "metadata with a number": {"__metadata__": {"a": 1}},
    "metadata that is null": {"__metadata__": None},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_header_that_breaks_the_rules_is_refused(case):
    data = safetensors(REFUSED[case], bytes(24))
    if case in ("a list", "an empty header"):
        assert all(hasattr(one, "error") for one in outcomes(data))
        return
    assert isinstance(refusal(data), ContainerFormatError)


@pytest.mark.parametrize("length", [10_000, 1 << 39])
def test_a_header_longer_than_the_file_is_refused(length):
    error = refusal(safetensors(GOOD, DATA, length=length))
    assert isinstance(error, ContainerFormatError | LimitError)


def test_a_header_longer_than_the_limit_is_a_limit_error():
    error = refusal(safetensors(GOOD, DATA), Limits(header_bytes=50))
    assert isinstance(error, LimitError)
    assert error.limit == "header_bytes"


def test_too_many_dimensions_are_a_limit_error():
    assert isinstance(refusal(safetensors({"w": entry([1] * 65, 0, 4)}, bytes(4))), LimitError)


@pytest.mark.parametrize("field", ["shape", "data_offsets", "dtype"])
def test_nesting_at_the_edge_of_the_parser_is_refused_and_nothing_else(field):
    # The parser and `repr` give up at depths that lie close together.
    for depth in range(600, 1010, 1):
        nested = "[" * depth + "]" * depth
        held = {"dtype": '"F32"', "shape": "[1]", "data_offsets": "[0,4]"} | {field: nested}
        body = ",".join(f'"{name}":{text}' for name, text in held.items())
        outcomes(safetensors(f'{{"w":{{{body}}}}}'.encode(), bytes(4)))


def test_a_file_cut_anywhere_is_refused():
    data = safetensors(GOOD, DATA)
    for cut in range(9, len(data)):
        assert isinstance(refusal(data[:cut]), ContainerFormatError)
