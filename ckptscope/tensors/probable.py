"""Whether two torch zips probably hold the same tensors, by the checksums that they record.

Enters: manifests, and the CRC-32 of their storages. Leaves: an `ArchiveComparison`. No element is
read. Equal checksums are no proof, different ones are: as far as an archive tells the truth.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

import msgspec

from ckptscope.errors import ArtifactError
from ckptscope.facts.identity import (
    ArchiveCheck,
    ArchiveComparison,
    ArchiveDifference,
    Likeness,
    ProbableStateDict,
    ProbableTensor,
)
from ckptscope.facts.tensors import Role, TensorInfo
from ckptscope.tensors.canonical import canonical_size, is_canonical
from ckptscope.tensors.manifest import ManifestBuild

_NOT_STRIDED = "its elements do not stand in one storage"
_NO_CRC = "its storage is missing, is compressed, or has no CRC-32"


def probable_state_dicts(
    build: ManifestBuild, crcs: Mapping[str, int]
) -> tuple[ProbableStateDict, ...]:
    """Return what is known of every tensor before its elements are read.

    Args:
        build: The manifest of a torch zip.
        crcs: CRC-32 by storage key, as the archive records them.
    """
    return tuple(
        ProbableStateDict(
            path=one.path,
            role=one.role.value,
            tensors=tuple(
                _probable(build, tensor, tensor.key[len(one.prefix) :], crcs)
                for tensor in one.tensors
            ),
        )
        for one in build.manifest.state_dicts
    )


def _probable(
    build: ManifestBuild, tensor: TensorInfo, name: str, crcs: Mapping[str, int]
) -> ProbableTensor:
    untold = ProbableTensor(key=name, dtype=tensor.dtype, shape=tensor.shape)
    storage = build.manifest.storages.get(tensor.storage or "")
    if (
        tensor.storage is None
        or tensor.parts
        or tensor.layout != "strided"
        or tensor.stride is None
    ):
        return msgspec.structs.replace(untold, untold=_NOT_STRIDED)
    if storage is None or storage.key not in crcs:
        return msgspec.structs.replace(untold, untold=_NO_CRC)
    try:
        size = canonical_size(tensor)
    except ArtifactError as error:
        return msgspec.structs.replace(untold, untold=str(error))
    return ProbableTensor(
        key=name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        stride=None if is_canonical(tensor) else tensor.stride,
        offset=tensor.offset,
        crc=crcs[storage.key],
        size_bytes=storage.size_bytes,
        byteorder=build.byteorder_of(storage.key),
        lazy=tensor.lazy,
        is_whole=is_canonical(tensor) and size == storage.size_bytes,
    )


def compare_archives(
    first: str,
    ours: Sequence[ProbableStateDict],
    second: str,
    theirs: Sequence[ProbableStateDict],
    *,
    why: str = "",
) -> ArchiveComparison:
    """Compare two archives, state_dict by state_dict.

    Args:
        first: Path of the first.
        ours: Its state_dicts.
        second: Path of the second.
        theirs: Its state_dicts.
        why: Why the checksums of either are not to be relied on; empty if they are.
    """
    if why:
        untold = Likeness.UNTOLD
        return ArchiveComparison(
            first=first, second=second, outcome=untold, up_to_names=untold, why=why
        )
    checks = tuple(_check(one, other) for one, other in _pairs(ours, theirs))
    return ArchiveComparison(
        first=first,
        second=second,
        outcome=_all(check.outcome for check in checks),
        up_to_names=_all(check.up_to_names for check in checks),
        checks=checks,
    )


def _all(outcomes: Iterable[Likeness]) -> Likeness:
    """Return what is to be said of the whole: one difference outweighs what cannot be told."""
    found = set(outcomes)
    if Likeness.DIFFERENT in found:
        return Likeness.DIFFERENT
    return Likeness.SAME if found == {Likeness.SAME} else Likeness.UNTOLD


def _pairs(
    ours: Sequence[ProbableStateDict], theirs: Sequence[ProbableStateDict]
) -> Iterator[tuple[ProbableStateDict | None, ProbableStateDict | None]]:
    """Bring state_dicts together by their paths; where either side has one network, those."""
    is_alone = _has_one_network(ours) and _has_one_network(theirs)
    left: dict[object, list[ProbableStateDict]] = {}
    for other in theirs:
        left.setdefault(_mark(other, is_alone=is_alone), []).append(other)
    for one in ours:
        others = left.get(_mark(one, is_alone=is_alone))
        yield one, others.pop(0) if others else None
    for others in left.values():
        for other in others:
            yield None, other


def _has_one_network(side: Sequence[ProbableStateDict]) -> bool:
    return sum(one.role == Role.NETWORK for one in side) == 1


def _mark(one: ProbableStateDict, *, is_alone: bool) -> object:
    """Return what is the same for the state_dict of the other side that it belongs to."""
    return Role.NETWORK if is_alone and one.role == Role.NETWORK else (one.path,)


def _check(one: ProbableStateDict | None, other: ProbableStateDict | None) -> ArchiveCheck:
    known = one or other
    if known is None or one is None or other is None:
        return ArchiveCheck(
            first=one.path if one is not None else None,
            second=other.path if other is not None else None,
            role=known.role if known is not None else "",
            outcome=Likeness.DIFFERENT,
            up_to_names=Likeness.DIFFERENT,
        )
    differences = tuple(_differences(one.tensors, other.tensors))
    outcome = _all(found.outcome for found in differences) if differences else Likeness.SAME
    return ArchiveCheck(
        first=one.path,
        second=other.path,
        role=one.role,
        outcome=outcome,
        up_to_names=Likeness.SAME if not differences else _compare_multisets(one, other),
        differences=differences,
        tensors=len(one.tensors) - sum(found.why != _ADDED for found in differences),
    )


_ADDED = "only in the second"
_MISSING = "only in the first"


def _differences(
    ours: Iterable[ProbableTensor], theirs: Iterable[ProbableTensor]
) -> Iterator[ArchiveDifference]:
    """Yield tensors of which it is not said that they are probably the same."""
    left = _by_key(theirs)
    for key, mine in _by_key(ours).items():
        for one, other in zip_longest(mine, left.pop(key, ())):
            outcome, why = _compare(one, other)
            if outcome is not Likeness.SAME:
                yield ArchiveDifference(key=key, outcome=outcome, why=why)
    for key, others in left.items():
        for _ in others:
            yield ArchiveDifference(key=key, outcome=Likeness.DIFFERENT, why=_ADDED)


def _by_key(tensors: Iterable[ProbableTensor]) -> dict[str, list[ProbableTensor]]:
    found: dict[str, list[ProbableTensor]] = {}
    for one in tensors:
        found.setdefault(one.key, []).append(one)
    return found


def _compare(one: ProbableTensor | None, other: ProbableTensor | None) -> tuple[Likeness, str]:
    """Return what can be said of two tensors, and why."""
    if one is None or other is None:
        return Likeness.DIFFERENT, _ADDED if one is None else _MISSING
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return Likeness.DIFFERENT, "another dtype or shape"
    if one.untold or other.untold:
        return Likeness.UNTOLD, one.untold or other.untold
    if _layout(one) != _layout(other):
        return Likeness.UNTOLD, "its elements lie in another way in its storage"
    if one.crc == other.crc:
        return Likeness.SAME, ""
    if one.is_whole:
        return Likeness.DIFFERENT, f"CRC-32 {one.crc:08x} and {other.crc:08x}"
    return Likeness.UNTOLD, "its storage differs, which holds more than its elements"


def _layout(one: ProbableTensor) -> object:
    """Return what must be the same for checksums to be comparable."""
    return one.size_bytes, one.byteorder, one.offset, one.stride, one.lazy


def _compare_multisets(one: ProbableStateDict, other: ProbableStateDict) -> Likeness:
    """Compare tensors without regard to their names."""
    sides = [[msgspec.structs.replace(t, key="") for t in side.tensors] for side in (one, other)]
    if any(tensor.untold for side in sides for tensor in side):
        shapes = [Counter((tensor.dtype, tensor.shape) for tensor in side) for side in sides]
        return Likeness.UNTOLD if shapes[0] == shapes[1] else Likeness.DIFFERENT
    if Counter(sides[0]) == Counter(sides[1]):
        return Likeness.SAME
    is_comparable = all(tensor.is_whole for side in sides for tensor in side)
    byteorders = {tensor.byteorder for side in sides for tensor in side}
    shapes = [Counter((tensor.dtype, tensor.shape) for tensor in side) for side in sides]
    if shapes[0] != shapes[1] or (is_comparable and len(byteorders) == 1):
        return Likeness.DIFFERENT
    return Likeness.UNTOLD
