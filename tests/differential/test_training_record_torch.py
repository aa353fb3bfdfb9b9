"""Records that torch itself writes: optimizers and schedules of one run agree with each other."""

import io
from collections.abc import Callable

import pytest
from builders.training_files import found_in

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.optim import lr_scheduler as schedules  # noqa: E402

from ckptscope.facts.findings import Code, Finding, Severity  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::UserWarning")]

#: What this file is about; that an optimizer is there at all is told anyway.
CODES = {
    Code.OPTIMIZER_COUNT,
    Code.OPTIMIZER_SHAPES,
    Code.COUNTERS_DISAGREE,
    Code.EPOCH_DISAGREES,
    Code.RATE_DISAGREES,
}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    name: getattr(torch.optim, name)
    for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD", "Adafactor")
}  # fmt: skip
SCHEDULES: dict[str, Callable[..., object]] = {
    "StepLR": lambda o: schedules.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [2, 5, 5], 0.1),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 20, 1e-6),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, 10, 2.0),
    "LinearLR": lambda o: schedules.LinearLR(o, 0.1, 1.0, 5),
    "ConstantLR": lambda o: schedules.ConstantLR(o, 0.3, 4),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.1, 40),
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda step: 0.7**step),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 5),
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, 0.1, 1.0, 3), schedules.CosineAnnealingLR(o, 9)], [3]
    ),
}
#: Of these the rate follows from what is saved.
CLOSED = ("StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "PolynomialLR", "LinearLR", "ConstantLR")  # fmt: skip


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )


def trained(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: object = None,
    *,
    steps: int = 7,
    rate: float | None = None,
) -> list[Finding]:
    """Train, save as programs do, and return what is found."""
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(2, 3, 4, 4)).sum().backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()  # type: ignore[attr-defined]
    saved = optimizer.state_dict()
    if rate is not None:
        saved["param_groups"][0]["lr"] = rate
    value = {"epoch": 1, "network": model.state_dict(), "optimizer": saved}
    if schedule is not None:
        value["scheduler"] = schedule.state_dict()  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    torch.save(value, buffer)
    found = found_in(buffer.getvalue())
    return [one for one in found if one.code in CODES and one.severity is not Severity.INFO]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_of_torch_belongs_to_what_it_trained(name: str) -> None:
    model = network()
    assert trained(model, OPTIMIZERS[name](model.parameters(), lr=1e-3)) == []


def test_groups_and_frozen_layers_of_torch_are_understood() -> None:
    model = network()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    weights = [one for one in model.parameters() if one.ndim > 1 and one.requires_grad]
    others = [one for one in model.parameters() if one.ndim <= 1]
    groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    assert trained(model, torch.optim.AdamW(groups, lr=1e-3)) == []


def test_the_optimizer_of_another_network_is_told() -> None:
    other = nn.Linear(5, 7)
    optimizer = torch.optim.Adam(other.parameters(), lr=1e-3)
    other(torch.ones(1, 5)).sum().backward()
    optimizer.step()
    found = trained(network(), optimizer, steps=0)
    assert Code.OPTIMIZER_SHAPES in {one.code for one in found}


@pytest.mark.parametrize("steps", [1, 6, 13])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_of_torch_agrees_with_the_rate_that_it_set(name: str, steps: int) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    assert trained(model, optimizer, SCHEDULES[name](optimizer), steps=steps) == []


@pytest.mark.parametrize("name", CLOSED)
def test_another_rate_than_the_schedules_is_told(name: str) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    found = trained(model, optimizer, SCHEDULES[name](optimizer), rate=0.0123)
    assert [one.code for one in found] == [Code.RATE_DISAGREES]
    assert name in found[0].evidence[0]
