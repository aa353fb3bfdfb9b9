"""Storages laid out as by torch.save, beside a `data.pkl` that is missing or damaged.

Enters: members of a folder, a zip or a tar. Leaves: a `Salvage`; None where the pickle is sound, or
nothing is laid out so.

Source: `torch/serialization.py`, `_save`: members `data.pkl` and `data/<number>` below one folder.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from ckptscope.containers.marks import PICKLE_NAME, find_roots, named_members
from ckptscope.containers.members import MemberTable
from ckptscope.containers.salvage_parts import (
    Said,
    Salvage,
    in_order,
    number_of,
    read_said,
    reason_of,
)
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.carving import Survivor
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

STORAGE_FOLDER: Final = "data"
#: `little` or `big`, with room for what should not be there.
_BYTEORDER_BYTES: Final = 16


class Packing(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with that which holds the members.

    Attributes:
        damage: In words.
        root: Folder of the first member, which is the checkpoint's own.
        cut: Members that are not all there.
        wrong: Members whose bytes are not as they were written.
        left_out: Members that stand there twice, with different bytes.
    """

    damage: str
    root: str
    cut: frozenset[str]
    wrong: frozenset[str]
    left_out: frozenset[str]


_SOUND: Final = Packing(
    damage="", root="", cut=frozenset(), wrong=frozenset(), left_out=frozenset()
)


class _Layout(msgspec.Struct, frozen=True):
    """One folder with storages, and what its pickle says."""

    root: str
    names: dict[str, str]
    said: Said


def salvage_members(
    members: MemberTable, limits: Limits, packing: Packing = _SOUND
) -> Salvage | None:
    """Return what is left of the checkpoint among members; of several the one that holds most."""
    damaged: list[_Layout] = []
    for root, names in find_storages(members).items():
        said = _read_pickle(members, root, limits)
        is_sound = said.error is None and not packing.damage
        if not is_sound and (names or said.observed):
            damaged.append(_Layout(root, names, said))
    if not damaged:
        return None
    chosen = max(
        damaged, key=lambda one: (bool(packing.damage) and one.root == packing.root, len(one.names))
    )
    names = {key: name for key, name in chosen.names.items() if name not in packing.left_out}
    folder = chosen.root.rstrip("/")
    containers = _chain(members.kind, chosen.root)
    return Salvage(
        damage=_sentence(members, chosen, packing, len(damaged)),
        containers=containers,
        location=() if containers == (ContainerKind.TORCH_ZIP,) or not folder else (folder,),
        root=folder,
        survivors=in_order(
            [_survivor(members, chosen.said, packing, *one) for one in names.items()]
        ),
        observed=chosen.said.observed,
        places={
            key: number for key in chosen.said.observed if (number := number_of(key)) is not None
        },
        declared=chosen.said.declared,
        is_pickle_whole=chosen.said.error is None,
        wrong=tuple(key for key, name in names.items() if name in packing.wrong),
        byteorder=read_byteorder(members, chosen.root),
        size_bytes=members.size_bytes,
        open_storage=partial(open_member, members, names),
    )


def find_storages(members: MemberTable) -> dict[str, dict[str, str]]:
    """Return for each folder with a layout of torch the names of its storages by key.

    Folders with a `data.pkl` and no storages are among them.
    """
    found: dict[str, dict[str, str]] = {}
    for name in members.entries:
        folder, _, key = name.rpartition("/")
        if number_of(key) is not None and (
            folder == STORAGE_FOLDER or folder.endswith(f"/{STORAGE_FOLDER}")
        ):
            found.setdefault(folder.removesuffix(STORAGE_FOLDER), {})[key] = name
    for root in find_roots(named_members(members)):
        found.setdefault(root, {})
    return found


def open_member(members: MemberTable, names: Mapping[str, str], key: str) -> ByteSource:
    """Open a storage by its key.

    Raises:
        ContainerFormatError: There is no such storage, or its member is damaged.
    """
    name = names.get(key)
    if name is None:
        raise ContainerFormatError(f"expected storage {key!r:.100} to be left, found none")
    return members.open(name)


def read_byteorder(members: MemberTable, root: str) -> str:
    """Return what the archive says of the order of bytes; little if it does not."""
    name = f"{root}byteorder"
    if name not in members.entries:
        return "little"
    try:
        said = members.head(name, _BYTEORDER_BYTES)
    except ArtifactError:
        # It is damaged as well: what nearly every file says is assumed.
        return "little"
    return "big" if said.strip() == b"big" else "little"


def _read_pickle(members: MemberTable, root: str, limits: Limits) -> Said:
    name = root + PICKLE_NAME
    if name not in members.entries:
        return Said(error=ContainerFormatError("data.pkl is missing"))
    try:
        source = members.open(name)
    except ArtifactError as error:
        return Said(error=error)
    return read_said(source, limits, member=name, size_bytes=source.size)


def _sentence(members: MemberTable, chosen: _Layout, packing: Packing, damaged: int) -> str:
    parts = [packing.damage] if packing.damage else []
    error = chosen.said.error
    if chosen.root + PICKLE_NAME not in members.entries:
        parts.append("data.pkl is missing")
    elif error is not None:
        parts.append(f"data.pkl is damaged: {reason_of(error)}")
    if damaged > 1:
        parts.append(f"this is one of {damaged:,} such checkpoints")
    return "; ".join(parts)


def _survivor(members: MemberTable, said: Said, packing: Packing, key: str, name: str) -> Survivor:
    size = members.entries[name].size_bytes
    use = said.declared.get(key)
    declared = storage_bytes(use.elements, use.dtype) if use is not None else None
    is_whole = name not in packing.cut and _is_whole(members, name)
    if packing.damage and declared is not None:
        # Where headers are all there is, the pickle says how far a storage goes.
        is_whole = is_whole and size == declared
    return Survivor(key=key, number=number_of(key), size_bytes=size, is_whole=is_whole)


def _is_whole(members: MemberTable, name: str) -> bool:
    """Whether a size can be believed: that of a stored member or a file always."""
    entry = members.entries[name]
    if members.kind is not ContainerKind.ZIP or entry.offset_bytes is not None:
        return True
    try:
        return members.believable(name)
    except ArtifactError:
        return False


def _chain(kind: ContainerKind, root: str) -> tuple[ContainerKind, ...]:
    if kind is ContainerKind.DIRECTORY:
        return (ContainerKind.DIRECTORY,)
    if kind is ContainerKind.ZIP and root.count("/") <= 1:
        return (ContainerKind.TORCH_ZIP,)
    return (kind, ContainerKind.DIRECTORY)
