"""What the output of a network says.

Enters: the output. Leaves: the expectation of each joint's place over its volume (soft-argmax,
X. Sun et al., ECCV 2018), computed as the authors do; or the classes that score best.
"""

import math
from collections.abc import Iterator

import torch

from ckptscope.facts.trace import ClassScore, Coordinates, RootPlace

#: What sums of rounded probabilities may exceed 1 by, in parts of the volume's side.
_SLACK = 1e-4
#: Classes that are shown of each image.
BEST = 5


def soft_argmax(logits: torch.Tensor, joints: int, depth_bins: int) -> torch.Tensor:
    """Return [N, joints, 3]: x, y, z of every joint in cells.

    Args:
        logits: [N, joints × depth_bins, H, W].
        joints: Joints.
        depth_bins: Depth bins of each.
    """
    count, _, height, width = logits.shape
    volume = logits.float().reshape(count, joints, depth_bins * height * width)
    volume = volume.softmax(2).reshape(count, joints, depth_bins, height, width)
    axes = []
    for others, size in (((2, 3), width), ((2, 4), height), ((3, 4), depth_bins)):
        places = torch.arange(size, dtype=torch.float32, device=logits.device)
        axes.append((volume.sum(dim=others) * places).sum(dim=2, keepdim=True))
    return torch.cat(axes, dim=2)


def coordinate_rows(places: torch.Tensor, volume: tuple[int, int, int]) -> Iterator[Coordinates]:
    """Yield the rows of [N, joints, 3].

    Args:
        places: x, y, z.
        volume: Depth bins, height and width.
    """
    depth_bins, height, width = volume
    for image, joints in enumerate(places.tolist()):
        for joint, found in enumerate(joints):
            x, y, z = (value if math.isfinite(value) else None for value in found)
            inside = all(
                value is not None and -_SLACK * size <= value <= (size - 1) + _SLACK * size
                for value, size in ((x, width), (y, height), (z, depth_bins))
            )
            yield Coordinates(image=image, joint=joint, x=x, y=y, z=z, is_inside=inside)


def root_rows(output: torch.Tensor) -> Iterator[RootPlace]:
    """Yield the rows of [N, 3]: x, y, depth."""
    for image, found in enumerate(output.float().tolist()):
        x, y, depth = (value if math.isfinite(value) else None for value in found)
        yield RootPlace(image=image, x=x, y=y, depth=depth)


def best_classes(logits: torch.Tensor) -> Iterator[ClassScore]:
    """Yield the classes that score best of each image of [N, classes]; none where they are NaN."""
    probabilities = logits.float().softmax(1)
    best = probabilities.topk(min(BEST, logits.shape[1]), dim=1)
    for image, (shares, indices) in enumerate(
        zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ):
        for probability, index in zip(shares, indices, strict=True):
            if math.isfinite(probability):
                logit = float(logits[image, index].item())
                yield ClassScore(image=image, index=index, logit=logit, probability=probability)
