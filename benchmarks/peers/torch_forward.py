"""One pass of ConvNeXtPose S, bare: build, torch.load(mmap), load_state_dict, run once.

The network is written out here once more, so that nothing of the package runs.
"""

import itertools
import sys

import torch
from torch import nn

DIMS, DEPTHS, WIDTH, OUTPUTS = (48, 96, 192, 384), (3, 3, 9, 3), 256, 18 * 32


def named(kind: type[nn.Sequential] = nn.Sequential, **modules: nn.Module) -> nn.Sequential:
    """Return modules that run one after the other, under their names."""
    sequence = kind()
    for name, module in modules.items():
        sequence.add_module(name, module)
    return sequence


class Residual(nn.Sequential):
    """Adds what enters to what leaves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute a block."""
        entered = x
        for module in self:
            x = module(x)
        return entered + x


def block(width: int) -> nn.Sequential:
    """Return a block of a stage."""
    return named(
        Residual,
        dwconv=nn.Conv2d(width, width, 7, padding=3, groups=width),
        norm=nn.BatchNorm2d(width),
        pwconv1=nn.Conv2d(width, 4 * width, 1),
        act=nn.ReLU(inplace=True),
        pwconv2=nn.Conv2d(4 * width, width, 1),
    )


class Backbone(nn.Module):
    """Stages with downsampling between them."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, DIMS[0], 4, stride=4), nn.BatchNorm2d(DIMS[0]))
        self.downsample_layers = nn.ModuleList([stem])
        for before, after in itertools.pairwise(DIMS):
            reduction = nn.Conv2d(before, after, 2, stride=2)
            self.downsample_layers.append(nn.Sequential(nn.BatchNorm2d(before), reduction))
        self.stages = nn.ModuleList(
            nn.Sequential(*(block(width) for _ in range(depth)))
            for width, depth in zip(DIMS, DEPTHS, strict=True)
        )
        self.norm = nn.BatchNorm2d(DIMS[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the features."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        normed: torch.Tensor = self.norm(x)
        return normed


def head_layer(into: int, after: nn.Module) -> nn.Sequential:
    """Return a layer of the head."""
    return named(
        dwconv=nn.Conv2d(into, into, 3, padding=1, groups=into),
        norm=nn.BatchNorm2d(into),
        pwconv=nn.Conv2d(into, WIDTH, 1),
        act=nn.ReLU(inplace=True),
        after=after,
    )


head = named(
    deconv_layers_1=head_layer(DIMS[-1], nn.UpsamplingBilinear2d(scale_factor=2)),
    deconv_layers_2=head_layer(WIDTH, nn.UpsamplingBilinear2d(scale_factor=2)),
    deconv_layers_3=head_layer(WIDTH, nn.Identity()),
    final_layer=nn.Conv2d(WIDTH, OUTPUTS, 1),
)
network = named(backbone=Backbone(), head=head).eval()
value = torch.load(sys.argv[1], map_location="cpu", mmap=True, weights_only=True)
state = {key.removeprefix("module."): tensor for key, tensor in value["network"].items()}
network.load_state_dict(state, strict=True)
with torch.inference_mode():
    output = network(torch.randn((1, 3, 256, 256), generator=torch.Generator().manual_seed(0)))
print(tuple(output.shape), output.mean().item())
