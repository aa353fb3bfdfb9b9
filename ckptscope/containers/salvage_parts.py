"""What is left of a checkpoint, whatever held it.

Enters: nothing. Leaves: `Salvage`, and the ways in which every kind of container finds out what a
pickle had said and which number a storage has.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from ckptscope.containers.salvage_names import Observed, name_remains, name_whole
from ckptscope.errors import ArtifactError
from ckptscope.facts.carving import Survivor
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import ExternalTensor, StorageUse
from ckptscope.pickles import trace_pickle
from ckptscope.pickles.persistent import storage_uses
from ckptscope.pickles.remains import Remains
from ckptscope.pickles.torch_rules import TensorRules
from ckptscope.sources import ByteSource

#: Digits of a storage's number that are read as one; torch counts storages from 0.
_MOST_DIGITS: Final = 9


class Salvage(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What survives of a checkpoint that cannot be read.

    Attributes:
        damage: What is wrong with it, in one sentence.
        containers: Chain from the file to it, outermost first.
        location: Names that lead to it: members of a wrapper, folders inside the given folder.
        root: Folder of the archive in which the storages stand; torch calls it like the file
            that it wrote. Empty if there is none.
        survivors: Storages in the order of saving; those whose number is not known come last, in
            the order of the file.
        observed: What the pickle had named before the damage, by storage key, whether or not the
            storage is left; all of it where the pickle itself is sound.
        places: Numbers in the order of saving of the storages that it had named, lost ones
            included, by key; of those whose number is known.
        declared: Element types and counts that it had given before the damage, by storage key.
        is_pickle_whole: Whether the pickle was read to its end.
        wrong: Keys of storages all of whose bytes are there but not as they were written: their
            CRC-32 does not fit.
        byteorder: little or big, as the container says; little if it does not.
        size_bytes: Bytes of the container.
        open_storage: Opens a survivor by its key.
    """

    damage: str
    containers: tuple[ContainerKind, ...]
    location: tuple[str, ...] = ()
    root: str = ""
    survivors: tuple[Survivor, ...]
    observed: Mapping[str, Observed]
    places: Mapping[str, int] = {}
    declared: Mapping[str, StorageUse] = {}
    is_pickle_whole: bool = False
    wrong: tuple[str, ...] = ()
    byteorder: str = "little"
    size_bytes: int
    open_storage: Callable[[str], ByteSource]


class Said(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a pickle had said as far as it goes.

    Attributes:
        observed: Tensors by storage key.
        declared: Storages by key, in the order of first mention.
        error: What stopped it; None for a sound one.
        size_bytes: Its bytes if it is sound.
        root: What a sound one holds.
    """

    observed: dict[str, Observed] = {}
    declared: dict[str, StorageUse] = {}
    error: ArtifactError | None = None
    size_bytes: int = 0
    root: object = None


def read_said(
    source: ByteSource,
    limits: Limits,
    *,
    member: str | None,
    offset_bytes: int = 0,
    size_bytes: int | None = None,
    external: Mapping[str, ExternalTensor] | None = None,
) -> Said:
    """Trace a pickle as far as it goes and name what it holds."""
    remains = Remains()
    rules = TensorRules(limits, external_tensors=external)
    try:
        graph = trace_pickle(
            source,
            limits=limits,
            offset_bytes=offset_bytes,
            size_bytes=size_bytes,
            member=member,
            remains=remains,
        )
    except ArtifactError as error:
        return Said(
            observed=name_remains(remains, rules, limits),
            declared=storage_uses(remains.persistent),
            error=error,
        )
    return Said(
        observed=name_whole(graph.root, rules, limits),
        declared=storage_uses(graph.persistent),
        size_bytes=graph.size_bytes,
        root=graph.root,
    )


def number_of(key: str) -> int | None:
    """Return the number that a storage's name is; None for any other name."""
    if len(key) > _MOST_DIGITS or not key.isascii() or not key.isdecimal():
        return None
    return int(key) if key == "0" or key[0] != "0" else None


def in_order(survivors: list[Survivor]) -> tuple[Survivor, ...]:
    """Sort storages by their numbers."""
    return tuple(sorted(survivors, key=lambda one: (one.number is None, one.number or 0)))


def reason_of(error: ArtifactError) -> str:
    """Return an error as part of a sentence."""
    where = f" at byte {error.offset_bytes:,}" if error.offset_bytes is not None else ""
    return f"{error.message}{where}"
