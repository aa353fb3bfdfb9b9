"""Are the weights the same, and if so in what do the files differ?

Enters: a `Subject`. Leaves: at most one conclusion of sameness, and one for each part that is the
same in another order.
"""

from collections import Counter
from collections.abc import Iterator

from ckptscope.comparisons.phrases import counted, names, number
from ckptscope.comparisons.subject import Subject, is_cast, is_equal
from ckptscope.facts.comparison import Conclusion, Pairing, Relation, TensorPair, Way


def conclude_same(subject: Subject) -> Iterator[Conclusion]:
    """Yield how the weights are the same, if they all are."""
    if not subject.is_whole or subject.unread or not subject.pairs:
        return
    if not subject.unequal:
        if subject.rearranged:
            yield from conclude_order(subject)
        else:
            yield _same(subject)
    elif all(_is_same_number(pair) for pair in subject.compared) and not subject.rearranged:
        yield _same_numbers(subject)
    elif (
        subject.has_tolerance
        and not subject.rearranged
        and all(_is_within(pair) for pair in subject.compared)
    ):
        yield _within(subject)


def conclude_order(subject: Subject) -> Iterator[Conclusion]:
    """Yield in what other order tensors are that are the same otherwise."""
    transposed = [
        pair for pair in subject.rearranged if pair.rearrangement and pair.rearrangement.axes
    ]
    permuted = [
        pair for pair in subject.rearranged if pair.rearrangement and pair.rearrangement.channels
    ]
    rest = counted(sum(map(is_equal, subject.compared)), "other tensor")
    if transposed:
        orders = Counter(pair.rearrangement.axes for pair in transposed if pair.rearrangement)
        yield Conclusion(
            relation=Relation.TRANSPOSED,
            sentence=f"{counted(len(transposed), 'tensor')} with axes in another order, "
            f"{_exactly(transposed)}; {rest} equal",
            evidence=(
                *(
                    f"axes {list(axes)} of the left: {counted(count, 'tensor')}"
                    for axes, count in orders.most_common(4)
                ),
                names(pair.left.key for pair in transposed),
            ),
        )
    if permuted:
        yield _permuted(permuted, rest)


def _exactly(pairs: list[TensorPair]) -> str:
    is_retyped = any(pair.left.dtype != pair.right.dtype for pair in pairs)
    return "bit for bit after a cast" if is_retyped else "bit for bit"


def _permuted(permuted: list[TensorPair], rest: str) -> Conclusion:
    """Tell which tensors share a permutation: a residual stage has one for all of its layers."""
    shared: dict[str, list[str]] = {}
    for pair in permuted:
        for axis, digest in pair.rearrangement.permutation if pair.rearrangement else ():
            shared.setdefault(digest, []).append(f"{pair.left.key} (axis {axis})")
    groups = sorted(shared.values(), key=len, reverse=True)
    return Conclusion(
        relation=Relation.PERMUTED,
        sentence=f"{counted(len(permuted), 'tensor')} with channels in another order, "
        f"{_exactly(permuted)}; {rest} equal",
        evidence=tuple(
            f"one permutation in {counted(len(group), 'place')}: {names(group)}"
            for group in groups[:4]
        ),
    )


def _same(subject: Subject) -> Conclusion:
    elements = sum(pair.left.elements for pair in subject.pairs)
    evidence = [f"{counted(len(subject.pairs), 'tensor')}, {counted(elements, 'element')} compared"]
    evidence += _told(subject)
    is_lossless = Way.DTYPE not in subject.ways
    if subject.is_renamed:
        is_how = " bit for bit" if is_lossless else f", {_WAYS[Way.DTYPE]}"
        met = Counter(pair.pairing for pair in subject.pairs)
        evidence.append(
            f"{counted(met[Pairing.VALUES], 'tensor')} found by their values, "
            f"{met[Pairing.SHAPE]:,} by shape and place"
        )
        return Conclusion(
            relation=Relation.RENAMED,
            sentence=f"the same weights{is_how}, under other names",
            evidence=tuple(evidence),
        )
    if not subject.ways:
        return Conclusion(
            relation=Relation.IDENTICAL,
            sentence="the same names, shapes, dtypes and values, bit for bit",
            evidence=tuple(evidence),
        )
    ways = _listed([_WAYS[way] for way in subject.ways])
    return Conclusion(
        relation=Relation.SAME_WEIGHTS,
        sentence=f"the same weights, {'bit for bit, ' if is_lossless else ''}{ways}",
        evidence=tuple(evidence),
    )


_WAYS = {
    Way.CONTAINER: "in another container",
    Way.ORDER: "in another order",
    Way.PREFIX: "under another prefix",
    Way.DIALECT: "in another dialect",
    Way.DTYPE: "cast to another dtype",
}


def _listed(words: list[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _told(subject: Subject) -> Iterator[str]:
    """Yield what a cast has done."""
    casts = [pair for pair in subject.compared if is_cast(pair)]
    kinds = Counter((pair.left.dtype, pair.right.dtype) for pair in casts)
    for (one, other), count in kinds.most_common():
        apart = max(
            pair.difference.largest
            for pair in casts
            if pair.difference and (pair.left.dtype, pair.right.dtype) == (one, other)
        )
        yield (
            f"{one} and {other} in {counted(count, 'tensor')}: one is the cast of the other, bit "
            f"for bit; they differ by {number(apart)} at most"
        )


def _is_same_number(pair: TensorPair) -> bool:
    found = pair.difference
    return found is not None and (found.equal_numbers == found.elements or is_equal(pair))


def _is_within(pair: TensorPair) -> bool:
    found = pair.difference
    return found is not None and (found.within == found.elements or is_equal(pair))


def _same_numbers(subject: Subject) -> Conclusion:
    changed = sum(pair.difference.changed for pair in subject.unequal if pair.difference)
    return Conclusion(
        relation=Relation.SAME_NUMBERS,
        sentence=f"equal as numbers, and other bits in {counted(changed, 'element')} of "
        f"{counted(len(subject.unequal), 'tensor')}: the sign of a zero, or what a NaN carries",
        evidence=(names(pair.left.key for pair in subject.unequal),),
    )


def _within(subject: Subject) -> Conclusion:
    sums = subject.all
    return Conclusion(
        relation=Relation.WITHIN_TOLERANCE,
        sentence=f"within the tolerance asked for: {sums.changed:,} of {sums.elements:,} elements "
        f"differ, by {number(sums.largest)} at most",
        evidence=(
            f"{counted(len(subject.unequal), 'tensor')} of {len(subject.pairs):,} differ",
            f"relative L2 {number(subject.floating.relative_l2)}",
        ),
    )
