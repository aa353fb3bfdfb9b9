"""`unpack --carve`: the tensors of a checkpoint that lost its pickle, as safetensors.

Enters: a path, a target, a `CarveRequest`. Leaves: a safetensors file, and beside it a record that
says of every tensor how it is known (`CarvedFile`). Nothing is written unless the storages tell
with certainty what they were, or the user takes what fits best; nothing is made up for what is
missing, unless initial values are asked for, and then both files say so.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from ckptscope.carving.assumptions import assumptions_of, open_questions, table_title
from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.carved_file import (
    SIDECAR_SUFFIX,
    CarvedFile,
    CarveRequest,
    Entry,
    RecordedTensor,
)
from ckptscope.facts.carving import CarvedTensor, Carving, Found, Slot
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.pipeline.carved_tensors import Outgoing, prepare
from ckptscope.pipeline.carving import Carved, open_carved
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.pipeline.unpack_copy import verify
from ckptscope.pipeline.unpacking import require_elsewhere
from ckptscope.pipeline.walking import PathLike, path_exists
from ckptscope.sources import stamp_of
from ckptscope.writers.atomic import writing_file
from ckptscope.writers.safetensors import write_safetensors

_SUFFIX: Final = ".safetensors"
_SLOTS: Final = {
    Entry.NETWORK: (Slot.NETWORK,),
    Entry.EMA: (Slot.EMA,),
    Entry.OPTIMIZER: tuple(slot for slot in Slot if slot not in (Slot.NETWORK, Slot.EMA)),
}
#: Two types of the same width that sizes leave open stand with this between them.
_OPEN: Final = " or "

Tell = Callable[[str], None]


def unpack_carved(
    path: PathLike,
    target: str,
    request: CarveRequest,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
    tell: Tell | None = None,
) -> CarvedFile:
    """Write what is left of a checkpoint that cannot be read.

    Args:
        path: File or folder.
        target: NAME.safetensors; the record beside it is NAME.safetensors.carved.json.
        request: What is wanted.
        limits: Bounds of the reading.
        progress: Told how many bytes more were written.
        tell: Told, before anything is written, what is to be known of it.

    Raises:
        UsageError: The request cannot be met; the message says why.
        ArtifactError: No table fits, the source cannot be read, or what was written is not as it
            should be.
    """
    place = Path(path)
    _check(place, target, request)
    before = stamp_of(place)
    with ExitStack() as stack:
        found = _open(place, limits, stack)
        chosen = _choose(found.carving, request)
        for note in _doubts(found.carving, chosen, request):
            if tell is not None:
                tell(note)
        outgoing = prepare(found, chosen, request)
        if not any(one.source is not None for one in outgoing):
            raise UsageError(f"nothing is left of the {request.entry} that could be written")
        file = stack.enter_context(writing_file(target, overwrite=request.force))
        beside = stack.enter_context(writing_file(target + SIDECAR_SUFFIX, overwrite=request.force))
        record = _write(file, str(path), target, found, outgoing, request, progress)
        beside.write(encode_record(record))
        if stamp_of(place) != before:
            raise ArtifactError(
                "expected a file that stays as it is while it is read, found it changed",
                advice="nothing was written: wait until it is complete, and run again",
            )
        return record


def _check(path: Path, target: str, request: CarveRequest) -> None:
    """Refuse what no file could fulfil."""
    if not path_exists(path):
        raise UsageError(f"no such file or folder: {str(path)!r:.300}")
    if not target.lower().endswith(_SUFFIX):
        raise UsageError(
            f"expected a name that ends in {_SUFFIX} for what is carved, found {target!r:.200}"
        )
    if request.fill and request.entry is Entry.OPTIMIZER:
        raise UsageError("expected a network to fill with initial values, found the optimizer")
    for name in (target, target + SIDECAR_SUFFIX):
        require_elsewhere(path, name)


def _open(path: Path, limits: Limits, stack: ExitStack) -> Carved:
    """Find what is left.

    Raises:
        UsageError: The file can be read as it is.
        ArtifactError: Nothing is left.
    """
    found = open_carved(path, limits, stack)
    if found is not None and found.carving.survivors:
        return found
    # Either its own error says what is wrong, or nothing is.
    with open_checkpoint(path, limits=limits):
        raise UsageError(
            "expected a checkpoint that lost its pickle, found one that can be read; run again "
            "without --carve"
        )


def _choose(carving: Carving, request: CarveRequest) -> tuple[CarvedTensor, ...]:
    """Return the tensors of the wanted part.

    Raises:
        ArtifactError: Nothing is known of any storage.
        UsageError: What fits is not certain, and the user did not take it nevertheless.
    """
    if not carving.tensors:
        raise ArtifactError(
            f"{carving.verdict.rstrip('.')}; storages without names cannot be written",
            advice="inspect lists them",
        )
    chosen = tuple(one for one in carving.tensors if one.slot in _SLOTS[request.entry])
    doubts = _doubts(carving, chosen, request)
    if doubts and not request.uncertain:
        raise UsageError(
            f"{doubts[0].rstrip('.')}; --uncertain writes what fits best nevertheless, and the "
            "record beside the file says so"
        )
    if request.fill and carving.best is None:
        raise UsageError("expected a table to fill missing tensors after, found none that fits")
    if not chosen:
        raise UsageError(f"expected {request.entry} among what was carved, found none")
    open_ = {one.dtype for one in chosen if _OPEN in one.dtype}
    if not open_ and request.dtype:
        raise UsageError(
            "expected --dtype with --carve only where sizes leave two types open, found "
            f"{chosen[0].dtype}; unpack the new file once more to cast it"
        )
    for two in open_:
        if request.dtype not in two.split(_OPEN):
            raise UsageError(f"sizes and values do not tell {two} apart: name one with --dtype")
    return chosen


def _doubts(carving: Carving, chosen: Sequence[CarvedTensor], request: CarveRequest) -> list[str]:
    """Return what speaks against writing; nothing does where the pickle itself named it all."""
    guessed = any(one.storage is not None and one.found is Found.CARVED for one in chosen)
    if not guessed and not request.fill:
        return []
    doubts = [] if carving.is_certain else [f"not certain: {carving.verdict}"]
    for one in carving.checks:
        if one.holds is False:
            doubts.append(f"does not hold: {one.what} ({one.evidence})")
    return doubts


def _write(
    file: BinaryIO,
    source: str,
    target: str,
    found: Carved,
    outgoing: Sequence[Outgoing],
    request: CarveRequest,
    progress: Callable[[int], None] | None,
) -> CarvedFile:
    """Write the tensors, read them back, and record how each is known."""
    written = [one for one in outgoing if one.source is not None]
    expected = {one.name: one.expect() for one in written}
    if len(expected) < len(written):
        raise UsageError("expected names that differ, found two tensors of one name")
    header = _header(found.carving, outgoing)
    write_safetensors(file, [(one.name, one.tensor(progress)) for one in written], metadata=header)
    file.flush()
    os.fsync(file.fileno())
    root, up_to_names = verify(Path(file.name), expected)
    digests = {one.name: expected[one.name].digest for one in written}
    carving, best = found.carving, found.carving.best
    used = {one.storage for one in carving.tensors}
    filled = [one for one in outgoing if one.initial is not None]
    return CarvedFile(
        source=source,
        damage=carving.damage,
        containers=found.containers,
        target=target,
        entry=request.entry,
        verdict=carving.verdict,
        is_certain=carving.is_certain,
        uncertain_accepted=bool(_doubts(carving, [one.carved for one in outgoing], request)),
        table=best,
        tensors=_record(carving, outgoing, digests),
        unexplained=tuple(one for one in carving.survivors if one.key not in used),
        checks=carving.checks,
        training=carving.training,
        assumed=() if best is None else assumptions_of(carving, best),
        undetermined=() if best is None else open_questions(carving, best),
        filled=len(filled),
        initialisation=_initialisation(best.family) if filled and best is not None else (),
        size_bytes=os.fstat(file.fileno()).st_size,
        root=root,
        root_up_to_names=up_to_names,
    )


def _initialisation(family: str) -> tuple[str, ...]:
    from ckptscope.families.initial import initialisation_of

    return initialisation_of(family)


def _header(carving: Carving, outgoing: Sequence[Outgoing]) -> dict[str, str]:
    """Return what the header of the new file says of itself."""
    header = {"format": "pt", "carved": carving.verdict}
    best = carving.best
    if best is not None:
        header["carved.names"] = f"assumed from the table of {table_title(best)}"
    missing = [one.name for one in outgoing if one.source is None]
    if missing:
        header["carved.missing"] = json.dumps(missing)
    filled = {one.name: one.initial.text for one in outgoing if one.initial is not None}
    if filled:
        header["carved.initial_values"] = json.dumps(filled)
    return header


def _record(
    carving: Carving, outgoing: Sequence[Outgoing], digests: dict[str, str]
) -> tuple[RecordedTensor, ...]:
    """Say of every tensor of the checkpoint, written or not, how it is known."""
    planned = {id(one.carved): one for one in outgoing}
    whole = sum(one.is_whole for one in carving.survivors)
    score = None
    if carving.best is not None and whole:
        score = round(carving.best.explained / whole, 6)
    recorded: list[RecordedTensor] = []
    for one in carving.tensors:
        plan = planned.get(id(one))
        name = one.key if plan is None else plan.name
        is_lost = plan is not None and bool(plan.why)
        found = Found.MISSING if one.storage is None or is_lost else one.found
        recorded.append(
            RecordedTensor(
                key=name,
                slot=one.slot,
                found=found,
                shape=one.shape,
                dtype=one.dtype if plan is None else plan.dtype,
                number=one.number,
                storage=None if is_lost else one.storage,
                score=score if found is Found.CARVED else None,
                is_written=name in digests and plan is not None,
                initial="" if plan is None or plan.initial is None else plan.initial.text,
                why="" if plan is None else plan.why,
                digest=digests.get(name, "") if plan is not None else "",
            )
        )
    return tuple(recorded)


def encode_record(record: CarvedFile) -> bytes:
    """Return a record as indented JSON with a newline at its end."""
    try:
        return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    except UnicodeEncodeError:
        # A lone surrogate, which a pickle may hold, has no form in UTF-8.
        plain = msgspec.to_builtins(record, str_keys=True)
        return json.dumps(plain, indent=2, allow_nan=False).encode("ascii") + b"\n"
