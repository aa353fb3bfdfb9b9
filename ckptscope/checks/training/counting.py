"""Epoch, steps and batches against each other.

Enters: a manifest, what its BatchNorms have counted, its record. Leaves: findings `TRN005`,
`TRN006` and `TRN008`. How long a training was meant to be is not known, so a number alone is
information; what no length explains is a finding.

- `step` of each parameter (Adam and its like): optimizer steps since it has been trained.
- `num_batches_tracked` of each BatchNorm: forward passes in training mode. Gradient accumulation
  makes it a multiple of the steps; skipped steps of mixed precision leave it a little above.
- `epoch`: index of the last epoch, or how many there were.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import Manifest, Optimizer
from ckptscope.facts.training import BatchCounters, Record

#: Names of the epoch that a checkpoint was saved in, and of steps that were made until then.
_EPOCHS = ("epoch", "current_epoch", "cur_epoch")
_STEPS = ("global_step", "iteration", "iter", "step", "num_iterations", "n_iter")
#: Objects that hold what was planned, or what a part of the training counts for itself.
_PLANS = ("arg", "cfg", "conf", "opt", "param", "hyper", "sched", "callback", "loop", "sampler")
#: Levels below the top at which a counter is still the checkpoint's own.
_DEPTH = 1
#: YOLOv5 and its like write -1 into a checkpoint whose training is over.
_FINISHED = -1
#: Modules that one forward pass applies so often count as many batches a pass.
_MOST_APPLIED = 64
#: Part of the batches by which counters may differ: steps that mixed precision skipped, passes
#: that were made without a step.
_SLACK = 0.01
_MOST_LISTED = 6


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the record, and where it stands."""

    path: str
    value: float


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Every counter of a checkpoint.

    Attributes:
        epoch: Epoch that it was saved in.
        recorded: Steps that it names itself.
        optimizers: Those with step counters.
        batches: What BatchNorms have counted, by network.
    """

    epoch: Recorded | None
    recorded: tuple[Recorded, ...]
    optimizers: tuple[Optimizer, ...]
    batches: tuple[BatchCounters, ...]

    @property
    def steps(self) -> float | None:
        """The most steps that an optimizer has counted."""
        return max((max(one.steps) for one in self.optimizers), default=None)


def read_counted(
    manifest: Manifest, record: Record, batches: Sequence[BatchCounters] = ()
) -> Counted:
    """Gather every counter of a checkpoint."""
    inside = tuple(f"{one.path}/" if one.path else "" for one in manifest.optimizers)
    numbers = [
        Recorded(path=f"{mapping.path}/{name}" if mapping.path else name, value=value)
        for mapping in record.mappings
        if _is_own(mapping.path, inside)
        for name, value in mapping.values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return Counted(
        epoch=next((one for one in numbers if _last(one.path) in _EPOCHS), None),
        recorded=tuple(one for one in numbers if _last(one.path) in _STEPS),
        optimizers=tuple(one for one in manifest.optimizers if one.steps),
        batches=tuple(batches),
    )


def check_counters(counted: Counted) -> Iterator[Finding]:
    """Hold every counter against the others."""
    yield from _steps_among_themselves(counted)
    for batches in counted.batches:
        yield from _batches_among_themselves(batches)
        yield from _batches_and_steps(batches, counted)
    yield from _epoch(counted)
    yield from _record(counted)


def _is_own(path: str, optimizers: tuple[str, ...]) -> bool:
    """Whether a mapping speaks of the checkpoint itself: near the top, and of no plan."""
    segments = path.casefold().split("/") if path else []
    if len(segments) > _DEPTH or any(word in one for one in segments for word in _PLANS):
        return False
    return not any(prefix and f"{path}/".startswith(prefix) for prefix in optimizers)


def _last(path: str) -> str:
    return path.rpartition("/")[2].casefold()


def _steps_among_themselves(counted: Counted) -> Iterator[Finding]:
    for one in counted.optimizers:
        odd = [step for step in one.steps if step < 0 or step != math.floor(step)]
        if odd:
            yield Finding(
                code=Code.COUNTERS_DISAGREE,
                severity=Severity.WARNING,
                message=f"the optimizer at {one.path!r:.200} counts {_number(odd[0])} steps: no "
                "training makes such a number",
                where=Where(key=one.path[:400] or None),
            )
        elif len(one.steps) > 1:
            yield Finding(
                code=Code.COUNTERS_DISAGREE,
                severity=Severity.WARNING,
                message=f"parameters of the optimizer at {one.path!r:.200} have made different "
                f"numbers of steps: {_listed(one.steps)}",
                where=Where(key=one.path[:400] or None),
                help="that is in order if some were frozen for a while, or got no gradient in "
                "some iterations; else the state is put together from two trainings",
            )


def _batches_among_themselves(batches: BatchCounters) -> Iterator[Finding]:
    """Compare the BatchNorms of one network; what their design explains is information."""
    values = Counter(value for _, value in batches.values)
    negative = [value for value in values if value < 0]
    if not negative and len(values) < 2:
        return
    some = sorted(value for value in values if value)
    least = some[0]
    shared = all(value % least == 0 and value // least <= _MOST_APPLIED for value in some)
    if negative:
        severity, message = Severity.WARNING, "has counted fewer than no batches"
        advice = "the counter has been overwritten or has overflowed; reset it"
    elif shared:
        severity, message = Severity.INFO, "have counted different numbers of batches"
        advice = (
            "multiples of one number are what modules count that one pass applies several times, "
            "and 0 what those count that never were in training mode"
        )
    else:
        severity, message = Severity.WARNING, "have counted different numbers of batches"
        advice = (
            "that is in order if a part began with pretrained weights, or was frozen for a while; "
            "else the network is put together from two trainings"
        )
    subject = "a BatchNorm" if negative else "BatchNorms"
    where = f" of the network at {batches.path!r:.200}" if batches.path else ""
    yield Finding(
        code=Code.COUNTERS_DISAGREE,
        severity=severity,
        message=f"{subject}{where} {message}: {_listed(sorted(values))}",
        where=Where(key=batches.path[:400] or None),
        evidence=tuple(
            f"{value:,} in {count:,} of them, first in "
            f"{next(key for key, one in batches.values if one == value)!r:.200}"
            for value, count in sorted(values.items())[:_MOST_LISTED]
        ),
        help=advice,
    )


def _batches_and_steps(batches: BatchCounters, counted: Counted) -> Iterator[Finding]:
    """Hold what BatchNorms counted against the steps; one that agrees is enough."""
    steps = counted.steps
    values = {value for _, value in batches.values if value > 0}
    if not steps or steps < 1 or not values or any(_go_together(one, steps) for one in values):
        return
    most = max(values)
    yield Finding(
        code=Code.COUNTERS_DISAGREE,
        severity=Severity.WARNING,
        message=f"BatchNorms have counted {most:,} batches and the optimizer {_number(steps)} "
        "steps: no whole number of batches a step, nor of steps a batch",
        where=Where(key=batches.path[:400] or None),
        evidence=(f"{most:,} / {_number(steps)} = {most / steps:.4f}",),
        help="that is in order if training went on with a new optimizer, from pretrained weights, "
        "or with BatchNorm in evaluation mode for a part; else the two are of different trainings",
    )


def _go_together(batches: int, steps: float) -> bool:
    """Whether one is a multiple of the other, but for a few that were skipped."""
    more, fewer = max(batches, steps), min(batches, steps)
    times = round(more / fewer)
    return abs(more - times * fewer) <= _SLACK * more


def _epoch(counted: Counted) -> Iterator[Finding]:
    epoch = counted.epoch
    if epoch is None:
        return
    value, odd = epoch.value, ""
    if not math.isfinite(value) or (value < 0 and value != _FINISHED):
        odd = "no training has such an epoch"
    else:
        held = [
            *(
                (f"the optimizer at {one.path!r:.200}", max(one.steps))
                for one in counted.optimizers
            ),
            *((f"{one.path!r:.200}", one.value) for one in counted.recorded if one.value >= 0),
        ]
        fewer = [(what, steps) for what, steps in held if steps < value]
        if fewer and len(fewer) == len(held):
            what, steps = fewer[0]
            odd = (
                f"{what} counts {_steps(steps)}, less than one an epoch; that is in order "
                "if training went on with a new optimizer"
            )
    if odd:
        yield Finding(
            code=Code.EPOCH_DISAGREES,
            severity=Severity.WARNING,
            message=f"{epoch.path!r:.200} is {_number(value)}: {odd}",
            where=Where(key=epoch.path[:400] or None),
            help="correct the number, or say beside the file which epoch it is",
        )


def _record(counted: Counted) -> Iterator[Finding]:
    """Tell what the counters say, with the arithmetic that goes with it."""
    lines: list[str] = []
    steps = counted.steps
    epoch = counted.epoch
    if epoch is not None:
        ended = "; -1 is what some programs write when training is over"
        lines.append(
            f"epoch {_number(epoch.value)}, at {epoch.path!r:.200}"
            f"{ended if epoch.value == _FINISHED else ''}"
        )
    lines += (
        f"{_listed(one.steps)} steps in the optimizer at {one.path!r:.200}"
        for one in counted.optimizers[:_MOST_LISTED]
    )
    lines += (f"{one.path!r:.200} {_number(one.value)}" for one in counted.recorded[:_MOST_LISTED])
    for batches in counted.batches[:_MOST_LISTED]:
        lines += _batches_line(batches, steps)
    if not lines:
        return
    counts = {value for one in counted.batches for _, value in one.values}
    total = steps if steps is not None else (counts.pop() if len(counts) == 1 else None)
    division = _division(epoch, total, "steps" if steps is not None else "batches")
    lines += division
    yield Finding(
        code=Code.RECORD_OF_TRAINING,
        severity=Severity.INFO,
        message=f"the file records its training: {division[0] if division else lines[0]}",
        where=Where(key=epoch.path[:400] if epoch is not None else None),
        evidence=tuple(lines),
    )


def _batches_line(batches: BatchCounters, steps: float | None) -> Iterator[str]:
    values = sorted({value for _, value in batches.values})
    if not values:
        return
    same = "; as many as steps" if values == [steps] else ""
    where = f" of {batches.path!r:.200}" if batches.path else ""
    unread = f"; {batches.unread:,} were not read" if batches.unread else ""
    yield (f"{_listed(values)} batches in {len(batches.values):,} BatchNorms{where}{same}{unread}")


def _division(epoch: Recorded | None, total: float | None, what: str) -> list[str]:
    """Divide steps or batches among epochs, counted from 0 or from 1; both are usual."""
    if epoch is None or not total or total < 1 or total != math.floor(total):
        return []
    if not math.isfinite(epoch.value) or epoch.value != math.floor(epoch.value) or epoch.value < 0:
        return []
    count, last = int(total), int(epoch.value)
    for epochs, way in ((last + 1, "0"), (last, "1")):
        if epochs and count % epochs == 0:
            return [
                f"{count:,} {what} = {epochs:,} × {count // epochs:,}, if every epoch had the same "
                f"number of iterations (assumed) and the first is epoch {way}"
            ]
    return [
        f"{count:,} {what} are no multiple of {last:,} or {last + 1:,} epochs: they were not all "
        "of one length, or some were trained with another optimizer"
    ]


def _listed(values: Sequence[float]) -> str:
    shown = ", ".join(_number(value) for value in values[:_MOST_LISTED])
    return f"{shown}, ..." if len(values) > _MOST_LISTED else shown


def _steps(count: float) -> str:
    return "1 step" if count == 1 else f"{_number(count)} steps"


def _number(value: float) -> str:
    return f"{value:,.15g}"
