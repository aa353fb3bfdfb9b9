"""Statistics of every tensor of a checkpoint, in one pass over the bytes and in bounded memory.

Enters: a manifest's build. Leaves: `TensorValues`, in the order of the manifest. A view that
several names share is gone over once. A storage is opened once for all of its views, as one that is
compressed must be unpacked for that.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from ckptscope.errors import ArtifactError, TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
from ckptscope.facts.values import TensorValues
from ckptscope.sources import ByteSource
from ckptscope.tensors.blocks import Block, Dimensions, dimensions_of, part
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.scan_channels import MOST_ROWS, Rows, Wanted, rows_of
from ckptscope.tensors.scan_elements import Array, elements_of
from ckptscope.tensors.scan_plan import (
    Entry,
    Errand,
    Task,
    View,
    bytes_of,
    list_entries,
    plan_errands,
    span_bytes,
    view_of,
)
from ckptscope.tensors.scan_statistics import Scratch, Statistics
from ckptscope.tensors.values import Span, finish, open_span

#: Bytes of a storage that are held at once. With what is calculated from them they stay in a
#: processor's second and third cache: smaller pieces cost more calls, larger ones more misses. From
#: 256 KiB on the C library of Linux gives the memory of each piece back to the system before it
#: asks for that of the next, page by page.
CHUNK_BYTES: Final = 192 << 10
#: Bytes of a storage, on average, for each thread. Smaller ones spend so much of their time in the
#: interpreter, where threads wait for each other, that two are slower than one (storages of 100 KB:
#: 0.4 GB/s with two, 0.7 with one; of 38 MB: 2.2 and 1.5).
_LEAST_FOR_THREAD: Final = 1 << 20
#: Views of one storage may overlap each other: a flat buffer and its parts, a matrix and its
#: transpose, columns that are read with all that lies between. All of them together are gone over
#: up to so many times the storage's bytes, ...
_MOST_TIMES: Final = 8
#: ... but of a small one up to this much: 8,192 views of a storage of a kilobyte or two.
_SMALL_BYTES: Final = 8 << 20

Progress = Callable[[int], None]


def scan_values(
    build: ManifestBuild,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> tuple[TensorValues, ...]:
    """Go over the elements of every tensor of every state_dict, and of the optimizers.

    What a sparse, quantized or nested tensor is made of follows it, part by part.

    Args:
        build: The manifest and the way to its storages.
        jobs: Threads that read and count.
        progress: Told how many bytes more have been gone over, from any of the threads.
        chunk_bytes: Bytes of a storage that are held at once, by each of the threads.
    """
    entries = tuple(list_entries(build.manifest))
    errands = plan_errands(entries)
    run = _Run(build, errands, progress, chunk_bytes)
    run.work(_threads(jobs, errands))
    return tuple(_named(run, entry) for entry in entries)


def _threads(jobs: int, errands: Sequence[Errand]) -> int:
    """Return how many threads are worth it: of small storages one is as fast as two."""
    if jobs <= 1:
        return 1
    worth = bytes_of(errands) // (_LEAST_FOR_THREAD * max(len(errands), 1))
    return max(min(jobs, len(errands), worth), 1)


def _named(run: "_Run", entry: Entry) -> TensorValues:
    """Return what was found out about a view, under one of its names."""
    if entry.tensor.storage is not None:
        found = run.results[view_of(entry.tensor)]
    elif entry.tensor.elements:
        found = run.refuse(entry.tensor)
    else:
        found = TensorValues(path="", key="")
    return msgspec.structs.replace(
        found, path=entry.state_dict.path, key=entry.key, part=entry.part
    )


class _StoppedError(Exception):
    """Another thread has failed, or the user has had enough."""


class _Run:
    """One pass over a checkpoint, whose threads take storages in turn."""

    def __init__(
        self,
        build: ManifestBuild,
        errands: Sequence[Errand],
        progress: Progress | None,
        chunk_bytes: int,
    ) -> None:
        self.results: dict[View, TensorValues] = {}
        self._build = build
        self._errands = iter(errands)
        self._progress = progress
        self._chunk_bytes = chunk_bytes
        self._lock = threading.Lock()
        self._is_stopped = False

    def work(self, threads: int) -> None:
        """Go through all storages, in this thread alone or in several."""
        if threads <= 1:
            self._go_through()
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - seldom needed

        with ThreadPoolExecutor(threads) as pool:
            try:
                for done in [pool.submit(self._go_through) for _ in range(threads)]:
                    done.result()
            finally:
                self._is_stopped = True

    def refuse(self, tensor: TensorInfo) -> TensorValues:
        """Return why a tensor without a storage cannot be read."""
        try:
            open_span(self._build, tensor)
        except ArtifactError as error:
            return _unread(tensor, error)
        raise AssertionError(tensor.key)

    def _go_through(self) -> None:
        scratch = Scratch(self._chunk_bytes)
        # Numbers that are none, and sums beyond the largest, are counted and no warning.
        with np.errstate(all="ignore"):
            while not self._is_stopped:
                with self._lock:
                    errand = next(self._errands, None)
                if errand is None:
                    return
                try:
                    self._scan_storage(errand, scratch)
                except _StoppedError:
                    return

    def _scan_storage(self, errand: Errand, scratch: Scratch) -> None:
        try:
            # What unpacking has cost is counted for the file, by one thread at a time.
            with self._lock:
                source = self._build.open_storage(errand.storage)
        except ArtifactError as error:
            for task in errand.tasks:
                self.results[task.view] = _unread(task.tensor, error)
            return
        allowed = max(_MOST_TIMES * source.size, _SMALL_BYTES)
        for task in errand.tasks:
            allowed -= span_bytes(task.tensor)
            try:
                if allowed < 0:
                    raise TensorLayoutError(
                        f"its storage has been gone over {_MOST_TIMES} times for other views of it"
                    )
                found = self._scan_view(task, source, scratch)
            except ArtifactError as error:
                found = _unread(task.tensor, error)
            self.results[task.view] = found

    def _scan_view(self, task: Task, source: ByteSource, scratch: Scratch) -> TensorValues:
        tensor = task.tensor
        span = open_span(self._build, tensor, source)
        if span.start == span.end:
            return TensorValues(path="", key="", elements=tensor.elements)
        repeats, dimensions = dimensions_of(tensor, keep_rows=task.has_channels)
        statistics = Statistics(elements_of(span.dtype), tensor.elements // repeats, scratch)
        rows = _rows(tensor, dimensions, scratch) if task.has_channels else None
        for block, values in self._read(tensor, span, dimensions):
            zeros = statistics.zeros
            numbers = statistics.add(values)
            if rows is not None:
                rows.add(block.row, values, numbers, statistics.zeros - zeros)

        def read_again(is_wanted: Wanted) -> Iterator[tuple[int, Array]]:
            for block, values in self._read(tensor, span, dimensions, is_wanted):
                yield block.row, values

        return TensorValues(
            path="",
            key="",
            elements=tensor.elements,
            nan=statistics.nan * repeats,
            positive_infinite=statistics.positive_infinite * repeats,
            negative_infinite=statistics.negative_infinite * repeats,
            zeros=statistics.zeros * repeats,
            denormals=statistics.denormals * repeats,
            near_largest=statistics.near_largest * repeats,
            least=statistics.least,
            greatest=statistics.greatest,
            mean=statistics.mean,
            std=statistics.std,
            histogram=(bins := statistics.histogram()),
            sampled=sum(bins),
            channels=rows.channels(read_again) if rows is not None else None,
        )

    def _read(
        self,
        tensor: TensorInfo,
        span: Span,
        dimensions: Dimensions,
        is_wanted: Wanted | None = None,
    ) -> Iterator[tuple[Block, Array]]:
        """Yield the blocks of a tensor, contiguous: rows, and what stands in each.

        Args:
            tensor: The tensor.
            span: Where it stands.
            dimensions: How its elements lie there.
            is_wanted: Which blocks are read, for a second time; None for all, for the first.
        """
        most = max(self._chunk_bytes // span.dtype.itemsize, 1)
        for block in part(Block(span.start, dimensions), most):
            if self._is_stopped:
                raise _StoppedError
            axis = next((i for i, one in enumerate(block.dimensions) if one.is_rows), None)
            rows = 1 if axis is None else block.dimensions[axis].size
            if is_wanted is not None and not is_wanted(block.row, rows):
                continue
            read = span.read_block(block)
            values = rows_of(read, axis)
            yield block, finish(values, tensor) if tensor.lazy else values
            if self._progress is not None and is_wanted is None:
                self._progress(values.nbytes)


def _rows(tensor: TensorInfo, dimensions: Dimensions, scratch: Scratch) -> Rows | None:
    """Return what looks at the rows of a tensor; None where they tell nothing, or too many."""
    if not tensor.shape or tensor.shape[0] > MOST_ROWS or 0 in (tensor.stride or ())[:1]:
        return None
    inner = [one.size for one in dimensions if not one.is_rows]
    compares = tensor.shape[0] > 1 and bool(inner)
    return Rows(tensor.shape[0], compares=compares, scratch=scratch)


def _unread(tensor: TensorInfo, error: ArtifactError) -> TensorValues:
    return TensorValues(path="", key="", elements=tensor.elements, unread=str(error))
