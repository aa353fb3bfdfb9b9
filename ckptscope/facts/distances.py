"""How far two vectors are apart, from sums over their elements.

Enters: sums of squares and products, of float64. Leaves: a distance and a cosine, or None where
such sums have none: a vector of nothing but zeros, or numbers so large that a sum stands at the end
of what float64 can hold, and says nothing any more.
"""

import math
import sys
from typing import Final

_LARGEST: Final = sys.float_info.max


def relative_distance(apart: float, left: float) -> float | None:
    """Return the norm of the difference over the norm of the left.

    Args:
        apart: Sum of the squared differences.
        left: Sum of the squares of the left.
    """
    if max(apart, left) >= _LARGEST:
        return None
    if not left:
        return None if apart else 0.0
    return math.sqrt(apart) / math.sqrt(left)


def cosine_of(left: float, right: float, products: float) -> float | None:
    """Return the cosine of the angle between two vectors.

    Args:
        left: Sum of the squares of the left.
        right: Sum of the squares of the right.
        products: Sum of the products of both.
    """
    both = math.sqrt(left) * math.sqrt(right)
    if not both or max(left, right, abs(products)) >= _LARGEST:
        return None
    return max(-1.0, min(1.0, products / both))
