"""Optimizers, averaged copies and devices of a file that others are to load."""

import pytest
from builders.headers import entry, safetensors
from builders.pickles import product, tensor
from builders.reading import manifest
from builders.training_files import SMALL, Storages, checkpoint, found_in, of_code

from ckptscope.checks.training import devices
from ckptscope.facts.findings import Code, Severity

PARAMETERS = sum(map(product, SMALL.values()))


def test_an_optimizer_is_told_with_its_bytes_and_what_is_left_without_it() -> None:
    s = Storages()
    content = checkpoint({"network": s.network(), "optimizer": s.adam()}, s)
    (found,) = of_code(content, Code.OPTIMIZER_INCLUDED)
    size_bytes = 2 * 4 * PARAMETERS + 4 * len(SMALL)
    assert found.severity is Severity.WARNING
    assert f"{size_bytes:,} bytes" in found.message
    assert f"{size_bytes / len(content):.1%} of the file" in found.message
    assert f"about {len(content) - size_bytes:,} are left" in found.message


def test_an_optimizer_that_was_never_stepped_costs_nothing_and_is_information() -> None:
    s = Storages()
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0, 1, 2, 3, 4]}]}
    content = checkpoint({"network": s.network(), "optimizer": optimizer}, s)
    (found,) = of_code(content, Code.OPTIMIZER_INCLUDED)
    assert found.severity is Severity.INFO
    assert "no bytes of its own" in found.message


def test_a_file_of_an_optimizer_alone_is_none_for_release() -> None:
    s = Storages()
    assert of_code(checkpoint({"optimizer": s.adam()}, s), Code.OPTIMIZER_INCLUDED) == []


def test_an_averaged_copy_beside_the_network_is_told_with_both_places() -> None:
    s = Storages()
    content = checkpoint({"network": s.network(), "model_ema": s.network()}, s)
    (found,) = of_code(content, Code.EMA_INCLUDED)
    assert found.severity is Severity.WARNING
    assert "beside the network at 'network'" in found.message
    assert f"{4 * PARAMETERS:,} bytes" in found.message
    assert found.where.key == "model_ema"


def test_an_averaged_copy_alone_is_information() -> None:
    s = Storages()
    (found,) = of_code(checkpoint({"model_ema": s.network()}, s), Code.EMA_INCLUDED)
    assert found.severity is Severity.INFO
    assert "no other network" in found.message


@pytest.mark.parametrize("location", ["cuda:0", "cuda:7", "mps", "xla:1"])
def test_a_device_that_not_every_machine_has_is_told_with_the_remedy(location: str) -> None:
    s = Storages(location)
    (found,) = of_code(checkpoint(s.network(), s), Code.DEVICE_RECORDED)
    assert f"5 of 5 storages were saved from '{location}'" in found.message
    assert "map_location" in found.help


def test_every_device_is_told_with_its_storages() -> None:
    s = Storages("cuda:0")
    tree = {"a": s.network(), "b": tensor("0", SMALL["conv.weight"], location="cuda:0")}
    s.held["x"] = bytes(8)
    tree["c"] = {"weight": tensor("x", (2,), location="cuda:1")}
    (found,) = of_code(checkpoint(tree, s), Code.DEVICE_RECORDED)
    assert found.evidence == (
        f"'cuda:0': 5 storages, {PARAMETERS:,} elements",
        "'cuda:1': 1 storages, 2 elements",
    )


@pytest.mark.parametrize("location", ["cpu", "meta"])
def test_a_device_that_every_machine_has_is_not_told(location: str) -> None:
    s = Storages(location)
    assert of_code(checkpoint(s.network(), s), Code.DEVICE_RECORDED) == []


def test_safetensors_record_no_device() -> None:
    made = manifest(safetensors({"w": entry([1], 0, 4)}, bytes(4)))
    assert list(devices.check_devices(made)) == []


def test_weights_alone_have_no_finding() -> None:
    s = Storages()
    assert found_in(checkpoint(s.network(), s)) == ()
