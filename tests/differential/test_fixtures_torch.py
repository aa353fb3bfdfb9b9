"""What the writers write, torch reads as the same tensors; what torch writes, they write."""

import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ckptscope.writers.forms import UNSET, Global, ordered_dict
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.legacy_tar import write_legacy_tar
from ckptscope.writers.modules import OutgoingModule
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import (
    OutgoingTensor,
    StorageView,
    bytes_storage,
    tensor_over,
)
from ckptscope.writers.torch_zip import TorchZipOptions, write_torch_zip
from fixtures.build import tiny
from fixtures.checkpoint import network_tensors
from fixtures.containers import CONTAINERS
from fixtures.convnextpose import Dialect

pytestmark = pytest.mark.torch

ZIPS = [key for key in CONTAINERS if key[0].startswith("zip")]
LEGACY = [("legacy_stream", ".pth"), ("legacy_tar", ".pth.tar")]


def load(path, *, safe=True):
    return torch.load(path, map_location="cpu", weights_only=safe)


def numbers(tensor):
    dtype = {"float32": "<f4", "int64": "<i8"}[tensor.dtype]
    return np.frombuffer(b"".join(tensor.read()), dtype).reshape(tensor.shape)


def assert_network(found, recipe):
    expected = network_tensors(recipe)
    assert list(found) == [name for name, _ in expected]
    for name, tensor in expected:
        assert found[name].dtype == getattr(torch, tensor.dtype)
        assert tuple(found[name].shape) == tensor.shape
        assert np.array_equal(found[name].numpy(), numbers(tensor))


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("container", ZIPS + LEGACY, ids=lambda key: key[0])
def test_torch_reads_the_same_network_and_optimizer_from_every_container(
    tmp_path, container, dialect
):
    recipe, path = tiny(dialect), tmp_path / "x.pth"
    CONTAINERS[container](recipe, path)
    value = load(path, safe=container[0] != "legacy_tar")
    assert list(value) == ["epoch", "network", "optimizer"]
    assert value["epoch"] == 3
    assert isinstance(value["network"], OrderedDict)
    assert_network(value["network"], recipe)
    state = value["optimizer"]["state"]
    parameters = [tensor for tensor in value["network"].values() if tensor.dim() == 4]
    assert state[0]["exp_avg"].shape == parameters[0].shape
    assert all(entry["step"].item() == recipe.batches for entry in state.values())


def test_batch_norm_versions_reach_load_state_dict(tmp_path):
    CONTAINERS["zip", ".pth"](tiny(), tmp_path / "x.pth")
    network = load(tmp_path / "x.pth")["network"]
    assert network._metadata["module.backbone.norm"] == {"version": 2}
    assert network._metadata["module.head.final_layer"] == {"version": 1}


@pytest.mark.parametrize("dialect", Dialect)
def test_safetensors_reads_the_same_network(tmp_path, dialect):
    recipe = tiny(dialect)
    CONTAINERS["safetensors", ".safetensors"](recipe, tmp_path / "x.safetensors")
    found = load_file(tmp_path / "x.safetensors")
    assert_network({name: found[name] for name, _ in network_tensors(recipe)}, recipe)
    assert len(found) == len(network_tensors(recipe))


def test_an_optimizer_of_torch_takes_the_state(tmp_path):
    CONTAINERS["zip", ".pth"](tiny(), tmp_path / "x.pth")
    value = load(tmp_path / "x.pth")
    trained = [
        torch.nn.Parameter(tensor)
        for name, tensor in value["network"].items()
        if tensor.is_floating_point() and "running" not in name
    ]
    optimizer = torch.optim.AdamW(trained)
    optimizer.load_state_dict(value["optimizer"])
    assert optimizer.state[trained[0]]["exp_avg"].shape == trained[0].shape
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


DTYPES = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "<i1",
    "uint8": "<u1",
    "bool": "?",
    "complex64": "<c8",
    "complex128": "<c16",
}


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_every_dtype_with_a_storage_class_keeps_its_values_in_either_byte_order(
    tmp_path, byteorder
):
    content = {name: np.arange(6).astype(code) for name, code in DTYPES.items()}
    value = {
        name: tensor_over(bytes_storage(array.tobytes(), name), (2, 3))
        for name, array in content.items()
    }
    value["bfloat16"] = tensor_over(
        bytes_storage(struct.pack("<2H", 0x3F80, 0xC000), "bfloat16"), (2,)
    )
    write_torch_zip(tmp_path / "x", value, options=TorchZipOptions(byteorder=byteorder))
    found = load(tmp_path / "x")
    for name, array in content.items():
        assert found[name].dtype == getattr(torch, name)
        assert np.array_equal(found[name].numpy(), array.reshape(2, 3))
    assert torch.equal(found["bfloat16"], torch.tensor([1, -2], dtype=torch.bfloat16))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64"])
def test_dtypes_without_a_storage_class_keep_their_values(tmp_path, name):
    original = torch.arange(6).to(getattr(torch, name))
    raw = bytes(original.view(torch.uint8).tolist())
    tensor = OutgoingTensor(storage=bytes_storage(raw, name), shape=(2, 2), stride=(2, 1), offset=1)
    write_torch_zip(tmp_path / "x", tensor)
    found = load(tmp_path / "x")
    assert found.dtype == original.dtype
    assert torch.equal(found.to(torch.float64), original[1:5].reshape(2, 2).to(torch.float64))


@pytest.mark.parametrize("write", [write_torch_zip, write_legacy_stream, write_legacy_tar])
def test_views_share_memory_after_loading(tmp_path, write):
    root = bytes_storage(np.arange(8, dtype="<f4").tobytes(), "float32")
    view = StorageView(root=root, offset=2, elements=4)
    part = tensor_over(view, (2,), offset=1)
    crossed = OutgoingTensor(storage=root, shape=(4, 2), stride=(1, 4))
    write(
        tmp_path / "x",
        {"all": tensor_over(root, (8,)), "part": part, "again": part, "crossed": crossed},
    )
    found = load(tmp_path / "x", safe=write is not write_legacy_tar)
    assert found["part"].tolist() == [3, 4]
    assert torch.equal(found["crossed"], torch.arange(8.0).reshape(2, 4).t())
    assert found["part"] is found["again"]
    found["all"][3] = 99
    assert found["part"].tolist() == [99, 4]


@pytest.mark.parametrize("write", [write_torch_zip, write_legacy_stream, write_legacy_tar])
def test_whole_modules_run_after_loading(tmp_path, write):
    def linear(weight):
        storage = bytes_storage(np.array(weight, "<f4").tobytes(), "float32")
        return OutgoingModule(
            cls=Global("torch.nn.modules.linear", "Linear"),
            parameters=(
                ("weight", tensor_over(storage, (2, 2), parameter=True, requires_grad=True)),
                ("bias", None),
            ),
            attributes=(("in_features", 2), ("out_features", 2)),
        )

    network = OutgoingModule(
        cls=Global("torch.nn.modules.container", "Sequential"),
        modules=(("first", linear([[1, 2], [3, 4]])), ("second", linear([[0, 1], [1, 0]]))),
    )
    write(tmp_path / "x", network)
    found = load(tmp_path / "x", safe=False)
    assert isinstance(found.first.weight, torch.nn.Parameter)
    assert found.first.weight.requires_grad
    assert list(found.state_dict()) == ["first.weight", "second.weight"]
    assert found(torch.tensor([[1.0, 1.0]])).tolist() == [[7.0, 3.0]]


def described(value, known):
    """Describe what torch holds in the terms of the writers, sharing what is shared."""
    if isinstance(value, torch.Tensor):
        key = value.untyped_storage()._cdata
        if key not in known:
            raw = bytes(value.untyped_storage().tolist())
            known[key] = bytes_storage(raw, str(value.dtype).removeprefix("torch."))
        known.setdefault(
            id(value),
            OutgoingTensor(
                storage=known[key],
                shape=tuple(value.shape),
                stride=value.stride(),
                offset=value.storage_offset(),
                requires_grad=value.requires_grad,
                parameter=isinstance(value, torch.nn.Parameter),
            ),
        )
        return known[id(value)]
    if isinstance(value, OrderedDict):
        state = (
            {"_metadata": described(value._metadata, known)}
            if hasattr(value, "_metadata")
            else UNSET
        )
        return ordered_dict([(k, described(v, known)) for k, v in value.items()], state=state)
    if isinstance(value, dict):
        return {key: described(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(described(item, known) for item in value)
    return value


def trained():
    torch.manual_seed(0)
    layers = OrderedDict(
        stem=torch.nn.Conv2d(3, 8, 3), norm=torch.nn.BatchNorm2d(8), last=torch.nn.Linear(4, 4)
    )
    network = torch.nn.Sequential(layers)
    optimizer = torch.optim.AdamW(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    base = torch.arange(10.0)
    return {
        "epoch": 68,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": [base, base[2:5], base.reshape(2, 5).t()],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "byte": torch.zeros(3).to(torch.float8_e4m3fn),
        "empty": torch.zeros(0),
        "best": 0.25,
    }


def test_a_training_checkpoint_is_written_byte_for_byte_as_torch_writes_it(tmp_path):
    value = trained()
    torch.save(value, tmp_path / "theirs.pth")
    write_torch_zip(tmp_path / "ours.pth", described(value, {}), root="theirs")
    theirs, ours = (zipfile.ZipFile(tmp_path / f"{name}.pth") for name in ("theirs", "ours"))
    assert theirs.namelist() == ours.namelist()
    for name in theirs.namelist():
        if not name.endswith("serialization_id"):
            assert ours.read(name) == theirs.read(name)
    # All else, headers, padding, descriptors and directory, is the same but for the identifier
    # and its CRC.
    contents = [(tmp_path / f"{name}.pth").read_bytes() for name in ("theirs", "ours")]
    info = theirs.infolist()[-1]
    start = contents[0].index(theirs.read(info))
    entry = contents[0].rindex(b"PK\x01\x02")
    allowed = {*range(start, start + 40 + 8), *range(entry + 16, entry + 20)}
    differing = {i for i, (a, b) in enumerate(zip(*contents, strict=True)) if a != b}
    assert differing <= allowed


def test_safetensors_files_of_torch_tensors_come_out_alike(tmp_path):
    value = {f"{name}.{i}": tensor for i, (name, tensor) in enumerate(trained()["network"].items())}
    save_file(value, tmp_path / "theirs", {"format": "pt"})
    known = {}
    ours = [(name, described(tensor, known)) for name, tensor in value.items()]
    write_safetensors(tmp_path / "ours", ours, metadata={"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("options", [TorchZipOptions(crc=False), TorchZipOptions(alignment=4096)])
def test_zips_that_vary_can_be_mapped_into_memory_by_torch(tmp_path, options):
    storage = bytes_storage(np.arange(6, dtype="<f4").tobytes(), "float32")
    write_torch_zip(tmp_path / "x", tensor_over(storage, (6,)), options=options)
    found = torch.load(tmp_path / "x", mmap=True, weights_only=True)
    assert found.tolist() == list(range(6))
