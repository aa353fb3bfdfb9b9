"""Statistics of tensors → blocks: one row a tensor, with its histogram as a small drawing.

Enters: what a pass over all values said. Leaves: tables. The many tensors of an optimizer are
summed up by kind, unless all are asked for.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from ckptscope.facts.tensors import Role, StateDict
from ckptscope.facts.values import TensorValues
from ckptscope.reports.blocks import Block, section
from ckptscope.reports.numerals import count_text
from ckptscope.reports.state_dicts import TOP_LEVEL, place
from ckptscope.reports.tables import Column, Table, name, number

#: Columns of a key that are worth more than the mean and the zeros beside it.
_LEAST_KEY: Final = 24
#: Two bins of a histogram for each of its characters.
_BINS_TOGETHER: Final = 2
#: Eight digits and more take more room than three and an exponent.
_LONG: Final = 1e7
#: One in a hundred, as in the finding about them.
_NOTABLE_SHARE: Final = 0.01
_NOTHING: Final = "▁"
_HEIGHTS: Final = "▂▃▄▅▆▇█"


def describe_values(
    state_dicts: Sequence[StateDict], values: Sequence[TensorValues], *, everything: bool
) -> Iterator[Block]:
    """List the statistics of every tensor, by state_dict.

    Args:
        state_dicts: Of the manifest.
        values: In the same order.
        everything: Whether tensors of optimizers are listed one by one, too.
    """
    roles = {one.path: one.role for one in state_dicts}
    for path, group in groupby(values, key=lambda one: one.path):
        members = list(group)
        tensors = len({one.key for one in members})
        title = f"values of {count_text(tensors, 'tensors', rounded=False)} of "
        yield section(title, place(path))
        if roles.get(path) is Role.OPTIMIZER and not everything:
            yield _table([_sum_row(kind, found) for kind, found in _by_kind(members)])
        else:
            yield _table([_row(_label(one), one) for one in members])


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(
        columns=(
            name("tensor", least=_LEAST_KEY),
            number("min"),
            number("max"),
            number("mean", drop=2),
            number("std", drop=5),
            number("zeros", drop=3),
            Column(title="histogram", drop=4),
            Column(title=""),
        ),
        rows=rows,
        may_tighten=True,
    )


def _label(one: TensorValues) -> str:
    key = one.key or f"({TOP_LEVEL})"
    return f"{key} [{one.part}]" if one.part else key


def _row(label: str, one: TensorValues) -> tuple[str, ...]:
    return (
        label,
        number_text(one.least),
        number_text(one.greatest),
        number_text(one.mean),
        number_text(one.std),
        share_of_zeros(one.zeros, one.elements),
        draw(one.histogram),
        _oddities(one),
    )


def _by_kind(values: Sequence[TensorValues]) -> Iterator[tuple[str, list[TensorValues]]]:
    """Yield what an optimizer holds for each parameter: `exp_avg`, and all of that name."""
    kinds: dict[str, list[TensorValues]] = {}
    for one in values:
        kinds.setdefault(one.key.rpartition("/")[2], []).append(one)
    yield from kinds.items()


def _sum_row(kind: str, values: Sequence[TensorValues]) -> tuple[str, ...]:
    """Return the row of several tensors; they have no common deviation or drawing."""
    count = sum(one.elements for one in values)
    means = [(one.mean, one.elements) for one in values if one.mean is not None]
    weight = sum(elements for _, elements in means)
    mean = math.fsum(mean * (elements / weight) for mean, elements in means) if weight else None
    together = TensorValues(
        path="",
        key=kind,
        elements=count,
        nan=sum(one.nan for one in values),
        positive_infinite=sum(one.infinite for one in values),
        zeros=sum(one.zeros for one in values),
        least=min((one.least for one in values if one.least is not None), default=None),
        greatest=max((one.greatest for one in values if one.greatest is not None), default=None),
        mean=mean,
        unread="; ".join(dict.fromkeys(one.unread for one in values if one.unread)),
    )
    return _row(f"{kind} ({len(values):,})", together)


def number_text(value: float | None) -> str:
    """Return a number with three digits, as short as they allow; nothing for none.

    Whole numbers, counters mostly, are told in full unless they are long.
    """
    if value is None:
        return ""
    if value.is_integer() and abs(value) < _LONG:
        return str(int(value))
    text = f"{value:.3g}"
    # Two digits of an exponent are enough for float32: 1.2e-05 becomes 1.2e-5.
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else text


def share_of_zeros(count: int, total: int) -> str:
    """Return a share in percent, never 0 % for some and never 100 % for less than all."""
    if not count or not total:
        return ""
    percent = 100 * count / total
    if count == total:
        return "100%"
    return "<0.1%" if percent < 0.1 else f"{min(percent, 99.9):.1f}%"


def _oddities(one: TensorValues) -> str:
    if one.unread:
        return "not read"
    # In small dtypes a few small numbers are denormal by chance.
    denormals = one.denormals if one.denormals >= _NOTABLE_SHARE * one.elements else 0
    counts = ((one.nan, "NaN"), (one.infinite, "Inf"), (denormals, "denormal"))
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def draw(histogram: Sequence[int]) -> str:
    """Draw a histogram on one line; what is empty stays at the bottom."""
    bins = [
        sum(histogram[place : place + _BINS_TOGETHER])
        for place in range(0, len(histogram), _BINS_TOGETHER)
    ]
    most = max(bins, default=0)
    steps = len(_HEIGHTS)
    return "".join(
        _HEIGHTS[min(count * steps // most, steps - 1)] if count else _NOTHING for count in bins
    )
