"""What is left of a tar that breaks off or is damaged: torch's own of 2016, or any other.

Enters: a source that starts as a tar. Leaves: a `Salvage`; None where nothing is wrong with it. The
member `storages` of torch's own tells of itself what it holds, so that storages are found beside a
damaged object as well.

Source: `torch/serialization.py`, `legacy_load` inside `_legacy_load`.
"""

from collections.abc import Mapping
from typing import Final

from ckptscope.containers.further_pickles import FurtherPickles
from ckptscope.containers.legacy_tar import StorageRecords, TensorRecords
from ckptscope.containers.salvage_layout import Packing, salvage_members
from ckptscope.containers.salvage_parts import Said, Salvage, in_order, read_said, reason_of
from ckptscope.containers.tar_members import TarMembers, read_tar_start
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.carving import Survivor
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import ExternalTensor
from ckptscope.sources import ByteSource, Window

_CHAIN: Final = (ContainerKind.LEGACY_TAR,)
#: Members that tell torch's own tar from others, even where it is cut off.
_MARKS: Final = ("sys_info", "pickle")


def salvage_tar(source: ByteSource, limits: Limits) -> Salvage | None:
    """Return what is left of a tar.

    Raises:
        LimitError: It has more members than may be looked at.
    """
    members, error = read_tar_start(source, limits)
    if members.cut is not None:
        name, entry = members.cut
        members.entries.setdefault(name, entry)
    if all(name in members.entries for name in _MARKS):
        return _Legacy(members, error, limits).salvage()
    if error is None:
        return salvage_members(members, limits)
    packing = Packing(
        damage=reason_of(error),
        root="",
        cut=frozenset((members.cut[0],) if members.cut is not None else ()),
        wrong=frozenset(),
        left_out=frozenset(),
    )
    return salvage_members(members, limits, packing)


class _Legacy:
    """The members of torch's own tar, each as far as it goes."""

    def __init__(self, members: TarMembers, error: ArtifactError | None, limits: Limits) -> None:
        self._members = members
        self._limits = limits
        self._cut = members.cut[0] if members.cut is not None else None
        self._damage = [reason_of(error)] if error is not None else []
        self._storages: dict[str, Storage] = {}

    def salvage(self) -> Salvage | None:
        """Read what can be read; None if that is everything."""
        tensors = self._read_tensors()
        records = self._read_storages()
        if records is not None:
            tensors = {pid: records.resolve(one) for pid, one in tensors.items()}
            self._storages = dict(records.storages)
        said = self._read_object(tensors)
        if not self._damage:
            return None
        survivors = self._survivors(said, records.cut if records is not None else None)
        if not survivors and not said.observed:
            return None
        return Salvage(
            damage="; ".join(self._damage),
            containers=_CHAIN,
            survivors=in_order(survivors),
            observed=said.observed,
            declared=records.uses if records is not None else {},
            is_pickle_whole=said.error is None,
            size_bytes=self._members.size_bytes,
            open_storage=self._open,
        )

    def _read_tensors(self) -> dict[str, ExternalTensor]:
        name = "tensors"
        if name not in self._members.entries:
            return {}
        further = FurtherPickles(self._limits, [], containers=_CHAIN)
        records = TensorRecords(self._members.open(name), self._limits, further)
        try:
            records.read(is_cut=self._cut == name)
        except ArtifactError as error:
            self._note(name, error)
        return records.tensors

    def _read_storages(self) -> StorageRecords | None:
        name = "storages"
        if name not in self._members.entries:
            self._damage.append("the member 'storages' is missing")
            return None
        further = FurtherPickles(self._limits, [], containers=_CHAIN)
        records = StorageRecords(self._members.open(name), self._limits, further)
        try:
            records.read({}, is_cut=True)
        except ArtifactError as error:
            self._note(name, error)
        return records

    def _read_object(self, tensors: Mapping[str, ExternalTensor]) -> Said:
        name = "pickle"
        source = self._members.open(name)
        said = read_said(
            source, self._limits, member=name, size_bytes=source.size, external=tensors
        )
        if said.error is not None:
            self._note(name, said.error)
        return said

    def _survivors(self, said: Said, cut: Storage | None) -> list[Survivor]:
        """List storages; the object tells the order of saving as far as it goes."""
        numbers = {key: number for number, key in enumerate(said.observed)}
        survivors = [
            Survivor(key=key, number=numbers.get(key), size_bytes=one.size_bytes)
            for key, one in self._storages.items()
        ]
        if cut is not None and cut.key not in self._storages:
            self._storages[cut.key] = cut
            survivors.append(
                Survivor(
                    key=cut.key,
                    number=numbers.get(cut.key),
                    size_bytes=cut.size_bytes,
                    is_whole=False,
                )
            )
        return survivors

    def _note(self, name: str, error: ArtifactError) -> None:
        what = "breaks off" if self._cut == name else "is damaged"
        self._damage.append(f"the member {name!r} {what}: {reason_of(error)}")

    def _open(self, key: str) -> ByteSource:
        found = self._storages.get(key)
        if found is None:
            raise ContainerFormatError(f"expected storage {key!r:.100} to be left, found none")
        source = self._members.open("storages")
        return Window(source, found.offset_bytes or 0, found.size_bytes, "storages")
