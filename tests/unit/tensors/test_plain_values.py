"""What is no tensor, as JSON can hold it; nothing is made of it, and nothing is lost silently."""

import json

import pytest
from builders.pickles import pickled
from builders.reading import build_one

from ckptscope.errors import LimitError
from ckptscope.tensors import plain_values
from ckptscope.tensors.plain_values import PlainValues
from ckptscope.writers.forms import Global, NewObject, Reduce, ordered_dict
from ckptscope.writers.pickle_encoder import encode_pickle


def read(value: object) -> PlainValues:
    return PlainValues(build_one(encode_pickle(value, protocol=4)))


def test_plain_values_are_themselves():
    value = {"epoch": 3, "loss": 0.5, "done": False, "name": "a", "none": None, "list": [1, [2]]}
    found = read(value)
    assert found.tree == value
    assert found.unwritten == []


def test_what_json_has_no_form_for_is_described():
    value = {
        "betas": (0.9, 0.999),
        "nan": float("nan"),
        "least": float("-inf"),
        "names": {"a"},
        "raw": b"\x00\xff",
        "huge": 1 << 9000,
        "type": Global("torch", "float32"),
        "ordered": ordered_dict({"a": 1}),
    }
    found = read(value)
    assert found.tree == {
        "betas": [0.9, 0.999],
        "nan": {"$float": "nan"},
        "least": {"$float": "-inf"},
        "names": {"$set": ["a"]},
        "raw": {"$bytes": "AP8="},
        "huge": {"$integer": hex(1 << 9000)},
        "type": {"$global": "torch.float32"},
        "ordered": {"a": 1},
    }
    assert json.loads(json.dumps(found.tree, allow_nan=False)) == found.tree


def test_keys_that_are_no_texts_become_texts_unless_two_would_be_the_same():
    assert read({"state": {0: 1, 1: 2}}).tree == {"state": {"0": 1, "1": 2}}
    assert read({"mixed": {0: "a", "0": "b"}}).tree == {"mixed": {"$pairs": [[0, "a"], ["0", "b"]]}}


def test_an_object_is_its_class_and_its_attributes_and_is_never_made():
    config = NewObject(Global("mmcv.config", "Config"), state={"lr": 0.1, "steps": [1, 2]})
    call = Reduce(Global("os", "system"), ("true",))
    found = read({"config": config, "call": call})
    assert found.tree == {
        "config": {"$instance": "mmcv.config.Config", "lr": 0.1, "steps": [1, 2]},
        "call": {"$instance": "os.system", "args": ["true"]},
    }


def test_a_list_that_contains_itself_is_cut_there_and_listed():
    loop: list[object] = [1]
    loop.append(loop)
    found = read({"loop": loop})
    assert found.tree == {"loop": [1, {"$not_written": "a part of itself"}]}
    assert found.unwritten == ["loop/1: a part of itself"]


def test_the_elements_of_numpy_arrays_are_listed_as_not_written():
    dtype = Reduce(Global("numpy", "dtype"), ("f8", False, True), state=(3, "<", None))
    array = Reduce(
        Global("numpy.core.multiarray", "_reconstruct"),
        (Global("numpy", "ndarray"), (0,), b"b"),
        state=(1, (2,), dtype, False, bytes(16)),
    )
    scalar = Reduce(Global("numpy.core.multiarray", "scalar"), (dtype, bytes(8)))
    found = read({"history": array, "best": scalar})
    assert found.tree == {"history": {"$array": "float64 [2]"}, "best": 0.0}
    assert found.unwritten == ["history: the elements of a numpy array, float64 [2]"]


def test_shared_parts_that_multiply_end_at_a_bound(monkeypatch):
    monkeypatch.setattr(plain_values, "_MOST_VALUES", 1000)
    part: object = "leaf"
    for _ in range(12):
        part = [part, part]
    with pytest.raises(LimitError, match="values"):
        PlainValues(build_one(pickled({"part": part})))
