"""ConvNeXtPose in torch, named as three code bases name its head; for comparison only.

Written from the paper and from what is known of the authors' code: attributes in the order of their
constructors, for that order is the order of the state_dict.
"""

import itertools
from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ckptscope.families.known.convnextpose.configuration import ConvNeXtPoseConfiguration


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of [N, C, H, W]."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Response(nn.Module):
    """Global response normalization, in the names and shapes of its paper."""

    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, width))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, width))

    def forward(self, x):
        return x


def norm_of(configuration, width):
    return (nn.BatchNorm2d if configuration.norm == "BatchNorm2d" else ChannelNorm)(width)


class Block(nn.Module):
    def __init__(self, c, width):
        super().__init__()
        k, inner = c.kernel_size, c.expansion * width
        self.dwconv = nn.Conv2d(width, width, k, padding=k // 2, groups=width)
        self.norm = norm_of(c, width)
        self.pwconv1 = nn.Conv2d(width, inner, 1)
        self.act = nn.ReLU()
        if c.grn:
            self.grn = Response(inner)
        self.pwconv2 = nn.Conv2d(inner, width, 1)
        self.gamma = nn.Parameter(torch.ones(width)) if c.layer_scale else None

    def forward(self, x):
        return x + self.pwconv2(self.act(self.pwconv1(self.norm(self.dwconv(x)))))


class Backbone(nn.Module):
    def __init__(self, c):
        super().__init__()
        k, dims = c.stem_kernel, c.dims
        stem = nn.Sequential(nn.Conv2d(c.input_channels, dims[0], k, k), norm_of(c, dims[0]))
        self.downsample_layers = nn.ModuleList([stem])
        for into, out in itertools.pairwise(dims):
            layers = norm_of(c, into), nn.Conv2d(into, out, 2, 2)
            self.downsample_layers.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(c, width) for _ in range(depth)))
            for width, depth in zip(dims, c.depths, strict=True)
        )
        self.norm = norm_of(c, dims[-1])

    def forward(self, x):
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(down(x))
        return self.norm(x)


class NamedLayer(nn.Sequential):
    """A layer of the authors' head: parts by name, run by name."""

    def __init__(self, c, index, is_doubled):
        super().__init__()
        into, out = c.head_in_channels[index], c.head_out_channels[index]
        k = c.kernels[index]
        self.dwconv = nn.Conv2d(into, into, k, padding=k // 2, groups=into)
        self.norm = norm_of(c, into)
        self.pwconv = nn.Conv2d(into, out, 1)
        self.act = nn.ReLU()
        self.upsample1 = nn.UpsamplingBilinear2d(scale_factor=2) if is_doubled else nn.Identity()


def indexed_layer(c, index, is_doubled):
    """The same as a plain Sequential, whose parts are numbered."""
    return nn.Sequential(*NamedLayer(c, index, is_doubled).children())


class Head(nn.Module):
    def __init__(self, c, dialect):
        super().__init__()
        make = indexed_layer if dialect == "indexed" else NamedLayer
        pattern = c.upsampling or (False,) * len(c.head_out_channels)
        layers = [make(c, i, is_doubled) for i, is_doubled in enumerate(pattern)]
        self.order = SimpleNamespace(layers=layers)
        if dialect == "list":
            self.deconv_layers = nn.ModuleList(layers)
        else:
            for number, layer in enumerate(layers, start=1):
                self.add_module(f"deconv_layers_{number}", layer)
        self.final_layer = nn.Conv2d(c.final_in_channels, c.final_channels, 1)

    def forward(self, x):
        for layer in self.order.layers:
            x = layer(x)
        return self.final_layer(x)


class PoseNetwork(nn.Module):
    def __init__(self, c: ConvNeXtPoseConfiguration, dialect: str = "named"):
        super().__init__()
        self.backbone = Backbone(c)
        self.head = Head(c, dialect)

    def forward(self, x):
        return self.head(self.backbone(x))


def build_network(c: ConvNeXtPoseConfiguration, dialect: str = "named") -> PoseNetwork:
    """Build it without memory for its weights."""
    with torch.device("meta"):
        return PoseNetwork(c, dialect).eval()


def run(network: PoseNetwork, c: ConvNeXtPoseConfiguration) -> tuple[tuple[int, ...], int]:
    """Output shape and multiply-accumulates of one input: products of each output of each layer."""
    macs = 0

    def add(module, inputs, output):
        nonlocal macs
        macs += output.numel() * module.weight[0].numel()

    hooks = [
        module.register_forward_hook(add)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    output = pass_through(network, c)
    for hook in hooks:
        hook.remove()
    return output, macs


def count_by_torch(network: PoseNetwork, c: ConvNeXtPoseConfiguration) -> int:
    """Multiply-accumulates of one input by torch's own counter: two FLOPs for each."""
    with FlopCounterMode(display=False) as counter:
        pass_through(network, c)
    flops = counter.get_total_flops()
    assert flops % 2 == 0
    return flops // 2


def pass_through(network: PoseNetwork, c: ConvNeXtPoseConfiguration) -> tuple[int, ...]:
    with torch.no_grad():
        output = network(torch.empty(1, c.input_channels, *c.input_size, device="meta"))
    return tuple(output.shape)
