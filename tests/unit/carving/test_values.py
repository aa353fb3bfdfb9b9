"""Values where sizes tie, and the training that counters tell."""

import struct
from typing import Any

import pytest

from ckptscope.carving.carve import carve
from ckptscope.facts.architecture import Fact
from ckptscope.facts.carving import CarvedTensor, Carving, Check, Slot, Survivor
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind, Origin
from ckptscope.families.registry import known_family

FAMILY = known_family("convnextpose")
TENSORS: tuple[ExpectedTensor, ...] = FAMILY.keys(
    FAMILY.configure({"backbone": "Atto", "head_width": 128, "final_channels": 576}), ""
)
STEPS = 1200


def content(key: str, size: int, slot: Slot) -> bytes:
    """Values as a trained network has them: means of both signs, variances of one."""
    if slot is Slot.STEP:
        return struct.pack("<f", STEPS)
    if key.endswith("num_batches_tracked"):
        return struct.pack("<q", STEPS)
    is_positive = key.endswith("running_var") or slot is Slot.EXP_AVG_SQ
    return struct.pack("<ff", 0.5, 0.5 if is_positive else -0.5) * (size // 8)


def saved() -> dict[str, bytes]:
    parts = [(one, Slot.NETWORK) for one in TENSORS]
    parts += [
        (one, slot)
        for one in TENSORS
        if one.kind is Kind.PARAMETER
        for slot in (Slot.STEP, Slot.EXP_AVG, Slot.EXP_AVG_SQ)
    ]
    return {
        str(number): content(one.key, one.elements * 4, slot)
        for number, (one, slot) in enumerate(parts)
    }


def run(storages: dict[str, bytes], name: str = "snapshot_11.pth") -> Carving:
    survivors = [
        Survivor(key=key, number=int(key), size_bytes=len(one)) for key, one in storages.items()
    ]
    return carve(survivors, damage="no data.pkl", name=name, read=storages.get)


def place_of(carving: Carving, slot: Slot, end: str) -> CarvedTensor:
    return next(one for one in carving.tensors if one.slot is slot and one.key.endswith(end))


def check_of(carving: Carving, words: str) -> Check:
    return next(one for one in carving.checks if words in one.what)


def fact_of(carving: Carving, name: str) -> Fact:
    return next(one for one in carving.training if one.name == name)


def test_a_sound_file_passes_every_check() -> None:
    carving = run(saved())
    assert carving.is_certain
    assert len(carving.checks) >= 6
    assert {one.holds for one in carving.checks} == {True}


@pytest.mark.parametrize(
    ("slot", "end", "words"),
    [(Slot.NETWORK, "running_var", "variance"), (Slot.EXP_AVG_SQ, "", "second moment")],
)
@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_a_value_that_none_can_be_is_found(slot: Slot, end: str, words: str, value: float) -> None:
    storages = saved()
    wrong = place_of(run(storages), slot, end)
    assert wrong.storage is not None
    storages[wrong.storage] = struct.pack("<f", value) + storages[wrong.storage][4:]
    check = check_of(run(storages), words)
    assert check.holds is False
    assert wrong.key in check.evidence


def test_minus_zero_is_not_negative() -> None:
    storages = saved()
    one = place_of(run(storages), Slot.NETWORK, "running_var")
    assert one.storage is not None
    storages[one.storage] = struct.pack("<f", -0.0) + storages[one.storage][4:]
    assert check_of(run(storages), "variance").holds is True


def test_means_that_look_like_variances_are_told() -> None:
    storages = saved()
    for one in run(storages).tensors:
        if one.key.endswith("running_mean") and one.storage is not None:
            storages[one.storage] = struct.pack("<f", 0.5) * (len(storages[one.storage]) // 4)
    assert check_of(run(storages), "means").holds is False


def test_means_before_the_first_step_decide_nothing() -> None:
    storages = saved()
    for one in run(storages).tensors:
        if one.key.endswith("running_mean") and one.storage is not None:
            storages[one.storage] = bytes(len(storages[one.storage]))
    assert not any("means" in one.what for one in run(storages).checks)


@pytest.mark.parametrize("is_usual", [True, False])
def test_norms_tell_a_network_from_its_momentum(*, is_usual: bool) -> None:
    family = known_family("convnext")
    plain = family.keys(family.configure({"backbone": "Femto"}), "")
    weights = [struct.pack("<f", 1.1) * one.elements for one in plain]
    momentum = [struct.pack("<ff", 0.5, -0.5) * (one.elements // 2) for one in plain]
    parts = weights + momentum if is_usual else momentum + weights
    carving = run({str(number): one for number, one in enumerate(parts)})
    assert carving.best is not None
    assert carving.best.optimizer == "SGD with momentum"
    assert check_of(carving, "weights of norms").holds is is_usual
    assert carving.is_certain is is_usual


def test_counters_that_disagree_are_told() -> None:
    storages = saved()
    one = place_of(run(storages), Slot.STEP, "")
    assert one.storage is not None
    storages[one.storage] = struct.pack("<f", STEPS + 1)
    assert check_of(run(storages), "every step").holds is False
    assert fact_of(run(storages), "steps").value == STEPS


def test_what_cannot_be_read_decides_nothing() -> None:
    storages = saved()
    survivors = run(storages).survivors
    carving = carve(survivors, damage="x", name="snapshot_3", read=lambda key: None)
    assert {one.holds for one in carving.checks} == {None}
    assert carving.training == ()


def test_an_index_that_divides_the_steps_gives_iterations() -> None:
    carving = run(saved(), "snapshot_11.pth")
    steps = fact_of(carving, "steps")
    assert (steps.value, steps.origin) == (STEPS, Origin.DERIVED)
    assert (fact_of(carving, "epochs").value, fact_of(carving, "epochs").origin) == (
        12,
        Origin.ASSUMED,
    )
    iterations = fact_of(carving, "iterations_per_epoch")
    assert (iterations.value, iterations.origin) == (100, Origin.ASSUMED)
    assert fact_of(carving, "batch_size").origin is Origin.UNDETERMINED


def test_an_epoch_counted_from_one_is_taken_if_only_that_divides() -> None:
    carving = run(saved(), "epoch=8.ckpt")
    epochs = fact_of(carving, "epochs")
    assert epochs.value == 8
    assert [one.value for one in epochs.alternatives] == [9]


@pytest.mark.parametrize("name", ["model_best.pth", "resnet50.pth", "snapshot.pth", "snapshot_16"])
def test_without_an_epoch_that_divides_nothing_is_made_up(name: str) -> None:
    found: dict[str, Any] = {one.name: one for one in run(saved(), name).training}
    assert found["steps"].value == STEPS
    assert found["iterations_per_epoch"].origin is (
        Origin.ASSUMED if name == "snapshot_16" else Origin.UNDETERMINED
    )
