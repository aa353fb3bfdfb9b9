"""Whether a tensor is another one with its axes, or its channels, in another order.

Enters: two manifests' builds and a tensor of each. Leaves: a `Rearrangement` that holds bit for
bit, or None. Channels are the indices of the first axis and of the second; each gets a signature
that does not depend on the order along the other one, equal signatures are brought together, and
what comes of it is compared element by element. Axes and channels at once are not tried.
"""

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from ckptscope.facts.comparison import Rearrangement
from ckptscope.facts.dtypes import ELEMENTS_PER_BYTE, ITEM_BYTES
from ckptscope.facts.tensors import TensorInfo
from ckptscope.tensors.canonical import canonical_pieces, canonical_size
from ckptscope.tensors.casts import cast_elements, keeps_numbers
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.pairs import aligned_blocks, dtype_of
from ckptscope.tensors.signatures import Bits, Channels, Order

#: Bytes of a tensor whose elements are held, with those of its counterpart: larger ones are not
#: tried for channels.
MOST_BYTES: Final = 32 << 20
#: Channels that are told apart at most: words of the largest vocabularies.
_MOST_CHANNELS: Final = 1 << 18
#: Bytes of a tensor that is tried for axes: one that does not lie in order costs a pass over all of
#: it for each 64 MiB, so 16 at most.
_MOST_FOR_AXES: Final = 1 << 30
#: Axes of more than one index in any network: those of a convolution over three dimensions. All
#: orders of them are 120.
_MOST_AXES: Final = 5
#: Two values are in another order soon: masks of as many ones. Numbers of a network are no two.
_LEAST_VALUES: Final = 3
#: Hex digits of a permutation's hash.
_DIGITS: Final = 16
#: Orders of axes that are tried of a tensor that is not held: all of three axes.
_MOST_ORDERS: Final = 6
#: Permutations that are remembered: stages of a network, and a few for each; ...
_MOST_KNOWN: Final = 64
#: ... and of how many channels: all of them together take 32 MiB.
_MOST_REMEMBERED: Final = 1 << 16


class Permutations:
    """Permutations that were found in tensors before.

    Equal channels leave it open where each came from; of all answers, one that other tensors gave
    as well is the likely one.
    """

    def __init__(self) -> None:
        self._known: dict[str, Order] = {}

    def of(self, channels: int) -> Iterator[Order]:
        """Yield those of so many channels."""
        return (order for order in self._known.values() if order.size == channels)

    def add(self, order: Order) -> str:
        """Remember one, and return the first digits of its hash."""
        digest = hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()[:_DIGITS]
        if len(self._known) < _MOST_KNOWN and order.size <= _MOST_REMEMBERED:
            self._known.setdefault(digest, order)
        return digest


def find_rearrangement(
    left: ManifestBuild,
    one: TensorInfo,
    right: ManifestBuild,
    other: TensorInfo,
    known: Permutations | None = None,
) -> Rearrangement | None:
    """Say how the second tensor is the first one in another order; None where it is not.

    Of two dtypes the one whose numbers the other can hold is taken for a cast, and the other is
    cast to it before both are compared; where neither is, or more than 32 MiB, it is None.
    None also where they are the same, where too few different values leave nothing to tell (two
    for axes, three for channels), for axes of more than 1 GiB or five axes, and for channels of
    more than 32 MiB or 262,144 channels. Rows and columns that are moved at once, and are alike in
    all but each other's order, as those of a permutation matrix, are not found. Index `i` of the
    right is index `permutation[i]` of the left: the hash is of these as 64-bit little-endian
    integers.

    Args:
        left: The manifest that the first tensor is of.
        one: The first tensor.
        right: The manifest that the second is of.
        other: The second.
        known: Permutations of other tensors of the same pair of files; what is found joins them.

    Raises:
        TensorLayoutError: One of them has no elements (meta, sparse), or leaves its storage.
        ArtifactError: A storage cannot be read.
    """
    packed = {one.dtype, other.dtype} & ELEMENTS_PER_BYTE.keys()
    if packed or one.elements < _LEAST_VALUES:
        return None
    target = _common_of(one, other)
    orders = _axis_orders(one.shape, other.shape)
    size = max(canonical_size(one), canonical_size(other))
    if target is None or (size > MOST_BYTES and one.dtype != other.dtype):
        return None
    if size > MOST_BYTES:
        tried = orders[:_MOST_ORDERS] if size <= _MOST_FOR_AXES else []
        fits = (axes for axes in tried if _is_transposed(left, one, right, other, axes))
        axes = next(fits, ())
        return Rearrangement(axes=axes) if axes else None
    if not orders and one.shape != other.shape:
        return None
    ours, theirs = _read(left, one, target), _read(right, other, target)
    values = _count_values(ours)
    if values < 2 or (one.shape == other.shape and np.array_equal(ours, theirs)):
        return None
    for axes in orders:
        if _is_same(ours.transpose(*axes, *range(len(axes), ours.ndim)), theirs):
            return Rearrangement(axes=axes)
    has_channels = one.shape == other.shape and max(one.shape[:2]) <= _MOST_CHANNELS
    if not has_channels or values < _LEAST_VALUES:
        return None
    return _find_channels(ours, theirs, min(len(one.shape), 2), known or Permutations())


def _axis_orders(shape: tuple[int, ...], wanted: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the orders of axes that make one shape of another; none that moves nothing.

    An axis of one index may stand anywhere, so of orders that differ in those, one is enough.
    """
    long = [axis for axis, count in enumerate(shape) if count != 1]
    if sorted(shape) != sorted(wanted) or len(long) > _MOST_AXES:
        return []
    found: list[tuple[int, ...]] = []
    for order in itertools.permutations(long):
        if [shape[axis] for axis in order] != [count for count in wanted if count != 1]:
            continue
        if shape == wanted and list(order) == long:
            continue
        moved, kept = iter(order), (axis for axis, count in enumerate(shape) if count == 1)
        found.append(tuple(next(moved if count != 1 else kept) for count in wanted))
    return found


def _is_transposed(
    left: ManifestBuild,
    one: TensorInfo,
    right: ManifestBuild,
    other: TensorInfo,
    axes: tuple[int, ...],
) -> bool:
    """Whether the second is the first with its axes so, piece by piece; and not all the same."""
    stride = one.stride or ()
    view = msgspec.structs.replace(
        one,
        shape=tuple(one.shape[axis] for axis in axes),
        stride=tuple(stride[axis] for axis in axes) if stride else one.stride,
    )
    pieces = canonical_pieces(left, view), canonical_pieces(right, other)
    first: np.generic | None = None
    has_others = False
    for ours, theirs in aligned_blocks(*pieces, (_word(one), _word(one))):
        if not np.array_equal(ours, theirs):
            return False
        first = ours[0] if first is None else first
        has_others = has_others or bool((ours != first).any())
    return has_others


def _common_of(one: TensorInfo, other: TensorInfo) -> np.dtype[Any] | None:
    """Return the dtype that bits are compared in: of two, that of which the other has all numbers.

    Of one dtype these are integers of its size. None where neither has all numbers of the other, or
    one is no floating-point dtype.

    Raises:
        TensorLayoutError: numpy has no such dtype.
    """
    if one.dtype == other.dtype:
        return _word(one)
    ours, theirs = dtype_of(one), dtype_of(other)
    if not all(dtype.kind in "fV" for dtype in (ours, theirs)):
        return None
    if keeps_numbers(theirs, ours):
        return theirs
    return ours if keeps_numbers(ours, theirs) else None


def _word(tensor: TensorInfo) -> np.dtype[Any]:
    """Return the integers that are compared for the bits of elements."""
    return np.dtype(f"u{min(ITEM_BYTES[tensor.dtype], 8)}")


def _read(build: ManifestBuild, tensor: TensorInfo, target: np.dtype[Any]) -> Bits:
    """Return the bits of all elements; those of 16 bytes as two, along an axis of their own.

    Args:
        build: The way to them.
        tensor: The tensor.
        target: Integers of its elements' size; else the dtype that they are cast to before.
    """
    word = _word(tensor)
    raw = b"".join(canonical_pieces(build, tensor))
    if target.kind != "u":
        cast = cast_elements(np.frombuffer(raw, dtype_of(tensor)), target)
        return cast.view(f"u{target.itemsize}").reshape(tensor.shape)
    bits = np.frombuffer(raw, word)
    is_halved = ITEM_BYTES[tensor.dtype] > word.itemsize
    return bits.reshape((*tensor.shape, -1) if is_halved else tensor.shape)


def _count_values(bits: Bits) -> int:
    """Count different values, up to three."""
    flat = bits.reshape(-1)
    others = flat[flat != flat[0]]
    if not others.size:
        return 1
    return 2 + bool((others != others[0]).any())


def _is_same(ours: Bits, theirs: Bits) -> bool:
    """Whether all elements are the same; asked of the first of them before all others."""
    return np.array_equal(ours[:1], theirs[:1]) and np.array_equal(ours, theirs)


def _find_channels(
    ours: Bits, theirs: Bits, axes: int, known: Permutations
) -> Rearrangement | None:
    channels = Channels(ours, theirs, axes)
    if not channels.may_be_permuted():
        return None
    for moved in ((0,), (1,), (0, 1))[: 1 if axes == 1 else 3]:
        orders = channels.match(moved, known.of)
        if orders is None or not channels.is_explained(orders):
            continue
        counts = {axis: _moved(order) for axis, order in orders.items()}
        return Rearrangement(
            channels=tuple((axis, count) for axis, count in counts.items() if count),
            permutation=tuple(
                (axis, known.add(orders[axis])) for axis, count in counts.items() if count
            ),
        )
    return None


def _moved(order: npt.NDArray[np.int64]) -> int:
    return int(np.count_nonzero(order != np.arange(order.size)))
