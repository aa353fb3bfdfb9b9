"""The ConvNeXt trunk as a module: stem, stages of blocks with downsampling between them, last norm.

Enters: sizes (`families.trunks.convnext.Trunk`). Leaves: a module whose parameters are called, and
listed, as in the original code. Order of operations after Z. Liu et al. (CVPR 2022), S. Woo et al.
(CVPR 2023) and, with BatchNorm, ReLU and 1×1 convolutions, H. S. Nguyen et al. (IEEE Access 2023).
"""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import nn

from ckptscope.families.trunks.convnext import (
    BATCH_NORM,
    DOWNSAMPLE_KERNEL,
    LAYER_NORM,
    OVERLAPPING_STEP,
    RMS_NORM,
    Trunk,
)
from ckptscope.forward.layers import (
    LAYER_NORM_EPSILON,
    GlobalResponseNorm,
    LayerNorm2d,
    RMSNorm2d,
    convolution,
    depthwise,
)
from ckptscope.forward.network import Station, blocks_text

#: Makes the activation of a block; it has no weights, so the family says which.
Activation = Callable[[], nn.Module]


class Block(nn.Module):
    """Depthwise convolution, norm, two pointwise layers with an activation between, residual."""

    def __init__(self, trunk: Trunk, width: int, activation: Activation) -> None:
        super().__init__()
        inner = trunk.expansion * width
        self.is_linear = not trunk.pointwise_convolutions
        self.gamma = nn.Parameter(torch.empty(width)) if trunk.layer_scale else None
        self.dwconv = depthwise(width, trunk.kernel_size)
        self.norm = self._norm(trunk, width)
        self.pwconv1 = nn.Linear(width, inner) if self.is_linear else convolution(width, inner, 1)
        self.act = activation()
        self.grn = GlobalResponseNorm(inner) if trunk.grn else nn.Identity()
        self.pwconv2 = nn.Linear(inner, width) if self.is_linear else convolution(inner, width, 1)

    def _norm(self, trunk: Trunk, width: int) -> nn.Module:
        if self.is_linear and trunk.norm == LAYER_NORM:
            return nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        return norm_2d(trunk.norm, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute one block of [N, C, H, W]."""
        entered = x
        x = self.dwconv(x)
        return entered + (self._last(x) if self.is_linear else self._first(x))

    def _first(self, x: torch.Tensor) -> torch.Tensor:
        """With channels first: pointwise layers are convolutions."""
        x = self.act(self.pwconv1(self.norm(x)))
        if isinstance(self.grn, GlobalResponseNorm):
            x = self.grn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.pwconv2(x)
        return x if self.gamma is None else self.gamma[:, None, None] * x

    def _last(self, x: torch.Tensor) -> torch.Tensor:
        """With channels last: pointwise layers are linear."""
        is_late = isinstance(self.norm, nn.LayerNorm)
        x = x if is_late else self.norm(x)
        x = x.permute(0, 2, 3, 1)
        x = self.norm(x) if is_late else x
        x = self.pwconv2(self.grn(self.act(self.pwconv1(x))))
        x = x if self.gamma is None else self.gamma * x
        return x.permute(0, 3, 1, 2)


class ConvNeXtTrunk(nn.Module):
    """The whole trunk."""

    def __init__(self, trunk: Trunk, activation: Activation) -> None:
        super().__init__()
        self.sizes = trunk
        self.downsample_layers = nn.ModuleList([self._stem(trunk, activation)])
        for before, after in itertools.pairwise(trunk.dims):
            self.downsample_layers.append(
                nn.Sequential(
                    norm_2d(trunk.norm, before),
                    nn.Conv2d(before, after, DOWNSAMPLE_KERNEL, stride=DOWNSAMPLE_KERNEL),
                )
            )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(trunk, width, activation) for _ in range(depth)))
            for width, depth in zip(trunk.dims, trunk.depths, strict=True)
        )

    @staticmethod
    def _stem(trunk: Trunk, activation: Activation) -> nn.Sequential:
        width, side = trunk.dims[0], trunk.stem_kernel
        normed = norm_2d(trunk.norm, width)
        if trunk.stem_channels is None:
            patches = nn.Conv2d(trunk.input_channels, width, side, stride=side)
            return nn.Sequential(patches, normed)
        around = side // 2
        first = convolution(
            trunk.input_channels, trunk.stem_channels, side, step=OVERLAPPING_STEP, padding=around
        )
        second = convolution(
            trunk.stem_channels, width, side, step=OVERLAPPING_STEP, padding=around
        )
        between = [activation()] if trunk.stem_activation else []
        return nn.Sequential(first, *between, second, normed)

    @property
    def stride(self) -> int:
        """Pixels of the input for one cell of the output."""
        sizes = self.sizes
        stem = sizes.stem_kernel if sizes.stem_channels is None else OVERLAPPING_STEP**2
        return int(stem * DOWNSAMPLE_KERNEL ** (len(sizes.dims) - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the features of [N, 3, H, W], without the last norm."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return x

    def stations(self) -> Iterator[Station]:
        """Yield the stem, the stages and what lies between them."""
        for i, (downsample, stage) in enumerate(
            zip(self.downsample_layers, self.stages, strict=True)
        ):
            yield Station(
                name=f"downsample {i}" if i else "stem",
                kind=self._reduction() if i else self._stem_kind(),
                part="backbone",
                modules=(downsample,),
            )
            yield Station(
                name=f"stage {i}",
                kind=blocks_text(self.sizes.depths[i]),
                part="backbone",
                modules=(stage,),
            )

    def _stem_kind(self) -> str:
        side = self.sizes.stem_kernel
        convolved = f"Conv2d {side}×{side}"
        if self.sizes.stem_channels is not None:
            convolved = f"2 × {convolved} step {OVERLAPPING_STEP}"
        return f"{convolved}, {self.sizes.norm}"

    def _reduction(self) -> str:
        return f"{self.sizes.norm}, Conv2d {DOWNSAMPLE_KERNEL}×{DOWNSAMPLE_KERNEL}"


class BackboneWithNorm(ConvNeXtTrunk):
    """The trunk with its last norm over planes, as ConvNeXtPose has it."""

    def __init__(self, trunk: Trunk, activation: Activation) -> None:
        super().__init__(trunk, activation)
        self.norm = norm_2d(trunk.norm, trunk.dims[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the features of [N, 3, H, W]."""
        x = self.norm(super().forward(x))
        return x

    def stations(self) -> Iterator[Station]:
        """Yield the trunk's stations, and the norm."""
        yield from super().stations()
        yield Station(name="norm", kind=self.sizes.norm, part="backbone", modules=(self.norm,))


def norm_2d(kind: str, channels: int, epsilon: float = LAYER_NORM_EPSILON) -> nn.Module:
    """Return a norm over the channels of [N, C, H, W].

    Args:
        kind: BatchNorm2d, LayerNorm or RMSNorm.
        channels: How many.
        epsilon: Of the last two; BatchNorm keeps torch's.
    """
    if kind == BATCH_NORM:
        return nn.BatchNorm2d(channels)
    return (RMSNorm2d if kind == RMS_NORM else LayerNorm2d)(channels, epsilon)
