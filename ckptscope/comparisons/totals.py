"""Sums over many pairs of tensors.

Enters: pairs whose values were compared. Leaves: `Totals`. Norms and products of single tensors add
up, so that distance and angle of a whole network cost nothing more.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from ckptscope.facts.comparison import Difference, TensorPair
from ckptscope.facts.distances import cosine_of, relative_distance

_FLOATING: Final = ("float", "bfloat", "complex")
#: Of what a network has learned, matrices and kernels tell most: norms begin at 1 and biases at 0
#: in all networks alike.
_MATRIX_DIMENSIONS: Final = 2


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What pairs add up to.

    Attributes:
        tensors: How many pairs.
        elements: Their elements.
        equal_cast: Elements of the same bits, or of those that a cast gives.
        equal_numbers: Elements that are equal numbers.
        zeroed: Elements that are 0 on the right alone.
        filled: Elements that are 0 on the left alone.
        zeros_left: Zeros of the left.
        zeros_right: Zeros of the right.
        not_finite: Elements that are no finite number on either side.
        changed_tensors: Pairs with such a changed element.
        whole_tensors: Pairs of several elements that are all changed.
        squares_left: Sum of squares of the left.
        squares_right: Sum of squares of the right.
        products: Sum of products.
        squares_apart: Sum of squared differences.
        largest: The largest difference.
    """

    tensors: int = 0
    elements: int = 0
    equal_cast: int = 0
    equal_numbers: int = 0
    zeroed: int = 0
    filled: int = 0
    zeros_left: int = 0
    zeros_right: int = 0
    not_finite: int = 0
    changed_tensors: int = 0
    whole_tensors: int = 0
    squares_left: float = 0.0
    squares_right: float = 0.0
    products: float = 0.0
    squares_apart: float = 0.0
    largest: float = 0.0

    @property
    def changed(self) -> int:
        """Elements of other bits, where no cast explains them."""
        return self.elements - self.equal_cast

    @property
    def changed_numbers(self) -> int:
        """Elements that are other numbers."""
        return self.elements - self.equal_numbers

    @property
    def relative_l2(self) -> float | None:
        """Norm of the difference over the norm of the left; None where sums have none."""
        return relative_distance(self.squares_apart, self.squares_left)

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between both sides; None where sums have none."""
        angle = cosine_of(self.squares_left, self.squares_right, self.products)
        return 1.0 if angle is not None and not self.squares_apart else angle


def total(differences: Iterable[Difference]) -> Totals:
    """Add differences up."""
    found = list(differences)
    return Totals(
        tensors=len(found),
        elements=sum(one.elements for one in found),
        equal_cast=sum(one.equal_cast for one in found),
        equal_numbers=sum(one.equal_numbers for one in found),
        zeroed=sum(one.zeroed for one in found),
        filled=sum(one.filled for one in found),
        zeros_left=sum(one.zeros_left for one in found),
        zeros_right=sum(one.zeros_right for one in found),
        not_finite=sum(one.not_finite for one in found),
        changed_tensors=sum(one.changed > 0 for one in found),
        whole_tensors=sum(one.elements > 1 and not one.equal_cast for one in found),
        squares_left=sum(one.squares_left for one in found),
        squares_right=sum(one.squares_right for one in found),
        products=sum(one.products for one in found),
        squares_apart=sum(one.squares_apart for one in found),
        largest=max((one.largest for one in found), default=0.0),
    )


def is_floating(pair: TensorPair) -> bool:
    """Whether both tensors are of floating point, and more than a counter of steps."""
    return (
        pair.left.shape != ()
        and pair.left.dtype.startswith(_FLOATING)
        and pair.right.dtype.startswith(_FLOATING)
    )


def is_matrix(pair: TensorPair) -> bool:
    """Whether it is a pair of matrices or kernels of floating point."""
    return is_floating(pair) and len(pair.left.shape) >= _MATRIX_DIMENSIONS


def floating_total(pairs: Iterable[TensorPair]) -> Totals:
    """Add up the pairs of floating point."""
    return total(one.difference for one in pairs if one.difference and is_floating(one))


def matrices_total(pairs: Iterable[TensorPair]) -> Totals:
    """Add up matrices and kernels; everything of floating point where there are none."""
    found = [one for one in pairs if one.difference is not None and is_floating(one)]
    matrices = [one for one in found if is_matrix(one)]
    return total(one.difference for one in (matrices or found) if one.difference)
