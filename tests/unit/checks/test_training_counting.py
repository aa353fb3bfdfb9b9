"""Epoch, steps and batches against each other."""

import pytest
from builders.training_files import SMALL, Storages, checkpoint, found_in, of_code

from ckptscope.facts.findings import Code, Finding, Severity

NORMS = ("a", "b", "c")


def counted(*values: int) -> list[Finding]:
    s = Storages()
    counters = dict(zip(NORMS, values, strict=False))
    return of_code(checkpoint(s.network(counters=counters), s), Code.COUNTERS_DISAGREE)


def of_run(*, epoch: object = 4, steps: float | list[float] = 100, batches: int = 100) -> bytes:
    s = Storages()
    tree = {
        "epoch": epoch,
        "network": s.network(counters={"a": batches, "b": batches}),
        "optimizer": s.adam(steps=steps),
    }
    return checkpoint(tree, s)


def codes(content: bytes) -> set[Code]:
    ours = {Code.COUNTERS_DISAGREE, Code.EPOCH_DISAGREES}
    return {one.code for one in found_in(content)} & ours


def record(content: bytes) -> Finding:
    (found,) = of_code(content, Code.RECORD_OF_TRAINING)
    return found


def test_one_run_agrees_with_itself() -> None:
    assert codes(of_run()) == set()


def test_counters_that_no_length_explains_are_a_warning_with_their_modules() -> None:
    (found,) = counted(100, 130, 130)
    assert found.severity is Severity.WARNING
    assert "100, 130" in found.message
    assert any("2 of them" in line and "b.num_batches_tracked" in line for line in found.evidence)


@pytest.mark.parametrize("values", [(0, 100, 100), (100, 300, 500), (0, 7, 14)])
def test_frozen_and_shared_modules_explain_counters_and_are_information(
    values: tuple[int, ...],
) -> None:
    (found,) = counted(*values)
    assert found.severity is Severity.INFO


def test_a_negative_counter_is_told() -> None:
    (found,) = counted(100, -3)
    assert found.severity is Severity.WARNING
    assert "fewer than no batches" in found.message


def test_steps_of_one_optimizer_that_differ_are_told() -> None:
    (found,) = of_code(of_run(steps=[100, 100, 40, 100, 100]), Code.COUNTERS_DISAGREE)
    assert "40, 100" in found.message


def test_a_step_that_is_no_number_of_steps_is_told() -> None:
    (found,) = of_code(of_run(steps=-8.0), Code.COUNTERS_DISAGREE)
    assert "-8" in found.message


@pytest.mark.parametrize("batches", [100, 400, 404, 100_000, 50, 99])
def test_accumulation_and_skipped_steps_explain_batches(batches: int) -> None:
    assert codes(of_run(batches=batches)) == set()


def test_batches_that_are_no_multiple_of_the_steps_are_told() -> None:
    (found,) = of_code(of_run(batches=163), Code.COUNTERS_DISAGREE)
    assert found.severity is Severity.WARNING
    assert "1.63" in found.evidence[0]


@pytest.mark.parametrize("epoch", [float("nan"), float("inf"), -2, 101])
def test_an_epoch_that_no_training_has_is_told(epoch: float) -> None:
    assert codes(of_run(epoch=epoch)) == {Code.EPOCH_DISAGREES}


@pytest.mark.parametrize("epoch", [0, 4, 100, 2.5, -1])
def test_an_epoch_with_a_step_at_least_is_not_remarked_on(epoch: float) -> None:
    assert codes(of_run(epoch=epoch)) == set()


def test_no_step_in_many_epochs_is_told() -> None:
    assert codes(of_run(epoch=3, steps=0, batches=0)) == {Code.EPOCH_DISAGREES}


def test_steps_that_the_file_names_itself_count_too() -> None:
    s = Storages()
    tree = {"epoch": 50, "global_step": 12, "network": s.network()}
    (found,) = of_code(checkpoint(tree, s), Code.EPOCH_DISAGREES)
    assert "'global_step' counts 12 steps" in found.message


def test_a_planned_epoch_is_no_epoch_of_the_file() -> None:
    s = Storages()
    tree = {"args": {"epoch": 300}, "network": s.network(), "optimizer": s.adam(steps=100)}
    assert codes(checkpoint(tree, s)) == set()


def test_the_released_numbers_are_divided_and_the_assumption_is_named() -> None:
    """XS: the counters of the released file."""
    found = record(of_run(epoch=68, steps=1_346_328, batches=1_346_328))
    assert found.severity is Severity.INFO
    assert "1,346,328 steps = 69 × 19,512" in found.message
    assert "assumed" in found.message
    assert any("as many as steps" in line for line in found.evidence)


def test_epochs_counted_from_one_are_divided_too() -> None:
    assert "100 steps = 50 × 2" in record(of_run(epoch=50)).message


def test_steps_that_do_not_divide_are_information_alone() -> None:
    content = of_run(epoch=68, steps=1_000_003, batches=1_000_003)
    assert "no multiple of 68 or 69" in record(content).message
    assert codes(content) == set()


def test_a_network_alone_records_nothing() -> None:
    s = Storages()
    assert of_code(checkpoint(s.network(SMALL), s), Code.RECORD_OF_TRAINING) == []
