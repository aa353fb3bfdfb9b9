"""Containers beyond torch.save, written by torch itself and read back."""

import json
import shutil

import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import save_file
from torch import nn
from torch.package import PackageExporter

import ckptscope

pytestmark = pytest.mark.torch


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


def described(module):
    return {
        name: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        for name, tensor in module.state_dict().items()
    }


def found(state_dict):
    return {tensor.key: (tensor.dtype, tensor.shape) for tensor in state_dict.tensors}


def errors(manifest):
    return [finding for finding in manifest.findings if finding.severity == "error"]


def assert_values(checkpoint, state_dict, module):
    for tensor in state_dict.tensors:
        expected = module.state_dict()[tensor.key].numpy()
        assert (checkpoint.read(tensor) == expected).all(), tensor.key


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_gives_the_names_kinds_and_values_of_its_state_dict(net, tmp_path):
    torch.jit.save(torch.jit.script(net), tmp_path / "net.pt")
    with ckptscope.open_checkpoint(tmp_path / "net.pt") as checkpoint:
        state_dict = checkpoint.state_dict()
        assert [str(kind) for kind in checkpoint.manifest.containers] == ["TorchScript"]
        assert found(state_dict) == described(net)
        assert state_dict.parameters == sum(p.numel() for p in net.parameters())
        assert state_dict.buffers == sum(b.numel() for b in net.buffers())
        assert {tensor.kind_origin for tensor in state_dict.tensors} == {"observed"}
        assert ("code members", "7") not in checkpoint.manifest.format_facts
        assert any(name == "code members" for name, _ in checkpoint.manifest.format_facts)
        assert_values(checkpoint, state_dict, net)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_script_attribute_that_is_no_parameter_is_kept_apart(tmp_path):
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)
            self.plain = torch.ones(5)

        def forward(self, x):
            return self.linear(x) + self.plain.sum()

    torch.jit.save(torch.jit.script(Holder()), tmp_path / "h.pt")
    manifest = ckptscope.inspect(tmp_path / "h.pt").files[0].manifest
    roles = {one.role: [tensor.key for tensor in one.tensors] for one in manifest.state_dicts}
    assert roles == {"network": ["linear.weight", "linear.bias"], "other": ["plain"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_exported_program_gives_its_weights(net, tmp_path):
    program = torch.export.export(net, (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    with ckptscope.open_checkpoint(tmp_path / "net.pt2") as checkpoint:
        state_dict = checkpoint.state_dict()
        assert [str(kind) for kind in checkpoint.manifest.containers] == ["torch.export"]
        assert found(state_dict) == described(net)
        assert state_dict.parameters == sum(p.numel() for p in net.parameters())
        assert_values(checkpoint, state_dict, net)
        assert not errors(checkpoint.manifest)


@pytest.mark.filterwarnings("ignore:TypedStorage:UserWarning")
def test_a_package_gives_every_pickle_that_it_holds(tmp_path):
    first, second = torch.rand(2, 3), torch.rand(4)
    with PackageExporter(tmp_path / "p.pt") as exporter:
        exporter.extern("**")
        exporter.save_pickle("weights", "a.pkl", {"w": first})
        exporter.save_pickle("weights", "b.pkl", {"w": second, "n": 3})
    files = ckptscope.inspect(tmp_path / "p.pt").files
    assert [one.manifest.location[-1].rpartition("/")[2] for one in files] == ["a.pkl", "b.pkl"]
    shapes = [one.manifest.state_dicts[0].tensors[0].shape for one in files]
    assert shapes == [(2, 3), (4,)]
    assert not [finding for one in files for finding in errors(one.manifest)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_distributed_checkpoint_gives_tensors_paths_and_plain_values(net, tmp_path):
    dcp.save(
        {"network": net.state_dict(), "epoch": 7}, checkpoint_id=tmp_path / "ckpt", no_dist=True
    )
    with ckptscope.open_checkpoint(tmp_path / "ckpt") as checkpoint:
        manifest = checkpoint.manifest
        assert [str(kind) for kind in manifest.containers] == [
            "directory",
            "distributed checkpoint",
        ]
        assert found(checkpoint.state_dict("network")) == described(net)
        assert ("epoch", 7) in {(one.path, one.value) for one in manifest.scalars}
        assert not errors(manifest)
        assert_values(checkpoint, checkpoint.state_dict("network"), net)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_distributed_checkpoint_without_its_file_says_what_is_missing(net, tmp_path):
    dcp.save({"network": net.state_dict()}, checkpoint_id=tmp_path / "ckpt", no_dist=True)
    for file in (tmp_path / "ckpt").glob("*.distcp"):
        file.unlink()
    manifest = ckptscope.inspect(tmp_path / "ckpt").files[0].manifest
    assert found(manifest.state_dicts[0]) == described(net)
    assert "CON060" in {finding.code for finding in errors(manifest)}


def write_shards(folder, tensors, save):
    folder.mkdir()
    index = {}
    for number, name in enumerate(tensors):
        file = f"model-{number % 2}.{'safetensors' if save is save_file else 'bin'}"
        index[name] = file
    for file in set(index.values()):
        save({n: tensors[n].clone() for n, f in index.items() if f == file}, folder / file)
    (folder / "model.index.json").write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": index})
    )
    return index


@pytest.mark.parametrize("save", [save_file, torch.save])
@pytest.mark.parametrize("named", ["folder", "index"])
def test_shards_make_one_name_space(net, tmp_path, save, named):
    write_shards(tmp_path / "s", dict(net.state_dict()), save)
    path = tmp_path / "s" if named == "folder" else tmp_path / "s" / "model.index.json"
    with ckptscope.open_checkpoint(path) as checkpoint:
        assert found(checkpoint.state_dict()) == described(net)
        assert str(checkpoint.manifest.containers[-1]) == "sharded"
        assert not errors(checkpoint.manifest)
        assert_values(checkpoint, checkpoint.state_dict(), net)
        spent = checkpoint.manifest.spending
        assert sum(one.size_bytes for one in spent) == checkpoint.manifest.size_bytes


def test_an_index_and_its_shards_that_disagree_are_told_in_both_directions(net, tmp_path):
    tensors = dict(net.state_dict())
    index = write_shards(tmp_path / "s", tensors, save_file)
    listed = dict(index)
    del listed["conv.bias"]
    listed["ghost.weight"] = "model-0.safetensors"
    listed["lost.weight"] = "model-9.safetensors"
    listed["far.weight"] = "../model-0.safetensors"
    (tmp_path / "s" / "model.index.json").write_text(json.dumps({"weight_map": listed}))
    save_file({"head.weight": tensors["head.weight"].clone()}, tmp_path / "extra.safetensors")
    shutil.move(tmp_path / "extra.safetensors", tmp_path / "s" / "twice.safetensors")
    findings = ckptscope.inspect(tmp_path / "s" / "model.index.json").files[0].manifest.findings
    codes = {finding.code for finding in findings}
    assert {"CON060", "CON061", "CON062"} <= codes
    said = " ".join(finding.message for finding in findings)
    assert "in the index but not in the shard" in said
    assert "not in the index" in said
