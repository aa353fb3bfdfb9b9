"""Carved tensors on their way into a new file.

Enters: what is left of a checkpoint, open, and the tensors that are wanted. Leaves: `Outgoing`s:
each with its bytes, from a storage or from initial values, or with the reason why it has none.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ckptscope.errors import ArtifactError
from ckptscope.facts.carved_file import CarveRequest, Initial
from ckptscope.facts.carving import CarvedTensor, Slot
from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.tensors import TensorInfo
from ckptscope.facts.unpacking import UnpackedTensor
from ckptscope.pipeline.carving import Carved
from ckptscope.tensors.canonical import PIECE_BYTES
from ckptscope.tensors.hashing import digest_pieces
from ckptscope.tensors.initial_values import initial_pieces
from ckptscope.writers.byte_order import swap_words
from ckptscope.writers.safetensors import DTYPE_NAMES
from ckptscope.writers.tensors import OutgoingStorage, OutgoingTensor, tensor_over

Pieces = Callable[[], Iterable[bytes]]


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One tensor that is wanted.

    Attributes:
        carved: What it is in the carved checkpoint.
        name: Its name in the new file.
        dtype: torch's name without `torch.`.
        source: Its bytes, as often as they are asked for; None if it has none.
        initial: What they are drawn from, where they are none of the source's.
        why: Why the storage that it had is not used.
    """

    carved: CarvedTensor
    name: str
    dtype: str
    source: Pieces | None = None
    initial: Initial | None = None
    why: str = ""

    def expect(self) -> UnpackedTensor:
        """Return what must be found in the new file, with the digest of its bytes now."""
        shape = self.carved.shape
        info = TensorInfo(key=self.name, shape=shape, dtype=self.dtype, stride=None)
        return UnpackedTensor(
            key=self.name,
            source_key=self.carved.storage or "",
            shape=shape,
            dtype=self.dtype,
            source_dtype=self.dtype,
            digest=digest_pieces(info, self.pieces()).hex(),
        )

    def pieces(self) -> Iterable[bytes]:
        """Return its canonical bytes; none where it has no source."""
        return self.source() if self.source is not None else ()

    def tensor(self, progress: Callable[[int], None] | None = None) -> OutgoingTensor:
        """Return it as the writers take it."""

        def chunks() -> Iterator[bytes]:
            for piece in self.pieces():
                yield piece
                if progress is not None:
                    progress(len(piece))

        elements = _elements(self.carved.shape)
        storage = OutgoingStorage(dtype=self.dtype, elements=elements, chunks=chunks)
        return tensor_over(storage, self.carved.shape)


def prepare(
    found: Carved, chosen: Sequence[CarvedTensor], request: CarveRequest
) -> tuple[Outgoing, ...]:
    """Lay out the tensors that are wanted, in their order.

    Raises:
        UsageError: The initial values of the family are not known.
    """
    best = found.carving.best
    planned: list[Outgoing] = []
    for one in chosen:
        dtype = request.dtype if " or " in one.dtype else one.dtype
        plan = _from_storage(found, one, dtype)
        if plan.source is None and request.fill and best is not None and dtype in DTYPE_NAMES:
            plan = _filled(plan, best.family)
        planned.append(plan)
    return tuple(planned)


def _from_storage(found: Carved, one: CarvedTensor, dtype: str) -> Outgoing:
    plan = Outgoing(carved=one, name=_name(one), dtype=dtype)
    if one.storage is None:
        return plan
    why = _obstacle(found, one, dtype)
    if why:
        return msgspec.structs.replace(plan, why=why)
    key = one.storage
    return msgspec.structs.replace(plan, source=lambda: _stored(found, key, dtype))


def _obstacle(found: Carved, one: CarvedTensor, dtype: str) -> str:
    """Say why a storage cannot be taken for the tensor; empty if it can."""
    item = ITEM_BYTES.get(dtype)
    if item is None or dtype not in DTYPE_NAMES:
        return f"safetensors has no dtype {dtype!r:.60}"
    if one.storage is None or one.storage in found.wrong:
        return "the bytes of its storage are not those that were written: their CRC-32 differs"
    try:
        size = found.open_storage(one.storage).size
    except ArtifactError as error:
        return f"its storage cannot be read: {error}"
    wanted = _elements(one.shape) * item
    if size != wanted:
        return f"it takes {wanted:,} bytes, and its storage has {size:,}: it may share it"
    return ""


def _stored(found: Carved, key: str, dtype: str) -> Iterator[bytes]:
    """Yield the bytes of a storage, little-endian."""
    pieces = _read(found, key)
    if not found.is_big_endian:
        yield from pieces
        return
    for piece in swap_words(pieces, ITEM_BYTES[dtype]):
        yield bytes(piece)


def _read(found: Carved, key: str) -> Iterator[bytes]:
    source = found.open_storage(key)
    for offset in range(0, source.size, PIECE_BYTES):
        yield source.read(offset, min(PIECE_BYTES, source.size - offset))


def _filled(plan: Outgoing, family: str) -> Outgoing:
    from ckptscope.families.initial import initial_of

    one = plan.carved
    initial = initial_of(family, one.key, one.shape)
    elements = _elements(one.shape)
    return msgspec.structs.replace(
        plan,
        initial=initial,
        source=lambda: initial_pieces(initial, plan.name, elements, plan.dtype),
    )


def _name(one: CarvedTensor) -> str:
    """Name a tensor: a network's as it is, an optimizer's state behind its slot."""
    return one.key if one.slot in (Slot.NETWORK, Slot.EMA) else f"{one.slot.value}/{one.key}"


def _elements(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
