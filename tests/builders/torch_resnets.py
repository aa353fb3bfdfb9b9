"""Networks on ResNet trunks, in torch: written after torchvision and 3DMPPE, not after ckptscope.

They bear torchvision's names, or 3DMPPE's, and are as configurable as the families' settings.
"""

from collections.abc import Sequence

import torch
from torch import nn


def _conv(into: int, out: int, side: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(into, out, side, stride, padding=side // 2, groups=groups, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, into: int, out: int, group: int, groups: int, stride: int, *, short: bool):
        super().__init__()
        inner = group * groups
        self.conv1 = _conv(into, inner, 3, stride)
        self.bn1 = nn.BatchNorm2d(inner)
        self.relu = nn.ReLU()
        self.conv2 = _conv(inner, out, 3, groups=groups)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = _shortcut(into, out, stride) if short else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    def __init__(self, into: int, out: int, group: int, groups: int, stride: int, *, short: bool):
        super().__init__()
        inner = group * groups
        self.conv1 = _conv(into, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = _conv(inner, inner, 3, stride, groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = _conv(inner, out, 1)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(into, out, stride) if short else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(into: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_conv(into, out, 1, stride), nn.BatchNorm2d(out))


BLOCKS = {"BasicBlock": BasicBlock, "Bottleneck": Bottleneck}


class ResNet(nn.Module):
    """A trunk with its classifier; without one if `classes` is None."""

    def __init__(
        self,
        *,
        block: str,
        depths: Sequence[int],
        dims: Sequence[int],
        group_dims: Sequence[int],
        groups: int = 1,
        stem_width: int = 64,
        stem_kernel: int = 7,
        input_channels: int = 3,
        classes: int | None = None,
    ):
        super().__init__()
        self.conv1 = _conv(input_channels, stem_width, stem_kernel, 2)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stages = len(depths)
        into = stem_width
        for stage, (depth, out, group) in enumerate(zip(depths, dims, group_dims, strict=True)):
            blocks = []
            for number in range(depth):
                stride = 2 if stage and not number else 1
                short = not number and (stride != 1 or into != out)
                blocks.append(BLOCKS[block](into, out, group, groups, stride, short=short))
                into = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        if classes is not None:
            self.fc = nn.Linear(into, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(self.avgpool(x).flatten(1)) if hasattr(self, "fc") else x


def _deconvolutions(into: int, widths: Sequence[int], kernels: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out, kernel in zip(widths, kernels, strict=True):
        padding, more = (kernel - 1) // 2, kernel % 2
        layers += [
            nn.ConvTranspose2d(into, out, kernel, 2, padding, more, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        ]
        into = out
    return nn.Sequential(*layers)


class _PoseHead(nn.Module):
    def __init__(self, into: int, widths: Sequence[int], kernels: Sequence[int], outputs: int):
        super().__init__()
        self.deconv_layers = _deconvolutions(into, widths, kernels)
        self.final_layer = nn.Conv2d((into, *widths)[-1], outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.final_layer(self.deconv_layers(x))


class _RootHead(nn.Module):
    def __init__(self, into: int, widths: Sequence[int], kernels: Sequence[int]):
        super().__init__()
        self.deconv_layers = _deconvolutions(into, widths, kernels)
        self.xy_layer = nn.Conv2d((into, *widths)[-1], 1, 1)
        self.depth_layer = nn.Conv2d(into, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        plane = self.xy_layer(self.deconv_layers(x))
        depth = self.depth_layer(x.mean((2, 3), keepdim=True))
        return plane.flatten(1).sum(1) + depth.flatten(1).sum(1)


class PoseNet(nn.Module):
    def __init__(self, *, outputs: int, widths: Sequence[int], kernels: Sequence[int], **trunk):
        super().__init__()
        self.backbone = ResNet(**trunk)
        self.head = _PoseHead(trunk["dims"][-1], widths, kernels, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


class RootNet(nn.Module):
    def __init__(self, *, widths: Sequence[int], kernels: Sequence[int], **trunk):
        super().__init__()
        self.backbone = ResNet(**trunk)
        self.root = _RootHead(trunk["dims"][-1], widths, kernels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.root(self.backbone(x))
