"""Persistent ids: what a pickle says of the storages and sources that stand outside it.

Enters: the persistent references of a graph. Leaves: `StorageUse`s, storage views, module sources.
Source: `torch/serialization.py`, functions `persistent_id` and `persistent_load` of each era.
"""

from collections.abc import Iterable

import msgspec

from ckptscope.facts.dtypes import STORAGE_DTYPES
from ckptscope.facts.pickled import GlobalRef, PersistentRef
from ckptscope.facts.tensors import StorageUse


class StorageId(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The id `('storage', class, key, location, count[, view])`.

    Attributes:
        use: Key, dtype, declared count and device.
        class_name: Storage class as the file spells it.
        known: Whether torch has such a class.
        view_key: Name of a view of the storage, or None (legacy stream only).
        view_offset: First element of the view in the storage.
        view_elements: Elements of the view.
    """

    use: StorageUse
    class_name: str
    known: bool
    view_key: str | None = None
    view_offset: int = 0
    view_elements: int = 0


#: Counts and offsets are 64-bit numbers with a sign.
MOST = (1 << 63) - 1
#: Length of the id in zip archives; a legacy stream appends what a view is of.
_ZIP_ID_ITEMS = 5
_UNTYPED = "UntypedStorage"


def parse_storage_id(pid: object) -> StorageId | None:
    """Read a storage's persistent id, or None if it is none."""
    if type(pid) is not tuple or len(pid) < _ZIP_ID_ITEMS or pid[0] != "storage":
        return None
    _, cls, key, location, count = pid[:5]
    if type(cls) is not GlobalRef or type(count) is not int or not 0 <= count <= MOST:
        return None
    if type(key) is not str:
        if type(key) is not int or not 0 <= key <= MOST:
            return None
        key = str(key)
    dtype = STORAGE_DTYPES.get(cls.name)
    use = StorageUse(
        key=key,
        dtype=dtype,
        elements=count,
        device=location if type(location) is str else None,
    )
    known = dtype is not None or cls.name == _UNTYPED
    if len(pid) > _ZIP_ID_ITEMS and type(pid[5]) is tuple and len(pid[5]) == 3:
        view_key, offset, elements = pid[5]
        if (
            type(offset) is int
            and type(elements) is int
            and 0 <= offset <= MOST
            and 0 <= elements <= MOST
        ):
            return StorageId(
                use=use,
                class_name=cls.qualified,
                known=known,
                view_key=view_key[:100] if type(view_key) is str else "",
                view_offset=offset,
                view_elements=elements,
            )
    return StorageId(use=use, class_name=cls.qualified, known=known)


def parse_class_id(pid: object) -> GlobalRef | None:
    """Read the id of a module class saved with its source: `([tag,] class, file, source)`."""
    if type(pid) is tuple:
        for item in pid[:2]:
            if type(item) is GlobalRef:
                return item
    return None


def storage_uses(references: Iterable[PersistentRef]) -> dict[str, StorageUse]:
    """Return what a pickle says of each storage, by key; the first mention counts."""
    uses: dict[str, StorageUse] = {}
    for reference in references:
        parsed = parse_storage_id(reference.pid)
        if parsed is not None and parsed.use.key not in uses:
            uses[parsed.use.key] = parsed.use
    return uses
