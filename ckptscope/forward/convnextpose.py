"""ConvNeXtPose as a module.

Enters: a configuration. Leaves: the network, its parameters under the names of the dialect `named`.
Written from the family's table of keys and the authors' description: trunk with BatchNorm and ReLU,
head of depthwise-separable layers, each followed by bilinear ×2 with aligned corners or by nothing,
a 1×1 convolution to joints × depth bins.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn

from ckptscope.facts.upsampling import Pattern
from ckptscope.families.known.convnextpose.configuration import ConvNeXtPoseConfiguration
from ckptscope.forward.layers import convolution, depthwise
from ckptscope.forward.network import Reading, Station, UpsamplingNetwork
from ckptscope.forward.trunk import BackboneWithNorm, norm_2d

_FACTOR = 2


class HeadLayer(nn.Module):
    """One depthwise-separable layer, and what changes the plane behind it."""

    def __init__(self, into: int, out: int, kernel: int, norm: str) -> None:
        super().__init__()
        self.dwconv = depthwise(into, kernel)
        self.norm = norm_2d(norm, into)
        self.pwconv = convolution(into, out, 1)
        self.act = nn.ReLU(inplace=True)
        self.upsample: nn.Module = nn.Identity()
        self.kernel = kernel

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute [N, in, H, W] → [N, out, H, W], or twice the plane."""
        return self.upsample(self.act(self.pwconv(self.norm(self.dwconv(x)))))  # type: ignore[no-any-return]


class Head(nn.Module):
    """Layers 1, 2, 3, ... and the final layer."""

    def __init__(self, configuration: ConvNeXtPoseConfiguration) -> None:
        super().__init__()
        self.layers: list[HeadLayer] = []
        sizes = zip(
            configuration.head_in_channels,
            configuration.head_out_channels,
            configuration.kernels,
            strict=True,
        )
        for number, (into, out, kernel) in enumerate(sizes, start=1):
            layer = HeadLayer(into, out, kernel, configuration.norm)
            self.add_module(f"deconv_layers_{number}", layer)
            self.layers.append(layer)
        self.final_layer = convolution(
            configuration.final_in_channels, configuration.final_channels, 1
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute logits [N, joints × depth bins, H, W]."""
        for layer in self.layers:
            x = layer(x)
        return self.final_layer(x)  # type: ignore[no-any-return]


class ConvNeXtPoseNetwork(UpsamplingNetwork):
    """Backbone and head."""

    reading = Reading.VOLUME

    def __init__(self, configuration: ConvNeXtPoseConfiguration) -> None:
        super().__init__()
        self.backbone = BackboneWithNorm(configuration.trunk, partial(nn.ReLU, inplace=True))
        self.head = Head(configuration)
        self.stride = self.backbone.stride
        self.input_channels = configuration.input_channels
        layers = len(configuration.head_out_channels)
        self.set_upsampling(configuration.upsampling or (False,) * layers)

    def set_upsampling(self, pattern: Pattern) -> None:
        """Choose which layers of the head double the plane; no parameter depends on it."""
        for layer, is_doubled in zip(self.head.layers, pattern, strict=True):
            layer.upsample = (
                nn.UpsamplingBilinear2d(scale_factor=_FACTOR) if is_doubled else nn.Identity()
            )

    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Compute features [N, dims[-1], H/32, W/32]."""
        return self.backbone(x)  # type: ignore[no-any-return]

    def top(self, features: torch.Tensor) -> torch.Tensor:
        """Compute logits [N, joints × depth bins, H, W]."""
        return self.head(features)  # type: ignore[no-any-return]

    def stations(self) -> tuple[Station, ...]:
        """List stem, stages, head layers, final layer."""
        return (*self.backbone.stations(), *self._head_stations())

    def _head_stations(self) -> Iterator[Station]:
        for number, layer in enumerate(self.head.layers, start=1):
            is_doubled = not isinstance(layer.upsample, nn.Identity)
            after = f"bilinear ×{_FACTOR}" if is_doubled else "no upsampling"
            yield Station(
                name=f"head layer {number}",
                kind=f"depthwise {layer.kernel}×{layer.kernel}, 1×1, {after}",
                part="head",
                modules=(layer,),
                upsampling=is_doubled,
            )
        yield Station(
            name="final layer",
            kind="Conv2d 1×1",
            part="head",
            modules=(self.head.final_layer,),
        )


def build(configuration: ConvNeXtPoseConfiguration) -> ConvNeXtPoseNetwork:
    """Return the network of a configuration."""
    return ConvNeXtPoseNetwork(configuration)
