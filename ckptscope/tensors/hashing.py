"""Content identities of tensors and state_dicts.

Enters: a manifest's build. Leaves: an `Identity`. docs/identity.md defines what is hashed, byte for
byte; the hash is SHA-256 (FIPS 180-4). Each thread holds one piece of a tensor at a time.
"""

import hashlib
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Final

from ckptscope.errors import ArtifactError
from ckptscope.facts.identity import Identity, StateDictIdentity, TensorIdentity
from ckptscope.facts.tensors import StateDict, TensorInfo
from ckptscope.sources import ByteSource
from ckptscope.tensors.allowance import Allowance
from ckptscope.tensors.canonical import (
    canonical_pieces,
    lies_canonical,
)
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.spending import with_parts

_TENSOR: Final = "ckptscope/tensor/1"
_STATE_DICT: Final = b"ckptscope/state_dict/1\n"
_TENSORS: Final = b"ckptscope/tensors/1\n"
_LENGTH: Final = struct.Struct("<Q").pack
#: Bytes for each thread; to hash fewer takes less time than to start one.
_LEAST_FOR_THREAD: Final = 8 << 20
#: Stands for a digest that will be there in a moment.
_PLANNED: Final = b""

#: Told how many bytes more have been hashed.
Progress = Callable[[int], None]
#: What is the same for two names of one tensor.
_Place = tuple[object, ...]


class Hasher:
    """Hashes the tensors of one checkpoint; what lies in the same place is hashed once.

    Args:
        build: The manifest and the way to its storages.
        progress: Told how many bytes more have been hashed, from any of the threads.
        jobs: Threads that read and hash.
    """

    def __init__(
        self, build: ManifestBuild, progress: Progress | None = None, *, jobs: int = 1
    ) -> None:
        self._build = build
        self._progress = progress
        self._jobs = jobs
        self._known: dict[_Place, bytes | ArtifactError] = {}
        #: Tensors whose elements do not lie in order take much memory: one at a time.
        self._gathering = threading.Lock()
        #: What unpacking has cost is counted for the file, by one thread at a time.
        self._opening = threading.Lock()
        self._allowance = Allowance(build)

    def identify(self) -> Identity:
        """Return the identities of all state_dicts of the checkpoint."""
        manifest = self._build.manifest
        self.hash_all(one for group in manifest.state_dicts for one in group.tensors)
        return Identity(
            location=manifest.location,
            state_dicts=tuple(self.identify_state_dict(one) for one in manifest.state_dicts),
        )

    def identify_state_dict(self, state_dict: StateDict) -> StateDictIdentity:
        """Return the identity of a state_dict; one tensor unread leaves it without root."""
        self.hash_all(state_dict.tensors)
        cut = len(state_dict.prefix)
        tensors = sorted(
            (self._identify_tensor(tensor, tensor.key[cut:]) for tensor in state_dict.tensors),
            key=lambda one: (_name_bytes(one.key), one.digest),
        )
        root, up_to_names = roots_of(tensors)
        return StateDictIdentity(
            path=state_dict.path,
            role=state_dict.role.value,
            prefix=state_dict.prefix,
            root=root,
            root_up_to_names=up_to_names,
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

    def hash_all(self, tensors: Iterable[TensorInfo]) -> None:
        """Hash tensors whose digests will be asked for, in several threads if there are.

        Each storage is opened once for all of them: one that is compressed is unpacked for that.
        """
        errands: dict[str, list[TensorInfo]] = {}
        total = 0
        for tensor in with_parts(tuple(tensors)):
            # What has parts is put together when it is asked for, from theirs.
            if tensor.storage is None or tensor.parts or _place(tensor) in self._known:
                continue
            try:
                total += self._allowance.spend(tensor)
            except ArtifactError as error:
                self._known[_place(tensor)] = error
                continue
            # Whether it is known is asked before anything is hashed.
            self._known[_place(tensor)] = _PLANNED
            errands.setdefault(tensor.storage, []).append(tensor)
        threads = min(self._jobs, len(errands), total // _LEAST_FOR_THREAD)
        if threads <= 1:
            for errand in errands.items():
                self._hash_storage(*errand)
        else:
            self._hash_in_threads(errands, threads)

    def _hash_in_threads(self, errands: dict[str, list[TensorInfo]], threads: int) -> None:
        """Hash storages in this thread and in others, which take them in turn."""
        left = iter(errands.items())
        lock = threading.Lock()
        failures: list[BaseException] = []

        def go_through() -> None:
            while True:
                with lock:
                    errand = next(left, None)
                if errand is None:
                    return
                self._hash_storage(*errand)

        def go_through_beside() -> None:
            try:
                go_through()
            except BaseException as error:  # told below, in the thread that was called
                failures.append(error)

        # Plain threads: a pool's module takes longer to import than 10 MB to hash.
        others = [threading.Thread(target=go_through_beside) for _ in range(threads - 1)]
        for one in others:
            one.start()
        try:
            go_through()
        finally:
            # Where one thread failed, or the user had enough, the others stop soon.
            left = iter(())
            for one in others:
                one.join()
        if failures:
            raise failures[0]

    def _hash_storage(self, key: str, tensors: Sequence[TensorInfo]) -> None:
        try:
            with self._opening:
                source = self._build.open_storage(key)
        except ArtifactError as error:
            self._known |= dict.fromkeys(map(_place, tensors), error)
            return
        for tensor in tensors:
            try:
                self._known[_place(tensor)] = self._hash(tensor, source).digest()
            except ArtifactError as error:
                self._known[_place(tensor)] = error

    def digest(self, tensor: TensorInfo) -> bytes:
        """Return the digest of a tensor, 32 bytes.

        Raises:
            TensorLayoutError: It has no elements, or repeats the same few without end.
            ArtifactError: Its storage cannot be read.
        """
        place = _place(tensor)
        known = self._known.get(place, _PLANNED)
        if known == _PLANNED:
            known = self._known[place] = self._put_together(tensor)
        if isinstance(known, ArtifactError):
            raise known
        return known

    def _put_together(self, tensor: TensorInfo) -> bytes | ArtifactError:
        """Hash a tensor with its parts."""
        try:
            if tensor.storage is not None or not tensor.parts:
                self._allowance.spend(tensor)
                digest = self._hash(tensor, None)
            else:
                digest = hashlib.sha256(_head(tensor))
            for part in tensor.parts:
                name = _name_bytes(part.key)
                digest.update(_LENGTH(len(name)) + name + self.digest(part))
        except ArtifactError as error:
            return error
        return digest.digest()

    def _hash(self, tensor: TensorInfo, source: ByteSource | None) -> "hashlib._Hash":
        """Hash what stands before the parts of a tensor."""
        digest = hashlib.sha256(_head(tensor))
        alone = nullcontext() if lies_canonical(self._build, tensor) else self._gathering
        with alone:
            for piece in canonical_pieces(self._build, tensor, source):
                digest.update(piece)
                if self._progress is not None:
                    self._progress(len(piece))
        return digest


def _place(tensor: TensorInfo) -> _Place:
    """Return what is the same for two names of one tensor."""
    return (
        tensor.storage,
        tensor.offset,
        tensor.shape,
        tensor.stride,
        tensor.dtype,
        tensor.layout,
        tensor.lazy,
        tensor.parts,
    )


def _head(tensor: TensorInfo) -> bytes:
    """Return what is hashed before the elements."""
    shape = ",".join(map(str, tensor.shape))
    head = f"{_TENSOR}\n{tensor.dtype}\n{shape}\n{tensor.layout}\n{len(tensor.parts)}\n"
    return head.encode("utf-8", "surrogatepass")


def digest_pieces(tensor: TensorInfo, pieces: Iterable[bytes]) -> bytes:
    """Return the digest, 32 bytes, of a tensor without parts that has these canonical bytes."""
    digest = hashlib.sha256(_head(tensor))
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def roots_of(tensors: Sequence[TensorIdentity]) -> tuple[str, str]:
    """Return the root of tensors and that up to names; both are empty if a tensor is unread.

    Raises:
        ValueError: A digest is none.
    """
    if not all(one.digest for one in tensors):
        return "", ""
    return (
        root_of((one.key, one.digest) for one in tensors),
        root_up_to_names(one.digest for one in tensors),
    )


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
