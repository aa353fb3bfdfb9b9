"""A stack of transposed convolutions as a module, and networks of a ResNet trunk with one on it.

Enters: sizes (`families.trunks.deconvolutions.Stack`). Leaves: modules whose parameters are called
as in the code of 3DMPPE. A layer that doubles the plane steps by 2; padding follows from its
kernel, as in B. Xiao et al., "Simple Baselines", ECCV 2018.
"""

from collections.abc import Iterator

import torch
from torch import nn

from ckptscope.facts.upsampling import Pattern
from ckptscope.families.trunks.deconvolution_settings import StackConfiguration
from ckptscope.families.trunks.deconvolutions import STEP, Stack
from ckptscope.forward.network import Station, UpsamplingNetwork
from ckptscope.forward.residual import ResNetTrunk


class DeconvolutionStack(nn.Sequential):
    """Transposed convolution without a bias, BatchNorm, ReLU; so many times."""

    def __init__(self, stack: Stack) -> None:
        layers: list[nn.Module] = []
        into = stack.into
        for width, kernel in zip(stack.widths, stack.kernels, strict=True):
            layers.append(nn.ConvTranspose2d(into, width, kernel, bias=False))
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            into = width
        super().__init__(*layers)

    def convolutions(self) -> tuple[nn.ConvTranspose2d, ...]:
        """Return the transposed convolutions, in order."""
        return tuple(one for one in self if isinstance(one, nn.ConvTranspose2d))

    def stations(self) -> Iterator[Station]:
        """Yield the layers."""
        modules = tuple(self)
        for index, convolution in enumerate(self.convolutions()):
            is_doubled = convolution.stride[0] == _DOUBLING
            side = convolution.kernel_size[0]
            yield Station(
                name=f"head layer {index + 1}",
                kind=f"transposed {side}×{side} step {convolution.stride[0]}",
                part="head",
                modules=modules[STEP * index : STEP * (index + 1)],
                upsampling=is_doubled,
            )


_DOUBLING = 2


def _set_doubling(convolution: nn.ConvTranspose2d, *, is_doubled: bool) -> None:
    """Choose step and padding so that the plane is doubled, or kept."""
    kernel = convolution.kernel_size[0]
    step = _DOUBLING if is_doubled else 1
    # (side - 1) × step - 2 × padding + kernel + more = side × step
    padding = (kernel - step + 1) // 2
    more = 2 * padding + step - kernel
    convolution.stride = (step, step)
    convolution.padding = (padding, padding)
    convolution.output_padding = (more, more)


class TrunkWithStack(UpsamplingNetwork):
    """A ResNet trunk, and a head that holds a stack."""

    def __init__(self, configuration: StackConfiguration) -> None:
        super().__init__()
        self.backbone = ResNetTrunk(configuration.trunk)
        self.stride = self.backbone.stride
        self.input_channels = configuration.input_channels

    def stack(self) -> DeconvolutionStack:
        """Return the transposed convolutions of the head."""
        raise NotImplementedError

    def set_upsampling(self, pattern: Pattern) -> None:
        """Choose which layers double the plane; no parameter depends on it."""
        for convolution, is_doubled in zip(self.stack().convolutions(), pattern, strict=True):
            _set_doubling(convolution, is_doubled=is_doubled)

    def can_run(self, pattern: Pattern) -> bool:
        """Whether the kernels allow it: an even one cannot keep the plane."""
        return all(
            is_doubled or convolution.kernel_size[0] % 2
            for convolution, is_doubled in zip(self.stack().convolutions(), pattern, strict=True)
        )

    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Compute features [N, dims[-1], H/32, W/32]."""
        return self.backbone(x)  # type: ignore[no-any-return]
