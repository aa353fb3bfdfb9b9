"""ResNet, PoseNet and RootNet against the same networks built in torch."""

from random import Random

import pytest

pytest.importorskip("torch")

import torch
from builders import torch_resnets
from builders.resnet_settings import posenet_settings, resnet_settings, stack_settings
from builders.state_dicts import state_dict_of
from torch.utils.flop_counter import FlopCounterMode

from ckptscope import open_checkpoint
from ckptscope.facts.expected import Counts
from ckptscope.families.layers import count_tensors
from ckptscope.families.probe import infer_architectures
from ckptscope.families.registry import find_family

pytestmark = pytest.mark.torch

TRUNK = (
    "block",
    "depths",
    "dims",
    "group_dims",
    "groups",
    "stem_width",
    "stem_kernel",
    "input_channels",
)

#: `num_params` and `_ops` of the weights' metadata in torchvision.models.resnet.
TORCHVISION = {
    "ResNet-18": (11_689_512, 1.814),
    "ResNet-34": (21_797_672, 3.664),
    "ResNet-50": (25_557_032, 4.089),
    "ResNet-101": (44_549_160, 7.801),
    "ResNet-152": (60_192_808, 11.514),
    "ResNeXt-50 32x4d": (25_028_904, 4.23),
    "ResNeXt-101 32x8d": (88_791_336, 16.414),
    "ResNeXt-101 64x4d": (83_455_272, 15.46),
    "Wide ResNet-50-2": (68_883_240, 11.398),
    "Wide ResNet-101-2": (126_886_696, 22.753),
}

RANDOM_SETTINGS = {
    "resnet": resnet_settings,
    "posenet": posenet_settings,
    "rootnet": stack_settings,
}


def network_of(name: str, configuration) -> torch.nn.Module:
    """The network of a configuration, built by torch without memory for its weights."""
    trunk = {field: getattr(configuration, field) for field in TRUNK}
    with torch.device("meta"):
        if name == "resnet":
            return torch_resnets.ResNet(**trunk, classes=configuration.classes)
        head = {"widths": configuration.head_out_channels, "kernels": configuration.head_kernels}
        if name == "posenet":
            outputs = configuration.joints * configuration.depth_bins
            return torch_resnets.PoseNet(**trunk, **head, outputs=outputs)
        return torch_resnets.RootNet(**trunk, **head)


def shapes(network: torch.nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(tensor.shape)) for key, tensor in network.state_dict().items()]


def macs_of(network: torch.nn.Module, configuration) -> int:
    """What torch counts for one forward pass: two operations for each multiply-accumulate."""
    network.eval()
    channels, size = configuration.input_channels, configuration.input_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, channels, *size, device="meta"))
    return counter.get_total_flops() // 2


def elements(tensors) -> int:
    return sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize("backbone", TORCHVISION)
def test_a_named_size_is_the_network_of_torchvision(backbone: str) -> None:
    family = find_family("resnet")
    configuration = family.configure({"backbone": backbone})
    network = network_of("resnet", configuration)
    parameters, giga = TORCHVISION[backbone]
    assert elements(network.parameters()) == parameters
    assert family.count(configuration).parameters == parameters
    assert macs_of(network, configuration) == family.count(configuration).macs
    assert round(macs_of(network, configuration) / 1e9, 3) == giga


@pytest.mark.parametrize(
    ("joints", "parameters"), [(17, 34_274_944), (18, 34_291_392), (21, 34_340_736)]
)
def test_posenet_on_resnet_50_has_the_known_number_of_parameters(
    joints: int, parameters: int
) -> None:
    family = find_family("posenet")
    configuration = family.configure({"backbone": "ResNet-50", "joints": joints})
    network = network_of("posenet", configuration)
    assert elements(network.parameters()) == parameters
    assert elements(network.backbone.parameters()) == 23_508_032
    assert family.count(configuration).parameters == parameters
    assert family.count(configuration).part("backbone").parameters == 23_508_032
    assert macs_of(network, configuration) == family.count(configuration).macs


@pytest.mark.parametrize("name", RANDOM_SETTINGS)
def test_keys_and_counts_are_those_of_torch_for_200_random_configurations(name: str) -> None:
    family, random = find_family(name), Random(f"{name}: keys")
    for _ in range(200):
        configuration = family.configure(RANDOM_SETTINGS[name](random))
        network = network_of(name, configuration)
        table = family.keys(configuration)
        assert [(one.key, one.shape) for one in table] == shapes(network), configuration
        counts = family.count(configuration)
        assert counts.parameters == elements(network.parameters())
        assert counts.buffers == elements(network.buffers())
        summed = count_tensors(table, {part.part: part.macs for part in counts.parts})
        assert Counts(parts=summed.parts) == counts


@pytest.mark.parametrize("name", RANDOM_SETTINGS)
def test_multiply_accumulates_are_those_that_torch_counts(name: str) -> None:
    family, random = find_family(name), Random(f"{name}: macs")
    for _ in range(40):
        configuration = family.configure(RANDOM_SETTINGS[name](random))
        network = network_of(name, configuration)
        assert family.count(configuration).macs == macs_of(network, configuration), configuration


@pytest.mark.parametrize("name", RANDOM_SETTINGS)
def test_what_torch_builds_is_inferred_back(name: str) -> None:
    family, random = find_family(name), Random(f"{name}: inferred")
    for _ in range(60):
        configuration = family.configure(RANDOM_SETTINGS[name](random))
        (found,) = infer_architectures(state_dict_of(shapes(network_of(name, configuration))))
        assert (found.family, found.coverage, found.misfits) == (name, 1.0, ())
        for field in TRUNK:
            assert found.settings is not None
            assert found.settings[field] == getattr(configuration, field), (field, configuration)


def test_a_checkpoint_that_torch_saved_is_recognised(tmp_path) -> None:
    settings = {
        "block": "Bottleneck",
        "depths": (1, 2, 1, 1),
        "dims": (8, 16, 32, 64),
        "group_dims": (2, 4, 8, 16),
        "stem_width": 4,
    }
    network = torch_resnets.ResNet(**settings, classes=5)
    path = tmp_path / "small.pth"
    wrapped = torch.nn.DataParallel(network)
    torch.save({"epoch": 3, "network": wrapped.state_dict()}, path)
    with open_checkpoint(path) as checkpoint:
        (found,) = infer_architectures(checkpoint.state_dict("network"))
    assert (found.family, found.prefix, found.misfits) == ("resnet", "module.", ())
    assert found.settings is not None
    assert {name: found.settings[name] for name in settings} == settings
    assert found.settings["classes"] == 5


def test_the_code_of_a_snippet_gives_what_load_state_dict_wants(tmp_path) -> None:
    """The lines before the network are run; torchvision itself is not needed for them."""
    network = torch_resnets.ResNet(
        block="BasicBlock", depths=(2, 2, 2, 2), dims=(64, 128, 256, 512),
        group_dims=(64, 128, 256, 512), classes=3,
    )  # fmt: skip
    path = tmp_path / "checkpoint.pth"
    torch.save({"a": {"b": {f"module.{k}": v for k, v in network.state_dict().items()}}}, path)
    with open_checkpoint(path) as checkpoint:
        (found,) = infer_architectures(checkpoint.state_dict("a/b"))
    (snippet,) = find_family("resnet").snippets(found)
    assert "model = resnet18(num_classes=3)" in snippet.code
    _, _, loading = snippet.code.partition("\n\nmodel = resnet18(num_classes=3)\n\n")
    scope = {"torch": torch, "model": network}
    exec(loading.replace('"CHECKPOINT"', repr(str(path))), scope)
    assert list(scope["state_dict"]) == list(network.state_dict())
