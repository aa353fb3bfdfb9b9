"""What a checkpoint's content is, whatever holds it: hashes of tensors and of state_dicts.

Enters: tensors, gone over once. Leaves: `Identity`. docs/identity.md defines every byte that is
hashed.
"""

import enum

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.report import Failure, Skipped


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
    shape: tuple[int, ...]
    digest: str
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
    root: str
    root_up_to_names: str
    tensors: tuple[TensorIdentity, ...]


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
    size_bytes: int | None = None
    identity: Identity | None = None
    failure: Failure | None = None


class IdentityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `identity`."""

    files: tuple[IdentityFile, ...]
    skipped: tuple[Skipped, ...] = ()


class Sameness(enum.StrEnum):
    """How what was found compares with what was recorded."""

    SAME = "same"
    #: The same tensors under other names.
    RENAMED = "same up to names"
    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    #: A tensor could not be read, then or now.
    UNDECIDED = "not decided"


class TensorChange(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor that is not as recorded.

    Attributes:
        key: Name without prefix.
        what: changed, missing, added, or not decided.
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
        outcome: What came out.
        changes: Tensors that are not as recorded, in the order of their names.
        tensors: How many were compared.
    """

    recorded: str | None
    found: str | None
    outcome: Sameness
    changes: tuple[TensorChange, ...] = ()
    tensors: int = 0


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `identity --verify`.

    Attributes:
        manifest: Path of what was recorded.
        path: Path of the file.
        checks: One for each state_dict that is in either.
    """

    manifest: str
    path: str
    checks: tuple[StateDictCheck, ...]

    @property
    def is_same(self) -> bool:
        """Whether every state_dict is as recorded."""
        return all(one.outcome is Sameness.SAME for one in self.checks)
