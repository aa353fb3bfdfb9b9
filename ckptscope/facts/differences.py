"""How the keys of a file differ from those that a network expects, and why.

Enters: two tables of names and shapes. Leaves: `KeyDifferences`, in the three lists in which
load_state_dict(strict=True) reports; `Cause`s, the few settings behind the many lines.
"""

import enum

import msgspec

from ckptscope.facts.tensors import Origin


class AxisMismatch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One dimension of a tensor that is not as expected.

    Attributes:
        axis: Its index.
        found: Size in the file.
        expected: Size that the network has.
        settings: Settings whose product is the expected size; empty if the layer fixes it.
    """

    axis: int
    found: int
    expected: int
    settings: tuple[str, ...] = ()


class ShapeMismatch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tensor that both have, in other shapes.

    Attributes:
        key: Name as the network has it.
        found: Shape in the file.
        expected: Shape in the network.
        axes: Where the shapes differ; empty where the number of dimensions does.
    """

    key: str
    found: tuple[int, ...]
    expected: tuple[int, ...]
    axes: tuple[AxisMismatch, ...] = ()


class KeyDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """What load_state_dict(strict=True) would complain of; empty if it would load.

    Attributes:
        missing: Keys of the network that the file lacks, in the network's order.
        unexpected: Keys of the file that the network lacks, in the order in which the network's
            modules report them, and in the file's order within one module.
        mismatched: Keys of both whose shapes differ, in the network's order.
        tolerated: Counters of BatchNorm that are missing and that load_state_dict fills in, because
            the module's recorded version is below 2 or unknown.
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[ShapeMismatch, ...] = ()
    tolerated: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether load_state_dict(strict=True) would not complain."""
        return not (self.missing or self.unexpected or self.mismatched)

    @property
    def count(self) -> int:
        """Lines that load_state_dict would print, were each key on one of its own."""
        return len(self.missing) + len(self.unexpected) + len(self.mismatched)


class CauseKind(enum.StrEnum):
    """What sort of reason is behind differences of keys."""

    #: A setting of the network has another value.
    SETTING = "setting"
    #: A wrapper's prefix stands before the keys of one side alone.
    PREFIX = "prefix"
    #: The same layers under other names.
    NAMES = "names"
    #: Counters of BatchNorm are missing though the file records a version that has them.
    COUNTERS = "counters"
    #: The file lacks tensors that its own network has.
    LOST = "lost"
    #: Keys that no network of this family has.
    FOREIGN = "foreign"
    #: Entries of the mapping that are no tensors.
    NO_TENSORS = "no tensors"
    #: Sizes that recur, where the network is not known.
    SIZES = "sizes"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One reason behind differences of keys; every line of a report has one, or none.

    Attributes:
        text: `dims[0] is 48 in the file, 40 in the configuration`.
        kind: What sort of reason.
        setting: Names of the settings, parted by commas: `dims[0]`; empty where none is behind it
            (a prefix, keys of another network).
        found: Their value in the file, as text; empty if it cannot be told.
        expected: Their value in the network, as text.
        missing: Keys that are missing because of it.
        unexpected: Keys that are unexpected because of it.
        mismatched: Keys whose shapes differ because of it.
        shared: Keys that stand under another cause, and would differ for this one too.
        evidence: Formulas and shapes: `1152 = 18 × 64 in the file`.
        origin: What it rests on, at its weakest.
        assumptions: Conventions that it needs, in words.
        alternatives: What else it could be, in words, the likeliest first.
        advice: What to change; or the empty string.
    """

    text: str
    kind: CauseKind = CauseKind.SETTING
    setting: str = ""
    found: str = ""
    expected: str = ""
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    origin: Origin = Origin.DERIVED
    assumptions: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    advice: str = ""

    @property
    def count(self) -> int:
        """Lines of load_state_dict that it explains."""
        return len(self.missing) + len(self.unexpected) + len(self.mismatched)


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Differences, and what is behind them.

    Every key of the three lists stands under one cause, or in `unexplained`.

    Attributes:
        differences: What load_state_dict would complain of.
        causes: Those that explain most first.
        unexplained: What no cause was found for.
    """

    differences: KeyDifferences
    causes: tuple[Cause, ...] = ()
    unexplained: KeyDifferences = KeyDifferences()
