"""Tensors of one file → tensors of another, streamed; and whether they arrived.

Enters: a manifest's build and what its tensors are to be called. Leaves: descriptions for the
writers, whose bytes are read from the source when they are written; the digests that the tensors
must have; a file that was read back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from ckptscope.errors import ArtifactError, TensorLayoutError
from ckptscope.facts.dtypes import ITEM_BYTES, storage_bytes
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.tensors import TensorInfo
from ckptscope.facts.unpacking import FLOATING, TargetKind, Tie, UnpackedTensor
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.tensors import ManifestBuild
from ckptscope.tensors.allowance import ALWAYS, MOST_REPEATS
from ckptscope.tensors.canonical import canonical_pieces, canonical_size
from ckptscope.tensors.hashing import Hasher, digest_pieces
from ckptscope.tensors.spending import view_span
from ckptscope.writers.forms import Reduce, ordered_dict
from ckptscope.writers.safetensors import DTYPE_NAMES, write_safetensors
from ckptscope.writers.tensors import (
    STORAGE_CLASSES,
    UNTYPED,
    OutgoingStorage,
    OutgoingTensor,
    tensor_over,
)
from ckptscope.writers.torch_zip import write_torch_zip

#: Told how many bytes more have been copied.
Progress = Callable[[int], None] | None

#: Reserved by the format.
_HEADER_KEY = "__metadata__"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor to copy.

    Attributes:
        name: What it is called in the new file.
        tensor: What it is in the source.
        dtype: Its element type in the new file.
    """

    name: str
    tensor: TensorInfo
    dtype: str


class _Stretch(msgspec.Struct, frozen=True):
    """Tensors that lie over each other in one storage: places in the plan, and bytes."""

    members: tuple[int, ...]
    start: int
    end: int


def dtype_after(tensor: TensorInfo, wanted: str) -> str:
    """Return the element type of a copy: casts are for floating tensors alone."""
    return wanted if wanted and tensor.dtype in FLOATING else tensor.dtype


def obstacle(planned: Planned, kind: TargetKind) -> str:
    """Say why a target cannot hold a tensor; empty if it can."""
    tensor = planned.tensor
    if tensor.layout == "sharded":
        return "a distributed checkpoint holds it in pieces"
    if tensor.layout != "strided":
        return f"its layout is {tensor.layout}"
    if planned.dtype.startswith("q"):
        return f"it is quantized ({planned.dtype})"
    if tensor.storage is None or tensor.stride is None:
        return f"it has no elements (device {tensor.device})"
    if kind is TargetKind.SAFETENSORS:
        if planned.dtype not in DTYPE_NAMES:
            return f"{kind.value} has no {planned.dtype}"
        if planned.name == _HEADER_KEY or not _is_unicode(planned.name):
            return f"{kind.value} has no such name"
    elif planned.dtype not in STORAGE_CLASSES and planned.dtype not in UNTYPED:
        return f"torch cannot load {planned.dtype}"
    return ""


def _is_unicode(name: str) -> bool:
    """Whether it has no lone surrogate, which UTF-8 cannot hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Copy:
    """The tensors of one new file, on their way.

    Attributes:
        ties: Tensors that share memory in the source.
        size_bytes: Bytes of the source that are copied, once for each time that they are written.
    """

    def __init__(
        self,
        build: ManifestBuild,
        planned: Sequence[Planned],
        kind: TargetKind,
        progress: Progress = None,
    ) -> None:
        """Lay out what is to be written.

        Raises:
            TensorLayoutError: The tensors repeat the bytes of their storages without end.
        """
        self._build = build
        self._planned = planned
        self._kind = kind
        self._progress = progress
        self.ties, self._tensors, self.size_bytes = self._lay_out()
        held = sum(one.size_bytes for one in build.manifest.storages.values())
        if self.size_bytes > max(MOST_REPEATS * held, ALWAYS):
            raise TensorLayoutError(
                f"the tensors declare {self.size_bytes:,} bytes over storages of {held:,}: written "
                f"out they would be more than {MOST_REPEATS} times the source"
            )

    def _lay_out(self) -> tuple[tuple[Tie, ...], list[tuple[str, OutgoingTensor]], int]:
        ties: list[Tie] = []
        shared: dict[int, OutgoingTensor] = {}
        size = 0
        for stretch in _stretches(self._planned):
            members = [self._planned[index] for index in stretch.members]
            is_kept = self._kind is TargetKind.TORCH_ZIP and _are_alike(members)
            names = tuple(one.name for one in members)
            length = stretch.end - stretch.start
            ties.append(Tie(keys=names, is_kept=is_kept, size_bytes=length))
            if is_kept:
                size += length
                made = self._over_one_storage(members, stretch)
                shared |= dict(zip(stretch.members, made, strict=True))
        tensors: list[tuple[str, OutgoingTensor]] = []
        for index, one in enumerate(self._planned):
            if index in shared:
                tensors.append((one.name, shared[index]))
                continue
            size += canonical_size(one.tensor)
            storage = self._storage(one.tensor, one.dtype)
            tensors.append((one.name, tensor_over(storage, one.tensor.shape)))
        return tuple(ties), tensors, size

    def _over_one_storage(
        self, members: Sequence[Planned], stretch: _Stretch
    ) -> Iterator[OutgoingTensor]:
        """Lay tensors over a copy of the stretch of the storage that they use together."""
        first = members[0].tensor
        item = ITEM_BYTES[first.dtype]
        start = stretch.start // item
        whole = msgspec.structs.replace(
            first, shape=(stretch.end // item - start,), stride=(1,), offset=start
        )
        storage = self._storage(whole, members[0].dtype)
        for one in members:
            yield OutgoingTensor(
                storage=storage,
                shape=one.tensor.shape,
                stride=one.tensor.stride or (),
                offset=one.tensor.offset - start,
            )

    def _storage(self, tensor: TensorInfo, dtype: str) -> OutgoingStorage:
        chunks = partial(self._pieces, tensor, dtype)
        return OutgoingStorage(dtype=dtype, elements=tensor.elements, chunks=chunks)

    def _pieces(self, tensor: TensorInfo, dtype: str) -> Iterator[bytes]:
        for piece in _cast(canonical_pieces(self._build, tensor), tensor.dtype, dtype):
            yield piece
            if self._progress is not None:
                self._progress(len(piece))

    def expect(self) -> dict[str, UnpackedTensor]:
        """Return what must be found in the new file, by name, with digests of the source.

        Raises:
            ArtifactError: A tensor cannot be read.
        """
        hasher = Hasher(self._build, self._progress)
        plain = (one for one in self._planned if one.dtype == one.tensor.dtype)
        hasher.hash_all(one.tensor for one in plain)
        return {one.name: self._expected(one, hasher) for one in self._planned}

    def _expected(self, one: Planned, hasher: Hasher) -> UnpackedTensor:
        tensor = one.tensor
        if one.dtype == tensor.dtype:
            digest = hasher.digest(tensor)
        else:
            cast = msgspec.structs.replace(tensor, dtype=one.dtype)
            digest = digest_pieces(cast, self._pieces(tensor, one.dtype))
        return UnpackedTensor(
            key=one.name,
            source_key=tensor.key,
            shape=tensor.shape,
            dtype=one.dtype,
            source_dtype=tensor.dtype,
            digest=digest.hex(),
        )

    def write(self, file: BinaryIO, header: dict[str, str], versions: dict[str, int]) -> None:
        """Write the new file.

        Args:
            file: Where to.
            header: Text for the header of safetensors.
            versions: Module versions for the `_metadata` of torch.

        Raises:
            ArtifactError: A tensor cannot be read.
            UsageError: The names are longer than a header may be.
        """
        if self._kind is TargetKind.SAFETENSORS:
            write_safetensors(file, self._tensors, metadata=header)
        else:
            write_torch_zip(file, _state_dict(self._tensors, versions))


def _state_dict(tensors: Iterable[tuple[str, OutgoingTensor]], versions: dict[str, int]) -> Reduce:
    """Spell what `nn.Module.state_dict` returns."""
    if not versions:
        return ordered_dict(tensors)
    described = ordered_dict({name: {"version": number} for name, number in versions.items()})
    return ordered_dict(tensors, state={"_metadata": described})


def _cast(pieces: Iterable[bytes], found: str, wanted: str) -> Iterable[bytes]:
    if found == wanted:
        return pieces
    from ckptscope.tensors.casting import cast_pieces  # numpy, only where values change

    return cast_pieces(pieces, found, wanted)


def _are_alike(members: Sequence[Planned]) -> bool:
    """Whether tensors can lie over one storage of one element type."""
    first = members[0]
    item = ITEM_BYTES[first.tensor.dtype]
    return all(
        (one.dtype, one.tensor.dtype) == (first.dtype, first.tensor.dtype) and not one.tensor.lazy
        for one in members
    ) and all(storage_bytes(1, one.tensor.dtype) == item for one in members)


def _stretches(planned: Sequence[Planned]) -> Iterator[_Stretch]:
    """Yield the stretches of storages that several tensors use."""
    by_storage: dict[str, list[tuple[int, int, int]]] = {}
    for index, one in enumerate(planned):
        item = ITEM_BYTES.get(one.tensor.dtype)
        if one.tensor.storage is None or item is None:
            continue
        start, end = view_span(one.tensor)
        if end > start:
            spans = by_storage.setdefault(one.tensor.storage, [])
            spans.append((start * item, end * item, index))
    for spans in by_storage.values():
        if len(spans) > 1:
            yield from _overlapping(sorted(spans))


def _overlapping(spans: Sequence[tuple[int, int, int]]) -> Iterator[_Stretch]:
    """Yield runs of two or more spans that overlap; `spans` are sorted."""
    members: list[int] = []
    begin = reached = -1
    for start, end, index in spans:
        if start >= reached:
            if len(members) > 1:
                yield _Stretch(tuple(sorted(members)), begin, reached)
            members, begin = [], start
        members.append(index)
        reached = max(reached, end)
    if len(members) > 1:
        yield _Stretch(tuple(sorted(members)), begin, reached)


def verify(
    path: Path, expected: dict[str, UnpackedTensor], progress: Progress = None
) -> tuple[str, str]:
    """Read a new file back and compare every tensor with the source; return its two roots.

    Raises:
        ArtifactError: Something in it is not as it should be.
    """
    with open_checkpoint(path, limits=DEFAULT_LIMITS) as checkpoint:
        if len(checkpoint.state_dicts) != 1:
            raise _mismatch(f"one state_dict, found {len(checkpoint.state_dicts)}")
        only = checkpoint.state_dicts[0]
        if {one.key for one in only.tensors} != expected.keys():
            raise _mismatch(f"{len(expected):,} names, found others among {len(only.tensors):,}")
        hasher = Hasher(checkpoint.build, progress)
        hasher.hash_all(only.tensors)
        for one in only.tensors:
            wanted = expected[one.key]
            if hasher.digest(one).hex() != wanted.digest:
                raise _mismatch(
                    f"{one.key!r:.200} with the hash {wanted.digest[:16]}, found "
                    f"{hasher.digest(one).hex()[:16]}"
                )
        identity = hasher.identify_state_dict(only)
    return identity.root, identity.root_up_to_names


def _mismatch(message: str) -> ArtifactError:
    return ArtifactError(
        f"the written file is not what it should be: expected {message}",
        advice="it was removed; the disk may be faulty, or the source changed meanwhile",
    )
