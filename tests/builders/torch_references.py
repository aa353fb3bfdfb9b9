"""Networks once more, in plain functional calls of torch: no module of the package, none of torch's.

Enters: a state_dict under the names of the original code, an input. Leaves: the output. The order
of operations is that of the authors' code.
"""

import torch
from torch.nn import functional


def batch_norm(state, name, x):
    parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, *parts, training=False, eps=1e-5)


def layer_norm_2d(state, name, x, eps=1e-6):
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    x = (x - mean) / torch.sqrt(variance + eps)
    return state[f"{name}.weight"][:, None, None] * x + state[f"{name}.bias"][:, None, None]


def convolve(state, name, x, **options):
    return functional.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)


def depthwise(state, name, x):
    weight = state[f"{name}.weight"]
    return convolve(state, name, x, padding=weight.shape[-1] // 2, groups=weight.shape[0])


def count(state, pattern):
    """How many numbered items there are: `backbone.stages.{}.`."""
    number = 0
    while any(key.startswith(pattern.format(number)) for key in state):
        number += 1
    return number


def pose_features(state, x):
    """The backbone of ConvNeXtPose: BatchNorm, ReLU, 1×1 convolutions."""
    for i in range(count(state, "backbone.downsample_layers.{}.")):
        names = [f"backbone.downsample_layers.{i}.{n}" for n in range(2)]
        if i == 0:
            x = batch_norm(state, names[1], convolve(state, names[0], x, stride=4))
        else:
            x = convolve(state, names[1], batch_norm(state, names[0], x), stride=2)
        for j in range(count(state, f"backbone.stages.{i}.{{}}.")):
            block = f"backbone.stages.{i}.{j}"
            entered = x
            x = batch_norm(state, f"{block}.norm", depthwise(state, f"{block}.dwconv", x))
            x = functional.relu(convolve(state, f"{block}.pwconv1", x))
            x = entered + convolve(state, f"{block}.pwconv2", x)
    return batch_norm(state, "backbone.norm", x)


def pose_head_layer(state, name, x, *, is_doubled):
    x = batch_norm(state, f"{name}.norm", depthwise(state, f"{name}.dwconv", x))
    x = functional.relu(convolve(state, f"{name}.pwconv", x))
    if not is_doubled:
        return x
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def pose(state, x, upsampling):
    """ConvNeXtPose: logits."""
    x = pose_features(state, x)
    for number, is_doubled in enumerate(upsampling, start=1):
        x = pose_head_layer(state, f"head.deconv_layers_{number}", x, is_doubled=is_doubled)
    return convolve(state, "head.final_layer", x)


def soft_argmax(logits, joints, bins):
    """Coordinates as the authors compute them."""
    height, width = logits.shape[2:]
    heatmaps = functional.softmax(logits.reshape((-1, joints, bins * height * width)), 2)
    heatmaps = heatmaps.reshape((-1, joints, bins, height, width))
    sums = (heatmaps.sum(dim=(2, 3)), heatmaps.sum(dim=(2, 4)), heatmaps.sum(dim=(3, 4)))
    places = [
        (one * torch.arange(size).float()[None, None, :]).sum(dim=2, keepdim=True)
        for one, size in zip(sums, (width, height, bins), strict=True)
    ]
    return torch.cat(places, dim=2)


def convnext(state, x, *, eps=1e-6):
    """ConvNeXt V1 and V2 under the original names: logits."""
    for i in range(count(state, "downsample_layers.{}.")):
        names = [f"downsample_layers.{i}.{n}" for n in range(2)]
        if i == 0:
            x = layer_norm_2d(state, names[1], convolve(state, names[0], x, stride=4))
        else:
            x = convolve(state, names[1], layer_norm_2d(state, names[0], x), stride=2)
        for j in range(count(state, f"stages.{i}.{{}}.")):
            x = x + convnext_block(state, f"stages.{i}.{j}", x)
    x = x.mean([-2, -1])
    x = functional.layer_norm(x, x.shape[-1:], state["norm.weight"], state["norm.bias"], eps)
    return functional.linear(x, state["head.weight"], state["head.bias"])


def convnext_block(state, block, x):
    x = depthwise(state, f"{block}.dwconv", x).permute(0, 2, 3, 1)
    norm = state[f"{block}.norm.weight"], state[f"{block}.norm.bias"]
    x = functional.layer_norm(x, x.shape[-1:], *norm, 1e-6)
    x = functional.gelu(
        functional.linear(x, state[f"{block}.pwconv1.weight"], state[f"{block}.pwconv1.bias"])
    )
    if f"{block}.grn.gamma" in state:
        norm = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        response = norm / (norm.mean(dim=-1, keepdim=True) + 1e-6)
        x = state[f"{block}.grn.gamma"] * (x * response) + state[f"{block}.grn.beta"] + x
    x = functional.linear(x, state[f"{block}.pwconv2.weight"], state[f"{block}.pwconv2.bias"])
    if f"{block}.gamma" in state:
        x = state[f"{block}.gamma"] * x
    return x.permute(0, 3, 1, 2)


def resnet_features(state, x, prefix="", groups=1):
    """The trunk of torchvision's ResNets, V1.5."""
    x = convolve(state, f"{prefix}conv1", x, stride=2, padding=3)
    x = functional.max_pool2d(functional.relu(batch_norm(state, f"{prefix}bn1", x)), 3, 2, 1)
    for i in range(1, 5):
        for j in range(count(state, f"{prefix}layer{i}.{{}}.")):
            step = 2 if i > 1 and j == 0 else 1
            x = resnet_block(state, f"{prefix}layer{i}.{j}", x, step, groups)
    return x


def resnet_block(state, block, x, step, groups):
    is_deep = f"{block}.conv3.weight" in state
    shortcut = x
    if f"{block}.downsample.0.weight" in state:
        shortcut = convolve(state, f"{block}.downsample.0", x, stride=step)
        shortcut = batch_norm(state, f"{block}.downsample.1", shortcut)
    if is_deep:
        x = functional.relu(batch_norm(state, f"{block}.bn1", convolve(state, f"{block}.conv1", x)))
        x = convolve(state, f"{block}.conv2", x, stride=step, padding=1, groups=groups)
        x = functional.relu(batch_norm(state, f"{block}.bn2", x))
        x = batch_norm(state, f"{block}.bn3", convolve(state, f"{block}.conv3", x))
    else:
        x = convolve(state, f"{block}.conv1", x, stride=step, padding=1)
        x = functional.relu(batch_norm(state, f"{block}.bn1", x))
        x = batch_norm(state, f"{block}.bn2", convolve(state, f"{block}.conv2", x, padding=1))
    return functional.relu(x + shortcut)


def resnet(state, x, groups=1):
    """Logits of a classifier."""
    x = resnet_features(state, x, groups=groups).mean([-2, -1])
    return functional.linear(x, state["fc.weight"], state["fc.bias"])


def deconvolve(state, prefix, x):
    """The transposed convolutions of 3DMPPE."""
    for k in range(3):
        x = functional.conv_transpose2d(x, state[f"{prefix}.{3 * k}.weight"], stride=2, padding=1)
        x = functional.relu(batch_norm(state, f"{prefix}.{3 * k + 1}", x))
    return x


def posenet(state, x):
    """Logits of 3DMPPE PoseNet."""
    x = deconvolve(state, "head.deconv_layers", resnet_features(state, x, "backbone."))
    return convolve(state, "head.final_layer", x)


def rootnet(state, x, k_value=1.0):
    """Place of the root and its depth, as 3DMPPE RootNet's code computes them."""
    features = resnet_features(state, x, "backbone.")
    xy = convolve(state, "root.xy_layer", deconvolve(state, "root.deconv_layers", features))
    height, width = xy.shape[2:]
    xy = functional.softmax(xy.view(-1, 1, height * width), 2).view(-1, 1, height, width)
    across = (xy.sum(dim=2) * torch.arange(1, width + 1).float()).sum(dim=2) - 1
    down = (xy.sum(dim=3) * torch.arange(1, height + 1).float()).sum(dim=2) - 1
    count_, channels = features.shape[:2]
    depth = torch.mean(features.view(count_, channels, -1), dim=2)[:, :, None, None]
    depth = convolve(state, "root.depth_layer", depth).view(-1, 1) * k_value
    return torch.cat((across, down, depth), dim=1)
