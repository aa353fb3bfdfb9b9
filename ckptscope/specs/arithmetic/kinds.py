"""Kinds of values, told apart in a way that a type checker follows.

Enters: values of facts. Leaves: whether they are numbers, whole numbers or lists of truth values.
"""

import math
from typing import Final, TypeGuard

#: Larger numbers count nothing, and the largest of TOML's are no floats.
MOST: Final = 10**18


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether a value can be counted with: no truth value, nothing without end."""
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) <= MOST
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_size(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number above 0."""
    return is_whole(value) and value > 0


def is_plane_of_sides(value: object) -> TypeGuard[tuple[int, int]]:
    """Whether a value is two whole numbers above 0."""
    return isinstance(value, tuple) and len(value) == 2 and all(is_size(side) for side in value)


def is_pattern(value: object) -> TypeGuard[tuple[bool, ...]]:
    """Whether a value is a list of truth values, at least one."""
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, bool) for v in value)
