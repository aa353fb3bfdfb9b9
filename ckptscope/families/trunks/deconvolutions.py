"""A stack of transposed convolutions behind a trunk, as in heads that give heatmaps.

Enters: widths and kernels. Leaves: expected tensors, counts, multiply-accumulates. Defined by
B. Xiao, H. Wu, Y. Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018; the
names are those of 3DMPPE.

| key, layer k from 0 | shape |
|---|---|
| `deconv_layers.{3k}.weight` | [incoming, head_out_channels[k], head_kernels[k], ...]; no bias |
| `deconv_layers.{3k+1}.*` | BatchNorm2d of head_out_channels[k] |

`deconv_layers.{3k+2}` is a ReLU. A transposed convolution has its incoming channels first.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.layers import Place, Width, batch_norm, convolution, square

#: Modules of the Sequential that make up one layer: transposed convolution, norm, ReLU.
STEP: Final = 3
#: Kernel and width in 3DMPPE's code, and how many layers.
KERNEL: Final = 4
WIDTH: Final = 256
LAYERS: Final = 3
#: No head has more; each may double the plane, and sums over thousands take for ever.
MOST_LAYERS: Final = 16
#: What the transposed convolutions do to a plane; the kernels alone do not tell.
DOUBLING: Final = (
    "every transposed convolution steps by 2 and doubles the plane, as in the authors' code: its "
    "stride is in no weight"
)


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a stack.

    Attributes:
        into: Channels that enter it.
        widths: Channels that leave each layer.
        kernels: Sides of the kernels.
        doubles: Whether each layer doubles the plane; otherwise it leaves it as it is.
    """

    into: int
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    doubles: tuple[bool, ...]

    @property
    def out(self) -> int:
        """Channels that leave the stack."""
        return (self.into, *self.widths)[-1]

    def planes(self, plane: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Return height and width that enter each layer, and at last those that leave.

        Args:
            plane: Height and width that enter the first.
        """
        planes = [plane]
        for is_doubled in self.doubles:
            height, width = planes[-1]
            planes.append((height * 2, width * 2) if is_doubled else (height, width))
        return tuple(planes)


def stack_keys(stack: Stack, into: Width, *, prefix: str, part: str) -> Iterator[ExpectedTensor]:
    """List a stack in the order of torch.

    Args:
        stack: Its sizes.
        into: Channels that enter it, with the settings behind them.
        prefix: What stands before every key: `head.`.
        part: Part of the network that it counts for.
    """
    place = Place(part, ("head_layers",))
    for index, (width, side) in enumerate(zip(stack.widths, stack.kernels, strict=True)):
        out = Width(width, (f"head_out_channels[{index}]",))
        kernel = square(side, f"head_kernels[{index}]")
        key = f"{prefix}deconv_layers."
        yield from convolution(f"{key}{STEP * index}", into, out, kernel, place, bias=False)
        yield from batch_norm(f"{key}{STEP * index + 1}", out, place)
        into = out


def stack_counts(stack: Stack) -> tuple[int, int, int]:
    """Return tensors, parameters and buffer elements of a stack in closed form."""
    weights = sum(
        into * out * kernel**2
        for into, out, kernel in zip(
            (stack.into, *stack.widths), stack.widths, stack.kernels, strict=False
        )
    )
    normed, layers = sum(stack.widths), len(stack.widths)
    return 6 * layers, weights + 2 * normed, 2 * normed + layers


def stack_macs(stack: Stack, plane: tuple[int, int]) -> int:
    """Return the multiply-accumulates of a stack: every place that enters meets every weight.

    Args:
        stack: Its sizes.
        plane: Height and width that enter the first layer.
    """
    total, into = 0, stack.into
    for (height, width), out, kernel in zip(
        stack.planes(plane), stack.widths, stack.kernels, strict=False
    ):
        total += into * out * kernel**2 * height * width
        into = out
    return total
