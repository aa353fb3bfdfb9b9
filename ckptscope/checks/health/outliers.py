"""Weights whose size is far from that of their siblings.

Enters: the tensors of one state_dict. Leaves: findings `VAL010`. Compared are weights of as many
dimensions in one network, by what their layer makes of its input: the deviation of a weight times
the root of the elements of one filter, which is about one after the usual initialisations (Glorot &
Bengio 2010, He et al. 2015) whatever the width.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from ckptscope.checks.health.subjects import Remark, Subject, gather
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import StateDict

#: Fewer say nothing of what is usual.
_LEAST_SIBLINGS: Final = 8
#: Elements of a row: fewer are scales, (channels, 1, 1) and the like.
_LEAST_ROW: Final = 2
#: A median absolute deviation times this is the standard deviation of a normal distribution.
_MAD_TO_STD: Final = 1.4826
#: Deviations from the median of the logarithms.
_MOST_DEVIATIONS: Final = 8
#: Whatever the spread, less than this many times the median is no outlier: layers of sound networks
#: differ up to some thirty times.
_LEAST_FACTOR: Final = 100.0
#: Below this it is told for information: classifiers of detectors whose other layers had their
#: norms folded in were found up to 800 times larger, and work.
_NOTABLE_FACTOR: Final = 1000.0


def check_magnitudes(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find weights that are far larger or far smaller than their siblings."""
    groups: dict[tuple[int, bool], list[tuple[float, Subject]]] = {}
    for one in subjects:
        size = _size(one)
        if size is not None:
            is_depthwise = one.tensor.shape[1] == 1
            groups.setdefault((len(one.tensor.shape), is_depthwise), []).append((size, one))
    outliers = [one for group in groups.values() for one in _outliers(group)]
    many = "are of another order of magnitude than their siblings"
    for severity, is_notable in ((Severity.WARNING, True), (Severity.INFO, False)):
        remarks = [remark for notable, remark in outliers if notable is is_notable]
        yield from gather(state_dict, Code.MAGNITUDE_OUTLIER, severity, remarks, many)


def _size(one: Subject) -> float | None:
    """Return the logarithm of a weight's normalised deviation; None for what has none.

    Scales of single channels have no sum that their deviation would have to be normalised for, and
    may be as equal as they like. A row of an embedding is passed on as it is, and not summed.
    """
    std = one.values.std
    if not one.is_weight or not std or one.row_elements < _LEAST_ROW:
        return None
    is_summed = "emb" not in one.key.lower()
    return math.log(std) + (math.log(one.row_elements) / 2 if is_summed else 0.0)


def _outliers(group: Sequence[tuple[float, Subject]]) -> Iterator[tuple[bool, Remark]]:
    """Yield whether a weight is so unusual that it needs a look, and what to say of it."""
    if len(group) < _LEAST_SIBLINGS:
        return
    middle = median(size for size, _ in group)
    spread = _MAD_TO_STD * median(abs(size - middle) for size, _ in group)
    bound = max(_MOST_DEVIATIONS * spread, math.log(_LEAST_FACTOR))
    for size, one in group:
        if abs(size - middle) > bound:
            # The logarithms of two floats differ by 1,500 at most, and a float ends at 709.
            factor = math.exp(min(abs(size - middle), 709.0))
            word = "larger" if size > middle else "smaller"
            yield (
                factor >= _NOTABLE_FACTOR and one.is_certain,
                Remark(
                    name=one.name,
                    message=f"its weights are {_times(factor)} times {word} than is usual among "
                    "its siblings",
                    detail=f"std {one.values.std:.4g}, from {one.values.least:.4g} to "
                    f"{one.values.greatest:.4g}; {len(group):,} siblings",
                ),
            )


def _times(factor: float) -> str:
    return f"{factor:,.0f}" if factor < 1e6 else f"{factor:.1e}"
