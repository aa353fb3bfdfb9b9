"""What a checkpoint's content is, whatever holds it: hashes of tensors and of state_dicts.

Enters: tensors, gone over once; or what a manifest recorded of them. Leaves: `Identity`, and what
came out when a file was held against a manifest, or against another file by the checksums of their
archives alone. docs/identity.md defines every byte that is hashed.
"""

import enum
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.report import Failure, Skipped

IDENTITY_SCHEMA: Final = "ckptscope/identity/1"

#: SHA-256 in lower-case hex digits; empty where something could not be read.
Digest = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$", max_length=64)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class TensorIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor under one name.

    Attributes:
        key: Name without the prefix of wrappers.
        dtype: torch's name without `torch.`.
        shape: Elements along each dimension.
        digest: SHA-256 of dtype, shape and canonical bytes, 64 hex digits; empty if unread.
        unread: Why its elements could not be read; empty if they were.
    """

    key: str
    dtype: str
    shape: tuple[_Count, ...]
    digest: Digest
    unread: str = ""


class StateDictIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One state_dict, or one optimizer.

    Attributes:
        path: Way from the top of the tree.
        role: network, ema, optimizer, other.
        prefix: What wrappers put before every key; not part of what is hashed.
        root: SHA-256 over the sorted names and the digests of their tensors; empty if a tensor is
            unread.
        root_up_to_names: SHA-256 over the sorted digests alone; likewise.
        tensors: In the order of their names.
    """

    path: str
    role: str
    prefix: str
    root: Digest
    root_up_to_names: Digest
    tensors: tuple[TensorIdentity, ...]

    @property
    def unread(self) -> tuple[TensorIdentity, ...]:
        """Tensors that could not be read."""
        return tuple(one for one in self.tensors if not one.digest)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """All state_dicts of a checkpoint, in its order.

    Attributes:
        location: Members that lead through the wrappers to it.
        state_dicts: Networks first, optimizers last.
    """

    location: tuple[str, ...] = ()
    state_dicts: tuple[StateDictIdentity, ...]


class IdentityFile(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint and its identity.

    Attributes:
        path: As the user named it, or as it was found.
        containers: Chain from the file to it; empty if it could not be read.
        size_bytes: Bytes of the innermost container.
        identity: Its identity; None if it could not be read.
        failure: Why not; None if it could.
    """

    path: str
    containers: tuple[ContainerKind, ...] = ()
    size_bytes: _Count | None = None
    identity: Identity | None = None
    failure: Failure | None = None


class IdentityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `identity`."""

    files: tuple[IdentityFile, ...]
    skipped: tuple[Skipped, ...] = ()


class IdentityManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same as a file: the JSON of `identity`, and what `--verify` reads.

    Attributes:
        schema: Its version.
        files: Checkpoints, one or several.
        skipped: Files that are none.
    """

    schema: Literal["ckptscope/identity/1"] = IDENTITY_SCHEMA
    files: tuple[IdentityFile, ...]
    skipped: tuple[Skipped, ...] = ()


class Sameness(enum.StrEnum):
    """How what was found compares with what was recorded."""

    SAME = "same"
    #: The same tensors under other names.
    RENAMED = "renamed"
    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    #: A tensor could not be read, then or now.
    UNDECIDED = "not decided"


def combine(outcomes: Iterable[Sameness]) -> Sameness:
    """Return what is to be said of the whole, from what is said of its parts.

    A part that differs in any way makes the whole changed; one that is not decided leaves it so
    where no other part is known to differ.
    """
    found = set(outcomes)
    if found <= {Sameness.SAME}:
        return Sameness.SAME
    if found <= {Sameness.SAME, Sameness.UNDECIDED}:
        return Sameness.UNDECIDED
    if found <= {Sameness.SAME, Sameness.RENAMED}:
        return Sameness.RENAMED
    return Sameness.CHANGED


class TensorChange(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor that is not as recorded.

    Attributes:
        key: Name without prefix; of a renamed one the recorded name.
        what: changed, missing, added, renamed, or not decided.
        recorded: As the manifest has it; None if it does not.
        found: As the file has it; None if it does not.
    """

    key: str
    what: Sameness
    recorded: TensorIdentity | None = None
    found: TensorIdentity | None = None


class StateDictCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One state_dict, recorded and found.

    Attributes:
        recorded: Its path in the manifest; None if it is not there.
        found: Its path in the file; None if it is not there.
        role: network, ema, optimizer, other; of the recorded one where there is one.
        outcome: What came out.
        changes: Tensors that are not as recorded, in the order of their names.
        tensors: How many tensors are the same under the same name.
    """

    recorded: str | None
    found: str | None
    role: str
    outcome: Sameness
    changes: tuple[TensorChange, ...] = ()
    tensors: int = 0


class VerifiedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, recorded and found.

    Attributes:
        recorded: Its path in the manifest; None if it is not there.
        path: Where it was found; None if it was not.
        location: Members that lead through the wrappers to it.
        outcome: What came out, of all its state_dicts; not decided if it could not be read.
        checks: One for each state_dict that is in either.
        failure: Why it could not be read; None if it could.
    """

    recorded: str | None
    path: str | None
    location: tuple[str, ...] = ()
    outcome: Sameness
    checks: tuple[StateDictCheck, ...] = ()
    failure: Failure | None = None


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `identity --verify`.

    Attributes:
        manifest: Path of what was recorded.
        files: One for each checkpoint that is in the manifest or was given.
    """

    manifest: str
    files: tuple[VerifiedFile, ...]

    @property
    def outcome(self) -> Sameness:
        """What came out, of all files."""
        return combine(one.outcome for one in self.files)


class Likeness(enum.StrEnum):
    """What the checksums of two archives say of their contents: no more than likely."""

    SAME = "probably the same"
    DIFFERENT = "different"
    UNTOLD = "cannot tell"


class ProbableTensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an archive says of a tensor before any of its elements is read.

    Two that are equal but for their keys hold, probably, the same elements. For two that differ in
    `crc` alone the storages are different; the tensors are if `is_whole`.

    Attributes:
        key: Name without the prefix of wrappers.
        dtype: torch's name without `torch.`.
        shape: Elements along each dimension.
        stride: Elements to step along each dimension; None where they stand in row-major order
            without gaps.
        offset: First element, in elements from the start of the storage.
        crc: CRC-32 of the storage, as the archive's directory records it.
        size_bytes: Bytes of the storage.
        byteorder: little or big.
        lazy: Operations that its values still need: conj, neg.
        is_whole: Whether its elements are all that the storage holds.
        untold: Why its checksum says nothing; empty if it does.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    offset: int = 0
    crc: int = 0
    size_bytes: int = 0
    byteorder: str = "little"
    lazy: tuple[str, ...] = ()
    is_whole: bool = False
    untold: str = ""


class ProbableStateDict(msgspec.Struct, frozen=True, kw_only=True):
    """A state_dict as an archive's directory tells it.

    Attributes:
        path: Way from the top of the tree.
        role: network, ema, optimizer, other.
        tensors: In the order of the file.
    """

    path: str
    role: str
    tensors: tuple[ProbableTensor, ...]


class ArchiveDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of which it is not said that it is probably the same.

    Attributes:
        key: Name without prefix.
        outcome: different, or cannot tell.
        why: In words.
    """

    key: str
    outcome: Likeness
    why: str


class ArchiveCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One state_dict of two archives.

    Attributes:
        first: Its path in the first; None if it is not there.
        second: Its path in the second; None if it is not there.
        role: network, ema, optimizer, other.
        outcome: Whether the same tensors stand under the same names.
        up_to_names: Whether the same tensors are there, whatever their names.
        differences: In the order of the first.
        tensors: How many are probably the same under the same name.
    """

    first: str | None
    second: str | None
    role: str
    outcome: Likeness
    up_to_names: Likeness
    differences: tuple[ArchiveDifference, ...] = ()
    tensors: int = 0


class ArchiveComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the directories of two torch zips say: probable, and no identity.

    Attributes:
        first: Path.
        second: Path.
        outcome: Whether the same tensors stand under the same names everywhere.
        up_to_names: Whether the same tensors are there, whatever their names.
        why: Why nothing can be told of the archives as a whole; empty if something can.
        checks: One for each state_dict that is in either.
    """

    first: str
    second: str
    outcome: Likeness
    up_to_names: Likeness
    why: str = ""
    checks: tuple[ArchiveCheck, ...] = ()
