"""Which networks are the same, whatever their files are called and packed in.

Enters: networks whose tensors have the same shapes. Leaves: groups with the same values, by SHA-256
of each tensor. Small tensors are read first; all of them only where those are the same.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from ckptscope.errors import CkptscopeError, TensorLayoutError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.paper import SameWeights
from ckptscope.facts.tensors import Manifest, StateDict, TensorInfo
from ckptscope.pipeline.opening import Checkpoint, open_checkpoint

#: Elements of a tensor that is read first: biases and norms, which differ wherever networks do.
_SMALL: Final = 4096
#: Bytes of all tensors together, in bytes of all storages; above, views repeat them without end.
_MOST_REPEATS: Final = 2


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a file that was found before.

    Attributes:
        file: Index in the report.
        path: File or folder.
        location: Members that lead to the checkpoint.
        state_dict: Its names and shapes.
        prefix: What stands before every key.
    """

    file: int
    path: str
    location: tuple[str, ...]
    state_dict: StateDict
    prefix: str


class _Digest(msgspec.Struct, frozen=True):
    """What networks are told apart by: values alone, and values with their names."""

    values: bytes
    names: bytes


def find_same_weights(
    networks: Iterable[Network], *, limits: Limits = DEFAULT_LIMITS
) -> tuple[tuple[SameWeights, ...], tuple[str, ...]]:
    """Return groups of networks with the same values, and what could not be compared.

    Args:
        networks: In the order of the report.
        limits: Bounds of the reading.
    """
    by_shapes: dict[object, list[Network]] = {}
    for network in networks:
        by_shapes.setdefault(_shapes(network.state_dict), []).append(network)
    groups: list[SameWeights] = []
    remarks: list[str] = []
    for alike in by_shapes.values():
        for closer in _divide(alike, _is_small, limits, remarks).values():
            for same in _divide([one for one, _ in closer], _is_any, limits, remarks).values():
                if len(same) > 1:
                    groups.append(_group(same))
    return tuple(groups), tuple(dict.fromkeys(remarks))


def _group(same: Sequence[tuple[Network, _Digest]]) -> SameWeights:
    count = len(same[0][0].state_dict.tensors)
    return SameWeights(
        files=tuple(network.file for network, _ in same),
        same_names=len({digest.names for _, digest in same}) == 1,
        evidence=f"SHA-256 of the values of {count:,} tensors",
    )


def _divide(
    alike: Sequence[Network],
    is_wanted: Callable[[TensorInfo], bool],
    limits: Limits,
    remarks: list[str],
) -> dict[bytes, list[tuple[Network, _Digest]]]:
    """Divide networks by the values of some tensors; one alone is not read."""
    divided: dict[bytes, list[tuple[Network, _Digest]]] = {}
    for network in alike if len(alike) > 1 else ():
        try:
            digest = _read_digest(network, is_wanted, limits)
        except CkptscopeError as error:
            name = " > ".join((network.path, *network.location))
            remarks.append(f"{name!r}: weights not compared: {error}")
            continue
        divided.setdefault(digest.values, []).append((network, digest))
    return divided


def _shapes(state_dict: StateDict) -> object:
    return tuple(sorted((tensor.dtype, tensor.shape) for tensor in state_dict.tensors))


def _is_small(tensor: TensorInfo) -> bool:
    return tensor.elements <= _SMALL


def _is_any(tensor: TensorInfo) -> bool:
    return True


def _read_digest(
    network: Network, is_wanted: Callable[[TensorInfo], bool], limits: Limits
) -> _Digest:
    """Read the wanted tensors, one at a time.

    Raises:
        ArtifactError: One cannot be read.
        UsageError: The file is not what it was a moment ago.
    """
    member = " > ".join(network.location) or None
    with open_checkpoint(network.path, member=member, limits=limits) as checkpoint:
        found = checkpoint.state_dict(network.state_dict.path)
        wanted = [tensor for tensor in found.tensors if is_wanted(tensor)]
        _require_bounded(wanted, checkpoint.manifest)
        pairs = sorted(
            (
                _digest_of(checkpoint, tensor),
                tensor.key[len(network.prefix) :].encode("utf-8", "backslashreplace"),
            )
            for tensor in wanted
        )
    values, names = hashlib.sha256(), hashlib.sha256()
    for digest, name in pairs:
        values.update(digest)
        names.update(digest + hashlib.sha256(name).digest())
    return _Digest(values.digest(), names.digest())


def _digest_of(checkpoint: Checkpoint, tensor: TensorInfo) -> bytes:
    """Return the digest of a tensor: its dtype, its shape, its elements in the usual order."""
    digest = hashlib.sha256(f"{tensor.dtype} {tensor.shape}".encode())
    digest.update(checkpoint.read(tensor).tobytes())
    return digest.digest()


def _require_bounded(tensors: Sequence[TensorInfo], manifest: Manifest) -> None:
    """Refuse tensors that repeat few elements many times: they could be read for ever.

    Raises:
        TensorLayoutError: They declare more elements than the storages hold.
    """
    held = sum(storage.size_bytes for storage in manifest.storages.values())
    declared = 0
    for tensor in tensors:
        storage = manifest.storages.get(tensor.storage or "")
        # One byte an element at least.
        if storage is None or tensor.elements > storage.size_bytes:
            raise TensorLayoutError(f"{tensor.key!r:.200} repeats its elements, or has none")
        declared += tensor.elements
    if declared > _MOST_REPEATS * held:
        raise TensorLayoutError(
            f"tensors declare {declared:,} elements over {held:,} bytes of storages"
        )
