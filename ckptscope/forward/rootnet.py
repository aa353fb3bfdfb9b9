"""3DMPPE RootNet as a module.

Enters: a configuration. Leaves: the network, its parameters under the names of the authors' code: a
ResNet trunk; transposed convolutions and a 1×1 convolution to a heatmap, whose expectation is the
root's place; a 1×1 convolution of the pooled trunk, which corrects its depth. The second input of
the authors' network, k, has no weights and is 1 here: the depth is the bare correction.
"""

import torch
from torch import nn

from ckptscope.families.known.rootnet.configuration import RootNetConfiguration
from ckptscope.forward.deconvolutions import DeconvolutionStack, TrunkWithStack
from ckptscope.forward.layers import PlaneMean
from ckptscope.forward.network import Reading, Station


class Root(nn.Module):
    """Transposed convolutions, the place of the root, its depth."""

    def __init__(self, configuration: RootNetConfiguration) -> None:
        super().__init__()
        self.deconv_layers = DeconvolutionStack(configuration.stack)
        self.xy_layer = nn.Conv2d(configuration.stack.out, 1, 1)
        self.depth_layer = nn.Conv2d(configuration.dims[-1], 1, 1)
        self.pool = PlaneMean()
        self.place = PlaceOfRoot()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute [N, 3]: x and y in cells of the heatmap, the correction of the depth."""
        heatmap = self.xy_layer(self.deconv_layers(x))
        depth = self.depth_layer(self.pool(x))
        return self.place(heatmap, depth)  # type: ignore[no-any-return]


class PlaceOfRoot(nn.Module):
    """Heatmap [N, 1, H, W] and depth [N, 1, 1, 1] → [N, 3]."""

    def forward(self, heatmap: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        """Take the expectation over the plane."""
        count, _, height, width = heatmap.shape
        if heatmap.is_meta:
            return torch.empty((count, 3), dtype=heatmap.dtype, device=heatmap.device)
        likely = heatmap.reshape(count, height * width).softmax(1).reshape(count, height, width)
        across = torch.arange(width, dtype=heatmap.dtype, device=heatmap.device)
        down = torch.arange(height, dtype=heatmap.dtype, device=heatmap.device)
        x = (likely.sum(dim=1) * across).sum(dim=1)
        y = (likely.sum(dim=2) * down).sum(dim=1)
        return torch.stack((x, y, depth.reshape(count)), dim=1)


class RootNetNetwork(TrunkWithStack):
    """Backbone and root."""

    reading = Reading.ROOT
    cautions = ("the second input, k is 1, so the depth is the bare correction",)

    def __init__(self, configuration: RootNetConfiguration) -> None:
        super().__init__(configuration)
        self.root = Root(configuration)
        self.set_upsampling(configuration.upsampling)

    def stack(self) -> DeconvolutionStack:
        """Return the transposed convolutions of the head."""
        return self.root.deconv_layers

    def top(self, features: torch.Tensor) -> torch.Tensor:
        """Compute [N, 3]."""
        return self.root(features)  # type: ignore[no-any-return]

    def stations(self) -> tuple[Station, ...]:
        """List stem, stages, head layers, and the two layers of the root."""
        root = self.root
        return (
            *self.backbone.stations(),
            *self.stack().stations(),
            Station(name="xy layer", kind="Conv2d 1×1", part="head", modules=(root.xy_layer,)),
            Station(name="pooling", kind="mean over the plane", part="head", modules=(root.pool,)),
            Station(
                name="depth layer", kind="Conv2d 1×1", part="head", modules=(root.depth_layer,)
            ),
        )


def build(configuration: RootNetConfiguration) -> RootNetNetwork:
    """Return the network of a configuration."""
    return RootNetNetwork(configuration)
