"""Layers as rows of a table of keys.

Enters: widths with the settings behind them. Leaves: `ExpectedTensor`s in the order in which
torch's modules write them: weight, bias, running_mean, running_var, num_batches_tracked.
"""

from collections.abc import Iterable, Iterator

import msgspec

from ckptscope.facts.expected import Counts, ExpectedTensor, PartCount
from ckptscope.facts.tensors import Kind


class Width(msgspec.Struct, frozen=True, gc=False):
    """A size along an axis, and the settings whose product it is."""

    size: int
    settings: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a layer belongs: the part that it counts for, and the settings that put it there."""

    part: str
    presence: tuple[str, ...] = ()


#: A size that the layer itself fixes.
ONE = Width(1)


def convolution(
    key: str,
    out: Width,
    into: Width,
    kernel: tuple[Width, Width] | None,
    place: Place,
    *,
    bias: bool = True,
) -> Iterator[ExpectedTensor]:
    """List a convolution: weight `[out, in / groups, kh, kw]`, and its bias.

    Without a kernel it is a linear layer: weight `[out, in]`.
    """
    widths = (out, into) if kernel is None else (out, into, *kernel)
    yield _tensor(f"{key}.weight", widths, place)
    if bias:
        yield _tensor(f"{key}.bias", (out,), place)


def batch_norm(key: str, width: Width, place: Place) -> Iterator[ExpectedTensor]:
    """List a BatchNorm: weight, bias, mean and variance `[width]`, and its counter `[]`."""
    yield _tensor(f"{key}.weight", (width,), place)
    yield _tensor(f"{key}.bias", (width,), place)
    for name in ("running_mean", "running_var"):
        yield _tensor(f"{key}.{name}", (width,), place, kind=Kind.BUFFER)
    counter = f"{key}.num_batches_tracked"
    yield ExpectedTensor(counter, (), (), place.presence, place.part, Kind.BUFFER, True)


def layer_norm(key: str, width: Width, place: Place) -> Iterator[ExpectedTensor]:
    """List a LayerNorm: weight and bias `[width]`."""
    yield _tensor(f"{key}.weight", (width,), place)
    yield _tensor(f"{key}.bias", (width,), place)


def parameter(key: str, widths: tuple[Width, ...], place: Place) -> ExpectedTensor:
    """Return a parameter that its module holds beside its layers."""
    return _tensor(key, widths, place)


def square(size: int, setting: str = "") -> tuple[Width, Width]:
    """Return a kernel that is as high as it is wide."""
    width = Width(size, (setting,) if setting else ())
    return width, width


def count_tensors(table: Iterable[ExpectedTensor], macs: dict[str, int | None]) -> Counts:
    """Add a table up, part by part.

    Args:
        table: Expected tensors.
        macs: Multiply-accumulates by part.
    """
    parts: dict[str, list[int]] = {}
    for tensor in table:
        sums = parts.setdefault(tensor.part, [0, 0, 0])
        sums[0] += 1
        sums[1 if tensor.kind is Kind.PARAMETER else 2] += tensor.elements
    return Counts(
        parts=tuple(
            PartCount(
                part=part,
                tensors=tensors,
                parameters=parameters,
                buffers=buffers,
                macs=macs.get(part),
            )
            for part, (tensors, parameters, buffers) in parts.items()
        )
    )


def _tensor(
    key: str, widths: tuple[Width, ...], place: Place, kind: Kind = Kind.PARAMETER
) -> ExpectedTensor:
    return ExpectedTensor(
        key,
        tuple([width.size for width in widths]),
        tuple([width.settings for width in widths]),
        place.presence,
        place.part,
        kind,
    )
