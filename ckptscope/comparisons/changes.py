"""What was done to the weights: edited, pruned, quantized, begun anew, or trained on?

Enters: a `Subject` whose weights are not all the same. Leaves: every conclusion that fits. Bounds
are of angles and shares, and stand at the top with what they rest on.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.comparisons.phrases import cosine_text, counted, module_of, names, number, share
from ckptscope.comparisons.subject import Subject, is_equal
from ckptscope.comparisons.totals import Totals, is_floating, is_matrix, matrices_total, total
from ckptscope.comparisons.training import SAME_DIRECTION, conclude_training
from ckptscope.facts.comparison import Conclusion, Difference, Relation, TensorPair

#: A layer that was begun anew is at right angles to what it was; training hardly turns one so far.
_ANEW: Final = 0.5
#: Share of elements below which no optimizer left the others as they were.
_EDITED_SHARE: Final = 1e-4
#: Share of zeros that pruning leaves at least; trained float weights have hardly any.
_PRUNED_SHARE: Final = 0.1
#: The same where numbers were rounded to few levels, which makes zeros of small ones.
_ROUNDED_SHARE: Final = 0.4
#: Different numbers that 8 bits can tell apart.
_LEVELS: Final = 256
#: Rounding to 8 bits moves a tensor by about 1/100 of its norm, to 4 bits by 1/10.
_QUANTIZED_DISTANCE: Final = 0.2
_QUANTIZED_COSINE: Final = 0.98
#: Share of the matrices that must look quantized.
_MOST_MATRICES: Final = 0.8
#: Share of the smaller file's elements that pairs must cover before values say anything of both.
_COVERED: Final = 0.3


def conclude_changes(subject: Subject) -> Iterator[Conclusion]:
    """Yield what fits, that with more evidence first."""
    if is_elsewhere(subject):
        yield _unlike_structure(subject)
        return
    anew = _begun_anew(subject)
    begun = {pair.left.key for pair in anew}
    rest = tuple(pair for pair in subject.compared if pair.left.key not in begun)
    unequal = tuple(pair for pair in subject.unequal if pair.left.key not in begun)
    anew_modules = list(dict.fromkeys(module_of(pair.left.key) for pair in anew))
    if anew:
        yield _head_reset(anew, anew_modules, rest, unequal)
    if not unequal:
        if not subject.is_whole or anew:
            yield _part_of(subject, rest, anew_modules)
        return
    yield from _few(subject, unequal)
    quantized = tuple(_quantized(rest))
    pruned = tuple(_pruned(subject, unequal, _ROUNDED_SHARE if quantized else _PRUNED_SHARE))
    yield from (*quantized, *pruned)
    is_all_told = _is_counting(unequal) or (pruned and _is_all_of_it(unequal))
    if not quantized and not is_all_told:
        most = _most_edited(subject)
        yield from conclude_training(subject, rest, unequal, most_edited=most)


def is_elsewhere(subject: Subject) -> bool:
    """Whether pairs cover too little of the smaller file to compare the two by values."""
    paired = sum(pair.left.elements for pair in subject.compared + subject.rearranged)
    structure = subject.structure
    reshaped = sum(pair.left.elements for pair in subject.reshaped)
    left = paired + reshaped + sum(one.elements for one in structure.only_left)
    right = paired + reshaped + sum(one.elements for one in structure.only_right)
    return paired < _COVERED * max(min(left, right), 1)


def _unlike_structure(subject: Subject) -> Conclusion:
    structure = subject.structure
    return Conclusion(
        relation=Relation.OTHER_STRUCTURE,
        sentence="networks of other structure: most tensors have no counterpart of their shape",
        evidence=(
            f"{counted(len(structure.only_left), 'tensor')} only on the left, "
            f"{len(structure.only_right):,} only on the right, {len(subject.reshaped):,} of "
            f"another shape, {len(subject.compared):,} compared",
        ),
    )


def _begun_anew(subject: Subject) -> tuple[TensorPair, ...]:
    """Return the tensors of modules that have nothing of what they were, if they are the fewer."""
    matrices = [
        pair
        for pair in subject.compared
        if is_matrix(pair) and pair.rearrangement is None and pair.left.elements > 1
    ]
    turned = {
        module_of(pair.left.key)
        for pair in matrices
        if not is_equal(pair)
        and pair.difference
        and (cosine := pair.difference.cosine) is not None
        and cosine < _ANEW
    }
    kept = [pair for pair in matrices if module_of(pair.left.key) not in turned]
    if not turned or not kept:
        return ()
    sums = matrices_total(kept)
    found = tuple(
        pair
        for pair in subject.compared
        if module_of(pair.left.key) in turned and not is_equal(pair)
    )
    is_less = sum(pair.left.elements for pair in found) <= sum(p.left.elements for p in kept)
    is_kept = sums.cosine is not None and sums.cosine >= SAME_DIRECTION
    return found if is_less and is_kept else ()


def _elements(pairs: Sequence[TensorPair]) -> int:
    return sum(pair.left.elements for pair in pairs)


def _head_reset(
    anew: Sequence[TensorPair],
    modules: Sequence[str],
    rest: Sequence[TensorPair],
    unequal: Sequence[TensorPair],
) -> Conclusion:
    sums = matrices_total(anew)
    equal = len(rest) - len(unequal)
    others = matrices_total(rest)
    return Conclusion(
        relation=Relation.HEAD_RESET,
        sentence=f"begun anew: {names(modules)}; {equal:,} of {counted(len(rest), 'other tensor')} "
        "equal",
        evidence=(
            f"there the cosine is {cosine_text(sums.cosine)}, relative L2 "
            f"{number(sums.relative_l2)}",
            f"elsewhere the cosine is {cosine_text(others.cosine)}, relative L2 "
            f"{number(others.relative_l2)}",
        ),
    )


def _part_of(
    subject: Subject, rest: Sequence[TensorPair], anew_modules: Sequence[str]
) -> Conclusion:
    structure = subject.structure
    same = f"{counted(_elements(rest), 'element')} of {counted(len(rest), 'tensor')} are the same"
    evidence = [same]
    for side, tensors in (("left", structure.only_left), ("right", structure.only_right)):
        if tensors:
            which = names(module_of(one.key) for one in tensors)
            evidence.append(f"only on the {side}: {counted(len(tensors), 'tensor')}, {which}")
    if subject.reshaped:
        which = names(module_of(pair.left.key) for pair in subject.reshaped)
        evidence.append(f"of another shape: {counted(len(subject.reshaped), 'tensor')}, {which}")
    if anew_modules:
        evidence.append(f"of other values: {names(anew_modules)}")
    return Conclusion(
        relation=Relation.PART_OF,
        sentence=_which_part(subject, anew_modules),
        evidence=tuple(evidence),
    )


def _which_part(subject: Subject, anew_modules: Sequence[str]) -> str:
    structure = subject.structure
    differs = bool(subject.reshaped or anew_modules)
    if structure.only_right and not structure.only_left and not differs:
        return "the left file is a part of the right one: all of its weights are there"
    if structure.only_left and not structure.only_right and not differs:
        return "the right file is a part of the left one: all of its weights are there"
    return "both hold the same part; the rest is not the same"


def _most_edited(subject: Subject) -> int:
    """Return up to how many changed elements are an edit."""
    return max(1, int(_EDITED_SHARE * subject.all.elements))


def _few(subject: Subject, unequal: Sequence[TensorPair]) -> Iterator[Conclusion]:
    """Yield an edit, where hardly any element differs."""
    sums = total(pair.difference for pair in unequal if pair.difference)
    if sums.changed > _most_edited(subject) and not _is_counting(unequal):
        return
    yield Conclusion(
        relation=Relation.EDITED,
        sentence=f"{counted(sums.changed, 'element')} of {subject.all.elements:,} "
        f"{'differs' if sums.changed == 1 else 'differ'}, in "
        f"{counted(len(unequal), 'tensor')} of {len(subject.pairs):,}",
        evidence=tuple(
            f"{pair.left.key!r:.120}: {one.changed:,} of {one.elements:,} elements, "
            f"{_by_how_much(one)}"
            for pair in unequal[:4]
            if (one := pair.difference)
        ),
    )


def _is_counting(unequal: Sequence[TensorPair]) -> bool:
    """Whether whole numbers that nobody learns are all that differs: counters of batches."""
    return not any(pair.left.is_parameter or is_floating(pair) for pair in unequal)


def _by_how_much(found: Difference) -> str:
    """Say how far elements are apart; those that are no finite number are so in no distance."""
    apart = [f"by {number(found.largest)} at most"] if found.largest or not found.not_finite else []
    if found.not_finite:
        apart.append(f"{found.not_finite:,} NaN or infinite on either side")
    return ", ".join(apart)


def _is_all_of_it(unequal: Sequence[TensorPair]) -> bool:
    """Whether one side has zeros where they differ, and nothing else differs."""
    changed = total(pair.difference for pair in unequal if pair.difference)
    return _differing(changed) in (changed.zeroed, changed.filled)


def _differing(sums: Totals) -> int:
    """Return how many elements are other numbers, where no cast explains it."""
    return min(sums.changed, sums.changed_numbers)


def _pruned(subject: Subject, unequal: Sequence[TensorPair], least: float) -> Iterator[Conclusion]:
    matrices = [pair for pair in subject.compared if is_matrix(pair)]
    sums = total(pair.difference for pair in matrices if pair.difference)
    changed = total(pair.difference for pair in unequal if pair.difference)
    differing = _differing(changed)
    for side, new, old in (
        ("right", changed.zeroed, sums.zeros_left),
        ("left", changed.filled, sums.zeros_right),
    ):
        zeros = sums.zeros_right if side == "right" else sums.zeros_left
        if not new or not zeros or zeros < least * sums.elements or 2 * old > zeros:
            continue
        only = new == differing
        others = "all others are equal" if only else "others differ, too"
        yield Conclusion(
            relation=Relation.PRUNED,
            sentence=f"the {side} file is pruned: {share(zeros, sums.elements)} of its matrices "
            f"and kernels are 0, {share(old, sums.elements)} on the other side; {others}",
            evidence=(
                f"{new:,} elements are 0 on the {side} alone, of {differing:,} that differ",
                f"in {counted(len(unequal), 'tensor')}: {names(p.left.key for p in unequal)}",
            ),
        )


def _quantized(rest: Sequence[TensorPair]) -> Iterator[Conclusion]:
    matrices = [
        pair
        for pair in rest
        if len(pair.left.shape) >= 2 and pair.difference and not is_equal(pair)
    ]
    as_integers = [
        pair
        for pair in matrices
        if pair.difference
        and pair.difference.row_cosine is not None
        and pair.difference.row_cosine >= _QUANTIZED_COSINE
    ]
    if as_integers and len(as_integers) >= _MOST_MATRICES * len(matrices):
        least = min(p.difference.row_cosine or 0.0 for p in as_integers if p.difference)
        side = "left" if as_integers[0].right.dtype.startswith(("float", "bfloat")) else "right"
        how_many = counted(len(as_integers), "tensor")
        yield Conclusion(
            relation=Relation.QUANTIZED,
            sentence=f"the {side} file is quantized: integers in {how_many}, in the direction of "
            "the other side's rows",
            evidence=(f"the least cosine between rows is {cosine_text(least)}",),
        )
        return
    counted_ones = [
        pair
        for pair in matrices
        if pair.difference and pair.difference.levels_left and pair.difference.levels_right
    ]
    for side in ("right", "left"):
        few = [pair for pair in counted_ones if _is_on_a_grid(pair, side)]
        if few and len(few) >= _MOST_MATRICES * len(counted_ones):
            most = max(_levels(pair, side) for pair in few)
            sums = matrices_total(few)
            yield Conclusion(
                relation=Relation.QUANTIZED,
                sentence=f"the {side} file was quantized: no more than {most:,} different numbers "
                f"in each of {counted(len(few), 'tensor')}",
                evidence=(f"relative L2 {number(sums.relative_l2)}",),
            )


def _levels(pair: TensorPair, side: str) -> int:
    found = pair.difference
    if found is None:
        return 0
    return found.levels_right if side == "right" else found.levels_left


def _is_on_a_grid(pair: TensorPair, side: str) -> bool:
    found = pair.difference
    if found is None:
        return False
    other = "left" if side == "right" else "right"
    distance = found.relative_l2
    return (
        _levels(pair, side) <= _LEVELS < _levels(pair, other)
        and distance is not None
        and distance < _QUANTIZED_DISTANCE
    )
