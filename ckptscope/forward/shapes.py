"""Shapes alone: what the functions of a network return, without computing and without memory.

Enters: calls of torch's functions on the meta device. Leaves: tensors of the right shapes there,
and multiply-accumulates by the formulas of torch's counter. torch has rules of its own for the meta
device, and imports its compiler before the first of them, which takes longer than all the rest; the
few functions that networks of this room call are ruled here instead, and tests hold the one against
the other. Any other function goes to torch's own rule.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import conv_flop_count

Arguments = tuple[Any, ...]
Options = Mapping[str, Any]
_Rule = Callable[[Arguments, Options], torch.Tensor]


def _carrier(shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")


def _pair(value: int | Sequence[int]) -> Sequence[int]:
    return (value, value) if isinstance(value, int) else value


def _convolution(args: Arguments, options: Options) -> torch.Tensor:
    """Rule of conv2d: floor((side + 2 × padding - kernel) / stride) + 1."""
    x, weight = args[0], args[1]
    bound = dict(zip(("bias", "stride", "padding"), args[2:5], strict=False)) | dict(options)
    steps, arounds = _pair(bound.get("stride", 1)), _pair(bound.get("padding", 0))
    sides = (
        (side + 2 * around - kernel) // step + 1
        for side, around, kernel, step in zip(
            x.shape[2:], arounds, weight.shape[2:], steps, strict=True
        )
    )
    return _carrier((x.shape[0], weight.shape[0], *sides), x)


def _transposed(args: Arguments, options: Options) -> torch.Tensor:
    """Rule of conv_transpose2d: (side - 1) × stride - 2 × padding + kernel + more."""
    x, weight = args[0], args[1]
    names = ("bias", "stride", "padding", "output_padding", "groups")
    bound = dict(zip(names, args[2:7], strict=False)) | dict(options)
    steps = _pair(bound.get("stride", 1))
    arounds, mores = _pair(bound.get("padding", 0)), _pair(bound.get("output_padding", 0))
    sides = (
        (side - 1) * step - 2 * around + kernel + more
        for side, step, around, kernel, more in zip(
            x.shape[2:], steps, arounds, weight.shape[2:], mores, strict=True
        )
    )
    return _carrier((x.shape[0], weight.shape[1] * bound.get("groups", 1), *sides), x)


def _linear(args: Arguments, _: Options) -> torch.Tensor:
    x, weight = args[0], args[1]
    return _carrier((*x.shape[:-1], weight.shape[0]), x)


def _same(args: Arguments, _: Options) -> torch.Tensor:
    """Rule of norms and activations: the shape stays."""
    return _carrier(args[0].shape, args[0])


def _broadcast(args: Arguments, _: Options) -> torch.Tensor:
    """Rule of sums and products: the shapes are broadcast."""
    tensors = [one for one in args[:2] if isinstance(one, torch.Tensor)]
    # From the last axis on; of 1 and n it is n.
    sides = zip_longest(*(reversed(one.shape) for one in tensors), fillvalue=1)
    return _carrier([max(axis) for axis in sides][::-1], tensors[0])


def _reduced(args: Arguments, options: Options) -> torch.Tensor:
    """Rule of means: the axes go, or stay with one element."""
    x = args[0]
    axes = options["dim"] if "dim" in options else args[1]
    gone = {axis % x.dim() for axis in ((axes,) if isinstance(axes, int) else axes)}
    kept = options.get("keepdim", False)
    shape = [
        1 if axis in gone else size for axis, size in enumerate(x.shape) if kept or axis not in gone
    ]
    return _carrier(shape, x)


def _interpolated(args: Arguments, options: Options) -> torch.Tensor:
    x = args[0]
    factor = options.get("scale_factor")
    if factor is None:
        return _carrier((*x.shape[:2], *_pair(options["size"])), x)
    factors = (factor, factor) if isinstance(factor, int | float) else factor
    sides = (math.floor(side * each) for side, each in zip(x.shape[2:], factors, strict=True))
    return _carrier((*x.shape[:2], *sides), x)


def _padded(args: Arguments, _: Options) -> torch.Tensor:
    """Rule of pad: before and behind, from the last axis on."""
    x, amounts = args[0], args[1]
    shape = list(x.shape)
    for index in range(len(amounts) // 2):
        shape[-1 - index] += amounts[2 * index] + amounts[2 * index + 1]
    return _carrier(shape, x)


def _pooled(args: Arguments, options: Options) -> torch.Tensor:
    """Rule of max_pool2d, which rounds down."""
    x, kernels = args[0], _pair(args[1])
    steps = _pair(args[2] if len(args) > 2 else options.get("stride") or kernels)
    arounds = _pair(args[3] if len(args) > 3 else options.get("padding", 0))
    sides = (
        (side + 2 * around - kernel) // step + 1
        for side, around, kernel, step in zip(x.shape[2:], arounds, kernels, steps, strict=True)
    )
    return _carrier((*x.shape[:2], *sides), x)


_SAME: Final = (
    functional.batch_norm,
    functional.layer_norm,
    functional.relu,
    functional.gelu,
    torch.sqrt,
    torch.rsqrt,
    torch.Tensor.pow,
)
_BROADCAST: Final = (torch.Tensor.add, torch.Tensor.sub, torch.Tensor.mul, torch.Tensor.div)
_RULES: Final[dict[Callable[..., Any], _Rule]] = {
    torch.conv2d: _convolution,
    torch.conv_transpose2d: _transposed,
    functional.linear: _linear,
    functional.interpolate: _interpolated,
    functional.max_pool2d: _pooled,
    functional.pad: _padded,
    torch.Tensor.mean: _reduced,
    torch.norm: _reduced,
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_BROADCAST, _broadcast),
}


class ShapeRules(TorchFunctionMode):
    """Answers torch's functions with shapes while it is entered, and counts as torch's counter.

    Attributes:
        largest: Elements of the largest tensor that a rule gave.
    """

    def __init__(self) -> None:
        super().__init__()
        self._operations = 0
        self.largest = 0

    def get_total_flops(self) -> int:
        """Return 2 for each multiply-accumulate so far, as torch's counter does."""
        return self._operations

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Arguments = (),
        kwargs: Options | None = None,
    ) -> object:
        """Answer by a rule, or by torch's own."""
        options = kwargs or {}
        rule = _RULES.get(func)
        if rule is None:
            return func(*args, **options)
        found = rule(args, options)
        self._operations += _operations(func, args, found)
        self.largest = max(self.largest, found.numel())
        return found


def _operations(func: Callable[..., Any], args: Arguments, found: torch.Tensor) -> int:
    """Return what torch's counter counts for one call."""
    if func is functional.linear:
        return 2 * found.numel() * int(args[1].shape[1])
    if func not in {torch.conv2d, torch.conv_transpose2d}:
        return 0
    counted: int = conv_flop_count(
        list(args[0].shape),
        list(args[1].shape),
        list(found.shape),
        transposed=func is torch.conv_transpose2d,
    )
    return counted
