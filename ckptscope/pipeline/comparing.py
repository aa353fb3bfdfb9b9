"""`diff A B ...`: how do the weights of several files stand to each other?

Enters: paths, and what is to be compared. Leaves: a `DiffReport`. Files are open all the while;
elements are gone over in pieces, so that memory does not grow with the files.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ckptscope.comparisons.blocks import make_blocks
from ckptscope.comparisons.changes import is_elsewhere
from ckptscope.comparisons.concluding import conclude, conclude_structure
from ckptscope.comparisons.lines import find_line, group_same
from ckptscope.comparisons.pairing import Pairs, is_reordered, pair_tensors
from ckptscope.comparisons.subject import Subject
from ckptscope.differences.renaming import renaming_rules
from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.comparison import (
    Comparison,
    Difference,
    DiffReport,
    Line,
    Pairing,
    Rearrangement,
    Relation,
    RenamingRule,
    Structure,
    TensorPair,
    Way,
)
from ckptscope.facts.dtypes import HALF_STEPS
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.tensors import TensorInfo
from ckptscope.pipeline.comparing_sides import OpenSide, compared, open_side, translate
from ckptscope.pipeline.records import side_by_side
from ckptscope.pipeline.walking import PathLike

if TYPE_CHECKING:
    from ckptscope.tensors.rearranging import Permutations

#: After a cast, sums tell too little to find another order by. Nearly all of what was also trained
#: on is closer by angle than this, and is not looked through ...
_TURNED = 0.98
#: ... where it is large; scales of norms, which are near 1, are small.
_FEW_ELEMENTS = 1 << 16
#: Half a step of float32, which casts from float64 are rounded to.
_LEAST_STEP = 2.0**-24
#: Standard deviations of a sum of rounded squares, each of them up to two half steps; room for some
#: elements that are much larger than the others.
_SPREAD = 32

#: Told how many bytes more have been gone over; told once how many there will be.
Progress = Callable[[int], None]


class CompareRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be compared, and how.

    Attributes:
        structure_only: Whether names, shapes and dtypes alone are compared.
        ignore: Patterns of names that are left out, `*` for anything.
        atol: Absolute tolerance.
        rtol: Relative tolerance, of the right side's absolute value, as in torch.allclose.
        prefix: What is taken off the names of both files; None for what each file's manifest says.
        entries: Paths of the state_dicts: one for all files, or one for each.
        members: Checkpoints of files that hold several, the names on the way joined by ` > `:
            likewise.
    """

    structure_only: bool = False
    ignore: tuple[str, ...] = ()
    atol: float = 0.0
    rtol: float = 0.0
    prefix: str | None = None
    entries: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


def compare(
    paths: Sequence[PathLike],
    request: CompareRequest,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    total: Progress | None = None,
) -> DiffReport:
    """Compare each two of several files.

    Args:
        paths: Files or folders, two at least.
        request: What is compared.
        limits: Bounds of the reading.
        progress: Told how many bytes more have been gone over.
        total: Told for each two files how many bytes there will be, before they are gone over.

    Raises:
        UsageError: Fewer than two files, an entry that is not there, or several to choose from.
    """
    if len(paths) < 2:
        raise UsageError("expected two files or more to compare")
    for what, given in (("entry", request.entries), ("member", request.members)):
        if len(given) not in (0, 1, len(paths)):
            raise UsageError(
                f"expected one {what}, or one for each of {len(paths)} files, found {len(given)}"
            )
    with ExitStack() as stack:
        sides = [
            open_side(
                Path(path),
                member=_of_file(request.members, index),
                entry=_of_file(request.entries, index),
                prefix=request.prefix,
                ignore=request.ignore,
                limits=limits,
                stack=stack,
            )
            for index, path in enumerate(paths)
        ]
        run = _Run(request, progress, total)
        found = [
            run.compare(one, other, sides[one], sides[other])
            for one, other in combinations(range(len(sides)), 2)
            if sides[one].is_open and sides[other].is_open
        ]
        for side in sides:
            side.require_unchanged()
    comparisons = tuple(one for one in found if _both_stand(one, sides))
    return DiffReport(
        sides=tuple(side.side for side in sides),
        comparisons=comparisons,
        line=run.line(comparisons, len(sides)),
    )


def _of_file(given: tuple[str, ...], index: int) -> str | None:
    """Return what was given for a file: its own, or the one for all; None for nothing."""
    if not given:
        return None
    return given[index] if len(given) > 1 else given[0]


def _both_stand(comparison: Comparison, sides: Sequence[OpenSide]) -> bool:
    return all(sides[i].side.failure is None for i in (comparison.left, comparison.right))


class _Run:
    """One run over all pairs of files."""

    def __init__(
        self, request: CompareRequest, progress: Progress | None, total: Progress | None
    ) -> None:
        self._request = request
        self._progress = progress
        self._total = total
        self._apart: dict[tuple[int, int], float] = {}
        #: Of the two files that are being compared.
        self._permutations: Permutations | None = None

    def compare(self, one: int, other: int, left: OpenSide, right: OpenSide) -> Comparison:
        """Compare two files."""
        reads = not self._request.structure_only
        self._permutations = None
        left.begin()
        right.begin()
        pairs = pair_tensors(
            left.tensors,
            right.tensors,
            translated=translate(left, right),
            digests=(left.digest, right.digest) if reads else None,
        )
        found = tuple(self._pairs(pairs, left, right))
        structure = _structure(pairs, found, left, right)
        subject = Subject(
            pairs=found,
            structure=structure,
            ways=tuple(_ways(pairs, structure, left, right)),
            roles=(left.side.role, right.side.role),
            has_tolerance=bool(self._request.atol or self._request.rtol),
        )
        conclusions = conclude(subject) if reads else conclude_structure(subject)
        floating = subject.floating
        has_distance = reads and floating.tensors > 0 and not is_elsewhere(subject)
        if has_distance and subject.is_whole and not subject.unread:
            self._apart[one, other] = float(floating.squares_apart**0.5)
        return Comparison(
            left=one,
            right=other,
            values_compared=reads,
            conclusions=conclusions,
            ways=subject.ways,
            structure=structure,
            pairs=found,
            blocks=make_blocks(found) if reads else (),
            metadata=side_by_side(left.manifest, right.manifest),
            relative_l2=floating.relative_l2 if has_distance else None,
            cosine=floating.cosine if has_distance else None,
        )

    def line(self, comparisons: Sequence[Comparison], count: int) -> Line | None:
        """Order more than two files by distance."""
        if count <= 2 or self._request.structure_only:
            return None
        same = [
            (one.left, one.right)
            for one in comparisons
            if one.is_same or one.conclusions[0].relation is Relation.SAME_NUMBERS
        ]
        found = find_line(group_same(count, same), self._apart)
        if found is None:
            return None
        relative = {(one.left, one.right): one.relative_l2 or 0.0 for one in comparisons}
        steps = (tuple(sorted(step)) for step in pairwise(found.order))
        return msgspec.structs.replace(
            found, distances=tuple(relative[one, other] for one, other in steps)
        )

    def _pairs(self, pairs: Pairs, left: OpenSide, right: OpenSide) -> Iterator[TensorPair]:
        alike = [
            (one, other)
            for one, other, _ in pairs.found
            if left.tensors[one].shape == right.tensors[other].shape
        ]
        if self._total is not None and not self._request.structure_only:
            self._total(left.size_of(one for one, _ in alike))
        for one, other, pairing in pairs.found:
            pair = TensorPair(
                left=compared(one, left.tensors[one]),
                right=compared(other, right.tensors[other]),
                pairing=pairing,
            )
            if self._request.structure_only:
                yield pair
            else:
                yield self._with_values(pair, left, right)

    def _with_values(self, pair: TensorPair, left: OpenSide, right: OpenSide) -> TensorPair:
        """Go over the elements of a pair; look for another order where that may explain it."""
        from ckptscope.tensors.pairs import compare_tensors
        from ckptscope.tensors.rearranging import Permutations, find_rearrangement

        if self._permutations is None:
            self._permutations = Permutations()
        one, other = left.tensors[pair.left.key], right.tensors[pair.right.key]
        difference: Difference | None = None
        rearrangement: Rearrangement | None = None
        try:
            left.spend(one)
            right.spend(other)
            if one.shape == other.shape:
                difference = compare_tensors(
                    left.build,
                    one,
                    right.build,
                    other,
                    atol=self._request.atol,
                    rtol=self._request.rtol,
                    progress=self._progress,
                )
            if _may_be_rearranged(one, other, difference):
                rearrangement = find_rearrangement(
                    left.build, one, right.build, other, self._permutations
                )
        except ArtifactError as error:
            return msgspec.structs.replace(pair, unread=str(error))
        return msgspec.structs.replace(pair, difference=difference, rearrangement=rearrangement)


def _may_be_rearranged(one: TensorInfo, other: TensorInfo, found: Difference | None) -> bool:
    """Whether both have the same numbers, as far as sums tell."""
    if sorted(one.shape) != sorted(other.shape):
        return False
    if found is None:
        return one.shape != other.shape
    if one.dtype != other.dtype:
        return found.equal_cast != found.elements and _may_be_cast_and_rearranged(
            found, (one.dtype, other.dtype)
        )
    is_unequal = found.equal_bits != found.elements
    most = max(found.squares_left, found.squares_right)
    # Sums of the same squares in another order differ by rounding.
    is_alike = abs(found.squares_left - found.squares_right) <= 1e-9 * most
    return is_unequal and is_alike and found.zeros_left == found.zeros_right


def _may_be_cast_and_rearranged(found: Difference, dtypes: tuple[str, str]) -> bool:
    most = max(found.squares_left, found.squares_right)
    step = max(HALF_STEPS.get(dtype, _LEAST_STEP) for dtype in dtypes)
    # What rounding adds to some squares it takes from others, so that little is left in the sum.
    apart = step * (_SPREAD / max(found.elements, 1) ** 0.5 + step)
    is_alike = abs(found.squares_left - found.squares_right) <= apart * most
    is_turned = found.cosine is None or found.cosine < _TURNED
    return is_alike and (is_turned or found.elements <= _FEW_ELEMENTS)


def _structure(
    pairs: Pairs, found: Sequence[TensorPair], left: OpenSide, right: OpenSide
) -> Structure:
    renamed = [(one.left.key, one.right.key) for one in found if one.left.key != one.right.key]
    return Structure(
        only_left=tuple(compared(name, left.tensors[name]) for name in pairs.only_left),
        only_right=tuple(compared(name, right.tensors[name]) for name in pairs.only_right),
        reshaped=tuple(one for one in found if one.left.shape != one.right.shape),
        retyped=tuple(one for one in found if one.left.dtype != one.right.dtype),
        rules=tuple(RenamingRule(left=a, right=b) for a, b in renaming_rules(renamed)),
        ignored=left.ignored + right.ignored,
        is_reordered=is_reordered(pairs, right.tensors),
    )


def _ways(pairs: Pairs, structure: Structure, left: OpenSide, right: OpenSide) -> Iterator[Way]:
    if left.side.containers != right.side.containers:
        yield Way.CONTAINER
    if structure.is_reordered:
        yield Way.ORDER
    by_name = any(one != other for one, other, pairing in pairs.found if pairing is Pairing.NAME)
    if left.side.prefix != right.side.prefix or by_name:
        yield Way.PREFIX
    if any(pairing is Pairing.DIALECT for _, _, pairing in pairs.found):
        yield Way.DIALECT
    if structure.retyped:
        yield Way.DTYPE
