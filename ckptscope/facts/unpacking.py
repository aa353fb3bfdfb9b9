"""What `unpack` is asked for, and what it has written.

Enters: a user's wishes; tensors that were copied. Leaves: `UnpackReport`. A file that it names was
read back, and every tensor in it has the hash that it should have; otherwise there is no such file.
"""

import enum
from typing import Final

import msgspec

from ckptscope.facts.containers import ContainerKind

#: dtypes that torch calls floating points, and that can be computed with.
FLOATING: Final = frozenset(
    {
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3fnuz",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
    }
)
#: What may be cast to. The types of eight bits are no goal: weights need a scale to become one, and
#: versions of torch differ in what is too large for them.
CAST_TARGETS: Final = ("float64", "float32", "float16", "bfloat16")


class TargetKind(enum.StrEnum):
    """What is written."""

    SAFETENSORS = "safetensors"
    TORCH_ZIP = "torch zip"


class UnpackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written, and how.

    Attributes:
        member: Which checkpoint, where a wrapper holds several.
        entry: Path of the state_dict, or its last part; None to choose.
        strip_prefix: Whether to take off what wrappers put before every key.
        prefix: Another prefix to take off; empty for none.
        keys: Dialect of the network's family in which its keys are to be named; empty for the
            file's own.
        dtype: Element type of floating tensors; empty for the file's own.
        only: Patterns, as of fnmatch, of the keys that are kept; none for all.
        drop: Roles or paths of state_dicts that are not wanted.
        skip_unsupported: Leave out tensors that the target cannot hold.
        metadata: File for what is no tensor; None for none.
        force: Replace a file that exists.
    """

    member: str | None = None
    entry: str | None = None
    strip_prefix: bool = False
    prefix: str = ""
    keys: str = ""
    dtype: str = ""
    only: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    skip_unsupported: bool = False
    metadata: str | None = None
    force: bool = False


class UnpackedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor, as it was and as it is.

    Attributes:
        key: Its name in the new file.
        source_key: Its name in the source.
        shape: Elements along each dimension.
        dtype: torch's name without `torch.`, in the new file.
        source_dtype: The same in the source.
        digest: Hash of docs/identity.md, the same in the new file and in the source (as its cast).
    """

    key: str
    source_key: str
    shape: tuple[int, ...]
    dtype: str
    source_dtype: str
    digest: str


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors that lie in the same stretch of a storage.

    Attributes:
        keys: Their names in the new file.
        is_kept: Whether they share their bytes in the new file, too.
        size_bytes: Bytes of the stretch in the source.
    """

    keys: tuple[str, ...]
    is_kept: bool
    size_bytes: int


class UnpackedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was written, read back and found right.

    Attributes:
        path: Where it is.
        kind: What it is.
        entry: Path of the state_dict in the source.
        role: network, ema, optimizer, other.
        prefix: What was taken off the keys; empty if nothing was.
        source_dialect: How the source names the network's layers, where they were renamed.
        dialect: How they are named now; empty where they were not renamed.
        size_bytes: Bytes of the file.
        tensors: In the order of the source.
        ties: Tensors that share memory in the source.
        root: Root hash of docs/identity.md, of what was read back.
        root_up_to_names: The same without names.
    """

    path: str
    kind: TargetKind
    entry: str
    role: str
    prefix: str = ""
    source_dialect: str = ""
    dialect: str = ""
    size_bytes: int
    tensors: tuple[UnpackedTensor, ...]
    ties: tuple[Tie, ...] = ()
    root: str
    root_up_to_names: str


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors of the source that are in no new file.

    Attributes:
        entry: Path of their state_dict.
        role: Its role.
        keys: Their names; empty if it is the whole state_dict.
        tensors: How many.
        elements: Their elements.
        why: The reason, in words.
    """

    entry: str
    role: str
    keys: tuple[str, ...] = ()
    tensors: int
    elements: int
    why: str


class LeftValue(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is no tensor and has no place in the new file.

    Attributes:
        path: Way from the top of the tree.
        text: Its value, or what it is, cut to a line.
    """

    path: str
    text: str


class UnpackReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `unpack`.

    Attributes:
        source: Path of the file that was read.
        location: Members that lead through its wrappers to the checkpoint.
        containers: Chain from the file to it.
        target: Path that was asked for.
        files: What was written.
        dropped: Tensors that were not.
        values: What is no tensor, and has no place in the new files.
        more_values: How many more there are than `values` lists.
        metadata: File to which these were written; None if to none.
        unwritten: What not even that file holds, in words.
        notes: What was chosen, and what is to be known of it.
    """

    source: str
    location: tuple[str, ...] = ()
    containers: tuple[ContainerKind, ...]
    target: str
    files: tuple[UnpackedFile, ...]
    dropped: tuple[Dropped, ...] = ()
    values: tuple[LeftValue, ...] = ()
    more_values: int = 0
    metadata: str | None = None
    unwritten: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
