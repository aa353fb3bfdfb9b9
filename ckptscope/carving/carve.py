"""What became of a checkpoint that lost its pickle.

Enters: survivors, what a broken pickle had named, and a way to read storages. Leaves: a `Carving`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from ckptscope.carving.alignment import Fit
from ckptscope.carving.judging import Judgement, judge
from ckptscope.carving.shelf import Shelf
from ckptscope.carving.tables import DTYPES
from ckptscope.carving.training import training_record
from ckptscope.carving.values import check_norms, check_values, decide_dtype
from ckptscope.carving.wording import verdict
from ckptscope.facts.carving import (
    CarvedTensor,
    Carving,
    Check,
    Found,
    Slot,
    Survivor,
    TableFit,
)

#: Name, shape and dtype of a storage's tensor, as a pickle told before it broke off.
Observed = tuple[str, tuple[int, ...], str]
Read = Callable[[str], bytes | None]

#: More storages than any checkpoint of a known family has, with two copies and an optimizer.
MOST_SURVIVORS: Final = 20_000
#: Slots by the last part of a name that a pickle gave them.
_SLOTS: Final = {slot.value: slot for slot in Slot if slot not in (Slot.NETWORK, Slot.EMA)}


def carve(
    survivors: Sequence[Survivor],
    *,
    damage: str,
    name: str,
    observed: Mapping[str, Observed] | None = None,
    places: Mapping[str, int] | None = None,
    read: Read | None = None,
) -> Carving:
    """Find out what the storages of a damaged checkpoint were.

    Args:
        survivors: What is left.
        damage: What is wrong with the file, in words.
        name: Of the file or folder, which may tell an epoch.
        observed: What a broken pickle had named, by key of the storage.
        places: Numbers of the storages that it had named, lost ones included, as far as known.
        read: Returns the bytes of a storage, little-endian; None if they cannot be read.
    """
    ordered = tuple(sorted(survivors, key=_place))
    named = _Named(observed or {}, places or {}, ordered)
    shelf = Shelf(ordered)
    carving = Carving(damage=damage, survivors=ordered, observed=len(named.said))
    if len(ordered) > MOST_SURVIVORS or not len(shelf):
        why = "no storage is left" if not len(shelf) else f"more than {MOST_SURVIVORS:,} storages"
        return msgspec.structs.replace(
            carving, verdict=f"no table was tried: {why}", tensors=_named_alone(named, named.said)
        )
    judged = judge(shelf)
    if judged.best is None:
        return msgspec.structs.replace(
            carving,
            tried=judged.tried,
            verdict=verdict(judged, shelf),
            tensors=_named_alone(named, named.said),
        )
    return _with_values(carving, judged, judged.best, shelf, named, name, read)


def _with_values(
    carving: Carving,
    judged: Judgement,
    best: Fit,
    shelf: Shelf,
    named: "_Named",
    name: str,
    read: Read | None,
) -> Carving:
    """Fill in what the best table says, and what values say of that."""
    tensors = _tensors(best, shelf)
    dtype = DTYPES[best.item]
    evidence: tuple[Check, ...] = ()
    if read is not None and " or " in dtype:
        dtype, evidence = decide_dtype(dtype, tensors, read)
    if not shelf.is_numbered:
        named = _Named(named.said, {}, named.survivors)
    clashes = _clashes(tensors, named)
    doubts = ["shapes that the pickle named are others"] * any(not one.holds for one in clashes)
    if judged.is_exchangeable:
        rows = check_norms(_with_dtype(tensors, dtype), read)
        evidence = (*evidence, rows)
        if not rows.holds:
            doubts.append("what is taken for the network may be an optimizer's momentum")
    if doubts:
        judged = msgspec.structs.replace(judged, is_certain=False)
    tensors = _with_observed(_with_dtype(tensors, dtype), named)
    carving = msgspec.structs.replace(
        carving,
        best=_table_fit(best, shelf, dtype, judged.open_settings),
        runner_up=None
        if judged.runner_up is None
        else _table_fit(judged.runner_up, shelf, DTYPES[judged.runner_up.item], ()),
        alike=judged.alike,
        tried=judged.tried,
        verdict=verdict(judged, shelf, doubts),
        is_certain=judged.is_certain,
        tensors=tensors,
        checks=(*clashes, *evidence),
    )
    if read is not None:
        checks = check_values(carving, read)
        carving = msgspec.structs.replace(carving, checks=(*carving.checks, *checks))
    return msgspec.structs.replace(carving, training=training_record(carving, name, read))


def _place(survivor: Survivor) -> tuple[bool, int]:
    # A stable sort: what has no number keeps the order in which it was found.
    return survivor.number is None, survivor.number or 0


def _tensors(fit: Fit, shelf: Shelf) -> tuple[CarvedTensor, ...]:
    """List what the table says of each place."""
    table = fit.table
    found: list[CarvedTensor] = []
    place = 0
    for placed in fit.blocks:
        layout = placed.block.layout
        for number, (index, slot) in enumerate(placed.block.entries, placed.start):
            one = table.tensors[index]
            dtype, shape = DTYPES[fit.item], one.shape
            if one.is_counter:
                dtype = "int64"
            elif slot is Slot.STEP and layout is not None:
                dtype, shape = DTYPES[layout.step_bytes], ()
            match = fit.matches.get(place)
            found.append(
                CarvedTensor(
                    key=one.key,
                    slot=slot,
                    shape=shape,
                    dtype=dtype,
                    number=number,
                    storage=None if match is None else shelf.keys[match],
                    found=Found.MISSING if match is None else Found.CARVED,
                )
            )
            place += 1
    return tuple(found)


def _with_dtype(tensors: tuple[CarvedTensor, ...], dtype: str) -> tuple[CarvedTensor, ...]:
    """Put a decided type in the place of an open one."""
    return tuple(
        msgspec.structs.replace(one, dtype=dtype) if " or " in one.dtype else one for one in tensors
    )


class _Named:
    """What a broken pickle had named.

    Attributes:
        said: Its words, by key of the storage.
        places: Numbers of the storages, as far as known.
        survivors: What is left.
    """

    def __init__(
        self,
        said: Mapping[str, Observed],
        places: Mapping[str, int],
        survivors: Sequence[Survivor],
    ) -> None:
        self.said = said
        self.places = places
        self.survivors = survivors
        whole = {one.key for one in survivors if one.is_whole}
        self._lost = {places[key]: key for key in said if key in places and key not in whole}

    def key_of(self, tensor: CarvedTensor) -> str | None:
        """Return the key of a tensor's storage, left or lost, if the pickle had named it."""
        key = tensor.storage if tensor.storage is not None else self._lost.get(tensor.number)
        return key if key in self.said else None


def _with_observed(tensors: tuple[CarvedTensor, ...], named: _Named) -> tuple[CarvedTensor, ...]:
    """Give the tensors that a pickle had named what it said, and add those of no table."""
    if not named.said:
        return tensors
    kept: list[CarvedTensor] = []
    used: set[str] = set()
    for one in tensors:
        source = named.key_of(one)
        if source is None:
            kept.append(one)
            continue
        used.add(source)
        key, shape, dtype = named.said[source]
        if key.endswith(one.key):
            key = one.key
        found = Found.MISSING if one.storage is None else Found.OBSERVED
        kept.append(msgspec.structs.replace(one, key=key, shape=shape, dtype=dtype, found=found))
    rest = {key: said for key, said in named.said.items() if key not in used}
    kept += _named_alone(named, rest)
    return tuple(sorted(kept, key=lambda one: one.number))


def _named_alone(named: _Named, rest: Mapping[str, Observed]) -> tuple[CarvedTensor, ...]:
    """List the tensors that a pickle had named and no table has."""
    found: list[CarvedTensor] = []
    left = dict(rest)
    for place, one in enumerate(named.survivors):
        said = left.pop(one.key, None)
        if said is not None:
            number = place if one.number is None else one.number
            found.append(_observed(said, number, one.key))
    numbers = [one.number or 0 for one in named.survivors]
    behind = max((*numbers, *named.places.values()), default=-1) + 1
    behind = max(behind, len(named.survivors))
    for place, (key, said) in enumerate(left.items(), behind):
        found.append(_observed(said, named.places.get(key, place), None))
    return tuple(found)


def _observed(said: Observed, number: int, storage: str | None) -> CarvedTensor:
    key, shape, dtype = said
    slot = _SLOTS.get(key.replace("/", ".").rpartition(".")[2], Slot.NETWORK)
    found = Found.MISSING if storage is None else Found.OBSERVED
    return CarvedTensor(
        key=key, slot=slot, shape=shape, dtype=dtype, number=number, storage=storage, found=found
    )


def _clashes(tensors: Sequence[CarvedTensor], named: _Named) -> tuple[Check, ...]:
    """Hold what the pickle had named against the shapes that the table has there."""
    keys = [(one, named.key_of(one)) for one in tensors]
    met = [(one, named.said[key]) for one, key in keys if key is not None]
    if not met:
        return ()
    # Dialects differ in axes of 1: a linear layer is a convolution of 1 × 1.
    wrong = [(one, said) for one, said in met if _long_axes(one.shape) != _long_axes(said[1])]
    text = f"{len(met) - len(wrong):,} of {len(met):,}"
    if wrong:
        one, said = wrong[0]
        text += (
            f"; expected {list(one.shape)} of {one.key!r:.200}, found {list(said[1])!r:.100} of "
            f"{said[0]!r:.200}"
        )
    what = "tensors that the pickle named have the shapes of the table"
    return (Check(what=what, holds=not wrong, evidence=text),)


def _long_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([size for size in shape if size != 1])


def _table_fit(fit: Fit, shelf: Shelf, dtype: str, open_: tuple[str, ...]) -> TableFit:
    table, layout = fit.table, fit.layout
    slots = [slot for _, slot in fit.entries()]
    explained = [slots[place] for place in fit.matches]
    own = (Slot.NETWORK, Slot.EMA)
    network = fit.network
    settings = table.settings()
    if not table.variants:
        # A placeholder is no value; what a variant's row says is.
        settings = {name: value for name, value in settings.items() if name not in open_}
    return TableFit(
        family=table.family.name,
        title=table.family.title,
        variant=" or ".join(table.variants),
        settings=settings,
        dtype=dtype,
        optimizer="" if layout is None else layout.title,
        step="" if layout is None else layout.step,
        first=fit.blocks[0].start if network is None else network.start,
        explained=fit.explained,
        network=sum(slot is Slot.NETWORK for slot in explained),
        network_tensors=len(table.tensors),
        optimizer_explained=sum(slot not in own for slot in explained),
        optimizer_tensors=sum(slot not in own for slot in slots),
        contradicted=fit.contradicted,
        unexplained=len(shelf) - fit.explained - fit.contradicted,
        missing=fit.places - fit.explained - fit.contradicted,
        dialect=table.dialect,
        open_settings=open_,
        bits=round(fit.bits, 1),
    )
