"""ConvNeXtPose's keys, counts and code, against networks that torch builds."""

import random
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from builders.convnextpose import FAMILY, SMALL, fact, random_configuration, random_names
from builders.pose_networks import PoseNetwork, build_network, count_by_torch, run
from builders.state_dicts import state_dict_of
from msgspec.structs import replace

from ckptscope.families.known.convnextpose.configuration import (
    DIALECTS,
    ConvNeXtPoseConfiguration,
)
from ckptscope.families.probe import infer_architectures
from fixtures.convnextpose import VARIANTS

pytestmark = pytest.mark.torch

COUNT = 220


def random_network(rng: random.Random) -> tuple[ConvNeXtPoseConfiguration, str]:
    """Any network, those included of which not everything can be inferred."""
    configuration = random_configuration(rng)
    layers = len(configuration.head_out_channels)
    changes = {
        "depths": tuple(rng.randint(1, 2) for _ in configuration.dims),
        "joints": rng.randint(1, 25),
        "depth_bins": rng.randint(1, 70),
        "upsampling": tuple(rng.random() < 0.5 for _ in range(layers)),
        "input_size": (rng.randrange(64, 300), rng.randrange(64, 300)),
    }
    return replace(configuration, **changes), rng.choice(DIALECTS)


def shapes(network: torch.nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(tensor.shape)) for key, tensor in network.state_dict().items()]


def test_keys_of_random_networks_are_those_of_torch_in_its_order() -> None:
    rng = random.Random(1)
    for _ in range(COUNT):
        configuration, dialect = random_network(rng)
        expected = [(one.key, one.shape) for one in FAMILY.keys(configuration, dialect)]
        assert expected == shapes(build_network(configuration, dialect)), configuration


def test_counts_of_random_networks_are_those_of_torch_part_by_part() -> None:
    rng = random.Random(2)
    for _ in range(COUNT):
        configuration, dialect = random_network(rng)
        network, counts = build_network(configuration, dialect), FAMILY.count(configuration)
        for name in ("backbone", "head"):
            module, part = getattr(network, name), counts.part(name)
            assert part.tensors == len(module.state_dict())
            assert part.parameters == sum(one.numel() for one in module.parameters())
            assert part.buffers == sum(one.numel() for one in module.buffers())
        assert counts.tensors == len(network.state_dict())


def test_macs_and_heatmaps_of_random_networks_are_those_of_a_pass() -> None:
    rng = random.Random(3)
    for _ in range(COUNT):
        configuration, dialect = random_network(rng)
        output, macs = run(build_network(configuration, dialect), configuration)
        assert FAMILY.count(configuration).macs == macs, configuration
        assert configuration.heatmap == output[2:]
        assert configuration.final_channels == output[1]


def test_macs_of_random_networks_are_those_of_torchs_own_counter() -> None:
    rng = random.Random(3)
    for _ in range(25):
        configuration, dialect = random_network(rng)
        macs = count_by_torch(build_network(configuration, dialect), configuration)
        assert FAMILY.count(configuration).macs == macs, configuration


@pytest.mark.parametrize("name", VARIANTS)
def test_the_four_variants_have_the_counts_of_their_networks(name: str) -> None:
    row = VARIANTS[name].configuration
    bins, layers = row.depth_bins, len(row.head_channels)
    configuration = ConvNeXtPoseConfiguration(
        dims=row.dims,
        depths=row.depths,
        head_out_channels=row.head_channels,
        joints=row.joints,
        depth_bins=bins,
        upsampling=tuple(i < {32: 2, 64: 3}[bins] for i in range(layers)),
    )
    network, counts = build_network(configuration), FAMILY.count(configuration)
    output, macs = run(network, configuration)
    assert counts.parameters == sum(one.numel() for one in network.parameters())
    assert counts.elements == sum(one.numel() for one in network.state_dict().values())
    assert counts.macs == macs == count_by_torch(network, configuration)
    assert output == (1, row.joints * bins, bins, bins)


def test_what_torch_writes_gives_its_configuration_back() -> None:
    rng = random.Random(4)
    for _ in range(30):
        configuration = random_configuration(rng)
        dialect, prefix = random_names(rng)
        written = shapes(build_network(configuration, dialect))
        (found,) = infer_architectures(state_dict_of(written, prefix=prefix))
        assert found.settings is not None
        assert FAMILY.configure(found.settings) == configuration
        assert (found.dialect, found.prefix, found.misfits) == (dialect, prefix, ())
        macs = fact(found, "macs").value
        assert macs == run(build_network(configuration, dialect), configuration)[1]


def code_bases(monkeypatch: pytest.MonkeyPatch, made: list[PoseNetwork]) -> None:
    """Stand-ins for the modules that the code imports: a configuration, and what builds of it."""
    config, model = ModuleType("config"), ModuleType("model")
    config.cfg = SimpleNamespace(head_cfg=None)

    def get_pose_net(cfg, is_train, joint_num):
        depths, dims = cfg.backbone_cfg
        if cfg.head_cfg is None:
            widths, kernels, dialect = (cfg.depth,) * 3, (3,) * 3, "named"
            pattern = (True, True, False)
        else:
            widths = cfg.head_cfg["deconv_channels"]
            kernels, dialect = cfg.head_cfg["deconv_kernels"], "list"
            pattern = (True,) * cfg.head_cfg["num_deconv_layers"]
        configuration = ConvNeXtPoseConfiguration(
            dims=tuple(dims),
            depths=tuple(depths),
            head_out_channels=tuple(widths),
            head_kernels=tuple(kernels),
            joints=joint_num,
            depth_bins=cfg.depth_dim,
            upsampling=pattern,
        )
        made.append(PoseNetwork(configuration, dialect))
        return made[-1]

    model.get_pose_net = get_pose_net
    monkeypatch.setitem(sys.modules, "config", config)
    monkeypatch.setitem(sys.modules, "model", model)


def saved(tmp_path, network: torch.nn.Module, prefix: str, rename=lambda key: key):
    """Write a checkpoint, and infer it from its names and shapes."""
    state = {prefix + rename(key): tensor for key, tensor in network.state_dict().items()}
    path = tmp_path / "it's a \\ file.pth"
    torch.save({"epoch": 3, "net work": state}, path)
    pairs = [(key, tuple(tensor.shape)) for key, tensor in state.items()]
    (found,) = infer_architectures(state_dict_of(pairs, path="net work"))
    return path, state, found


def execute(code: str, path) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(code.replace('"CHECKPOINT"', repr(str(path))), "snippet", "exec"), names)
    return names


UNIFORM = replace(SMALL, head_out_channels=(10, 10, 10))


@pytest.mark.parametrize("prefix", ["", "module.", "a'b\\."])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("bins", [32, 64])
def test_the_code_loads_the_file_strictly_and_upsamples_as_was_assumed(
    tmp_path, monkeypatch, bins: int, dialect: str, prefix: str
) -> None:
    pattern = (True, True, bins == 64)
    configuration = replace(UNIFORM, depth_bins=bins, upsampling=pattern)
    path, state, found = saved(tmp_path, PoseNetwork(configuration, dialect), prefix)
    snippets = FAMILY.snippets(found)
    assert len(snippets) == 2
    for snippet in snippets:
        made: list[PoseNetwork] = []
        with monkeypatch.context() as patch:
            code_bases(patch, made)
            names = execute(snippet.code, path)
        (network,) = made
        assert [id(one) for one in made] == [id(names["model"])]
        for own, tensor in zip(network.state_dict().values(), state.values(), strict=True):
            assert torch.equal(own, tensor)
        layers = [network.head.order.layers[i] for i in range(3)]
        doubled = tuple(isinstance(one.upsample1, torch.nn.UpsamplingBilinear2d) for one in layers)
        assert doubled == pattern
        assert not network.training
        assert names["cfg"].output_shape == (bins, bins)
        assert names["cfg"].depth_dim == bins


def test_the_code_renames_what_is_named_in_another_dialect_within_one_file(
    tmp_path, monkeypatch
) -> None:
    def rename(key: str) -> str:
        for old, new in (("dwconv", "0"), ("norm", "1"), ("pwconv", "2")):
            key = key.replace(f"deconv_layers_2.{old}", f"deconv_layers_2.{new}")
        return key.replace("deconv_layers_3.dwconv", "deconv_layers_3.0")

    path, _, found = saved(tmp_path, PoseNetwork(UNIFORM), "module.", rename)
    assert found.misfits
    for snippet in FAMILY.snippets(found):
        made: list[PoseNetwork] = []
        with monkeypatch.context() as patch:
            code_bases(patch, made)
            execute(snippet.code, path)
        assert len(made) == 1
        assert not any("complain" in text for text in snippet.cautions)


def test_code_for_tensors_alone_runs_without_any_code_base(tmp_path) -> None:
    other = replace(UNIFORM, kernel_size=5)
    path, _, found = saved(tmp_path, PoseNetwork(other), "module.")
    (snippet,) = FAMILY.snippets(found)
    loaded = execute(snippet.code, path)["state_dict"]
    PoseNetwork(other).load_state_dict(loaded, strict=True)
