"""The ResNet trunk as a module.

Enters: sizes (`families.trunks.resnet.Trunk`). Leaves: a module whose parameters are called, and
listed, as in torchvision. Strides, which no weight tells, are torchvision's: the stem, its pooling
and every stage but the first halve the plane, a stage in the 3×3 convolution of its first block.
"""

from collections.abc import Iterator

import torch
from torch import nn

from ckptscope.families.trunks.resnet import BASIC, Trunk
from ckptscope.forward.network import Station, blocks_text

_POOL, _STEP = 3, 2


class ResidualBlock(nn.Module):
    """BasicBlock or Bottleneck: two or three convolutions, and a shortcut."""

    def __init__(self, trunk: Trunk, stage: int, into: int, *, is_first: bool) -> None:
        super().__init__()
        out, group = trunk.dims[stage], trunk.group_dims[stage]
        inner, groups = trunk.groups * group, trunk.groups
        step = _STEP if is_first and stage else 1
        self.is_basic = trunk.block == BASIC
        if self.is_basic:
            self.conv1 = _bare(into, inner, 3, step=step)
            self.bn1 = nn.BatchNorm2d(inner)
            self.conv2 = _bare(inner, out, 3, groups=groups)
            self.bn2 = nn.BatchNorm2d(out)
        else:
            self.conv1 = _bare(into, inner, 1)
            self.bn1 = nn.BatchNorm2d(inner)
            self.conv2 = _bare(inner, inner, 3, step=step, groups=groups)
            self.bn2 = nn.BatchNorm2d(inner)
            self.conv3 = _bare(inner, out, 1)
            self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if is_first and trunk.has_downsample(stage):
            self.downsample = nn.Sequential(_bare(into, out, 1, step=step), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute one block of [N, C, H, W]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        if not self.is_basic:
            x = self.bn3(self.conv3(self.relu(x)))
        return self.relu(x + shortcut)  # type: ignore[no-any-return]


class ResNetTrunk(nn.Module):
    """Stem and stages."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.sizes = trunk
        side = trunk.stem_kernel
        self.conv1 = _bare(trunk.input_channels, trunk.stem_width, side, step=_STEP)
        self.bn1 = nn.BatchNorm2d(trunk.stem_width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(_POOL, stride=_STEP, padding=_POOL // 2)
        self.stages: list[nn.Sequential] = []
        for stage, depth in enumerate(trunk.depths):
            blocks = (
                ResidualBlock(
                    trunk,
                    stage,
                    trunk.dims[stage] if index else trunk.incoming(stage),
                    is_first=not index,
                )
                for index in range(depth)
            )
            self.stages.append(nn.Sequential(*blocks))
            self.add_module(f"layer{stage + 1}", self.stages[-1])

    @property
    def stride(self) -> int:
        """Pixels of the input for one cell of the output."""
        return int(_STEP ** (1 + len(self.sizes.depths)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute features of [N, 3, H, W]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = stage(x)
        return x

    def stations(self) -> Iterator[Station]:
        """Yield the stem and the stages."""
        side = self.sizes.stem_kernel
        yield Station(
            name="stem",
            kind=f"Conv2d {side}×{side}, BatchNorm2d, pooling",
            part="backbone",
            modules=(self.conv1, self.bn1, self.relu, self.maxpool),
        )
        for index, stage in enumerate(self.stages):
            yield Station(
                name=f"stage {index + 1}",
                kind=f"{blocks_text(self.sizes.depths[index])} {self.sizes.block}",
                part="backbone",
                modules=(stage,),
            )


def _bare(into: int, out: int, kernel: int, *, step: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution without a bias, padded by half its kernel."""
    return nn.Conv2d(into, out, kernel, stride=step, padding=kernel // 2, groups=groups, bias=False)
