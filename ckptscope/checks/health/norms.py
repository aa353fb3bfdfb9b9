"""Statistics that batch normalisation has gathered.

Enters: the tensors of one state_dict. Leaves: findings `VAL008` and `VAL009`. Names and starting
values are those of torch.nn.BatchNorm: running_mean 0, running_var 1, num_batches_tracked 0.
"""

from collections.abc import Iterator, Mapping, Sequence

from ckptscope.checks.health.subjects import Remark, Subject, gather, indexes
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import StateDict


def check_norms(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find variances that are none, and statistics that are still those of the start."""
    members = {(one.module, one.leaf): one for one in subjects if not one.values.unread}
    variances = [one for (_, leaf), one in members.items() if leaf == "running_var"]
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
    yield from _check_zero(state_dict, variances, members)
    untouched = []
    for one in variances:
        mean = members.get((one.module, "running_mean"))
        if mean is not None and _is_start(mean, one):
            untouched.append(_untouched(one, members.get((one.module, "num_batches_tracked"))))
    many = f"(of {len(variances):,} like them) are running statistics as they were before training"
    yield from gather(state_dict, Code.STATISTICS_UNTOUCHED, Severity.WARNING, untouched, many)


def _check_zero(
    state_dict: StateDict, variances: Sequence[Subject], members: Mapping[tuple[str, str], Subject]
) -> Iterator[Finding]:
    """Find variances of zero; where the scale is zero as well, nothing comes of them."""
    code = Code.VARIANCE_NOT_POSITIVE
    told: list[Remark] = []
    silenced: list[Remark] = []
    for one in variances:
        if one.values.zeros and _is_silenced(one, members.get((one.module, "weight"))):
            silenced.append(_zero(one, "; the scale is zero there, too"))
        elif one.values.zeros:
            told.append(_zero(one))
    yield from gather(state_dict, code, Severity.WARNING, told, "hold variances that are zero")
    many = "hold variances that are zero where their scale is zero, too"
    yield from gather(state_dict, code, Severity.INFO, silenced, many)


def _is_silenced(variance: Subject, scale: Subject | None) -> bool:
    """Tell whether the scale of each channel without a variance is zero: nothing comes of it."""
    mine = variance.values.channels
    other = scale.values.channels if scale is not None else None
    if mine is None or other is None or mine.zero > len(mine.zero_first):
        return False
    return set(mine.zero_first) <= set(other.zero_first)


def _zero(one: Subject, more: str = "") -> Remark:
    channels = one.values.channels
    where = f"channels {indexes(channels.zero_first, channels.zero)}" if channels else ""
    return Remark(
        name=one.name,
        message=f"a running variance is zero in {one.values.zeros:,} of "
        f"{one.values.elements:,} channels",
        detail=(where or f"{one.values.zeros:,} zeros") + more,
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
