"""What is left of a file that could not be read, and what it was.

Enters: a path whose reading failed. Leaves: a `Carving`, or None where no storages are left. Both
rooms that do the work are imported here and nowhere else, once there is such a file.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.errors import (
    ArtifactError,
    ContainerFormatError,
    PickleFormatError,
    TensorLayoutError,
    UnknownContainerError,
)
from ckptscope.facts.carving import Carving
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.report import Failure, FileReport
from ckptscope.pipeline.reading import paused_gc
from ckptscope.sources import ByteSource, stamp_of

#: Failures that a lost or broken pickle shows itself by. A file that is not there has nothing left,
#: one that changes or cannot be opened is not damaged, and of one that asks for more than the
#: limits allow no more is read.
_DAMAGES: Final = frozenset(
    error.__name__
    for error in (
        ContainerFormatError,
        PickleFormatError,
        TensorLayoutError,
        UnknownContainerError,
    )
)
#: Larger storages are not read to check values: no counter and no norm is as large.
_MOST_BYTES: Final = 64 << 20


class Carved(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is left of a file, open.

    Attributes:
        carving: What it was.
        containers: Chain from the file to it.
        is_big_endian: Whether its elements are.
        wrong: Keys of storages whose bytes are not as they were written.
        open_storage: The bytes of a storage, by the key of a survivor.
    """

    carving: Carving
    containers: tuple[ContainerKind, ...]
    is_big_endian: bool
    wrong: frozenset[str]
    open_storage: Callable[[str], ByteSource]


def carve_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> Carving | None:
    """Say what is left of a file or folder that could not be read; None if no storages are."""
    with ExitStack() as stack:
        try:
            found = open_carved(path, limits, stack)
        except ArtifactError as error:
            # Why the file could not be read is told anyhow; this is why no more is.
            return Carving(
                damage=str(error), survivors=(), verdict="what is left could not be looked through"
            )
        return None if found is None else found.carving


def carve_report(report: FileReport, limits: Limits) -> FileReport:
    """Add to the report of a file that could not be read what is left of it."""
    if report.failure is None or not is_damage(report.failure):
        return report
    return msgspec.structs.replace(report, carved=carve_file(Path(report.path), limits))


def is_damage(failure: Failure) -> bool:
    """Whether a failure may be that of a checkpoint whose storages are left."""
    return failure.kind in _DAMAGES


def has_survivors(path: Path, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether storages are left of a file that could not be read."""
    from ckptscope.containers.salvage import salvage

    with ExitStack() as stack:
        try:
            found = salvage(path, limits, stack)
        except ArtifactError:
            # What cannot be looked through has nothing to offer.
            return False
        return found is not None and bool(found.survivors)


def open_carved(path: Path, limits: Limits, stack: ExitStack) -> Carved | None:
    """Find what is left of a file, and what it was; files stay open as long as the stack.

    Raises:
        ArtifactError: It changed meanwhile, or asks for more than the limits allow.
    """
    from ckptscope.carving.carve import carve
    from ckptscope.containers.salvage import salvage

    before = stamp_of(path)
    with paused_gc():
        salvaged = salvage(path, limits, stack)
        if salvaged is None:
            return None
        is_big_endian = salvaged.byteorder == "big"
        inside = " > ".join(salvaged.location)
        carving = carve(
            salvaged.survivors,
            damage=f"{salvaged.damage}, inside {inside!r:.300}" if inside else salvaged.damage,
            name=path.resolve().name,
            observed={
                key: (one.name, one.shape, one.dtype) for key, one in salvaged.observed.items()
            },
            places=salvaged.places,
            # Checks of values are made of the common order of bytes alone.
            read=None if is_big_endian else _reader(salvaged.open_storage),
        )
    if stamp_of(path) != before:
        raise ArtifactError(
            "expected a file that stays as it is while it is read, found it changed",
            advice="wait until it is complete, and run again",
        )
    return Carved(
        carving=carving,
        containers=salvaged.containers,
        is_big_endian=is_big_endian,
        wrong=frozenset(salvaged.wrong),
        open_storage=salvaged.open_storage,
    )


def _reader(open_storage: Callable[[str], ByteSource]) -> Callable[[str], bytes | None]:
    """Return what reads a whole storage; None for one that is too large, or cannot be read."""

    def read(key: str) -> bytes | None:
        try:
            source = open_storage(key)
            return source.read(0, source.size) if source.size <= _MOST_BYTES else None
        except ArtifactError:
            # The check that needs it says that it could not be made.
            return None

    return read
