"""What the shapes of a ConvNeXtPose leave open, answered by rank.

Enters: a `Weighing`. Leaves: `Choice`s: how the final channels divide into joints × depth bins, and
which layers of the head upsample. For the division, the cube rule (as many bins as the heatmap is
high and wide) and the known joint sets count alike, and claims decide between equals alone: a label
may be wrong. For upsampling the cube rule comes first, then claims, then the order of the authors'
code. What nothing tells apart stays undetermined.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from ckptscope.facts.architecture import Candidate, FactValue, Ranking
from ckptscope.families.known.convnextpose.configuration import JOINT_SETS
from ckptscope.families.known.convnextpose.weighing import Pattern, Weighing
from ckptscope.families.settings import MOST

#: Candidates that a ranking lists; all patterns of three layers are among them.
_MOST_SHOWN: Final = 10
#: Layers of a head of which all patterns are weighed, 2^8; of longer heads those whose first layers
#: upsample, and no more than twenty of them: a plane of a million pixels is wide enough.
_MOST_LAYERS: Final = 8
_MOST_UPSAMPLINGS: Final = 20

CUBE: Final = "the cube rule: as many depth bins as the heatmap is high and wide"
IN_ORDER: Final = "the layers that upsample come first, as in the authors' code"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question.

    Attributes:
        values: Settings of the winner; empty if nothing tells the best ones apart.
        assumptions: What the winner needs.
        ranking: The candidates; None if there is no question.
    """

    values: dict[str, FactValue] = {}
    assumptions: tuple[str, ...] = ()
    ranking: Ranking | None = None


class _Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate.

    Attributes:
        candidate: Its values, and what is said of it.
        rank: What ranks it: conventions before claims, claims, conventions behind them.
        order: What puts equals in an order, and tells nothing apart.
        assumptions: The conventions that it needs.
        heard: Claims that it meets, in words.
    """

    candidate: Candidate
    rank: tuple[int, int, int]
    order: tuple[float, ...]
    assumptions: tuple[str, ...]
    heard: tuple[str, ...]


def divide_channels(weighing: Weighing, channels: int) -> Choice:
    """Choose joints × depth bins of the final channels; sizes beyond reason are not divided."""
    if not 0 < channels <= MOST:
        return Choice()
    weighed = [_weigh_division(weighing, channels // bins, bins) for bins in _divisors(channels)]
    return _choose(
        f"joints × depth bins of {channels:,} final channels", ("joints", "depth_bins"), weighed
    )


def choose_upsampling(weighing: Weighing, bins: int | None) -> Choice:
    """Choose which layers of the head upsample.

    Args:
        weighing: What is known beside the shapes.
        bins: Depth bins; None if they are not known, and then claims alone can tell.
    """
    if not weighing.layers:
        return Choice(values={"upsampling": ()}, assumptions=())
    weighed = [_weigh_pattern(weighing, pattern, bins) for pattern in _patterns(weighing)]
    question = f"which of the {weighing.layers} head layers upsample"
    if weighing.layers > _MOST_LAYERS:
        question += ", the first ones coming first"
    return _choose(question, ("upsampling", "heatmap"), weighed)


def _divisors(number: int) -> Iterator[int]:
    for small in range(1, int(number**0.5) + 1):
        if number % small == 0:
            yield small
            if small * small != number:
                yield number // small


def _patterns(weighing: Weighing) -> Iterable[Pattern]:
    if weighing.layers <= _MOST_LAYERS:
        return itertools.product((True, False), repeat=weighing.layers)
    most = min(weighing.layers, _MOST_UPSAMPLINGS)
    return (weighing.first(count) for count in range(most + 1))


def _weigh_division(weighing: Weighing, joints: int, bins: int) -> _Weighed:
    values: dict[str, FactValue] = {"joints": joints, "depth_bins": bins}
    values_heard = dict(values)
    speaks_for: list[str] = []
    speaks_against: list[str] = []
    assumptions: list[str] = []
    pattern = weighing.cube(bins)
    macs = None
    if pattern is None:
        widths = ", ".join(str(width) for width in _widths(weighing))
        speaks_against.append(f"no cube: the heatmap is {widths} wide, not {bins}")
    else:
        macs = weighing.macs(pattern)
        speaks_for.append(f"the cube rule: {bins} = {weighing.plane(0)[1]} · 2^{sum(pattern)}")
        assumptions.append(CUBE)
        values_heard |= weighing.follow(pattern)
    name, usual = JOINT_SETS.get(joints), next(iter(JOINT_SETS))
    if name is None:
        speaks_against.append(f"no known joint set has {joints}")
    else:
        speaks_for.append(f"{joints} joints: {name}")
        assumptions.append(f"a known joint set: {name} has {joints} joints")
    met, unmet = weighing.hear(values_heard)
    return _Weighed(
        candidate=Candidate(
            values=values,
            speaks_for=(*speaks_for, *met),
            speaks_against=(*speaks_against, *unmet),
            macs=macs,
        ),
        rank=((pattern is not None) + (name is not None), len(met) - len(unmet), 0),
        order=(pattern is None, name is None, max(joints / usual, usual / joints)),
        assumptions=tuple(assumptions),
        heard=tuple(met),
    )


def _widths(weighing: Weighing) -> Iterator[int]:
    if weighing.stated is not None:
        yield weighing.plane(sum(weighing.stated))[1]
        return
    for count in range(min(weighing.layers, _MOST_LAYERS) + 1):
        yield weighing.plane(count)[1]


def _weigh_pattern(weighing: Weighing, pattern: Pattern, bins: int | None) -> _Weighed:
    follows = weighing.follow(pattern)
    height, width = weighing.plane(sum(pattern))
    speaks_for: list[str] = []
    speaks_against: list[str] = []
    assumptions: list[str] = []
    is_cube = height == width == bins
    is_first = pattern == weighing.first(sum(pattern))
    if is_cube:
        speaks_for.append(f"a cube: {bins} bins, {height}×{width} heatmap")
        assumptions.append(CUBE)
    elif bins is not None:
        speaks_against.append(f"no cube: {bins} bins, {height}×{width} heatmap")
    if is_first and not all(pattern) and any(pattern):
        assumptions.append(IN_ORDER)
    if not is_first:
        speaks_against.append(
            "a layer upsamples behind one that does not, unlike in the authors' code"
        )
    met, unmet = weighing.hear(follows)
    macs = weighing.macs(pattern)
    return _Weighed(
        candidate=Candidate(
            values={"upsampling": pattern, "heatmap": (height, width)},
            speaks_for=(*speaks_for, *met),
            speaks_against=(*speaks_against, *unmet),
            macs=macs,
        ),
        rank=(int(is_cube), len(met) - len(unmet), int(is_first)),
        order=(weighing.distance(macs), -sum(pattern)),
        assumptions=tuple(assumptions),
        heard=tuple(met),
    )


def _choose(question: str, settings: tuple[str, ...], weighed: list[_Weighed]) -> Choice:
    """Rank candidates; the first wins if something speaks for it, and for no other as much."""
    weighed.sort(key=lambda one: (tuple(-part for part in one.rank), one.order))
    best = weighed[0]
    ties = sum(one.rank == best.rank for one in weighed) - 1
    ranking = Ranking(
        question=question,
        settings=settings,
        candidates=tuple(one.candidate for one in weighed[:_MOST_SHOWN]),
        ties=ties,
        left_out=max(0, len(weighed) - _MOST_SHOWN),
    )
    if ties or not best.candidate.speaks_for:
        return Choice(ranking=ranking)
    # Claims are an assumption only where conventions alone would not have told.
    alike = sum(_without_claims(one) >= _without_claims(best) for one in weighed) > 1
    assumptions = best.assumptions + (best.heard if alike else ())
    return Choice(values=dict(best.candidate.values), assumptions=assumptions, ranking=ranking)


def _without_claims(weighed: _Weighed) -> tuple[int, int]:
    return weighed.rank[0], weighed.rank[2]
