"""What speaks for an answer that shapes leave open: planes, multiply-accumulates, claims.

Enters: a configuration with everything that was read, and claims. Leaves: `Weighing`, which gives
the plane and the cost of any pattern of upsampling, and the claims that speak for or against
values.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Claim
from ckptscope.families.known.convnextpose.configuration import (
    ConvNeXtPoseConfiguration,
    head_macs,
)
from ckptscope.families.trunks.convnext import trunk_macs

#: Facts that follow from a division of the final channels, or from a pattern of upsampling.
_OPEN: Final = frozenset({"joints", "depth_bins", "upsampling", "upsamplings", "heatmap", "macs"})

Pattern = tuple[bool, ...]


class Weighing:
    """The evidence beside the shapes.

    Attributes:
        configuration: What was read; its joints and depth bins are of no account.
        layers: Layers of the head.
        stated: Pattern of upsampling that is known; None where it is the question.
    """

    def __init__(
        self,
        configuration: ConvNeXtPoseConfiguration,
        claims: Iterable[Claim] = (),
        *,
        is_whole: bool = True,
    ) -> None:
        """Prepare.

        Args:
            configuration: Everything that was read.
            claims: What tables and names say.
            is_whole: Whether every size is known and possible; else nothing is said of costs.
        """
        self.configuration = configuration
        self.stated = configuration.upsampling
        self.layers = len(configuration.head_out_channels)
        self._claims = [claim for claim in claims if claim.rule.fact in _OPEN]
        self._trunk_macs: int | None = None
        if is_whole and configuration.final_channels:
            self._trunk_macs, _ = trunk_macs(configuration.trunk, configuration.input_size)

    def macs(self, pattern: Sequence[bool]) -> int | None:
        """Return the multiply-accumulates of the network under a pattern, if they are known."""
        if self._trunk_macs is None:
            return None
        return self._trunk_macs + head_macs(self.configuration, pattern)

    def cost_text(self, pattern: Sequence[bool]) -> str:
        """Return the formula of the multiply-accumulates under a pattern."""
        formula = "weights of each convolution × places of its output, for one input"
        if self._trunk_macs is None:
            return formula
        head = head_macs(self.configuration, pattern)
        return f"{formula}: backbone {self._trunk_macs:,} + head {head:,}"

    def plane(self, count: int) -> tuple[int, int]:
        """Return the heatmap's height and width if so many layers upsample."""
        height, width = self.configuration.head_input
        return height << count, width << count

    def cube(self, bins: int) -> Pattern | None:
        """Return the pattern under which the volume is a cube; None if there is none.

        It is the one that is stated, else the one in which the first layers upsample.
        """
        if self.stated is not None:
            count = sum(self.stated)
            return self.stated if self.plane(count) == (bins, bins) else None
        for count in range(self.layers + 1):
            height, width = self.plane(count)
            if height == width == bins:
                return self.first(count)
            if not 0 < width < bins:
                return None
        return None

    def first(self, count: int) -> Pattern:
        """Return the pattern in which the first so many layers upsample."""
        return tuple(i < count for i in range(self.layers))

    def follow(self, pattern: Pattern) -> dict[str, FactValue]:
        """Return the facts that a pattern gives, by name."""
        count = sum(pattern)
        return {
            "upsampling": pattern,
            "upsamplings": count,
            "heatmap": self.plane(count),
            "macs": self.macs(pattern),
        }

    def hear(self, values: dict[str, FactValue]) -> tuple[list[str], list[str]]:
        """Return which claims speak for values, and which against them, in words."""
        speaks_for: list[str] = []
        speaks_against: list[str] = []
        for claim in self._claims:
            value = values.get(claim.rule.fact)
            if value is not None:
                is_met = claim.admits(value)
                words = claim_words(claim, value, is_met=is_met)
                (speaks_for if is_met else speaks_against).append(words)
        return speaks_for, speaks_against

    def distance(self, macs: int | None) -> float:
        """Return how far multiply-accumulates are from those claimed, relatively; 0 without."""
        return max(
            (
                abs(_deviation(claim, macs) or 0.0)
                for claim in self._claims
                if claim.rule.fact == "macs"
            ),
            default=0.0,
        )


def claim_words(claim: Claim, value: FactValue, *, is_met: bool) -> str:
    """Return how a value stands to a claim: `gflops: 0.8152 G, 0.6 % below ...`."""
    rule = claim.rule
    deviation = _deviation(claim, value)
    if deviation is not None and rule.scale != 1:
        sign = "\N{MINUS SIGN}" if deviation < 0 else "+"
        found = f"{value / rule.scale:.4f} {rule.unit}"  # type: ignore[operator]
        return (
            f"{rule.attribute}: {found}, {sign}{abs(deviation):.1%} from the {claim.value} "
            f"{rule.unit} claimed of {claim.subject}"
        ).replace("%", " %")
    if is_met:
        return f"{rule.attribute}: {_plain(value)}, as claimed of {claim.subject}"
    return (
        f"{rule.attribute}: {_plain(value)}, and {_plain(claim.value)} claimed of {claim.subject}"
    )


def _deviation(claim: Claim, value: FactValue) -> float | None:
    claimed = claim.value
    for number in (claimed, value):
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None
    whole = claimed * claim.rule.scale  # type: ignore[operator]
    return float(value / whole - 1) if whole else None  # type: ignore[operator]


def _plain(value: FactValue) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
