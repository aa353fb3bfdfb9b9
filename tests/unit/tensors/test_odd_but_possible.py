"""Files that nobody writes and anybody may hand over: they are read, or refused by a limit."""

import json
import struct

import pytest
from builders.pickles import call, global_, module, ordered_dict, pickled, storage, tensor
from builders.reading import build_one, codes, manifest
from builders.zips import Member, torch_members, torch_zip, zip_bytes

from ckptscope.containers import folder_members
from ckptscope.errors import LimitError, TensorLayoutError
from ckptscope.facts.limits import Limits
from ckptscope.pipeline import inspect
from ckptscope.reports.json import render_json
from ckptscope.tensors.values import read_values

FLOATS = struct.pack("<6f", *range(6))


def optimizer(states):
    return {"state": states, "param_groups": [{"lr": 0.1, "params": [0]}]}


def test_a_parameter_numbered_with_thousands_of_digits_is_read(tmp_path):
    path = tmp_path / "o.pkl"
    path.write_bytes(pickled(optimizer({"1" * 5000: {"step": 3}})))
    (report,) = inspect(path).files
    assert report.manifest.optimizers[0].steps == (3,)


def test_a_step_counter_that_is_no_number_is_left_out(tmp_path):
    path = tmp_path / "o.pt"
    tree = {"o": optimizer({0: {"step": tensor("0", ())}})}
    path.write_bytes(torch_zip(tree, {"0": struct.pack("<f", float("nan"))}))
    report = inspect(path)
    assert report.files[0].manifest.optimizers[0].steps == ()
    assert b"NaN" not in render_json(report)


def test_an_index_that_names_an_impossible_file_says_that_it_is_missing(tmp_path):
    index = tmp_path / "model.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "x" * 300}}))
    (report,) = inspect(index).files
    assert "CON060" in codes(report.manifest)
    assert sum(one.size_bytes for one in report.manifest.spending) == report.manifest.size_bytes


def test_the_stride_of_a_dimension_of_one_may_be_anything():
    data = torch_zip({"w": tensor("0", (1, 6), stride=(1 << 61, 1))}, {"0": FLOATS})
    build = build_one(data)
    found = build.manifest.state_dicts[0].tensors[0]
    assert read_values(build, found).tolist() == [[0, 1, 2, 3, 4, 5]]


def test_a_lazy_tensor_that_repeats_its_elements_is_not_unfolded():
    layout = (storage("0", 6, "FloatStorage"), 0, (1 << 40,), (0,), False)
    lazy = call("torch._utils", "_rebuild_tensor_v2", *layout, ordered_dict(), {"neg": True})
    build = build_one(torch_zip({"w": lazy}, {"0": FLOATS}))
    with pytest.raises(TensorLayoutError):
        read_values(build, build.manifest.state_dicts[0].tensors[0])


def test_the_bytes_of_a_module_with_partly_used_storages_are_never_negative():
    inner = module(
        ("net", "Net"),
        buffers={"kept": tensor("0", (2,), elements=6)},
        plain=tensor("1", (2,), elements=6),
    )
    made = manifest(torch_zip({"m": inner}, {"0": FLOATS, "1": FLOATS}))
    assert all(one.size_bytes > 0 for one in made.spending)
    assert sum(one.size_bytes for one in made.spending) == made.size_bytes


def test_a_view_of_a_storage_that_is_mostly_unused_is_noticed(tmp_path):
    path = tmp_path / "view.pt"
    big = bytes(400_000)
    path.write_bytes(torch_zip({"w": tensor("0", (2,), elements=100_000)}, {"0": big}))
    assert "TEN005" in codes(inspect(path).files[0].manifest)
    path.write_bytes(torch_zip({"w": tensor("0", (100_000,))}, {"0": big}))
    assert "TEN005" not in codes(inspect(path).files[0].manifest)


def test_an_earlier_member_of_the_same_name_that_cannot_be_opened_hides_nothing():
    members = torch_members({"w": tensor("0", (6,))}, {"0": FLOATS})
    name = next(one.name for one in members if str(one.name).endswith("data.pkl"))
    odd = Member(name=name, data=b"x", method=99)
    made = manifest(zip_bytes([odd, *members]))
    assert made.state_dicts[0].tensors[0].shape == (6,)
    assert {"CON003", "PKL006"} <= set(codes(made))


def test_a_shape_of_very_many_sizes_is_refused_before_it_is_multiplied():
    shape = (1 << 62,) * 5000
    made = manifest(torch_zip({"w": tensor("0", shape, stride=shape, elements=6)}, {"0": FLOATS}))
    assert "TEN007" in codes(made)


def test_a_name_of_many_characters_is_a_limit():
    data = torch_zip({"k" * 2000: tensor("0", (6,))}, {"0": FLOATS})
    with pytest.raises(LimitError) as caught:
        manifest(data, Limits(key_characters=1000))
    assert caught.value.limit == "key_characters"


def test_an_array_of_more_dimensions_than_numpy_has_is_no_array():
    array = call(
        "numpy.core.numeric", "_frombuffer", b"", global_("numpy", "float32"), (1,) * 65, "C"
    )
    assert manifest(pickled({"a": array})).arrays == ()


def test_many_files_of_a_folder_are_not_kept_open(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_members, "_MOST_OPEN", 2)
    names = [f"{n}.bin" for n in range(5)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    members = folder_members.pick_folder_members(tmp_path, names)
    for name in names * 2:
        assert members.open(name).peek(0, 9) == name.encode()
        assert len(members._opened) <= 2


def test_findings_of_a_zip_inside_the_pickle_are_kept():
    inner = torch_zip({"w": 1}, {}) + b"tail"
    made = manifest(pickled({"n": call("torch.storage", "_load_from_bytes", inner)}, 4))
    assert "CON011" in codes(made)
