"""Statistics of the elements of a tensor.

Enters: a tensor that somebody went over. Leaves: `Values`, of a few numbers, and `TensorValues`, of
all that the health of weights is judged by.
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


class Channels(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The slices of a tensor along its first dimension: the filters of a layer.

    Attributes:
        count: How many there are.
        zero: How many are nothing but zeros.
        zero_first: Indexes of the first of these.
        repeated: How many are equal, bit by bit, to one before; those of zeros are not counted.
        repeated_first: Of the first of these, the index, and that of the first one like it.
    """

    count: int
    zero: int = 0
    zero_first: tuple[int, ...] = ()
    repeated: int = 0
    repeated_first: tuple[tuple[int, int], ...] = ()


class TensorValues(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one pass over a tensor's elements told.

    Of quantized tensors the stored integers count. The real and the imaginary parts of complex
    numbers count one by one in `least`, `greatest`, `mean`, `std`, `denormals` and the histogram.

    Attributes:
        path: Path of the state_dict.
        key: Name in it.
        part: Of what a sparse, quantized or nested tensor is made of, the name of the part; empty
            for the tensor's own elements.
        elements: How many elements there are, repeated ones included.
        nan: How many are no number.
        positive_infinite: How many are infinite; every infinite complex number counts here.
        negative_infinite: How many are infinite and negative.
        zeros: How many are zero, of either sign.
        denormals: How many are closer to zero than the normal numbers of the tensor's own dtype.
        near_largest: How many are finite, and more than half the largest number of their dtype.
        least: Smallest finite element; None if there is none.
        greatest: Largest finite element; None if there is none.
        mean: Mean of the finite elements; None if there is none, or no number that holds it.
        std: Their standard deviation, all of them taken (not n - 1); None as for the mean.
        histogram: How many elements stand in each of as many equally wide bins from the least to
            the greatest; empty if the two are one.
        sampled: How many elements the histogram counts; of larger tensors they are spaced evenly.
        channels: The slices along the first dimension, of tensors that have several dimensions and
            of vectors; None where they were not looked at.
        unread: Why its elements could not be read; empty if they were.
    """

    path: str
    key: str
    part: str = ""
    elements: int = 0
    nan: int = 0
    positive_infinite: int = 0
    negative_infinite: int = 0
    zeros: int = 0
    denormals: int = 0
    near_largest: int = 0
    least: float | None = None
    greatest: float | None = None
    mean: float | None = None
    std: float | None = None
    histogram: tuple[int, ...] = ()
    sampled: int = 0
    channels: Channels | None = None
    unread: str = ""

    @property
    def infinite(self) -> int:
        """How many elements are infinite."""
        return self.positive_infinite + self.negative_infinite

    @property
    def is_finite(self) -> bool:
        """Whether every element is a finite number."""
        return not self.nan and not self.infinite

    @property
    def is_constant(self) -> bool:
        """Whether several elements are there, all of them the same finite number."""
        return self.elements > 1 and self.is_finite and self.least == self.greatest
