"""Elements of a view in row-major order, however they lie in the storage.

Enters: a manifest's build and a strided tensor. Leaves: its canonical bytes, piece by piece. Memory
is bounded by a piece and one stretch of the storage; a transposed tensor that is larger than a
piece costs one pass over its storage for each piece (`canonical.bytes_to_read` adds them up).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
from ckptscope.sources import ByteSource
from ckptscope.tensors.canonical import GATHERED_BYTES, STRETCH_BYTES, is_canonical
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.values import Span, finish, open_span

#: Elements in elements of the storage that a view may repeat (stride 0) on the way to its bytes.
_MOST_REPEATS: Final = 1 << 12
#: Repeated elements that always may be written out, whatever they repeat.
_FEW_ELEMENTS: Final = 1 << 24


def gather_pieces(
    build: ManifestBuild, tensor: TensorInfo, source: ByteSource | None = None
) -> Iterator[bytes]:
    """Yield the canonical bytes of a strided tensor.

    Args:
        build: The way to its storage.
        tensor: The tensor.
        source: Its storage, where that is open already.

    Raises:
        TensorLayoutError: It leaves its storage, numpy has no such dtype, or it repeats so few
            elements so often that writing them out could take for ever.
        ArtifactError: The storage cannot be read.
    """
    span = open_span(build, tensor, source)
    held = max(span.end - span.start, 1)
    if tensor.elements > max(_MOST_REPEATS * held, _FEW_ELEMENTS):
        raise TensorLayoutError(
            f"{tensor.key!r:.200} repeats {held:,} elements to {tensor.elements:,}"
        )
    # What lies in order already needs no large pieces: each byte is read but once.
    piece = STRETCH_BYTES if is_canonical(tensor) else GATHERED_BYTES
    most = max(piece // span.dtype.itemsize, 1)
    strides = tuple(tensor.stride or ())
    for shape, start in _slices(tensor.shape, strides, span.start, most):
        steps = strides[len(strides) - len(shape) :]
        gathered = np.empty(shape, span.dtype)
        _fill(gathered, span, start, steps)
        values = finish(gathered, tensor)
        if values.dtype.byteorder == ">":
            values = values.byteswap()
        yield values.tobytes()


def _slices(
    shape: tuple[int, ...], strides: tuple[int, ...], start: int, most: int
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Part a view along its first dimensions: shape of each slice, and where it starts."""
    elements = 1
    for count in shape:
        elements *= count
    if elements <= most or not shape:
        yield shape, start
        return
    row = elements // shape[0]
    if row > most:
        for index in range(shape[0]):
            yield from _slices(shape[1:], strides[1:], start + index * strides[0], most)
        return
    rows = most // row
    for index in range(0, shape[0], rows):
        count = min(rows, shape[0] - index)
        yield (count, *shape[1:]), start + index * strides[0]


def _fill(
    target: npt.NDArray[np.generic], span: Span, start: int, strides: tuple[int, ...]
) -> None:
    """Read the elements of a view into an array of its shape, in the order of the storage."""
    size = span.dtype.itemsize
    reach = sum((count - 1) * step for count, step in zip(target.shape, strides, strict=True)) + 1
    widest = max(range(len(strides)), key=lambda axis: _reach(target, strides, axis), default=-1)
    if reach * size <= STRETCH_BYTES or widest < 0 or target.shape[widest] == 1:
        raw = span.read(start, start + reach)
        target[...] = np.ndarray(
            target.shape, span.dtype, raw, 0, tuple(step * size for step in strides)
        )
        return
    step = strides[widest]
    below = reach - (target.shape[widest] - 1) * step
    together = max((STRETCH_BYTES // size - below) // step + 1, 1)
    for index in range(0, target.shape[widest], together):
        part = [slice(None)] * target.ndim
        part[widest] = slice(index, index + together)
        _fill(target[tuple(part)], span, start + index * step, strides)


def _reach(target: npt.NDArray[np.generic], strides: tuple[int, ...], axis: int) -> int:
    return int(target.shape[axis] - 1) * strides[axis]
