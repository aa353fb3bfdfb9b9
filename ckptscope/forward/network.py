"""What every network of this room offers to those who watch it.

Enters: nothing. Leaves: `Network`, a module that names its stages and layers; `Station`, one of
these.
"""

import enum
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import nn

from ckptscope.facts.upsampling import Pattern


class Reading(enum.Enum):
    """How the output of a network is to be read."""

    #: [N, joints × depth bins, H, W]: a volume for each joint.
    VOLUME = enum.auto()
    #: [N, classes].
    CLASSES = enum.auto()
    #: [N, 3]: x and y in cells of a heatmap, and a depth.
    ROOT = enum.auto()
    #: Features, which mean nothing by themselves.
    FEATURES = enum.auto()


@dataclass(frozen=True, kw_only=True)
class Station:
    """One row of the trace.

    Attributes:
        name: stem, stage 0, head layer 1, ...
        kind: What it is made of, in words.
        part: backbone or head, as the family counts.
        modules: Modules that run one after the other; what enters the first enters the station,
            what leaves the last leaves it.
        upsampling: Whether it doubles the plane; None where there is no such question.
    """

    name: str
    kind: str
    part: str
    modules: tuple[nn.Module, ...]
    upsampling: bool | None = None


class Network(nn.Module):
    """A network in two pieces: the trunk, and what stands on it.

    Attributes:
        stride: The sides of the input must be multiples of it.
        reading: How its output is to be read.
        input_channels: Channels of the input; 3 are colours.
        cautions: What has no weights and was chosen, where others choose otherwise; in sentences.
    """

    stride: int
    reading: Reading
    input_channels: int = 3
    cautions: tuple[str, ...] = ()

    @abstractmethod
    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Compute features of [N, 3, H, W]."""

    @abstractmethod
    def top(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the output of features."""

    @abstractmethod
    def stations(self) -> tuple[Station, ...]:
        """List the rows of the trace, in the order in which they run."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the output of [N, 3, H, W]."""
        return self.top(self.trunk(x))


class UpsamplingNetwork(Network):
    """A network some of whose layers double the plane, by a setting that has no weights."""

    @abstractmethod
    def set_upsampling(self, pattern: Pattern) -> None:
        """Choose which layers of the head double the plane; no parameter depends on it."""

    def can_run(self, pattern: Pattern) -> bool:
        """Whether the layers' kernels allow a pattern."""
        return True


def blocks_text(count: int) -> str:
    """Return `3 blocks`."""
    return "1 block" if count == 1 else f"{count} blocks"
