"""Whatever holds a checkpoint: unpacked it has the same content."""

import json
import tempfile
from pathlib import Path

import pytest
from builders.unpacked_files import contents_of, identity_of, unpacked, write_tensors
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.facts.comparison import Relation
from ckptscope.pipeline.comparing import CompareRequest, compare
from ckptscope.writers.forms import ordered_dict
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.legacy_tar import write_legacy_tar
from ckptscope.writers.safetensors import DTYPE_NAMES
from ckptscope.writers.tensors import (
    STORAGE_CLASSES,
    OutgoingStorage,
    OutgoingTensor,
    item_size,
)
from ckptscope.writers.torch_zip import TorchZipOptions, write_torch_zip
from fixtures.build import tiny_set

EXACT = (Relation.IDENTICAL, Relation.SAME_WEIGHTS)
CONTAINERS = [one for one in tiny_set() if one.name.startswith("tiny_named_")]
#: Quantized types have no place in a target; complex128 has none in safetensors.
DTYPES = sorted(
    name for name in STORAGE_CLASSES if name in DTYPE_NAMES and not name.startswith("q")
)
#: What torch had in the days of the legacy tar.
OLD = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8"]
NEWER = ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64")


@pytest.mark.parametrize("fixture", CONTAINERS, ids=lambda one: one.name)
@pytest.mark.parametrize("target", ["out.safetensors", "out.pth"])
def test_every_container_unpacks_to_the_same_content(fixture, target, tmp_path):
    source = tmp_path / fixture.name
    fixture.write(source)
    report = unpacked(source, tmp_path / target)
    first = next(one for one in CONTAINERS if one.name == "tiny_named_zip.pth")
    first.write(tmp_path / "first.pth")
    wanted = identity_of(tmp_path / "first.pth", "network")
    assert identity_of(tmp_path / target).root == wanted.root == report.files[0].root
    assert identity_of(tmp_path / target).root_up_to_names == wanted.root_up_to_names
    assert len(report.files[0].tensors) == len(wanted.tensors) > 50
    (found,) = compare([source, tmp_path / target], CompareRequest()).comparisons
    (verdict,) = found.conclusions
    assert verdict.relation in EXACT


def test_shards_with_their_index_unpack_to_the_content_of_the_whole(tmp_path):
    whole = tmp_path / "whole.safetensors"
    next(one for one in CONTAINERS if one.name.endswith(".safetensors")).write(whole)
    found = list(contents_of(whole).values())
    names: dict[str, str] = {}
    for number, part in enumerate((found[::2], found[1::2])):
        shard = f"model-{number}.safetensors"
        write_tensors(tmp_path / shard, {one.key: outgoing(one, raw) for one, raw in part})
        names |= {one.key: shard for one, _ in part}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    report = unpacked(index, tmp_path / "joined.safetensors")
    assert report.files[0].root == identity_of(whole).root


def outgoing(one, raw):
    storage = OutgoingStorage(dtype=one.dtype, elements=one.elements, chunks=lambda: (raw,))
    return OutgoingTensor(storage=storage, shape=one.shape, stride=one.stride)


@st.composite
def tensors(draw, dtypes):
    """Views of a few storages: slices, transposed, repeated, and apart."""
    made = {}
    for number in range(draw(st.integers(1, 3))):
        dtype, elements = draw(st.sampled_from(dtypes)), draw(st.integers(1, 60))
        seed = draw(st.integers(0, 255))
        content = bytes((seed + i * 7) % 256 for i in range(elements * item_size(dtype)))
        storage = OutgoingStorage(
            dtype=dtype, elements=elements, chunks=lambda content=content: (content,)
        )
        for view in range(draw(st.integers(1, 4))):
            shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
            stride = tuple(draw(st.integers(0, 5)) for _ in shape)
            reach = sum((n - 1) * s for n, s in zip(shape, stride, strict=True) if n)
            if 0 not in shape and reach >= elements:
                continue
            most = 0 if 0 in shape else elements - 1 - reach
            offset = draw(st.integers(0, most))
            made[f"layer{number}.view{view}.weight"] = OutgoingTensor(
                storage=storage, shape=shape, stride=stride, offset=offset
            )
    return made


def check(write, made) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.pth"
        write(source, ordered_dict(made))
        wanted = contents_of(source)
        for name in ("out.safetensors", "out.pth"):
            report = unpacked(source, Path(folder) / name)
            found = contents_of(Path(folder) / name)
            assert {key: raw for key, (_, raw) in found.items()} == {
                key: raw for key, (_, raw) in wanted.items()
            }
            assert report.files[0].root == identity_of(source).root


@given(tensors(DTYPES + list(NEWER)).filter(bool))
def test_views_of_any_kind_in_a_torch_zip_keep_their_content(made):
    check(write_torch_zip, made)


@given(tensors(DTYPES).filter(bool))
def test_views_of_any_kind_in_big_endian_order_keep_their_content(made):
    options = TorchZipOptions(byteorder="big")
    check(lambda place, value: write_torch_zip(place, value, options=options), made)


@given(tensors(OLD).filter(bool))
def test_views_of_any_kind_in_legacy_containers_keep_their_content(made):
    check(write_legacy_stream, made)
    check(write_legacy_tar, made)
