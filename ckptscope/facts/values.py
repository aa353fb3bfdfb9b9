"""Statistics of the elements of a tensor.

Enters: a tensor that somebody went over. Leaves: `Values`.
"""

import msgspec


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of a tensor's elements.

    Attributes:
        least: Smallest finite element; None if there is none.
        mean: Mean of the finite elements; None if there is none.
        greatest: Largest finite element; None if there is none.
        elements: How many elements there are.
        not_finite: How many are NaN or infinite.
    """

    least: float | None
    mean: float | None
    greatest: float | None
    elements: int
    not_finite: int

    @property
    def is_finite(self) -> bool:
        """Whether every element is a finite number."""
        return self.not_finite == 0


class TensorValues(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass over a tensor's elements told.

    Attributes:
        path: Path of the state_dict.
        key: Name in it.
        unread: Why its elements could not be read; empty if they were.
    """

    path: str
    key: str
    unread: str = ""
