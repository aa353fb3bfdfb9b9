"""What each tensor of a ConvNeXt trunk says of the trunk's sizes.

Enters: the layers that are there. Leaves: `Votes`, a ballot for each size. A tensor with another
number of dimensions than its layer has says nothing.
"""

from collections.abc import Iterator
from typing import Any

from ckptscope.facts.tensors import TensorInfo
from ckptscope.families.ballots import Ballot
from ckptscope.families.trunks.convnext import BATCH_NORM, LAYER_NORM, RMS_NORM
from ckptscope.families.trunks.convnext_names import (
    STATISTICS,
    Block,
    Leaves,
    Role,
    TrunkNames,
)


class Votes:
    """Ballots over the sizes of a trunk.

    Attributes:
        widths: Of each stage.
        kernel_size: Of the depthwise convolutions.
        expansion: Inner width by width.
        pointwise_convolutions: Whether the pointwise layers are convolutions.
        norm: Kind of the norms.
        layer_scale: Whether a block has a layer scale.
        grn: Whether a block has global response normalization.
        stem_kernel: Side of the stem's convolutions.
        stem_channels: Channels between two convolutions of the stem.
        input_channels: Channels that enter the stem.
    """

    def __init__(self, names: TrunkNames, counts: tuple[int, ...]) -> None:
        """Count.

        Args:
            names: The layers that are there.
            counts: Blocks of each stage by their numbers; what stands outside has no vote.
        """
        self.widths = [Ballot[int](f"dims[{i}]") for i in range(len(counts))]
        self.kernel_size = Ballot[int]("kernel_size")
        self.expansion = Ballot[int]("expansion")
        self.pointwise_convolutions = Ballot[bool]("pointwise_convolutions")
        self.norm = Ballot[str]("norm")
        self.layer_scale = Ballot[bool]("layer_scale")
        self.grn = Ballot[bool]("grn")
        self.stem_kernel = Ballot[int]("stem_kernel")
        self.stem_channels = Ballot[int]("stem_channels")
        self.input_channels = Ballot[int]("input_channels")
        self._read_stem(names)
        self._read_downsampling(names, len(counts))
        for i, count in enumerate(counts):
            for j, block in names.blocks.get(i, {}).items():
                if j < count:
                    self._read_block(self.widths[i], block)
        self._read_norm(self.widths[-1], names.final_norm)

    def dissents(self) -> Iterator[str]:
        """Yield a sentence for each size of which tensors say several values."""
        ballots: list[Ballot[Any]] = [*self.widths, self.kernel_size, self.expansion, self.norm]
        ballots += [self.layer_scale, self.grn, self.pointwise_convolutions, self.stem_kernel]
        for ballot in ballots:
            text = ballot.dissent()
            if text is not None:
                yield text

    def _read_stem(self, names: TrunkNames) -> None:
        *before, last = names.stem
        if before:
            for leaf, tensor in before[0].items():
                self._add(self.stem_channels, tensor, 0, 4 if leaf == "weight" else 1)
        for convolution in names.stem:
            weight = convolution.get("weight")
            if weight is not None:
                self._read_kernel(self.stem_kernel, weight)
        first = names.stem[0].get("weight")
        if first is not None:
            self._add(self.input_channels, first, 1, 4)
        self._read_out(self.widths[0], last, 4)
        if before and "weight" in last:
            self._add(self.stem_channels, last["weight"], 1, 4)
        self._read_norm(self.widths[0], names.stem_norm)

    def _read_downsampling(self, names: TrunkNames, stages: int) -> None:
        for i in range(1, stages):
            convolution = names.downsample.get(i, {})
            self._read_out(self.widths[i], convolution, 4)
            if "weight" in convolution:
                self._add(self.widths[i - 1], convolution["weight"], 1, 4)
            self._read_norm(self.widths[i - 1], names.downsample_norms.get(i, {}))

    def _read_block(self, width: Ballot[int], block: Block) -> None:
        for role, leaves in block.items():
            if role is Role.DEPTHWISE:
                self._read_out(width, leaves, 4)
                if "weight" in leaves:
                    self._read_kernel(self.kernel_size, leaves["weight"])
            elif role is Role.NORM:
                self._read_norm(width, leaves)
            elif role is Role.FIRST:
                self._read_first(width, leaves)
            elif role is Role.SECOND:
                self._read_second(width, leaves)
        self._read_extras(width, block)

    def _read_extras(self, width: Ballot[int], block: Block) -> None:
        for tensor in block.get(Role.SCALE, {}).values():
            if tensor.shape:
                width.add(tensor.shape[0], tensor, 0)
        some = next(tensor for leaves in block.values() for tensor in leaves.values())
        for ballot, role in ((self.layer_scale, Role.SCALE), (self.grn, Role.RESPONSE)):
            leaves = block.get(role, {})
            ballot.add(bool(leaves), next(iter(leaves.values())) if leaves else some)

    def _read_first(self, width: Ballot[int], leaves: Leaves) -> None:
        weight = leaves.get("weight")
        if weight is not None and self._is_pointwise(weight):
            inner, into = weight.shape[:2]
            width.add(into, weight, 1)
            if into and inner % into == 0:
                self.expansion.add(inner // into, weight, 0)

    def _read_second(self, width: Ballot[int], leaves: Leaves) -> None:
        weight = leaves.get("weight")
        if weight is not None and self._is_pointwise(weight):
            out, inner = weight.shape[:2]
            width.add(out, weight, 0)
            if out and inner % out == 0:
                self.expansion.add(inner // out, weight, 1)
        if "bias" in leaves:
            self._add(width, leaves["bias"], 0, 1)

    def _is_pointwise(self, weight: TensorInfo) -> bool:
        """Let a weight say whether it is a convolution; return whether it is a layer at all."""
        if len(weight.shape) not in (2, 4):
            return False
        self.pointwise_convolutions.add(len(weight.shape) == 4, weight)
        return True

    def _read_norm(self, width: Ballot[int], leaves: Leaves) -> None:
        if not leaves:
            return
        for leaf, tensor in leaves.items():
            if leaf != "num_batches_tracked":
                self._add(width, tensor, 0, 1)
        statistics = [leaves[leaf] for leaf in STATISTICS if leaf in leaves]
        if statistics:
            self.norm.add(BATCH_NORM, statistics[0])
        elif "weight" in leaves:
            kind = LAYER_NORM if "bias" in leaves else RMS_NORM
            self.norm.add(kind, leaves["weight"])

    def _read_out(self, width: Ballot[int], leaves: Leaves, dimensions: int) -> None:
        """Let a layer's weight and bias say how many channels leave it."""
        if "weight" in leaves:
            self._add(width, leaves["weight"], 0, dimensions)
        if "bias" in leaves:
            self._add(width, leaves["bias"], 0, 1)

    @staticmethod
    def _read_kernel(ballot: Ballot[int], weight: TensorInfo) -> None:
        if len(weight.shape) == 4 and weight.shape[2] == weight.shape[3]:
            ballot.add(weight.shape[2], weight, 2)

    @staticmethod
    def _add(ballot: Ballot[int], tensor: TensorInfo, axis: int, dimensions: int) -> None:
        if len(tensor.shape) == dimensions:
            ballot.add(tensor.shape[axis], tensor, axis)
