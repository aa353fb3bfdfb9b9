"""Which networks are the same, whatever their files are called and packed in.

Enters: networks whose tensors have the same shapes. Leaves: groups with the same content, by the
hashes of docs/identity.md. Small tensors are read first; all of them only where those are the same.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from ckptscope.errors import CkptscopeError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.paper import SameWeights
from ckptscope.facts.tensors import StateDict, TensorInfo
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.tensors.hashing import Hasher, root_of, root_up_to_names

#: Elements of a tensor that is read first: biases and norms, which differ wherever networks do.
_SMALL: Final = 4096


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

    values: str
    names: str


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
) -> dict[str, list[tuple[Network, _Digest]]]:
    """Divide networks by the values of some tensors; one alone is not read."""
    divided: dict[str, list[tuple[Network, _Digest]]] = {}
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
    """Hash the wanted tensors.

    Raises:
        ArtifactError: One cannot be read.
        UsageError: The file is not what it was a moment ago.
    """
    member = " > ".join(network.location) or None
    with open_checkpoint(network.path, member=member, limits=limits) as checkpoint:
        found = checkpoint.state_dict(network.state_dict.path)
        hasher = Hasher(checkpoint.build)
        wanted = [tensor for tensor in found.tensors if is_wanted(tensor)]
        hasher.hash_all(wanted)
        pairs = [
            (tensor.key[len(network.prefix) :], hasher.digest(tensor).hex()) for tensor in wanted
        ]
    return _Digest(root_up_to_names(digest for _, digest in pairs), root_of(pairs))
