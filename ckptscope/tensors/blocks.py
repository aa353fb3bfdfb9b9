"""Views of a storage, parted into pieces of a bounded size.

Enters: a tensor's shape and strides. Leaves: `Block`s in the order of the storage, none of which
reaches further than was asked, and which together hold every element once. Nothing is read here.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.tensors import TensorInfo


class Dimension(NamedTuple):
    """One direction to step in.

    Attributes:
        size: Elements along it.
        step: Elements of the storage from one to the next.
        is_rows: Whether it is the tensor's first dimension, kept apart from the others.
    """

    size: int
    step: int
    is_rows: bool = False


#: The widest step first.
Dimensions: TypeAlias = tuple[Dimension, ...]


class Block(NamedTuple):
    """A piece of a view.

    Attributes:
        start: Its first element in the storage.
        dimensions: What it holds from there.
        row: Index along the first dimension of the tensor, where that is kept apart; else 0.
    """

    start: int
    dimensions: Dimensions
    row: int = 0


def dimensions_of(tensor: TensorInfo, *, keep_rows: bool = False) -> tuple[int, Dimensions]:
    """Return how often every element is repeated, and the dimensions that step on.

    Dimensions that continue each other become one.

    Args:
        tensor: A strided tensor with elements.
        keep_rows: Whether the first dimension stays one of its own, unless it repeats the others.

    Raises:
        TensorLayoutError: Elements overlap in another way than by repetition: one step of a
            dimension does not leave the block below it behind. Going over such a view could take
            for ever.
    """
    repeats = 1
    stepping: list[Dimension] = []
    for axis, (count, step) in enumerate(zip(tensor.shape, tensor.stride or (), strict=True)):
        if step == 0:
            repeats *= count
        elif count > 1:
            stepping.append(Dimension(count, step, keep_rows and axis == 0))
    joined: list[Dimension] = []
    for one in sorted(stepping, key=lambda dimension: -dimension.step):
        last = joined[-1] if joined else None
        if last is not None and last.step == one.size * one.step and not (last[2] or one[2]):
            joined[-1] = Dimension(last.size * one.size, one.step)
        else:
            joined.append(one)
    below = 1
    for one in reversed(joined):
        if one.step < below:
            raise TensorLayoutError(f"{tensor.key!r:.200}: its elements overlap in their storage")
        below += (one.size - 1) * one.step
    return repeats, tuple(joined)


def extent(dimensions: Dimensions) -> int:
    """Elements of the storage from the first to the last of a block."""
    return 1 + sum((one.size - 1) * one.step for one in dimensions)


def part(view: Block, most: int) -> Iterator[Block]:
    """Part a view into blocks whose extent is `most` elements at most, in order."""
    start, dimensions, row = view
    if extent(dimensions) <= most:
        yield view
        return
    (count, step, is_rows), below = dimensions[0], dimensions[1:]
    reach = extent(below)
    together = (most - reach) // step + 1 if reach <= most else 0
    for index in range(0, count, together or 1):
        first = row + index if is_rows else row
        if together:
            outer = Dimension(min(together, count - index), step, is_rows)
            yield Block(start + index * step, (outer, *below), first)
        else:
            yield from part(Block(start + index * step, below, first), most)
