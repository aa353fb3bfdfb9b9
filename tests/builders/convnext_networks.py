"""ConvNeXt classifiers in torch, named as four code bases name them; for comparison only.

Each class follows the constructor of the code base that it is called after, with the same order of
attributes, for that order is the order of the state_dict.
"""

from collections import OrderedDict

import torch
from torch import nn

from ckptscope.families.known.convnext.configuration import ConvNeXtConfiguration


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class RmsNorm2d(nn.RMSNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS = {"LayerNorm": LayerNorm2d, "RMSNorm": RmsNorm2d, "BatchNorm2d": nn.BatchNorm2d}


class GammaBeta(nn.Module):
    """GRN of the second paper's code."""

    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def forward(self, x):
        return x


class WeightBias(nn.Module):
    """GRN of timm (one axis) and of transformers (four)."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return x


class ChannelsLast(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


class ChannelsFirst(nn.Module):
    def forward(self, x):
        return x.permute(0, 3, 1, 2)


def depthwise(c: ConvNeXtConfiguration, dim: int) -> nn.Module:
    return nn.Conv2d(dim, dim, c.kernel_size, padding=c.kernel_size // 2, groups=dim)


def pointwise(c: ConvNeXtConfiguration, into: int, out: int) -> nn.Module:
    return nn.Conv2d(into, out, 1) if c.pointwise_convolutions else nn.Linear(into, out)


def downsampling(c: ConvNeXtConfiguration, i: int) -> list[nn.Module]:
    return [NORMS[c.norm](c.dims[i - 1]), nn.Conv2d(c.dims[i - 1], c.dims[i], 2, stride=2)]


def patch_stem(c: ConvNeXtConfiguration) -> list[nn.Module]:
    k = c.stem_kernel
    return [nn.Conv2d(c.input_channels, c.dims[0], k, stride=k), NORMS[c.norm](c.dims[0])]


def pooled(x):
    return x.mean([-2, -1], keepdim=True)


class Block(nn.Module):
    """What all blocks share: how their parts are applied."""

    def through(self, x, parts):
        is_linear = isinstance(parts[2], nn.Linear)
        x = parts[1](parts[0](x))
        x = x.permute(0, 2, 3, 1) if is_linear else x
        for part in parts[2:]:
            x = part(x)
        return x.permute(0, 3, 1, 2) if is_linear else x


class OriginalBlock(Block):
    def __init__(self, c, dim):
        super().__init__()
        self.dwconv = depthwise(c, dim)
        self.norm = NORMS[c.norm](dim)
        self.pwconv1 = pointwise(c, dim, c.expansion * dim)
        self.act = nn.GELU()
        if c.grn:
            self.grn = GammaBeta(c.expansion * dim)
        self.pwconv2 = pointwise(c, c.expansion * dim, dim)
        self.gamma = nn.Parameter(torch.ones(dim)) if c.layer_scale else None

    def forward(self, x):
        return x + self.through(x, [self.dwconv, self.norm, self.pwconv1, self.pwconv2])


class Original(nn.Module):
    """facebookresearch/ConvNeXt and ConvNeXt-V2."""

    def __init__(self, c):
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(*patch_stem(c))])
        for i in range(1, len(c.dims)):
            self.downsample_layers.append(nn.Sequential(*downsampling(c, i)))
        self.stages = nn.ModuleList(
            nn.Sequential(*[OriginalBlock(c, dim) for _ in range(depth)])
            for dim, depth in zip(c.dims, c.depths, strict=True)
        )
        if c.final_norm:
            self.norm = NORMS[c.norm](c.dims[-1])
        if c.classes is not None:
            self.head = nn.Linear(c.dims[-1], c.classes)

    def forward(self, x):
        for reduce, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(reduce(x))
        return self.head(pooled(x).flatten(1)) if hasattr(self, "head") else x


class TimmMlp(nn.Module):
    def __init__(self, c, dim):
        super().__init__()
        self.fc1 = pointwise(c, dim, c.expansion * dim)
        self.act = nn.GELU()
        self.grn = WeightBias(c.expansion * dim) if c.grn else nn.Identity()
        self.fc2 = pointwise(c, c.expansion * dim, dim)


class TimmBlock(Block):
    def __init__(self, c, dim):
        super().__init__()
        self.conv_dw = depthwise(c, dim)
        self.norm = NORMS[c.norm](dim)
        self.mlp = TimmMlp(c, dim)
        self.gamma = nn.Parameter(torch.ones(dim)) if c.layer_scale else None
        self.shortcut = nn.Identity()

    def forward(self, x):
        return x + self.through(x, [self.conv_dw, self.norm, self.mlp.fc1, self.mlp.fc2])


class TimmStage(nn.Module):
    def __init__(self, c, i):
        super().__init__()
        self.downsample = nn.Sequential(*downsampling(c, i)) if i else nn.Identity()
        self.blocks = nn.Sequential(*[TimmBlock(c, c.dims[i]) for _ in range(c.depths[i])])

    def forward(self, x):
        return self.blocks(self.downsample(x))


class TimmHead(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c.dims[-1]
        self.norm = nn.Identity()
        if c.final_norm and not c.head_norm_first:
            self.norm = NORMS[c.norm](width)
        self.flatten = nn.Flatten(1)
        self.pre_logits = nn.Identity()
        if c.head_hidden:
            layers = [("fc", nn.Linear(width, c.head_hidden)), ("act", nn.GELU())]
            self.pre_logits = nn.Sequential(OrderedDict(layers))
            width = c.head_hidden
        self.drop = nn.Dropout(0.0)
        self.fc = nn.Identity() if c.classes is None else nn.Linear(width, c.classes)

    def forward(self, x):
        return self.fc(self.pre_logits(self.flatten(self.norm(x))))


class Timm(nn.Module):
    """timm.models.convnext."""

    def __init__(self, c):
        super().__init__()
        if c.stem_channels is None:
            stem = patch_stem(c)
        else:
            k, between, out = c.stem_kernel, c.stem_channels, c.dims[0]
            stem = [nn.Conv2d(c.input_channels, between, k, stride=2, padding=k // 2)]
            stem += [nn.GELU()] if c.stem_activation else []
            stem += [nn.Conv2d(between, out, k, stride=2, padding=k // 2), NORMS[c.norm](out)]
        self.stem = nn.Sequential(*stem)
        self.stages = nn.Sequential(*[TimmStage(c, i) for i in range(len(c.dims))])
        is_first = c.final_norm and c.head_norm_first
        self.norm_pre = NORMS[c.norm](c.dims[-1]) if is_first else nn.Identity()
        self.head = TimmHead(c)

    def forward(self, x):
        return self.head(pooled(self.norm_pre(self.stages(self.stem(x)))))


class TorchvisionBlock(Block):
    def __init__(self, c, dim):
        super().__init__()
        self.block = nn.Sequential(
            depthwise(c, dim),
            nn.Identity(),
            NORMS[c.norm](dim),
            pointwise(c, dim, c.expansion * dim),
            nn.GELU(),
            pointwise(c, c.expansion * dim, dim),
            nn.Identity(),
        )
        if c.layer_scale:
            self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x):
        parts = [self.block[0], self.block[2], self.block[3], self.block[5]]
        return x + self.through(x, parts)


class Torchvision(nn.Module):
    """torchvision.models.convnext."""

    def __init__(self, c):
        super().__init__()
        layers = [nn.Sequential(*patch_stem(c))]
        for i, (dim, depth) in enumerate(zip(c.dims, c.depths, strict=True)):
            if i:
                layers.append(nn.Sequential(*downsampling(c, i)))
            layers.append(nn.Sequential(*[TorchvisionBlock(c, dim) for _ in range(depth)]))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            NORMS[c.norm](c.dims[-1]) if c.final_norm else nn.Identity(),
            nn.Flatten(1),
            nn.Identity() if c.classes is None else nn.Linear(c.dims[-1], c.classes),
        )

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))


class HuggingFaceLayer(Block):
    def __init__(self, c, dim):
        super().__init__()
        self.dwconv = depthwise(c, dim)
        self.layernorm = NORMS[c.norm](dim)
        self.pwconv1 = pointwise(c, dim, c.expansion * dim)
        if c.grn:
            self.grn = WeightBias(1, 1, 1, c.expansion * dim)
        self.pwconv2 = pointwise(c, c.expansion * dim, dim)
        self.layer_scale_parameter = nn.Parameter(torch.ones(dim)) if c.layer_scale else None

    def forward(self, x):
        return x + self.through(x, [self.dwconv, self.layernorm, self.pwconv1, self.pwconv2])


class HuggingFaceStage(nn.Module):
    def __init__(self, c, i):
        super().__init__()
        self.downsampling_layer = nn.ModuleList(downsampling(c, i) if i else [])
        self.layers = nn.ModuleList(HuggingFaceLayer(c, c.dims[i]) for _ in range(c.depths[i]))

    def forward(self, x):
        for layer in (*self.downsampling_layer, *self.layers):
            x = layer(x)
        return x


class HuggingFaceEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.patch_embeddings, self.layernorm = patch_stem(c)

    def forward(self, x):
        return self.layernorm(self.patch_embeddings(x))


class HuggingFaceEncoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.stages = nn.ModuleList(HuggingFaceStage(c, i) for i in range(len(c.dims)))


class HuggingFaceModel(nn.Module):
    """ConvNextModel and ConvNextV2Model."""

    def __init__(self, c):
        super().__init__()
        self.embeddings = HuggingFaceEmbeddings(c)
        self.encoder = HuggingFaceEncoder(c)
        if c.final_norm:
            self.layernorm = NORMS[c.norm](c.dims[-1])

    def forward(self, x):
        x = self.embeddings(x)
        for stage in self.encoder.stages:
            x = stage(x)
        return x


class HuggingFaceClassifier(nn.Module):
    """ConvNextForImageClassification and ConvNextV2ForImageClassification."""

    def __init__(self, c):
        super().__init__()
        setattr(self, "convnextv2" if c.grn else "convnext", HuggingFaceModel(c))
        self.classifier = nn.Linear(c.dims[-1], c.classes)

    def forward(self, x):
        model = self.convnextv2 if hasattr(self, "convnextv2") else self.convnext
        return self.classifier(pooled(model(x)).flatten(1))


def build_network(c: ConvNeXtConfiguration, dialect: str) -> nn.Module:
    """The network of a configuration; without memory for its weights."""
    kinds = {"original": Original, "timm": Timm, "torchvision": Torchvision}
    with torch.device("meta"):
        if dialect == "hugging face":
            return HuggingFaceModel(c) if c.classes is None else HuggingFaceClassifier(c)
        return kinds[dialect](c)


def count_macs(network: nn.Module, input_size: tuple[int, int], channels: int) -> int:
    """Multiply-accumulates of the convolutions and linear layers, of one forward pass."""
    total = 0

    def add(module, inputs, output):
        nonlocal total
        # Elements of the output, and products for each of them.
        total += output.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(add)
    network.eval()
    with torch.no_grad():
        network(torch.empty(1, channels, *input_size, device="meta"))
    return total
