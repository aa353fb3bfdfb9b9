"""Layers that torch has not under these names and in these orders of operations.

Enters: sizes. Leaves: modules whose parameters are called as in the authors' code of ConvNeXt and
ConvNeXt V2.
"""

import torch
from torch import nn
from torch.nn import functional

#: Of LayerNorm in the code of both ConvNeXt papers; weightless, so no file can tell.
LAYER_NORM_EPSILON = 1e-6


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of [N, C, H, W], step by step as in the ConvNeXt papers' code."""

    def __init__(self, channels: int, epsilon: float = LAYER_NORM_EPSILON) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize over axis 1."""
        mean = x.mean(1, keepdim=True)
        variance: torch.Tensor = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.epsilon)
        scaled: torch.Tensor = self.weight[:, None, None] * x + self.bias[:, None, None]
        return scaled


class RMSNorm2d(nn.Module):
    """RMSNorm over the channels of [N, C, H, W]: a weight and no bias."""

    def __init__(self, channels: int, epsilon: float = LAYER_NORM_EPSILON) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize over axis 1."""
        x = x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + self.epsilon)
        return self.weight[:, None, None] * x


class GlobalResponseNorm(nn.Module):
    """GRN of ConvNeXt V2; parameters [1, 1, 1, C] over [N, H, W, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.empty(1, 1, 1, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale each channel by its norm over the plane, relative to the mean of these."""
        norm = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        response = norm / (norm.mean(dim=-1, keepdim=True) + LAYER_NORM_EPSILON)
        scaled: torch.Tensor = self.gamma * (x * response) + self.beta + x
        return scaled


class PlaneMean(nn.Module):
    """The mean over the plane: [N, C, H, W] → [N, C, 1, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute it."""
        return x.mean((-2, -1), keepdim=True)


class EvenConvolution(nn.Conv2d):
    """A convolution with an even kernel that keeps the plane: one place more below and right."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Pad and convolve."""
        around = self.kernel_size[0] - 1
        before = around // 2
        sides = (before, around - before)
        return super().forward(functional.pad(given, (*sides, *sides)))


def convolution(
    into: int, out: int, kernel: int, *, step: int = 1, groups: int = 1, padding: int | None = None
) -> nn.Conv2d:
    """Return a convolution with a bias that keeps the plane unless it steps.

    Args:
        into: Channels that enter.
        out: Channels that leave.
        kernel: Side of the kernel.
        step: Its stride.
        groups: As of Conv2d.
        padding: On each side; None for half the kernel, which keeps the plane. An even kernel
            needs one side more than the other.
    """
    if padding is None and kernel % 2 == 0:
        return EvenConvolution(into, out, kernel, groups=groups)
    around = kernel // 2 if padding is None else padding
    return nn.Conv2d(into, out, kernel, stride=step, padding=around, groups=groups)


def depthwise(channels: int, kernel: int) -> nn.Conv2d:
    """Return a depthwise convolution that keeps the plane."""
    return convolution(channels, channels, kernel, groups=channels)
