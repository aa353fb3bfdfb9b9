"""Learning rates: alone, and against the schedule that is saved beside them.

Enters: a manifest, a record. Leaves: findings `TRN007`. A scheduler of torch saves its settings and
how often it was stepped, and several follow a closed form. Only those whose saved names are exactly
a scheduler's of torch are judged, and none that is a part of a sequence of schedulers.

Source: `torch/optim/lr_scheduler.py`, `_get_closed_form_lr` of each class.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeGuard

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import Manifest, Optimizer
from ckptscope.facts.training import PlainMapping, Record

#: Schedules multiply rates step by step, so that errors of rounding add up over a training.
_RELATIVE, _OF_BASE = 1e-4, 1e-6
#: Layer-wise rates of self-supervised training reach a few; beyond, something else was written.
_LARGE = 10.0
#: What every scheduler saves, under the names of several versions.
_ALWAYS = frozenset(
    {
        "base_lrs",
        "last_epoch",
        "verbose",
        "_verbose",
        "_step_count",
        "_get_lr_called_within_step",
        "_last_lr",
        "_is_initial",
        "_initial_step",
    }
)
_MOST_STEPS = 1 << 53
_MOST_LISTED = 4

Settings = Mapping[str, float]


class _Form(msgspec.Struct, frozen=True):
    """A schedule: its class, what it saves, and its rate in terms of the base and the step."""

    title: str
    names: frozenset[str]
    rate: Callable[[Settings, float, int], float]


def _cosine(settings: Settings, base: float, step: int) -> float:
    least = settings["eta_min"]
    return least + (base - least) * (1 + math.cos(math.pi * step / settings["T_max"])) / 2


def _stepped(settings: Settings, base: float, step: int) -> float:
    return float(base * settings["gamma"] ** (step // settings["step_size"]))


def _multi_stepped(settings: Settings, base: float, step: int) -> float:
    """`milestones` is how many of them are passed."""
    return float(base * settings["gamma"] ** settings["milestones"])


def _exponential(settings: Settings, base: float, step: int) -> float:
    return float(base * settings["gamma"] ** step)


def _polynomial(settings: Settings, base: float, step: int) -> float:
    total = settings["total_iters"]
    return float(base * (1 - min(step, total) / total) ** settings["power"])


def _linear(settings: Settings, base: float, step: int) -> float:
    total, start = settings["total_iters"], settings["start_factor"]
    return base * (start + (settings["end_factor"] - start) * min(step, total) / total)


def _constant(settings: Settings, base: float, step: int) -> float:
    return base * (settings["factor"] if step < settings["total_iters"] else 1.0)


_MULTI_STEP = _Form("MultiStepLR", frozenset({"milestones", "gamma"}), _multi_stepped)
_FORMS = (
    _MULTI_STEP,
    _Form("CosineAnnealingLR", frozenset({"T_max", "eta_min"}), _cosine),
    _Form("StepLR", frozenset({"step_size", "gamma"}), _stepped),
    _Form("ExponentialLR", frozenset({"gamma"}), _exponential),
    _Form("PolynomialLR", frozenset({"total_iters", "power"}), _polynomial),
    _Form("LinearLR", frozenset({"start_factor", "end_factor", "total_iters"}), _linear),
    _Form("ConstantLR", frozenset({"factor", "total_iters"}), _constant),
)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved scheduler says that the rates are.

    Attributes:
        path: Where it stands.
        title: Class of torch that saves these names.
        step: How often it was stepped.
        rates: Rates that follow for each group.
    """

    path: str
    title: str
    step: int
    rates: tuple[float, ...]


def check_rates(manifest: Manifest, record: Record) -> Iterator[Finding]:
    """Judge learning rates, alone and against the schedules."""
    for optimizer in manifest.optimizers:
        yield from _impossible(optimizer)
    for schedule in read_schedules(record):
        yield from _hold(schedule, manifest.optimizers)


def read_schedules(record: Record) -> Iterator[Schedule]:
    """Yield the schedules whose closed form is known."""
    for mapping in record.mappings:
        if "base_lrs" in mapping.values and "_schedulers" not in mapping.path.split("/"):
            schedule = _read(mapping, record)
            if schedule is not None:
                yield schedule


def _read(mapping: PlainMapping, record: Record) -> Schedule | None:
    values = mapping.values
    bases, step = values.get("base_lrs"), values.get("last_epoch")
    if not isinstance(bases, tuple) or type(step) is not int or not 0 <= step < _MOST_STEPS:
        return None
    own = frozenset({*values, *mapping.others}) - _ALWAYS
    settings = {name: value for name in own if _is_number(value := values.get(name))}
    form = next((one for one in _FORMS if one.names == own), None)
    if form is None or not all(_is_number(base) for base in bases):
        return None
    milestones = _milestones_of(mapping, record, step) if form is _MULTI_STEP else {}
    if len(settings) + len(milestones) < len(own):
        return None
    numbers = {**settings, **milestones}
    try:
        rates = tuple(form.rate(numbers, base, step) for base in bases)  # type: ignore[arg-type]
    except (ArithmeticError, ValueError):
        # Settings with which torch itself would fail: a period of 0, a power beyond all bounds.
        return None
    if not all(_is_number(one) and math.isfinite(one) for one in rates):
        return None
    return Schedule(path=mapping.path, title=form.title, step=step, rates=rates)


def _milestones_of(mapping: PlainMapping, record: Record, step: int) -> dict[str, float]:
    """Return how many milestones are passed; torch keeps them as a Counter, by step."""
    counts = record.milestones.get(f"{mapping.path}/milestones" if mapping.path else "milestones")
    if counts is None:
        return {}
    return {"milestones": sum(times for place, times in counts.items() if place <= step)}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _impossible(optimizer: Optimizer) -> Iterator[Finding]:
    for index, group in enumerate(optimizer.groups[:_MOST_GROUPS]):
        rate = _rate_of(dict(group.settings).get("lr"))
        if rate is None:
            continue
        severity, odd = Severity.WARNING, ""
        if not math.isfinite(rate) or rate < 0:
            odd = "no training has such a rate"
        elif rate > _LARGE:
            odd = f"rates beyond {_LARGE:g} are not usual with any optimizer of torch"
        elif rate == 0:
            severity = Severity.INFO
            odd = "the end of a schedule that goes down to 0, or a group that is frozen"
        if odd:
            yield Finding(
                code=Code.RATE_DISAGREES,
                severity=severity,
                message=f"the learning rate of group {index} of the optimizer at "
                f"{optimizer.path!r:.200} is {rate:g}: {odd}",
                where=Where(key=f"{optimizer.path}/param_groups/{index}/lr"[:400]),
            )


#: Groups whose rates are looked at.
_MOST_GROUPS = 1000


def _rate_of(text: str | None) -> float | None:
    """Return a setting as a number; None if it is none."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _hold(schedule: Schedule, optimizers: Sequence[Optimizer]) -> Iterator[Finding]:
    """Compare the rates of a schedule with those of the optimizers that it may be of."""
    held = [rates for one in optimizers if len(rates := _rates(one)) == len(schedule.rates)]
    if not held or any(_are_close(schedule.rates, rates) for rates in held):
        return
    yield Finding(
        code=Code.RATE_DISAGREES,
        severity=Severity.WARNING,
        message=f"the learning rate is {held[0][0]:g}, and the schedule at {schedule.path!r:.200} "
        f"gives {schedule.rates[0]:g} at its step {schedule.step:,}",
        where=Where(key=schedule.path[:400] or None),
        evidence=(
            f"{schedule.title}: {_joined(schedule.rates)}",
            *(f"optimizer: {_joined(rates)}" for rates in held[:_MOST_LISTED]),
        ),
        help="that is in order if the rate was set by hand or the schedule was changed on the way; "
        "else optimizer and schedule are of different trainings",
    )


def _rates(optimizer: Optimizer) -> tuple[float, ...]:
    """Return the rates of all groups; none if one is not known."""
    rates = [_rate_of(dict(group.settings).get("lr")) for group in optimizer.groups[:_MOST_GROUPS]]
    return tuple(rate for rate in rates if rate is not None) if None not in rates else ()


def _are_close(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    largest = max(map(abs, (*ours, *theirs)))
    return all(
        abs(one - other) <= max(_RELATIVE * abs(one), _OF_BASE * largest)
        for one, other in zip(ours, theirs, strict=True)
    )


def _joined(rates: Sequence[float]) -> str:
    shown = ", ".join(f"{rate:.6g}" for rate in rates[:_MOST_LISTED])
    return f"{shown}, ..." if len(rates) > _MOST_LISTED else shown
