"""ResNet classifiers as modules.

Enters: a configuration. Leaves: the network, its parameters under torchvision's names: trunk, mean
over the plane, a linear layer.
"""

import torch
from torch import nn

from ckptscope.families.known.resnet.configuration import ResNetConfiguration
from ckptscope.forward.layers import PlaneMean
from ckptscope.forward.network import Network, Reading, Station
from ckptscope.forward.residual import ResNetTrunk


class ResNetNetwork(Network):
    """Trunk, pooling, and the classifier if there is one."""

    def __init__(self, configuration: ResNetConfiguration) -> None:
        super().__init__()
        self.body = ResNetTrunk(configuration.trunk)
        self.stride = self.body.stride
        self.input_channels = configuration.input_channels
        self.pool = PlaneMean()
        self.flatten = nn.Flatten()
        self.fc: nn.Linear | None = None
        if configuration.classes is not None:
            self.fc = nn.Linear(configuration.dims[-1], configuration.classes)
        self.reading = Reading.FEATURES if self.fc is None else Reading.CLASSES

    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Compute features [N, dims[-1], H/32, W/32]."""
        return self.body(x)  # type: ignore[no-any-return]

    def top(self, features: torch.Tensor) -> torch.Tensor:
        """Compute logits [N, classes]."""
        x: torch.Tensor = self.flatten(self.pool(features))
        return x if self.fc is None else self.fc(x)

    def stations(self) -> tuple[Station, ...]:
        """List stem, stages, pooling, classifier."""
        pooling = Station(
            name="pooling", kind="mean over the plane", part="backbone", modules=(self.pool,)
        )
        if self.fc is None:
            return (*self.body.stations(), pooling)
        classifier = Station(name="classifier", kind="Linear", part="head", modules=(self.fc,))
        return (*self.body.stations(), pooling, classifier)


def build(configuration: ResNetConfiguration) -> ResNetNetwork:
    """Return the network of a configuration."""
    return ResNetNetwork(configuration)
