"""What is left of a checkpoint that lost its pickle, and what it was.

Enters: storages without names: their numbers and their sizes in bytes, in the order of saving.
Leaves: `Carving`: which table of keys they follow, how well, and which others follow as well.
"""

import enum

import msgspec

from ckptscope.facts.architecture import Fact, FactValue


class Survivor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One storage that is still there.

    Attributes:
        key: What the container calls it: `11` of `data/11`.
        number: Its place in the order of saving, from 0; None where the container does not tell.
        size_bytes: Its bytes.
        is_whole: Whether all of them are there; one that is cut tells no size and is no evidence.
    """

    key: str
    number: int | None
    size_bytes: int
    is_whole: bool = True


class Slot(enum.StrEnum):
    """What a storage was to its checkpoint."""

    NETWORK = "network"
    EMA = "ema"
    STEP = "step"
    EXP_AVG = "exp_avg"
    EXP_AVG_SQ = "exp_avg_sq"
    MAX_EXP_AVG_SQ = "max_exp_avg_sq"
    MOMENTUM = "momentum_buffer"


class Found(enum.StrEnum):
    """How it is known what a storage was."""

    #: The pickle said so before it broke off.
    OBSERVED = "observed"
    #: Its size fits at its place in a table.
    CARVED = "carved"
    #: The table has it, and no storage is left of it.
    MISSING = "missing"


class CarvedTensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tensor of the table that fits best.

    Attributes:
        key: Name in the table, without prefix; of an optimizer's state that of its parameter. It is
            assumed unless observed: sizes tell no names.
        slot: What it was.
        shape: Elements along each dimension.
        dtype: torch's name without `torch.`.
        number: Place in the order of saving.
        storage: Key of the storage; None where none is left.
        found: How it is known.
    """

    key: str
    slot: Slot
    shape: tuple[int, ...]
    dtype: str
    number: int
    storage: str | None
    found: Found


class TableFit(msgspec.Struct, frozen=True, kw_only=True):
    """How one table of keys fits the sizes.

    Attributes:
        family: Name of the family.
        title: The same for people.
        variant: Row of a paper's table with these settings; `A or B` where several rows have the
            same sizes; empty for none.
        settings: What the network would be built from, as far as sizes depend on it.
        dtype: Of its floating-point tensors; `float16 or bfloat16` where nothing decides.
        optimizer: `AdamW or Adam`, `SGD with momentum`, ..., or empty for none.
        step: Layout of an optimizer's counters: `tensor`, `number` (no storage), or empty.
        first: Number of the storage that its first tensor has.
        explained: Storages whose sizes it explains, network and optimizer together.
        network: Of these, storages of the network; `network_tensors` is how many it has.
        network_tensors: Tensors of the network.
        optimizer_explained: Of these, storages of the optimizer.
        optimizer_tensors: Tensors of the optimizer.
        contradicted: Storages at a place where the table wants another size.
        unexplained: Storages outside of the table.
        missing: Tensors of the table of which no storage is left.
        dialect: In whose order, and with whose names, the table lists the tensors; others with the
            same order fit as well.
        open_settings: Settings, and `head` for whatever follows the trunk, that no storage shows:
            their values are the usual ones.
        bits: Information in the sizes that agree: how often chance would have to be lucky.
    """

    family: str
    title: str
    variant: str
    settings: dict[str, FactValue]
    dtype: str
    optimizer: str = ""
    step: str = ""
    first: int = 0
    explained: int = 0
    network: int = 0
    network_tensors: int = 0
    optimizer_explained: int = 0
    optimizer_tensors: int = 0
    contradicted: int = 0
    unexplained: int = 0
    missing: int = 0
    dialect: str = ""
    open_settings: tuple[str, ...] = ()
    bits: float = 0.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that values confirm or contradict.

    Attributes:
        what: In words: "every running variance is non-negative".
        holds: Whether it does; None where it could not be read.
        evidence: Numbers.
    """

    what: str
    holds: bool | None
    evidence: str = ""


class Carving(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a damaged checkpoint.

    Attributes:
        damage: What is wrong with the file, in words.
        survivors: Storages that are left, in the order of saving.
        best: The table that fits; None if none does, which is an answer.
        runner_up: The next best of other settings; None if there is none.
        alike: How many other tables explain as many storages: not 0 means that sizes do not
            decide between them.
        tried: How many tables were tried.
        verdict: In one sentence: what it is, or why that cannot be said.
        is_certain: Whether one table explains nearly everything and no other comes near.
        tensors: Of the best table, in the order of saving; empty without one.
        checks: What values say of the alignment.
        training: Steps, iterations per epoch, ... with their origins.
        observed: How many tensors the pickle named before it broke off.
    """

    damage: str
    survivors: tuple[Survivor, ...]
    best: TableFit | None = None
    runner_up: TableFit | None = None
    alike: int = 0
    tried: int = 0
    verdict: str = ""
    is_certain: bool = False
    tensors: tuple[CarvedTensor, ...] = ()
    checks: tuple[Check, ...] = ()
    training: tuple[Fact, ...] = ()
    observed: int = 0
