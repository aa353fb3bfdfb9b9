"""Which layers of a head upsample? Every pattern in closed form, held against what is claimed.

Enters: a family, a configuration, claims. Leaves: an `Upsampling`: hypotheses, which of them are
worth running, the verdict in words. No weight depends on upsampling, so nothing is observed here:
multiply-accumulates and the heatmap follow from each pattern by arithmetic, for the input that the
claims are about.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Claim, Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.facts.upsampling import ClaimCheck, Hypothesis, Pattern, Plane, Upsampling
from ckptscope.families.base import Configuration
from ckptscope.families.registry import AnyFamily

SETTING = "upsampling"
#: Layers of a head up to which all patterns are counted: 2^8 = 256 of them.
_MOST_LAYERS = 8
#: Patterns that are run beside the one that the network was built with.
_MOST_RUNS = 6
#: Numbers of which a relative deviation says something.
_QUANTITIES = frozenset({"macs"})


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the hypotheses are held against.

    Attributes:
        label: Row that the claims are of; empty for none.
        claims: Of that row, all of them; those that upsampling changes count.
        contradictions: Claims of the row that the file's tensors contradict, in words.
        origin: What the pattern of the configuration rests on, if it has one.
    """

    label: str = ""
    claims: Sequence[Claim] = ()
    contradictions: Sequence[str] = ()
    origin: Origin = Origin.UNDETERMINED


def has_question(family: AnyFamily) -> bool:
    """Whether networks of this family leave open which layers upsample."""
    return SETTING in family.weightless


def weigh(family: AnyFamily, configuration: Configuration, question: Question) -> Upsampling:
    """Count every pattern and hold it against the claims.

    Args:
        family: One that has the question.
        configuration: With a pattern, or with None for it.
        question: What the patterns are held against.
    """
    settings = family.settings(configuration)
    settled, layers = _settled(settings)
    patterns, left_out = _patterns(settled, layers)
    attributes = {
        pattern: family.attributes(msgspec.structs.replace(configuration, **{SETTING: pattern}))
        for pattern in patterns
    }
    varying = [claim for claim in question.claims if _varies(claim.rule.fact, attributes)]
    bins = settings.get("depth_bins")
    depth_bins = bins if isinstance(bins, int) else None
    found = [_hypothesis(p, attributes[p], depth_bins, varying) for p in patterns]
    best = _best(found, settled)
    rivals = tuple(one for one in found if best is not None and _rivals(one, best))
    ran = settled
    if ran is None:
        ran = best.upsampling if best is not None else _first_layers(layers - 1, layers)
    runs = _worth_running(found, ran, best, rivals)
    draft = Upsampling(
        label=question.label,
        input_size=_plane(settings["input_size"]),
        depth_bins=depth_bins,
        hypotheses=tuple(
            msgspec.structs.replace(one, is_plausible=one.upsampling in runs) for one in found
        ),
        left_out=left_out,
        ran=ran,
        origin=question.origin if settled is not None else Origin.UNDETERMINED,
        contradictions=tuple(question.contradictions),
        verdict=_verdict(found, question, has_claims=bool(varying)),
        best=None if best is None else best.upsampling,
        not_separated=tuple(one.upsampling for one in rivals),
        sentences=(),
    )
    return msgspec.structs.replace(draft, sentences=tuple(_sentences(draft)))


def _settled(settings: Mapping[str, FactValue]) -> tuple[Pattern | None, int]:
    """Return the pattern of the settings, None where they leave it open, and how many layers."""
    channels, pattern = settings["head_out_channels"], settings.get(SETTING)
    if not isinstance(channels, tuple):
        raise TypeError(f"expected channels of a head, found {channels!r}")
    if not isinstance(pattern, tuple):
        return None, len(channels)
    return tuple(bool(is_doubled) for is_doubled in pattern), len(channels)


def _patterns(settled: Pattern | None, layers: int) -> tuple[list[Pattern], int]:
    """Return the patterns to count, fewest upsamplings first, and how many are left out."""
    if layers <= _MOST_LAYERS:
        every = itertools.product((True, False), repeat=layers)
        # A stable sort: of as many upsamplings, the earliest ones first.
        return sorted(every, key=sum), 0
    usual = [_first_layers(count, layers) for count in range(layers + 1)]
    if settled is not None and settled not in usual:
        usual.append(settled)
    return sorted(usual, key=sum), 2**layers - len(usual)


def _first_layers(count: int, layers: int) -> Pattern:
    """Return the pattern in which the first so many layers upsample, as in the authors' code."""
    return tuple(index < count for index in range(layers))


def _varies(fact: str, attributes: Mapping[Pattern, Mapping[str, FactValue]]) -> bool:
    values = {one.get(fact) for one in attributes.values()}
    return len(values) > 1


def _plane(value: FactValue) -> Plane:
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"expected a height and a width, found {value!r}")
    height, width = value
    if not isinstance(height, int) or not isinstance(width, int):
        raise TypeError(f"expected a height and a width, found {value!r}")
    return height, width


def _hypothesis(
    pattern: Pattern,
    attributes: Mapping[str, FactValue],
    depth_bins: int | None,
    claims: Iterable[Claim],
) -> Hypothesis:
    heatmap = _plane(attributes["heatmap"])
    macs = attributes["macs"]
    if not isinstance(macs, int):
        raise TypeError(f"expected multiply-accumulates, found {macs!r}")
    checks = tuple(_check(claim, attributes[claim.rule.fact]) for claim in claims)
    return Hypothesis(
        upsampling=pattern,
        heatmap=heatmap,
        is_cube=None if depth_bins is None else heatmap == (depth_bins, depth_bins),
        macs=macs,
        checks=checks,
        is_met=all(check.is_met for check in checks) if checks else None,
        is_near=all(check.is_near for check in checks) if checks else None,
    )


def _check(claim: Claim, found: FactValue) -> ClaimCheck:
    rule = claim.rule
    deviation = None
    is_met = claim.admits(found)
    is_near = is_met
    if (
        rule.fact in _QUANTITIES
        and isinstance(claim.value, int | float)
        and isinstance(found, int | float)
        and claim.value
    ):
        claimed = claim.value * rule.scale
        deviation = found / claimed - 1
        low, high = claim.bounds()
        rounding = 0.5 * 10.0**-rule.decimals * rule.scale if rule.decimals is not None else 0.0
        is_near = low - rounding <= found <= high + rounding
    is_decimal = rule.decimals is not None and isinstance(claim.value, float)
    shown = f"{claim.value:.{rule.decimals}f}" if is_decimal else f"{claim.value}"
    return ClaimCheck(
        attribute=rule.attribute,
        fact=rule.fact,
        claimed=f"{shown} {rule.unit}".strip(),
        found=found,
        deviation=deviation,
        is_met=is_met,
        is_near=is_near,
        source=claim.source or rule.source,
    )


def _best(found: Sequence[Hypothesis], settled: Pattern | None) -> Hypothesis | None:
    """Return what the claims speak for, else what the cube rule does; of equals the settled."""
    has_claims = any(one.checks for one in found)
    pool = [one for one in found if one.is_met] if has_claims else found
    cubes = [one for one in pool if one.is_cube]
    if not has_claims and not cubes:
        return None
    return min(
        cubes or pool,
        key=lambda one: (_deviation(one), one.upsampling != settled),
        default=None,
    )


def _deviation(one: Hypothesis) -> float:
    return sum(abs(check.deviation) for check in one.checks if check.deviation is not None)


def _rivals(one: Hypothesis, best: Hypothesis) -> bool:
    """Whether no evidence separates a pattern from the best."""
    return (
        one.upsampling != best.upsampling
        and one.is_cube == best.is_cube
        and one.is_near is not False
    )


def _worth_running(
    found: Sequence[Hypothesis],
    ran: Pattern,
    best: Hypothesis | None,
    rivals: Sequence[Hypothesis],
) -> set[Pattern]:
    """Return the patterns to run: that of the pass, the two usual ones, those that fit."""
    layers = len(ran)
    wanted = [ran, _first_layers(layers, layers), _first_layers(layers - 1, layers)]
    wanted += [best.upsampling] if best is not None else []
    wanted += [one.upsampling for one in rivals]
    wanted += [one.upsampling for one in found if one.is_met]
    return set(list(dict.fromkeys(wanted))[: _MOST_RUNS + 1])


def _verdict(found: Sequence[Hypothesis], question: Question, *, has_claims: bool) -> Verdict:
    if question.contradictions:
        return Verdict.CONTRADICTS
    if not has_claims:
        return Verdict.NOT_CLAIMED
    return Verdict.MATCHES if any(one.is_met for one in found) else Verdict.CONTRADICTS


def pattern_text(pattern: Pattern) -> str:
    """Return `up, up, no`."""
    return ", ".join("up" if is_doubled else "no" for is_doubled in pattern)


def _sentences(draft: Upsampling) -> Iterator[str]:
    by_pattern = {one.upsampling: one for one in draft.hypotheses}
    row = f"row {draft.label}" if draft.label else "the claims"
    if draft.contradictions:
        yield (f"{row} is contradicted whatever upsamples: {'; '.join(draft.contradictions)}")
    if draft.verdict is Verdict.NOT_CLAIMED:
        yield "no claim says how many multiply-accumulates there are, or which layers upsample"
    elif draft.best is None:
        nearest = min(draft.hypotheses, key=_deviation)
        yield f"no pattern meets {row}; nearest is {_described(nearest, draft)}"
    if draft.best is not None:
        yield from _about_best(draft, by_pattern, row)
    elif draft.verdict is Verdict.NOT_CLAIMED and draft.depth_bins is None:
        yield "how many depth bins there are is not known, so the cube rule does not decide either"
    elif draft.verdict is Verdict.NOT_CLAIMED:
        yield (
            f"no pattern gives a heatmap as large as the {draft.depth_bins} depth bins, so the "
            "cube rule does not decide either"
        )


def _about_best(
    draft: Upsampling, by_pattern: Mapping[Pattern, Hypothesis], row: str
) -> Iterator[str]:
    if draft.best is None:
        return
    best = by_pattern[draft.best]
    is_claimed = draft.verdict is not Verdict.NOT_CLAIMED
    ground = f"meets {row}" if is_claimed else "is what the cube rule (assumed) speaks for"
    yield f"{_described(best, draft)} {ground}"
    rivals = [by_pattern[pattern] for pattern in draft.not_separated]
    if rivals:
        listed = "; ".join(_described(one, draft) for one in rivals)
        yield f"no evidence separates from it: {listed}"
    others = [
        one
        for one in draft.hypotheses
        if one.is_plausible and one not in rivals and one.upsampling != draft.best
    ]
    for one in others:
        yield f"against {_described(one, draft)}"


def _described(one: Hypothesis, draft: Upsampling) -> str:
    parts = [f"{one.macs / 1e9:.3f} GMACs"]
    for check in one.checks:
        if check.deviation is not None:
            parts.append(f"{check.deviation:+.1%} of {check.claimed}".replace("%", " %"))
        elif not check.is_met:
            parts.append(f"{check.attribute} {check.claimed} claimed")
    height, width = one.heatmap
    if one.is_cube is None:
        parts.append(f"heatmap {height}×{width}")
    else:
        cube = "a cube" if one.is_cube else "no cube"
        parts.append(f"{draft.depth_bins} bins over {height}×{width}: {cube}")
    return f"{pattern_text(one.upsampling)} ({', '.join(parts)})"
