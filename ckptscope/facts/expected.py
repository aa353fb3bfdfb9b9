"""What a configuration says a state_dict must hold, and how that adds up.

Enters: a configuration of a family. Leaves: `ExpectedTensor`s, the table that load_state_dict would
compare, each axis with the settings that give its size; `Counts`, the same in sums. The settings on
the axes are what turns forty differing shapes into one cause.
"""

import msgspec

from ckptscope.facts.tensors import Kind


class ExpectedTensor(msgspec.Struct, frozen=True, gc=False):
    """One tensor that a network of this configuration has.

    Attributes:
        key: Name within the state_dict, without a wrapper's prefix.
        shape: Elements along each dimension.
        terms: For each axis the settings whose product is its size, `("expansion", "dims[0]")`;
            none where the layer itself fixes it (the 1 of a depthwise convolution).
        presence: Settings that decide whether the tensor is there at all: `("depths[2]",)` for a
            block, `("head_layers",)` for a layer of the head; none if it always is.
        part: Part of the network that it counts for: backbone, head, ...
        kind: Parameter or buffer.
        is_counter: Whether it is a BatchNorm's `num_batches_tracked`, which load_state_dict fills
            in silently for state_dicts of versions below 2.
    """

    key: str
    shape: tuple[int, ...]
    terms: tuple[tuple[str, ...], ...]
    presence: tuple[str, ...] = ()
    part: str = ""
    kind: Kind = Kind.PARAMETER
    is_counter: bool = False

    @property
    def elements(self) -> int:
        """Product of the shape."""
        count = 1
        for size in self.shape:
            count *= size
        return count


class PartCount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over one part of a network.

    Attributes:
        part: backbone, head, ...; every part of the network once.
        tensors: Entries of the state_dict.
        parameters: Elements of its parameters.
        buffers: Elements of its buffers.
        macs: Multiply-accumulates of its convolutions and linear layers for one input; None where
            the size of the input does not follow.
    """

    part: str
    tensors: int
    parameters: int
    buffers: int
    macs: int | None = None

    @property
    def elements(self) -> int:
        """Parameters and buffers together."""
        return self.parameters + self.buffers


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """A network in numbers; the whole is the sum of the parts.

    Attributes:
        parts: In the order of the network.
    """

    parts: tuple[PartCount, ...]

    @property
    def tensors(self) -> int:
        """Entries of the state_dict."""
        return sum(part.tensors for part in self.parts)

    @property
    def parameters(self) -> int:
        """Elements of all parameters."""
        return sum(part.parameters for part in self.parts)

    @property
    def buffers(self) -> int:
        """Elements of all buffers."""
        return sum(part.buffers for part in self.parts)

    @property
    def elements(self) -> int:
        """Parameters and buffers together."""
        return self.parameters + self.buffers

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of the whole, or None if a part's are not known."""
        total = 0
        for part in self.parts:
            if part.macs is None:
                return None
            total += part.macs
        return total

    def part(self, name: str) -> PartCount:
        """Return the counts of one part; zeros if the network has none of that name."""
        for found in self.parts:
            if found.part == name:
                return found
        return PartCount(part=name, tensors=0, parameters=0, buffers=0, macs=0)
