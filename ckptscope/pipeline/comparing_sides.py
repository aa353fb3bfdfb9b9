"""One file of a comparison, open, with the tensors that are compared under their names.

Enters: a path and what the user wants of it. Leaves: an `OpenSide`; of a file that cannot be read,
one that says why.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from ckptscope.differences.renaming import matching_keys
from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.architecture import Architecture
from ckptscope.facts.comparison import ComparedTensor, Side
from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.limits import Limits
from ckptscope.facts.report import Failure
from ckptscope.facts.tensors import Kind, Manifest, Role, StateDict, TensorInfo
from ckptscope.families.registry import find_family
from ckptscope.pipeline.identifying import identify
from ckptscope.pipeline.opening import Checkpoint, open_checkpoint
from ckptscope.pipeline.reading import failure_of
from ckptscope.sources import Stamp, stamp_of
from ckptscope.tensors import ManifestBuild
from ckptscope.tensors.allowance import Allowance
from ckptscope.tensors.hashing import Hasher

#: What is compared unless the user says otherwise: the first of these roles that the file has.
_ROLES = (Role.NETWORK, Role.EMA, Role.OTHER, Role.OPTIMIZER)


class OpenSide:
    """One file, open as long as the stack that it was opened with.

    Attributes:
        side: What is reported of it.
        tensors: What is compared, by name without prefix, in the order of the file.
        ignored: Tensors left out on request.
        architecture: The network, if a family knows it.
    """

    def __init__(
        self,
        path: Path,
        side: Side,
        *,
        stamp: Stamp | None = None,
        checkpoint: Checkpoint | None = None,
        tensors: dict[str, TensorInfo] | None = None,
        ignored: int = 0,
        architecture: Architecture | None = None,
    ) -> None:
        self.side = side
        self.tensors = tensors or {}
        self.ignored = ignored
        self.architecture = architecture
        self._checkpoint = checkpoint
        self._path = path
        self._stamp = stamp
        self._hasher: Hasher | None = None
        self._allowance: Allowance | None = None

    @property
    def is_open(self) -> bool:
        """Whether it could be read."""
        return self._checkpoint is not None

    @property
    def build(self) -> ManifestBuild:
        """The way to its storages."""
        if self._checkpoint is None:
            raise UsageError(f"{self.side.path}: not read")
        return self._checkpoint.build

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        return self.build.manifest

    def begin(self) -> None:
        """Begin a comparison with another file: what has been gone over before does not count."""
        self._allowance = Allowance(self.build)

    def spend(self, tensor: TensorInfo) -> None:
        """Count the bytes of a tensor before they are gone over.

        Raises:
            TensorLayoutError: The tensors declare many times what the storages hold, or lie in them
                so that these would be read over and over again.
        """
        if self._allowance is None:
            self._allowance = Allowance(self.build)
        self._allowance.spend(tensor)

    def digest(self, tensor: TensorInfo) -> bytes | None:
        """Return the digest of a tensor; None where it cannot be read."""
        self._hasher = self._hasher or Hasher(self.build)
        try:
            return self._hasher.digest(tensor)
        except ArtifactError:
            # That it cannot be read is said where its values are asked for.
            return None

    def size_of(self, names: Iterable[str]) -> int:
        """Return how many bytes the elements of some tensors have."""
        found = (self.tensors[name] for name in names)
        return sum(storage_bytes(one.elements, one.dtype) or 0 for one in found)

    def require_unchanged(self) -> None:
        """Report a failure in place of the rest if the file is not what it was."""
        if self.side.failure is None and stamp_of(self._path) != self._stamp:
            message = (
                "expected a file that stays as it is while it is read, found it changed: wait "
                "until it is complete, and run again"
            )
            failure = Failure(kind=ArtifactError.__name__, message=message)
            self.side = Side(path=self.side.path, failure=failure)


def open_side(
    path: Path,
    *,
    member: str | None,
    entry: str | None,
    prefix: str | None,
    ignore: Sequence[str],
    limits: Limits,
    stack: ExitStack,
) -> OpenSide:
    """Open one file; a file that is no checkpoint, or absent, is a failure of its side.

    Raises:
        UsageError: It has no such entry.
    """
    name = str(path)
    stamp = stamp_of(path)
    try:
        checkpoint = stack.enter_context(open_checkpoint(path, member=member, limits=limits))
    except ArtifactError as error:
        return OpenSide(path, Side(path=name, failure=failure_of(error, ())))
    except UsageError as error:
        failure = Failure(kind=UsageError.__name__, message=str(error))
        return OpenSide(path, Side(path=name, failure=failure))
    manifest = checkpoint.manifest
    chosen = _choose(name, manifest, entry)
    named: dict[str, TensorInfo] = {}
    ignored = 0
    for key, tensor in _named(chosen, prefix):
        if any(fnmatchcase(key, pattern) for pattern in ignore):
            ignored += 1
        else:
            named.setdefault(key, tensor)
    architecture = _architecture(manifest, chosen)
    paths = {one.path for one in chosen}
    side = Side(
        path=name,
        location=manifest.location,
        containers=manifest.containers,
        size_bytes=manifest.size_bytes,
        state_dict=", ".join(one.path for one in chosen),
        role=chosen[0].role.value if chosen else "",
        prefix=_prefix(chosen, prefix),
        tensors=len(named),
        elements=sum(tensor.elements for tensor in named.values()),
        family=architecture.family if architecture else "",
        dialect=architecture.dialect if architecture else "",
        others=tuple(one.path for one in manifest.state_dicts if one.path not in paths),
    )
    return OpenSide(
        path,
        side,
        stamp=stamp,
        checkpoint=checkpoint,
        tensors=named,
        ignored=ignored,
        architecture=architecture,
    )


def _choose(name: str, manifest: Manifest, entry: str | None) -> tuple[StateDict, ...]:
    """Return what is compared: the entry asked for, or all state_dicts of the first role."""
    if entry is not None:
        found = tuple(one for one in manifest.state_dicts if one.path == entry)
        if not found:
            paths = ", ".join(repr(one.path) for one in manifest.state_dicts) or "none"
            raise UsageError(f"{name}: no state_dict at {entry!r:.200}; there are: {paths:.1000}")
        return found
    for role in _ROLES:
        found = tuple(one for one in manifest.state_dicts if one.role is role)
        if found:
            return found
    return ()


def _prefix(chosen: Sequence[StateDict], prefix: str | None) -> str:
    if prefix is not None:
        return prefix
    return chosen[0].prefix if len(chosen) == 1 else ""


def _named(chosen: Sequence[StateDict], prefix: str | None) -> Iterator[tuple[str, TensorInfo]]:
    """Yield tensors under the names they are compared by; of several state_dicts with the path."""
    for state_dict in chosen:
        cut = state_dict.prefix if prefix is None else prefix
        before = f"{state_dict.path}/" if len(chosen) > 1 else ""
        for tensor in state_dict.tensors:
            yield from _parts(before + tensor.key.removeprefix(cut), tensor)


def _parts(name: str, tensor: TensorInfo) -> Iterator[tuple[str, TensorInfo]]:
    """Yield a tensor, or what a sparse or quantized one is made of."""
    if tensor.storage is not None or not tensor.parts:
        yield name, tensor
    for part in tensor.parts:
        yield f"{name}/{part.key}", part


def _architecture(manifest: Manifest, chosen: Sequence[StateDict]) -> Architecture | None:
    if len(chosen) != 1:
        return None
    alone = msgspec.structs.replace(manifest, state_dicts=tuple(chosen))
    return next((one.architecture for one in identify(alone)), None)


def translate(left: OpenSide, right: OpenSide) -> dict[str, str]:
    """Return what names of the left are in the dialect of the right, if a family knows both."""
    one, other = left.architecture, right.architecture
    if one is None or other is None or one.family != other.family or one.settings is None:
        return {}
    before, after = _inner(left.side, one), _inner(right.side, other)
    family = find_family(one.family)
    if one.dialect == other.dialect:
        if before == after:
            return {}
        keys = (key[len(before) :] for key in left.tensors if key.startswith(before))
        return {before + key: after + key for key in keys}
    try:
        configuration = family.configure(one.settings)
    except UsageError:
        return {}
    pairs = matching_keys(family, configuration, one.dialect, other.dialect)
    return {before + key: after + name for key, name in pairs.items()}


def _inner(side: Side, architecture: Architecture) -> str:
    """Return what of a network's prefix is left before the names that are compared."""
    return architecture.prefix.removeprefix(side.prefix)


def compared(name: str, tensor: TensorInfo) -> ComparedTensor:
    """Return what is reported of a tensor."""
    return ComparedTensor(
        key=name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        is_parameter=tensor.kind is Kind.PARAMETER,
    )
