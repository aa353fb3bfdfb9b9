"""Was one network trained on from the other, is it an average of it, or foreign to it?

Enters: a `Subject`, and which of its pairs are not the same. Leaves: every conclusion that fits.
Bounds are of angles and distances, and stand at the top with what they rest on.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.comparisons.phrases import cosine_text, counted, number, share
from ckptscope.comparisons.subject import Subject, is_equal
from ckptscope.comparisons.totals import (
    Totals,
    floating_total,
    is_matrix,
    matrices_total,
    total,
)
from ckptscope.facts.comparison import Conclusion, Relation, TensorPair
from ckptscope.facts.dtypes import HALF_STEPS

#: Networks that were trained apart are at right angles but for chance: of n elements the cosine is
#: about 1/√n. One that was trained on keeps its direction.
SAME_DIRECTION: Final = 0.5
_NO_DIRECTION: Final = 0.2
#: An average lies between the weights it averages: every tensor closer than this, by angle ...
_AVERAGE_COSINE: Final = 0.98
#: ... and by relative L2.
_AVERAGE_DISTANCE: Final = 0.2
#: Training turns weights as it makes them longer: those that have turned by less than 1/20 of a
#: right angle (cosine 0.997) and are longer or shorter by more than a quarter were multiplied.
_SCALED_COSINE: Final = 0.997
_SCALED: Final = 1.25


def conclude_training(
    subject: Subject,
    rest: Sequence[TensorPair],
    unequal: Sequence[TensorPair],
    *,
    most_edited: int,
) -> Iterator[Conclusion]:
    """Yield what the angle between both says, that with more evidence first.

    Args:
        subject: Both networks.
        rest: Pairs that are judged: those of modules that were begun anew are not among them.
        unequal: Those of them that are not the same.
        most_edited: Up to how many changed elements are an edit, and no training.
    """
    sums = matrices_total(rest)
    cosine = sums.cosine
    if cosine is None:
        return
    if _are_rounded(unequal):
        yield _rounded(unequal)
        return
    foreign = _foreign(sums, cosine)
    if foreign is not None:
        yield foreign
        return
    changed = total(pair.difference for pair in unequal if pair.difference)
    if changed.changed <= most_edited and not changed.whole_tensors:
        return
    trained = _fine_tuned(rest, unequal, changed)
    averaged = _averaged(subject, rest) if len(rest) == len(subject.compared) else None
    if averaged is None:
        yield trained
    elif "ema" in subject.roles:
        yield from (averaged, trained)
    else:
        yield from (trained, averaged)


def _evidence(sums: Totals) -> str:
    apart = f"relative L2 {number(sums.relative_l2)}"
    return f"matrices and kernels: cosine {cosine_text(sums.cosine)}, {apart}"


def _foreign(sums: Totals, cosine: float) -> Conclusion | None:
    """Return why one was not trained on from the other; None where it may have been."""
    length = (sums.squares_right / sums.squares_left) ** 0.5
    if abs(cosine) < _NO_DIRECTION:
        relation = Relation.UNRELATED
        sentence = f"unrelated weights in the same shapes: cosine {cosine_text(cosine)}"
    elif cosine < 0:
        relation = Relation.UNDECIDED
        sentence = f"of opposite direction, cosine {cosine_text(cosine)}: no training does that"
    elif cosine < SAME_DIRECTION:
        relation = Relation.UNDECIDED
        sentence = (
            f"far apart, cosine {cosine_text(cosine)}: trained on for long from the same weights, "
            "or not from the same; the files do not tell"
        )
    elif cosine > _SCALED_COSINE and max(length, 1 / length) > _SCALED:
        relation = Relation.UNDECIDED
        sentence = (
            f"of one direction, the right {number(length)} times as long as the left: multiplied "
            "rather than trained on"
        )
    else:
        return None
    return Conclusion(relation=relation, sentence=sentence, evidence=(_evidence(sums),))


def _fine_tuned(
    rest: Sequence[TensorPair], unequal: Sequence[TensorPair], changed: Totals
) -> Conclusion:
    elements = sum(pair.left.elements for pair in rest)
    sums = floating_total(rest)
    evidence = [
        _evidence(matrices_total(rest)),
        f"largest difference {number(floating_total(unequal).largest)}; "
        f"{counted(changed.whole_tensors, 'tensor')} without an equal element",
        "which of the two came first, or whether both came from a third, values do not tell",
    ]
    if changed.not_finite:
        which = f"{counted(changed.not_finite, 'element')} NaN or infinite on either side"
        evidence.insert(1, f"{which}, which no distance counts")
    return Conclusion(
        relation=Relation.FINE_TUNED,
        sentence=f"trained on: {share(changed.changed, elements)} of the elements differ in "
        f"{len(unequal):,} of {counted(len(rest), 'tensor')}; relative L2 "
        f"{number(sums.relative_l2)}, cosine {cosine_text(sums.cosine)}",
        evidence=tuple(evidence),
    )


def _are_rounded(unequal: Sequence[TensorPair]) -> bool:
    """Whether all that differs may be one tensor each, cast to the dtypes of both sides.

    An element is then no further from its counterpart than half a step of either dtype, and so is
    a tensor by its norm. What overflows in one of them, or is subnormal, is not looked through.
    """
    return bool(unequal) and all(map(_is_rounded, unequal))


def _is_rounded(pair: TensorPair) -> bool:
    found = pair.difference
    steps = [HALF_STEPS.get(dtype, 0.0) for dtype in (pair.left.dtype, pair.right.dtype)]
    if pair.left.dtype == pair.right.dtype or not all(steps) or found is None or found.not_finite:
        return False
    # Steps are measured by what was cast; it is hardly longer than what the left side holds.
    most = sum(steps) / (1 - steps[0])
    return found.relative_l2 is not None and found.relative_l2 <= most


def _rounded(unequal: Sequence[TensorPair]) -> Conclusion:
    kinds = sorted({" and ".join(sorted((p.left.dtype, p.right.dtype))) for p in unequal})
    sums = total(pair.difference for pair in unequal if pair.difference)
    return Conclusion(
        relation=Relation.UNDECIDED,
        sentence=f"no further apart than two casts of the same weights, {', '.join(kinds)}: "
        "compare each with what it was cast from",
        evidence=(
            f"{counted(len(unequal), 'tensor')} no further apart than half a step of both dtypes "
            f"together; relative L2 {number(sums.relative_l2)}",
            "a short training before one of the casts looks so, too",
        ),
    )


def _averaged(subject: Subject, rest: Sequence[TensorPair]) -> Conclusion | None:
    """Return an average, where every learned tensor is close to its counterpart and none equal."""
    learned = [
        pair
        for pair in rest
        if is_matrix(pair) and pair.left.is_parameter and pair.rearrangement is None
    ]
    differences = [pair.difference for pair in learned if pair.difference is not None]
    if not differences or any(map(is_equal, learned)) or not subject.is_whole:
        return None
    cosines = [one.cosine for one in differences if one.cosine is not None]
    distances = [one.relative_l2 for one in differences if one.relative_l2 is not None]
    if len(cosines) < len(differences) or len(distances) < len(differences):
        return None
    if min(cosines) < _AVERAGE_COSINE or max(distances) > _AVERAGE_DISTANCE:
        return None
    return Conclusion(
        relation=Relation.AVERAGED,
        sentence="an average would look so: every matrix and kernel is close to its counterpart, "
        "none is equal",
        evidence=(
            f"of {counted(len(differences), 'tensor')} the least cosine is "
            f"{cosine_text(min(cosines))}, the largest relative L2 {number(max(distances))}",
            "a step of training with a small learning rate looks so, too"
            if "ema" not in subject.roles
            else "one side is stored as an averaged copy",
        ),
    )
