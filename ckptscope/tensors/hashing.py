"""Content identities of tensors and state_dicts.

Enters: a manifest's build. Leaves: an `Identity`. docs/identity.md defines what is hashed, byte for
byte; the hash is SHA-256 (FIPS 180-4). One piece of a tensor is held at a time.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Final

from ckptscope.errors import ArtifactError, TensorLayoutError
from ckptscope.facts.identity import Identity, StateDictIdentity, TensorIdentity
from ckptscope.facts.tensors import StateDict, TensorInfo
from ckptscope.tensors.canonical import canonical_pieces, canonical_size
from ckptscope.tensors.manifest import ManifestBuild

_TENSOR: Final = "ckptscope/tensor/1"
_STATE_DICT: Final = b"ckptscope/state_dict/1\n"
_TENSORS: Final = b"ckptscope/tensors/1\n"
_LENGTH: Final = struct.Struct("<Q").pack
#: Bytes that are hashed, in bytes of all storages: views may repeat them, but not without end.
_MOST_REPEATS: Final = 8
#: Bytes that are hashed in any case.
_ALWAYS: Final = 256 << 20


class Hasher:
    """Hashes the tensors of one checkpoint; what lies in the same place is hashed once.

    Args:
        build: The manifest and the way to its storages.
        progress: Told how many bytes more have been hashed.
    """

    def __init__(self, build: ManifestBuild, progress: Callable[[int], None] | None = None) -> None:
        self._build = build
        self._progress = progress
        self._known: dict[object, bytes] = {}
        held = sum(storage.size_bytes for storage in build.manifest.storages.values())
        self._left = max(_MOST_REPEATS * held, _ALWAYS)

    def identify(self) -> Identity:
        """Return the identities of all state_dicts of the checkpoint."""
        manifest = self._build.manifest
        return Identity(
            location=manifest.location,
            state_dicts=tuple(self.identify_state_dict(one) for one in manifest.state_dicts),
        )

    def identify_state_dict(self, state_dict: StateDict) -> StateDictIdentity:
        """Return the identity of a state_dict; one tensor unread leaves it without root."""
        cut = len(state_dict.prefix)
        tensors = sorted(
            (self._identify_tensor(tensor, tensor.key[cut:]) for tensor in state_dict.tensors),
            key=lambda one: (_name_bytes(one.key), one.digest),
        )
        is_whole = all(one.digest for one in tensors)
        return StateDictIdentity(
            path=state_dict.path,
            role=state_dict.role.value,
            prefix=state_dict.prefix,
            root=root_of((one.key, one.digest) for one in tensors) if is_whole else "",
            root_up_to_names=root_up_to_names(one.digest for one in tensors) if is_whole else "",
            tensors=tuple(tensors),
        )

    def _identify_tensor(self, tensor: TensorInfo, name: str) -> TensorIdentity:
        try:
            digest, unread = self.digest(tensor).hex(), ""
        except ArtifactError as error:
            digest, unread = "", str(error)
        return TensorIdentity(
            key=name, dtype=tensor.dtype, shape=tensor.shape, digest=digest, unread=unread
        )

    def digest(self, tensor: TensorInfo) -> bytes:
        """Return the digest of a tensor, 32 bytes.

        Raises:
            TensorLayoutError: It has no elements, or repeats the same few without end.
            ArtifactError: Its storage cannot be read.
        """
        place = (
            tensor.storage,
            tensor.offset,
            tensor.shape,
            tensor.stride,
            tensor.dtype,
            tensor.layout,
            tensor.lazy,
            tensor.parts,
        )
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = self._digest(tensor)
        return known

    def _digest(self, tensor: TensorInfo) -> bytes:
        shape = ",".join(map(str, tensor.shape))
        head = f"{_TENSOR}\n{tensor.dtype}\n{shape}\n{tensor.layout}\n{len(tensor.parts)}\n"
        digest = hashlib.sha256(head.encode("utf-8", "surrogatepass"))
        if tensor.storage is not None or not tensor.parts:
            self._spend(tensor)
            for piece in canonical_pieces(self._build, tensor):
                digest.update(piece)
                if self._progress is not None:
                    self._progress(len(piece))
        for part in tensor.parts:
            name = _name_bytes(part.key)
            digest.update(_LENGTH(len(name)) + name + self.digest(part))
        return digest.digest()

    def _spend(self, tensor: TensorInfo) -> None:
        """Count the bytes of a tensor before they are read.

        Raises:
            TensorLayoutError: The tensors declare many times what the storages hold.
        """
        size = canonical_size(tensor)
        if size > self._left:
            raise TensorLayoutError(
                f"{tensor.key!r:.200}: the tensors together declare more than "
                f"{_MOST_REPEATS} times the bytes of their storages"
            )
        self._left -= size


def root_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the root of names and digests, 64 hex digits.

    Args:
        pairs: Name without prefix, and digest in hex digits, in any order.
    """
    digest = hashlib.sha256(_STATE_DICT)
    for name, tensor in sorted((_name_bytes(key), bytes.fromhex(one)) for key, one in pairs):
        digest.update(_LENGTH(len(name)) + name + tensor)
    return digest.hexdigest()


def root_up_to_names(digests: Iterable[str]) -> str:
    """Return the root of a multiset of digests, 64 hex digits."""
    return hashlib.sha256(_TENSORS + b"".join(sorted(map(bytes.fromhex, digests)))).hexdigest()


def _name_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
