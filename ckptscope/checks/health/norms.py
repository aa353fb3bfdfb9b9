"""Statistics that batch normalisation has gathered.

Enters: the tensors of one state_dict. Leaves: findings `VAL008` and `VAL009`. Names and starting
values are those of torch.nn.BatchNorm: running_mean 0, running_var 1, num_batches_tracked 0.
"""

from collections.abc import Iterator, Sequence

from ckptscope.checks.health.subjects import Remark, Subject, gather, indexes
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import StateDict


def check_norms(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find variances that are none, and statistics that are still those of the start."""
    buffers = {(one.module, one.leaf): one for one in subjects if not one.values.unread}
    variances = [one for (_, leaf), one in buffers.items() if leaf == "running_var"]
    negative = [
        Remark(
            name=one.name,
            message="a running variance is negative",
            detail=f"least {one.values.least:.4g}",
        )
        for one in variances
        if one.values.least is not None and one.values.least < 0
    ]
    code = Code.VARIANCE_NOT_POSITIVE
    yield from gather(state_dict, code, Severity.ERROR, negative, "hold negative variances")
    zero = [_zero(one) for one in variances if one.values.zeros]
    many = "hold variances that are zero"
    yield from gather(state_dict, code, Severity.WARNING, zero, many)
    untouched = []
    for one in variances:
        mean = buffers.get((one.module, "running_mean"))
        if mean is not None and _is_start(mean, one):
            untouched.append(_untouched(one, buffers.get((one.module, "num_batches_tracked"))))
    many = f"(of {len(variances):,} like them) are running statistics as they were before training"
    yield from gather(state_dict, Code.STATISTICS_UNTOUCHED, Severity.WARNING, untouched, many)


def _zero(one: Subject) -> Remark:
    channels = one.values.channels
    where = f"channels {indexes(channels.zero_first, channels.zero)}" if channels else ""
    return Remark(
        name=one.name,
        message=f"a running variance is zero in {one.values.zeros:,} of "
        f"{one.values.elements:,} channels",
        detail=where or f"{one.values.zeros:,} zeros",
    )


def _is_start(mean: Subject, variance: Subject) -> bool:
    return (
        variance.values.elements > 0
        and variance.values.least == variance.values.greatest == 1
        and variance.values.is_finite
        and mean.values.zeros == mean.values.elements
    )


def _untouched(one: Subject, counter: Subject | None) -> Remark:
    detail = "running_mean 0, running_var 1"
    batches = counter.values.greatest if counter is not None else None
    if batches is not None:
        detail += f", num_batches_tracked {batches:,.0f}"
    counts = "; yet batches were counted" if batches else ""
    return Remark(
        name=one.name,
        message=f"running statistics are those of an untrained norm{counts}",
        detail=detail,
    )
