"""What `unpack --carve` is asked for, and what it has written.

Enters: a user's wishes; tensors that were carved. Leaves: `CarvedFile`, which lies beside the new
file as `NAME.carved.json` and says of every tensor how it is known.
"""

import enum
from typing import Final, Literal

import msgspec

from ckptscope.facts.architecture import Fact
from ckptscope.facts.carving import Check, Found, Slot, Survivor, TableFit
from ckptscope.facts.containers import ContainerKind

CARVED_SCHEMA: Final = "ckptscope/carved/1"
#: What the name of the new file is followed by.
SIDECAR_SUFFIX: Final = ".carved.json"


class Entry(enum.StrEnum):
    """What of a carved checkpoint can be written."""

    NETWORK = "network"
    EMA = "ema"
    OPTIMIZER = "optimizer"


class Distribution(enum.StrEnum):
    """What initial values are drawn from."""

    CONSTANT = "constant"
    NORMAL = "normal"
    UNIFORM = "uniform"


class Initial(msgspec.Struct, frozen=True, kw_only=True):
    """Initial values of one tensor.

    Attributes:
        kind: What they are drawn from.
        value: The constant; the standard deviation of a normal distribution around 0; the bound of
            a uniform one on both sides of 0.
    """

    kind: Distribution
    value: float

    @property
    def text(self) -> str:
        """It in words: `constant 1`, `normal, mean 0, standard deviation 0.02`."""
        if self.kind is Distribution.CONSTANT:
            return f"constant {self.value:g}"
        if self.kind is Distribution.NORMAL:
            return f"normal, mean 0, standard deviation {self.value:.6g}"
        return f"uniform, from -{self.value:.6g} to {self.value:.6g}"


class CarveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written of what is left.

    Attributes:
        entry: Which part of the checkpoint.
        fill: Whether tensors of which nothing is left get initial values.
        uncertain: Whether the best table is taken even where it is not certain.
        dtype: What elements are, where sizes leave two types open; empty to refuse those.
        force: Replace files that exist.
    """

    entry: Entry = Entry.NETWORK
    fill: bool = False
    uncertain: bool = False
    dtype: str = ""
    force: bool = False


class RecordedTensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tensor of the carved checkpoint.

    Attributes:
        key: Its name in the new file, or that which it would have there.
        slot: What it was to the checkpoint.
        found: Observed, carved or missing; what was filled is missing, too.
        shape: Elements along each dimension.
        dtype: torch's name without `torch.`.
        number: Place in the order of saving.
        storage: Key of the storage in the source; None where none is left that can be used.
        score: Share of the storages that agree with the alignment which gave a carved tensor its
            name; None for others.
        is_written: Whether it is in the new file.
        initial: What its values were drawn from, where they are none of the source's; else empty.
        why: Why it is not written, or its storage not used; else empty.
        digest: Hash of docs/identity.md of what was written; empty if it was not.
    """

    key: str
    slot: Slot
    found: Found
    shape: tuple[int, ...]
    dtype: str
    number: int
    storage: str | None
    score: float | None = None
    is_written: bool = False
    initial: str = ""
    why: str = ""
    digest: str = ""


class CarvedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of carved tensors, and what is to be known of it.

    Attributes:
        source: Path of what was read.
        damage: What is wrong with it, in words.
        containers: Chain from the file to the checkpoint.
        target: Path that was written.
        entry: Which part of the checkpoint is in it.
        verdict: What the checkpoint was, in one sentence.
        is_certain: Whether one table explains nearly everything, and no other comes near.
        uncertain_accepted: Whether names of the table were taken although that is not certain, or
            a check of values fails.
        table: The table that fits; None if none does, and only what the pickle named is written.
        tensors: Every tensor of the checkpoint, in the order of saving.
        unexplained: Storages that are none of them.
        checks: What values say of the names.
        training: Steps and epochs, with their origins.
        assumed: What the names and values rest on beside sizes, in sentences.
        undetermined: What nothing tells, in sentences.
        filled: How many tensors hold initial values.
        initialisation: Where these values come from, in sentences; empty if none do.
        size_bytes: Bytes of the new file.
        root: Root hash of docs/identity.md, of what was read back.
        root_up_to_names: The same without names.
    """

    schema: Literal["ckptscope/carved/1"] = CARVED_SCHEMA
    source: str
    damage: str
    containers: tuple[ContainerKind, ...]
    target: str
    entry: Entry
    verdict: str
    is_certain: bool
    uncertain_accepted: bool
    table: TableFit | None
    tensors: tuple[RecordedTensor, ...]
    unexplained: tuple[Survivor, ...]
    checks: tuple[Check, ...]
    training: tuple[Fact, ...]
    assumed: tuple[str, ...]
    undetermined: tuple[str, ...]
    filled: int
    initialisation: tuple[str, ...]
    size_bytes: int
    root: str
    root_up_to_names: str
