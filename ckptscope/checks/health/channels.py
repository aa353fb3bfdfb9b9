"""Channels that are dead, and filters that stand twice.

Enters: the tensors of one state_dict. Leaves: findings `VAL006` and `VAL007`. A channel is a slice
along the first dimension: an output of linear layers and convolutions; of transposed convolutions
an input.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ckptscope.checks.health.subjects import Remark, Subject, counted, gather, indexes
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import StateDict
from ckptscope.facts.values import Channels

#: Elements of a filter below which two are equal by chance, or by design: 1×1 and 1×k kernels of
#: single channels. Nine are a 3×3 kernel of one.
_LEAST_ELEMENTS: Final = 9
#: Fewer than a tenth of a layer cost a little of its capacity and are told for information: the
#: rows of a Fourier basis that vanish, two filters that were never told apart.
_NOTABLE_SHARE: Final = 0.1


def check_channels(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find channels of zeros, and filters equal to another of their layer."""
    biases = {one.module: one for one in subjects if one.leaf == "bias"}
    dead = [one for one in subjects if _has_dead(one, biases)]
    many = "have channels that are all zero"
    for severity, found in _by_severity(dead, lambda channels: channels.zero):
        remarks = [_dead(one, biases) for one in found]
        yield from gather(state_dict, Code.CHANNELS_DEAD, severity, remarks, many)
    repeated = [one for one in subjects if _has_repeated(one)]
    many = "have filters that are equal to another of their layer"
    for severity, found in _by_severity(repeated, lambda channels: channels.repeated):
        remarks = [_repeated(one) for one in found]
        yield from gather(state_dict, Code.FILTERS_DUPLICATE, severity, remarks, many)


def _by_severity(
    subjects: Sequence[Subject], count: Callable[[Channels], int]
) -> Iterator[tuple[Severity, list[Subject]]]:
    """Part weights in which many channels are concerned from the others."""
    groups: dict[Severity, list[Subject]] = {Severity.WARNING: [], Severity.INFO: []}
    for one in subjects:
        channels = one.values.channels
        is_notable = (
            one.is_certain
            and channels is not None
            and count(channels) >= _NOTABLE_SHARE * channels.count
        )
        groups[Severity.WARNING if is_notable else Severity.INFO].append(one)
    yield from groups.items()


def _has_dead(one: Subject, biases: Mapping[str, Subject]) -> bool:
    """Tell dead channels from the one row of an embedding that stands for padding."""
    channels = one.values.channels
    if not one.is_weight or channels is None or not 0 < channels.zero < channels.count:
        return False
    is_embedding = len(one.tensor.shape) == 2 and one.module not in biases
    return not (is_embedding and channels.zero == 1)


def _dead(one: Subject, biases: Mapping[str, Subject]) -> Remark:
    channels = one.values.channels
    assert channels is not None  # noqa: S101 - _has_dead
    bias = biases.get(one.module)
    detail = f"channels {indexes(channels.zero_first, channels.zero)}"
    if bias is not None and bias.values.channels is not None:
        silent = set(channels.zero_first) & set(bias.values.channels.zero_first)
        named = len(channels.zero_first)
        of = "them" if named == channels.zero else f"the first {named:,}"
        detail += f"; the bias of {len(silent):,} of {of} is zero, too"
    return Remark(
        name=one.name,
        message=f"{channels.zero:,} of {counted(channels.count, 'channel')} "
        f"{'is' if channels.zero == 1 else 'are'} all zero",
        detail=detail,
    )


def _has_repeated(one: Subject) -> bool:
    """Tell filters that were learned from those that are fixed and the same for all channels."""
    channels = one.values.channels
    if not one.is_weight or channels is None or not channels.repeated:
        return False
    is_fixed = channels.repeated == channels.count - 1
    return not is_fixed and one.row_elements >= _LEAST_ELEMENTS


def _repeated(one: Subject) -> Remark:
    channels = one.values.channels
    assert channels is not None  # noqa: S101 - _has_repeated
    pairs = [f"{row} = {first}" for row, first in channels.repeated_first[:8]]
    more = ", ..." if channels.repeated > len(pairs) else ""
    return Remark(
        name=one.name,
        message=f"{channels.repeated:,} of {counted(channels.count, 'filter')} "
        f"{'is' if channels.repeated == 1 else 'are'} equal, bit by bit, to another of the layer",
        detail=f"filters {', '.join(pairs)}{more}",
    )
