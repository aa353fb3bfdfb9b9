"""Which layers of a head upsample: the question that no weight answers.

Enters: patterns, claims, passes. Leaves: an `Upsampling`: every pattern with what follows from it,
held against the claims, and the verdict.
"""

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.facts.values import Values

#: Height and width.
Plane = tuple[int, int]
#: Whether each layer of a head doubles the plane, in order.
Pattern = tuple[bool, ...]


class ClaimCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One claim, held against a number.

    Attributes:
        attribute: Name of the claim: gflops.
        fact: What it speaks of: macs.
        claimed: As printed, with its unit.
        found: What follows here.
        deviation: Relative, where both are numbers other than counts of layers.
        is_met: Whether the claim admits it.
        is_near: Whether it would, if the source rounded as far as its decimals allow.
        source: Who says so.
    """

    attribute: str
    fact: str
    claimed: str
    found: FactValue
    deviation: float | None
    is_met: bool
    is_near: bool
    source: str


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which the head may upsample.

    Attributes:
        upsampling: Whether each layer of the head doubles the plane.
        heatmap: Height and width of the output.
        is_cube: Whether there are as many depth bins as the heatmap is high and wide; None where
            it is not known how many there are.
        macs: Multiply-accumulates of the whole network in closed form.
        checks: Claims that depend on upsampling, held against it.
        is_met: Whether it meets all of them; None without any.
        is_near: Whether it is near enough to all of them that they do not speak against it; None
            without any.
        is_plausible: Whether it was run beside the others.
        output_shape: Shape that left the network, without the batch; None if it did not run.
        counted_macs: Multiply-accumulates as torch's counter gives them; None if it did not run.
        values: Statistics of the output; None if it did not run, or on shapes alone.
        norm_distance: Median over the head's BatchNorm layers behind the first of their
            `mean_distance`; None if it did not run, or on shapes alone.
    """

    upsampling: Pattern
    heatmap: Plane
    is_cube: bool | None
    macs: int
    checks: tuple[ClaimCheck, ...] = ()
    is_met: bool | None = None
    is_near: bool | None = None
    is_plausible: bool = False
    output_shape: tuple[int, ...] | None = None
    counted_macs: int | None = None
    values: Values | None = None
    norm_distance: float | None = None


class Upsampling(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the head's layers upsample: the question that no weight answers.

    Attributes:
        label: Row that the claims are of: M; empty for none.
        input_size: Height and width of the input that the hypotheses are counted for.
        depth_bins: Depth bins of each joint; None where it is not known.
        hypotheses: All patterns, or those left of them, by the number of upsamplings.
        left_out: How many patterns are not shown, where there are too many.
        ran: The pattern that the pass was made with.
        origin: What that pattern rests on; undetermined where it was chosen for the pass alone.
        contradictions: Claims of the row that the file's tensors contradict whatever upsamples.
        verdict: Whether a hypothesis meets the claims.
        best: The pattern that fits best; None where nothing speaks for one.
        not_separated: Patterns that no evidence separates from the best.
        sentences: The verdict in words, with its evidence.
    """

    label: str
    input_size: Plane
    depth_bins: int | None
    hypotheses: tuple[Hypothesis, ...]
    left_out: int = 0
    ran: Pattern
    origin: Origin
    contradictions: tuple[str, ...] = ()
    verdict: Verdict
    best: Pattern | None
    not_separated: tuple[Pattern, ...] = ()
    sentences: tuple[str, ...]
