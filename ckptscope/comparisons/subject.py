"""What conclusions are drawn from.

Enters: nothing. Leaves: `Subject`, all that was found out about two networks.
"""

from functools import cached_property

import msgspec

from ckptscope.comparisons.totals import Totals, floating_total, matrices_total, total
from ckptscope.facts.comparison import Pairing, Structure, TensorPair, Way


class Subject(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Two networks, held against each other.

    Attributes:
        pairs: Tensors that have a counterpart, in the order of the left file.
        structure: What has none, and what differs in shape or dtype.
        ways: In what the files differ beside the values.
        roles: Role of the state_dict of each side.
        has_tolerance: Whether the user gave a tolerance.
    """

    pairs: tuple[TensorPair, ...]
    structure: Structure
    ways: tuple[Way, ...]
    roles: tuple[str, str] = ("", "")
    has_tolerance: bool = False

    @cached_property
    def compared(self) -> tuple[TensorPair, ...]:
        """Pairs whose values were compared element by element."""
        return tuple(pair for pair in self.pairs if pair.difference is not None)

    @cached_property
    def unread(self) -> tuple[TensorPair, ...]:
        """Pairs whose values could not be read."""
        return tuple(pair for pair in self.pairs if pair.unread)

    @cached_property
    def rearranged(self) -> tuple[TensorPair, ...]:
        """Pairs that are the same in another order."""
        return tuple(pair for pair in self.pairs if pair.rearrangement is not None)

    @cached_property
    def reshaped(self) -> tuple[TensorPair, ...]:
        """Pairs of different shapes that no other order explains."""
        return tuple(
            pair
            for pair in self.pairs
            if pair.left.shape != pair.right.shape and pair.rearrangement is None
        )

    @cached_property
    def unequal(self) -> tuple[TensorPair, ...]:
        """Compared pairs of which some element differs, and no order or cast explains it."""
        return tuple(
            pair for pair in self.compared if pair.rearrangement is None and not is_equal(pair)
        )

    @cached_property
    def all(self) -> Totals:
        """All compared pairs together."""
        return total(pair.difference for pair in self.compared if pair.difference)

    @cached_property
    def floating(self) -> Totals:
        """Compared pairs of floating point."""
        return floating_total(self.pairs)

    @cached_property
    def matrices(self) -> Totals:
        """Compared matrices and kernels."""
        return matrices_total(self.pairs)

    @property
    def is_whole(self) -> bool:
        """Whether every tensor has a counterpart of its shape, or of its shape transposed."""
        one_sided = self.structure.only_left or self.structure.only_right
        return not one_sided and not self.reshaped

    @property
    def is_renamed(self) -> bool:
        """Whether tensors met by values or places alone, or a prefix is before some alone."""
        if any(pair.pairing in (Pairing.VALUES, Pairing.SHAPE) for pair in self.pairs):
            return True
        named = [pair for pair in self.pairs if pair.pairing is Pairing.NAME]
        other = sum(pair.left.key != pair.right.key for pair in named)
        return 0 < other < len(named)


def is_equal(pair: TensorPair) -> bool:
    """Whether both have the same bits, after a cast where the dtypes differ."""
    found = pair.difference
    if found is None:
        return False
    return found.elements in (found.equal_cast, found.equal_bits)


def is_cast(pair: TensorPair) -> bool:
    """Whether the dtypes differ, and a cast explains everything."""
    return pair.left.dtype != pair.right.dtype and is_equal(pair)
