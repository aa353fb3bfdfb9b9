"""Each network against plain functional calls of torch, and against what its family says of it."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from builders import torch_references as references  # noqa: E402
from builders.forward_networks import (  # noqa: E402
    CASES,
    buildable_dialects,
    case,
    filled,
    noise,
    random_state,
)

from ckptscope.errors import UsageError  # noqa: E402
from ckptscope.families.registry import KNOWN_NAMES, find_family  # noqa: E402
from ckptscope.forward.build import BLUEPRINTS, build_network, key_tables  # noqa: E402
from ckptscope.forward.counting import torch_counter  # noqa: E402
from ckptscope.forward.network import UpsamplingNetwork  # noqa: E402
from ckptscope.forward.shapes import ShapeRules  # noqa: E402

pytestmark = pytest.mark.torch

REFERENCES = {
    "pose": lambda state, x: references.pose(state, x, (True, True, False)),
    "pose, three upsamplings": lambda state, x: references.pose(state, x, (True, True, True)),
    "convnext v1": references.convnext,
    "convnext v2": references.convnext,
    "resnet of basic blocks": references.resnet,
    "resnet of bottlenecks": lambda state, x: references.resnet(state, x, groups=2),
    "posenet": references.posenet,
}


def made(name, seed=0):
    """A network of a case with weights, their state under the first dialect's names, an input."""
    family, configuration, sides = case(name)
    dialect = buildable_dialects(family, configuration)[0]
    network = build_network(family, configuration, dialect)
    state = random_state(key_tables(family, configuration, dialect)[0], seed)
    return filled(network, state), state, noise(sides, network.input_channels)


def test_every_family_of_the_registry_has_a_network() -> None:
    assert set(BLUEPRINTS) == set(KNOWN_NAMES)
    assert {CASES[name][0] for name in CASES} == set(KNOWN_NAMES)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_network_computes_what_plain_functional_calls_do_bit_for_bit(name) -> None:
    network, state, x = made(name)
    with torch.no_grad():
        expected = REFERENCES[name](state, x)
        assert torch.equal(network(x), expected)
    assert expected.std() > 0.01


def test_rootnet_computes_what_the_authors_code_does_to_a_millionth() -> None:
    network, state, x = made("rootnet")
    with torch.no_grad():
        expected = references.rootnet(state, x)
        torch.testing.assert_close(network(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pattern", list(itertools.product((True, False), repeat=3)), ids=str)
def test_every_pattern_of_upsampling_computes_what_plain_functional_calls_do(pattern) -> None:
    network, state, x = made("pose")
    assert isinstance(network, UpsamplingNetwork)
    network.set_upsampling(pattern)
    with torch.no_grad():
        assert torch.equal(network(x), references.pose(state, x, pattern))


def test_each_layer_of_a_pose_network_computes_what_plain_functional_calls_do() -> None:
    network, state, x = made("pose")
    backbone, head = network.backbone, network.head
    with torch.no_grad():
        x = backbone.downsample_layers[0](x)
        for i in range(4):
            x = x if i == 0 else backbone.downsample_layers[i](x)
            for j, block in enumerate(backbone.stages[i]):
                name = f"backbone.stages.{i}.{j}"
                inner = references.depthwise(state, f"{name}.dwconv", x)
                inner = references.batch_norm(state, f"{name}.norm", inner)
                inner = torch.relu(references.convolve(state, f"{name}.pwconv1", inner))
                expected = x + references.convolve(state, f"{name}.pwconv2", inner)
                x = block(x)
                assert torch.equal(x, expected)
        assert torch.equal(backbone.norm(x), references.batch_norm(state, "backbone.norm", x))
        x = backbone.norm(x)
        for number, layer in enumerate(head.layers, start=1):
            expected = references.pose_head_layer(
                state, f"head.deconv_layers_{number}", x, is_doubled=number < 3
            )
            x = layer(x)
            assert torch.equal(x, expected)
        assert torch.equal(head.final_layer(x), references.convolve(state, "head.final_layer", x))


@pytest.mark.parametrize("name", CASES)
def test_names_and_shapes_of_a_network_are_those_of_the_familys_table(name) -> None:
    family, configuration, _ = case(name)
    for dialect in buildable_dialects(family, configuration):
        network = build_network(family, configuration, dialect)
        own = network.state_dict()
        for table in key_tables(family, configuration, dialect):
            assert len(table) == len(own)
            for row, value in zip(table, own.values(), strict=True):
                # Layers that are linear in one code base are 1×1 convolutions in another.
                assert [n for n in row.shape if n != 1] == [n for n in value.shape if n != 1]
        assert {row.key for row in key_tables(family, configuration, dialect)[0]} == {
            row.key for row in family.keys(configuration, dialect)
        }


@pytest.mark.parametrize("name", ["pose", "pose, three upsamplings", "posenet", "rootnet"])
def test_parameters_bear_the_names_of_the_authors_code(name) -> None:
    family, configuration, _ = case(name)
    network = build_network(family, configuration, family.dialects[0])
    assert list(network.state_dict()) == [row.key for row in family.keys(configuration)]


@pytest.mark.parametrize("name", CASES)
def test_counts_of_family_layers_shapes_and_torchs_counter_agree_to_the_unit(name) -> None:
    family, configuration, _ = case(name)
    network, _, x = made(name)
    counts = family.count(configuration)
    assert sum(parameter.numel() for parameter in network.parameters()) == counts.parameters
    with torch.no_grad(), torch_counter() as counter:
        output = network(x)
    assert counter.get_total_flops() == 2 * len(x) * counts.macs
    blank = build_network(family, configuration, buildable_dialects(family, configuration)[0])
    with ShapeRules() as rules:
        shape = blank(x.to("meta")).shape
    assert shape == output.shape
    assert rules.get_total_flops() == counter.get_total_flops()


@pytest.mark.parametrize("name", CASES)
def test_being_counted_changes_no_bit_of_the_output(name) -> None:
    network, _, x = made(name)
    with torch.no_grad():
        bare = network(x)
        with torch_counter():
            counted = network(x)
    assert torch.equal(bare, counted)
    assert bool(torch.isfinite(bare).all())


@pytest.mark.parametrize("name", CASES)
def test_shapes_by_rule_are_those_of_torchs_own_meta_device(name) -> None:
    family, configuration, sides = case(name)
    network = build_network(family, configuration, buildable_dialects(family, configuration)[0])
    x = torch.empty((2, network.input_channels, *sides), device="meta")
    with ShapeRules():
        ruled = network(x)
    assert ruled.shape == network(x).shape
    assert ruled.is_meta


@pytest.mark.parametrize("name", CASES)
def test_stations_run_in_the_order_in_which_they_are_listed(name) -> None:
    network, _, x = made(name)
    ran = []
    for station in network.stations():
        station.modules[-1].register_forward_hook(lambda *_, name=station.name: ran.append(name))
    network(x)
    assert ran == [station.name for station in network.stations()]


def test_a_function_without_a_rule_goes_to_torchs_own() -> None:
    with ShapeRules():
        found = torch.cat((torch.empty(2, 3, device="meta"), torch.empty(1, 3, device="meta")))
    assert found.shape == (3, 3)


def test_an_even_kernel_of_a_transposed_convolution_cannot_keep_the_plane() -> None:
    family = find_family("posenet")
    _, settings, _ = CASES["posenet"]
    kept = family.configure({**settings, "upsampling": (True, True, False)})
    with pytest.raises(UsageError, match="even kernel"):
        build_network(family, kept, family.dialects[0])
    odd = family.configure(
        {**settings, "head_kernels": (4, 3, 3), "upsampling": (True, True, False)}
    )
    network = build_network(family, odd, family.dialects[0])
    with ShapeRules():
        output = network(torch.empty((1, 3, 32, 32), device="meta"))
    assert output.shape == (1, 24, 4, 4)
