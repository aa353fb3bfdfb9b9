"""3DMPPE PoseNet as a module.

Enters: a configuration. Leaves: the network, its parameters under the names of the authors' code:
a ResNet trunk, transposed convolutions, a 1×1 convolution to joints × depth bins.
"""

import torch
from torch import nn

from ckptscope.families.known.posenet.configuration import PoseNetConfiguration
from ckptscope.forward.deconvolutions import DeconvolutionStack, TrunkWithStack
from ckptscope.forward.network import Reading, Station


class Head(nn.Module):
    """Transposed convolutions and the final layer."""

    def __init__(self, configuration: PoseNetConfiguration) -> None:
        super().__init__()
        self.deconv_layers = DeconvolutionStack(configuration.stack)
        self.final_layer = nn.Conv2d(configuration.stack.out, configuration.final_channels or 0, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute logits [N, joints × depth bins, H, W]."""
        return self.final_layer(self.deconv_layers(x))  # type: ignore[no-any-return]


class PoseNetNetwork(TrunkWithStack):
    """Backbone and head."""

    reading = Reading.VOLUME

    def __init__(self, configuration: PoseNetConfiguration) -> None:
        super().__init__(configuration)
        self.head = Head(configuration)
        self.set_upsampling(configuration.upsampling)

    def stack(self) -> DeconvolutionStack:
        """Return the transposed convolutions of the head."""
        return self.head.deconv_layers

    def top(self, features: torch.Tensor) -> torch.Tensor:
        """Compute logits [N, joints × depth bins, H, W]."""
        return self.head(features)  # type: ignore[no-any-return]

    def stations(self) -> tuple[Station, ...]:
        """List stem, stages, head layers, final layer."""
        final = Station(
            name="final layer", kind="Conv2d 1×1", part="head", modules=(self.head.final_layer,)
        )
        return (*self.backbone.stations(), *self.stack().stations(), final)


def build(configuration: PoseNetConfiguration) -> PoseNetNetwork:
    """Return the network of a configuration."""
    return PoseNetNetwork(configuration)
