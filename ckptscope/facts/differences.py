"""How the keys of a file differ from those that a network expects, and why.

Enters: two tables of names and shapes. Leaves: `KeyDifferences`, in the three lists in which
load_state_dict(strict=True) reports; `Cause`s, the few settings behind the many lines.
"""

import msgspec


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
        unexpected: Keys of the file that the network lacks, in the file's order.
        mismatched: Keys of both whose shapes differ.
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
        """Lines that load_state_dict would print."""
        return len(self.missing) + len(self.unexpected) + len(self.mismatched)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One reason behind differences of keys.

    Attributes:
        text: `dims[0] is 48 in the file, 40 in the configuration`.
        setting: Name of the setting: `dims[0]`; empty where none is behind it (a prefix, keys of
            another network).
        found: Its value in the file, as text; empty if it cannot be told.
        expected: Its value in the network, as text.
        missing: Keys that are missing because of it.
        unexpected: Keys that are unexpected because of it.
        mismatched: Keys whose shapes differ because of it.
        advice: What to change; or the empty string.
    """

    text: str
    setting: str = ""
    found: str = ""
    expected: str = ""
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    advice: str = ""

    @property
    def count(self) -> int:
        """Lines of load_state_dict that it explains."""
        return len(self.missing) + len(self.unexpected) + len(self.mismatched)
