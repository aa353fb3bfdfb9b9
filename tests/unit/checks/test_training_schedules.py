"""Learning rates, alone and against the schedule that is saved beside them."""

import pytest
from builders.training_files import Storages, checkpoint, cosine, multi_step, of_code

from ckptscope.facts.findings import Code, Finding, Severity

EXPONENTIAL = {
    "gamma": 0.5,
    "base_lrs": [1e-3],
    "last_epoch": 2,
    "verbose": False,
    "_step_count": 3,
    "_last_lr": [2.5e-4],
}


def judged(lr: object, **schedules: object) -> list[Finding]:
    s = Storages()
    tree = {"network": s.network(), "optimizer": s.adam(lr=lr), **schedules}
    return of_code(checkpoint(tree, s), Code.RATE_DISAGREES)


@pytest.mark.parametrize("lr", [-1e-3, float("nan"), float("inf"), 1e6])
def test_a_rate_that_nothing_is_trained_with_is_told(lr: float) -> None:
    (found,) = judged(lr)
    assert found.severity is Severity.WARNING


def test_a_rate_of_zero_is_information() -> None:
    (found,) = judged(0.0)
    assert found.severity is Severity.INFO


@pytest.mark.parametrize("lr", [1e-7, 1.0, 4.8, "tensor"])
def test_a_usual_or_unknown_rate_is_not_remarked_on(lr: object) -> None:
    assert judged(lr) == []


@pytest.mark.parametrize(("step", "lr"), [(0, 1e-3), (5, 5e-4), (10, 0.0)])
def test_a_rate_on_the_cosine_agrees(step: int, lr: float) -> None:
    assert [one for one in judged(lr, scheduler=cosine(step)) if one.severity != "info"] == []


def test_a_rate_off_the_cosine_is_told_with_both() -> None:
    (found,) = judged(1e-3, scheduler=cosine(5))
    assert found.severity is Severity.WARNING
    assert "is 0.001" in found.message
    assert "gives 0.0005 at its step 5" in found.message


def test_milestones_count_as_often_as_they_stand() -> None:
    schedule = multi_step(9, {3: 1, 8: 2, 12: 1}, 0.1)
    assert judged(1e-6, scheduler=schedule) == []
    assert len(judged(1e-5, scheduler=schedule)) == 1


def test_an_exponential_schedule_is_read() -> None:
    assert judged(2.5e-4, scheduler=EXPONENTIAL) == []
    assert len(judged(1e-3, scheduler=EXPONENTIAL)) == 1


@pytest.mark.parametrize("name", ["lr_lambdas", "total_steps", "after_scheduler"])
def test_a_schedule_with_other_names_is_not_judged(name: str) -> None:
    other = {**EXPONENTIAL, name: None if name == "after_scheduler" else 7}
    assert judged(1e-3, scheduler=other) == []


def test_a_part_of_a_sequence_of_schedules_is_not_judged() -> None:
    assert judged(1e-3, scheduler={"_schedulers": [cosine(5), EXPONENTIAL]}) == []


def test_a_schedule_of_another_number_of_groups_is_not_held_against_an_optimizer() -> None:
    schedule = {**cosine(5), "base_lrs": [1e-3, 1e-3]}
    assert judged(1e-3, scheduler=schedule) == []


@pytest.mark.parametrize("period", [0, 5e-324, 1 << 70, "x", None])
def test_settings_that_no_schedule_has_judge_nothing(period: object) -> None:
    assert judged(1e-3, scheduler={**cosine(5), "T_max": period}) == []
