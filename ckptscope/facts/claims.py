"""What somebody says about a network, and how a statement of a file is held against it.

Enters: tables of papers, file names, options of the command line. Leaves: `Claim`s. A claim knows
its unit, what it counts and how it was rounded, so `7.44` with two decimals in millions of
parameters admits 7,438,976 and does not admit 7,448,954.
"""

import enum
import math

import msgspec

from ckptscope.facts.architecture import FactValue


class Verdict(enum.StrEnum):
    """The outcome of holding a fact against a claim."""

    MATCHES = "matches"
    CONTRADICTS = "contradicts"
    NOT_DECIDABLE = "not decidable from the file"
    NOT_CLAIMED = "not claimed"


class ClaimSource(enum.StrEnum):
    """Who says it."""

    PAPER = "paper"
    FILE_NAME = "file name"
    CONFIGURATION = "configuration"
    COMMAND_LINE = "command line"
    DOCUMENT = "document"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How claims of one attribute are to be read.

    Attributes:
        attribute: Name in the table: params, gflops, dims, ...
        fact: The fact that it speaks of: parameters, macs, dims; empty if no file can hold one
            (MPJPE).
        unit: As printed: M, G, MiB, mm; empty for none.
        scale: What one unit is worth: 1e6 for M.
        decimals: Decimals that the source prints: a value meets a claim if it rounds to it. None
            for exact.
        tolerance: Relative deviation that is still met, where the source counts by rules of its
            own; None to go by `decimals`.
        note: What is counted, in words: "trainable parameters, without BatchNorm's buffers".
        source: Table or page that the attribute's numbers come from.
    """

    attribute: str
    fact: str = ""
    unit: str = ""
    scale: float = 1.0
    decimals: int | None = None
    tolerance: float | None = None
    note: str = ""
    source: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of somebody about one network.

    Attributes:
        subject: What it is about: a row of a table, a file.
        rule: What the number means.
        value: As printed, in the rule's unit.
        made_by: What kind of source.
        source: The place, for people: `table 4 of the paper`; `name of the file`.
    """

    subject: str
    rule: Rule
    value: FactValue
    made_by: ClaimSource = ClaimSource.PAPER
    source: str = ""

    def admits(self, value: FactValue) -> bool:
        """Whether a fact's value meets the claim, by its rounding or its tolerance."""
        claimed = self.value
        if not _is_number(claimed) or not _is_number(value):
            return claimed == value
        low, high = self.bounds()
        # A count of a file may be larger than any float, so it is not made one.
        return low <= value <= high  # type: ignore[operator]

    def bounds(self) -> tuple[float, float]:
        """Return the least and the greatest value that meet a number, in units of the fact.

        Both ends belong to it: how a source rounds a half is not known.

        Raises:
            TypeError: The claim is no number.
        """
        if not _is_number(self.value):
            raise TypeError(f"expected a number, found {self.value!r}")
        middle = float(self.value) * self.rule.scale  # type: ignore[arg-type]
        slack = 0.0
        if self.rule.tolerance is not None:
            slack = abs(middle) * self.rule.tolerance
        elif self.rule.decimals is not None:
            slack = 0.5 * 10.0**-self.rule.decimals * self.rule.scale
        # One part in 10^12 for the product of decimal fractions.
        slack += abs(middle) * 1e-12
        return middle - slack, middle + slack


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
