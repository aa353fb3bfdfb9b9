"""Statistics of tensors → JSON.

Enters: tensors, and what a pass over their values said. Leaves: what `ckptscope/inspect/1` shows of
each.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from ckptscope.facts.tensors import StateDict, TensorInfo
from ckptscope.facts.values import Channels, TensorValues


class PartValuesOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass over the values of a tensor, or of a part of one, said.

    Attributes:
        part: Name of the part of a sparse, quantized or nested tensor; empty for the tensor.
        unread: Why its elements could not be read; empty if they were.
        sampled: How many elements the histogram counts.
    """

    part: str
    unread: str
    elements: int
    nan: int
    positive_infinite: int
    negative_infinite: int
    zeros: int
    denormals: int
    near_largest: int
    least: float | None
    greatest: float | None
    mean: float | None
    std: float | None
    histogram: tuple[int, ...]
    sampled: int
    channels: Channels | None


class ValuesOut(PartValuesOut, frozen=True, kw_only=True):
    """The same, with the parts that a tensor is made of."""

    parts: tuple[PartValuesOut, ...] = ()


class TensorOut(TensorInfo, frozen=True, kw_only=True, gc=False):
    """A tensor as the JSON shows it: its statistics are there only where they were asked for."""

    values: ValuesOut | None = None


def values_by_tensor(values: Sequence[TensorValues]) -> dict[tuple[str, str], list[TensorValues]]:
    """Return the statistics of each tensor and of its parts, by path and key."""
    found: dict[tuple[str, str], list[TensorValues]] = {}
    for one in values:
        found.setdefault((one.path, one.key), []).append(one)
    return found


def tensors_out(
    state_dict: StateDict, values: Mapping[tuple[str, str], Sequence[TensorValues]]
) -> tuple[TensorOut, ...]:
    """Return the tensors of a state_dict, with their statistics if there are any."""
    if not values:
        # Encoded they are the same but for `values`, which may be missing; copies would cost time.
        return cast("tuple[TensorOut, ...]", state_dict.tensors)
    return tuple(
        _tensor_out(one, values.get((state_dict.path, one.key), ())) for one in state_dict.tensors
    )


def _tensor_out(tensor: TensorInfo, values: Sequence[TensorValues]) -> TensorOut:
    fields = {field: getattr(tensor, field) for field in TensorInfo.__struct_fields__}
    return TensorOut(**fields, values=_values_out(values))


def _values_out(values: Sequence[TensorValues]) -> ValuesOut | None:
    if not values:
        return None
    own = next((one for one in values if not one.part), TensorValues(path="", key=""))
    parts = tuple(
        msgspec.convert(one, PartValuesOut, from_attributes=True) for one in values if one.part
    )
    whole = msgspec.convert(own, ValuesOut, from_attributes=True)
    return msgspec.structs.replace(whole, parts=parts)
