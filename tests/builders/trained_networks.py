"""A small residual network of torch, and what people do to its weights."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

StateDict = Mapping[str, torch.Tensor]


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(x + self.bn2(self.conv2(out)))


class Network(nn.Module):
    """Stem, two stages, head."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.stage1 = nn.Sequential(Block(16), Block(16))
        self.down = nn.Conv2d(16, 32, 2, stride=2)
        self.stage2 = nn.Sequential(Block(32), Block(32))
        self.head = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage2(self.down(self.stage1(self.stem(x))))
        return self.head(x.mean((2, 3)))


def network(seed: int, classes: int = 10) -> Network:
    """A network as it begins."""
    torch.manual_seed(seed)
    return Network(classes)


def train(one: Network, steps: int, rate: float = 1e-3) -> torch.optim.AdamW:
    """Train on noise, and return the optimizer."""
    generator = torch.Generator().manual_seed(7)
    optimizer = torch.optim.AdamW(one.parameters(), lr=rate)
    for _ in range(steps):
        images = torch.randn(4, 3, 8, 8, generator=generator)
        labels = torch.randint(0, 10, (4,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(one(images), labels).backward()
        optimizer.step()
    return optimizer


def weights_of(one: nn.Module) -> dict[str, torch.Tensor]:
    """Its state_dict, apart from the network."""
    return {key: value.clone() for key, value in one.state_dict().items()}


def saved(folder: Path, name: str, content: object, *, is_zip: bool = True) -> Path:
    """Save with torch."""
    path = folder / name
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    return path


def permuted_stage(weights: StateDict, stage: str, before: str, after: str) -> StateDict:
    """Put the channels of a residual stage in another order; the network computes the same."""
    found = dict(weights)
    channels = found[f"{stage}.0.conv1.weight"].shape[0]
    order = torch.randperm(channels, generator=torch.Generator().manual_seed(3))
    for key, value in weights.items():
        if key.startswith(f"{before}."):
            found[key] = value[order]
        elif key.startswith(f"{after}."):
            found[key] = value[:, order] if value.ndim > 1 else value
        elif key.startswith(f"{stage}."):
            # Inside of a block the channels stay; what enters and leaves follows the shortcut.
            if ".conv1." in key:
                found[key] = value[:, order]
            elif value.ndim and (".conv2." in key or ".bn2." in key):
                found[key] = value[order]
    return found
