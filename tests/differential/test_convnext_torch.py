"""ConvNeXt's tables of keys and counts, against networks that torch builds."""

import random

import msgspec
import pytest
import torch
from builders.convnext_networks import build_network, count_macs
from builders.state_dicts import state_dict_of

from ckptscope.families.known.convnext import ConvNeXt
from ckptscope.families.known.convnext.configuration import ConvNeXtConfiguration
from ckptscope.families.probe import infer_architectures

pytestmark = pytest.mark.torch

FAMILY = ConvNeXt()
DIALECTS = FAMILY.dialects
NAMES = ("Atto", "Femto", "Pico", "Nano", "Tiny", "Small", "Base", "Large", "XLarge", "Huge")


def random_configuration(source: random.Random, dialect: str) -> ConvNeXtConfiguration:
    """A small network that the code behind a dialect can build, each choice at random."""
    stages = source.choice((1, 2, 3, 4, 4, 4))
    is_timm, is_torchvision = dialect == "timm", dialect == "torchvision"
    is_overlapping = is_timm and source.random() < 0.4
    return ConvNeXtConfiguration(
        dims=tuple(source.randrange(1, 40) for _ in range(stages)),
        depths=tuple(source.randrange(1, 4) for _ in range(stages)),
        classes=source.choice((None, 1, 10, 1000)),
        layer_scale=is_torchvision or source.random() < 0.5,
        grn=not is_torchvision and source.random() < 0.5,
        kernel_size=source.choice((3, 5, 7, 9)),
        expansion=source.randrange(1, 6),
        norm=source.choice(("LayerNorm", "LayerNorm", "RMSNorm", "BatchNorm2d")),
        stem_kernel=source.choice((1, 3, 5)) if is_overlapping else source.choice((1, 2, 4, 7)),
        stem_channels=source.randrange(1, 20) if is_overlapping else None,
        stem_activation=is_overlapping and source.random() < 0.5,
        input_channels=source.choice((1, 3, 3, 4)),
        pointwise_convolutions=source.random() < 0.5,
        final_norm=source.random() < 0.8,
        head_norm_first=is_timm and source.random() < 0.3,
        head_hidden=source.randrange(1, 30) if is_timm and source.random() < 0.3 else None,
        input_size=(source.randrange(64, 200), source.randrange(64, 200)),
    )


def shapes(network) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(tensor.shape)) for key, tensor in network.state_dict().items()]


def parameters(network) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_keys_of_random_configurations_are_those_of_a_network_that_torch_builds(dialect):
    source = random.Random(dialect)
    for _ in range(70):
        configuration = random_configuration(source, dialect)
        expected = [(one.key, one.shape) for one in FAMILY.keys(configuration, dialect)]
        assert expected == shapes(build_network(configuration, dialect)), configuration


@pytest.mark.parametrize("dialect", DIALECTS)
def test_counts_of_random_configurations_are_those_of_a_network_that_torch_builds(dialect):
    source = random.Random(dialect)
    for _ in range(70):
        configuration = random_configuration(source, dialect)
        network = build_network(configuration, dialect)
        counts = FAMILY.count(configuration)
        state = network.state_dict()
        assert counts.tensors == len(state), configuration
        assert counts.parameters == parameters(network), configuration
        assert counts.elements == sum(tensor.numel() for tensor in state.values()), configuration


@pytest.mark.parametrize("dialect", DIALECTS)
def test_multiply_accumulates_are_those_of_a_forward_pass(dialect):
    source = random.Random(dialect)
    for _ in range(15):
        configuration = random_configuration(source, dialect)
        network = build_network(configuration, dialect)
        macs = count_macs(network, configuration.input_size, configuration.input_channels)
        assert FAMILY.count(configuration).macs == macs, configuration


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("name", NAMES)
def test_every_named_size_has_the_keys_and_counts_of_its_network(name, version, dialect):
    if (version, dialect) == ("v2", "torchvision"):
        version = "v1"
    configuration = FAMILY.configure({"backbone": name, "version": version})
    network = build_network(configuration, dialect)
    table = FAMILY.keys(configuration, dialect)
    assert [(one.key, one.shape) for one in table] == shapes(network)
    assert FAMILY.count(configuration).parameters == parameters(network)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_state_dict_that_torch_writes_gives_its_configuration_back(dialect):
    source = random.Random(dialect + "back")
    for _ in range(40):
        configuration = random_configuration(source, dialect)
        if not configuration.final_norm:
            configuration = msgspec.structs.replace(configuration, head_norm_first=False)
        state_dict = state_dict_of(shapes(build_network(configuration, dialect)), prefix="net.")
        (found,) = infer_architectures(state_dict)
        settings = FAMILY.configure(found.settings)
        size = configuration.input_size
        assert msgspec.structs.replace(settings, input_size=size) == configuration
        assert (found.dialect, found.prefix, found.misfits) == (dialect, "net.", ())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_network_takes_a_state_dict_of_the_table(dialect):
    configuration = FAMILY.configure(
        {"dims": (8, 16, 24, 32), "depths": (1, 2, 1, 1), "classes": 5, "version": "v1"}
    )
    network = build_network(configuration, dialect).to_empty(device="cpu")
    state = {one.key: torch.zeros(one.shape) for one in FAMILY.keys(configuration, dialect)}
    network.load_state_dict(state, strict=True)
