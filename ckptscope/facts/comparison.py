"""How two checkpoints, or several, stand to each other.

Enters: their manifests, and their elements gone over in pairs. Leaves: `DiffReport`, with one
`Comparison` for each two of the files. Left is the file that was named first.
"""

import enum

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.distances import cosine_of, relative_distance
from ckptscope.facts.report import Failure


class Relation(enum.StrEnum):
    """What two networks are to each other, the closest first."""

    IDENTICAL = "identical"
    #: Bit for bit the same, in another container, order, prefix, dialect, or after a cast.
    SAME_WEIGHTS = "same weights"
    #: The same under other names that no dialect explains.
    RENAMED = "renamed"
    #: Equal as numbers; bits differ in signs of zeros or in what a NaN carries.
    SAME_NUMBERS = "equal as numbers"
    #: Unequal, within the tolerance that the user gave.
    WITHIN_TOLERANCE = "within tolerance"
    #: Axes of tensors are in another order.
    TRANSPOSED = "transposed"
    #: Channels are in another order.
    PERMUTED = "permuted"
    #: What both have is the same; one has more.
    PART_OF = "part of"
    #: A few elements differ, and no training changes so few.
    EDITED = "edited"
    PRUNED = "pruned"
    QUANTIZED = "quantized"
    #: Every tensor close to its counterpart and none equal, as an average of weights is.
    AVERAGED = "averaged"
    FINE_TUNED = "fine-tuned"
    HEAD_RESET = "head re-initialised"
    UNRELATED = "unrelated"
    #: Structure alone was compared.
    SAME_STRUCTURE = "same structure"
    #: Structure alone was compared, or shapes have too little in common to compare values.
    OTHER_STRUCTURE = "other structure"
    #: Values could not be read, or lie between what two relations would give.
    UNDECIDED = "not decided"


_EXACT = (Relation.IDENTICAL, Relation.SAME_WEIGHTS, Relation.RENAMED)
#: Relations of files that hold the same weights: exit code 0.
SAME = frozenset((*_EXACT, Relation.WITHIN_TOLERANCE, Relation.SAME_STRUCTURE))


class Way(enum.StrEnum):
    """In what files differ that hold the same weights."""

    CONTAINER = "container"
    ORDER = "order"
    PREFIX = "prefix"
    DIALECT = "dialect"
    DTYPE = "dtype"


class Pairing(enum.StrEnum):
    """How a tensor found its counterpart."""

    NAME = "name"
    #: The family's tables name it in both dialects.
    DIALECT = "dialect"
    #: No other tensor has the same values.
    VALUES = "values"
    #: It stands at the same place among the tensors of its shape.
    SHAPE = "shape"


class ComparedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor of one side; no bytes.

    Attributes:
        key: Name without the prefix.
        dtype: torch's name without `torch.`.
        shape: Elements along each dimension.
        is_parameter: Whether it is taken for a parameter; else a buffer.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    is_parameter: bool = True

    @property
    def elements(self) -> int:
        """Product of the shape."""
        count = 1
        for size in self.shape:
            count *= size
        return count


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two tensors of one shape, element by element; sums are of float64, over finite numbers.

    Attributes:
        elements: How many each has.
        equal_bits: Elements of the same bits; of different dtypes, none.
        equal_numbers: Elements that are equal numbers (0 and -0 are), or both NaN.
        equal_cast: Elements of which one side has the bits that the other has after a cast to its
            dtype; of one dtype, those of `equal_bits`.
        within: Elements within the tolerance that was asked for; those of `equal_numbers` without.
        squares_left: Sum of the squares of the left side.
        squares_right: Sum of the squares of the right side.
        products: Sum of the products of both sides.
        squares_apart: Sum of the squared differences.
        largest: The largest absolute difference.
        not_finite: Elements that are NaN or infinite on either side; they are in no sum.
        zeroed: Elements that are a number other than 0 on the left and 0 on the right.
        filled: The reverse.
        zeros_left: Zeros of the left side.
        zeros_right: Zeros of the right side.
        levels_left: Different numbers on the left, up to 257; 0 where not counted, in tensors of
            fewer than 1,024 elements.
        levels_right: The same for the right side.
        row_cosine: The least cosine between a row and its counterpart, where one side is of
            integers and the other of floating point; None elsewhere.
    """

    elements: int
    equal_bits: int
    equal_numbers: int
    equal_cast: int
    within: int
    squares_left: float
    squares_right: float
    products: float
    squares_apart: float
    largest: float
    not_finite: int = 0
    zeroed: int = 0
    filled: int = 0
    zeros_left: int = 0
    zeros_right: int = 0
    levels_left: int = 0
    levels_right: int = 0
    row_cosine: float | None = None

    @property
    def changed(self) -> int:
        """Elements of other bits, where no cast explains them."""
        return self.elements - self.equal_cast

    @property
    def relative_l2(self) -> float | None:
        """Norm of the difference over the norm of the left; None where sums have none."""
        return relative_distance(self.squares_apart, self.squares_left)

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between both sides; None where sums have none."""
        angle = cosine_of(self.squares_left, self.squares_right, self.products)
        return 1.0 if angle is not None and not self.squares_apart else angle


class Rearrangement(msgspec.Struct, frozen=True, kw_only=True):
    """The right tensor is the left one with its axes or channels in another order, bit for bit.

    Attributes:
        axes: Axis of the left for each axis of the right; empty where the axes stay.
        channels: By axis of the left, how many indices are not where they were.
        permutation: First hex digits of the SHA-256 of each channel permutation, by axis: equal
            ones are equal permutations.
    """

    axes: tuple[int, ...] = ()
    channels: tuple[tuple[int, int], ...] = ()
    permutation: tuple[tuple[int, str], ...] = ()


class TensorPair(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor and its counterpart.

    Attributes:
        left: It.
        right: Its counterpart.
        pairing: How they were brought together.
        difference: None where shapes differ, where values were not compared, or unread.
        rearrangement: None unless one explains it fully.
        unread: Why its values could not be compared; empty if they could or should not.
    """

    left: ComparedTensor
    right: ComparedTensor
    pairing: Pairing = Pairing.NAME
    difference: Difference | None = None
    rearrangement: Rearrangement | None = None
    unread: str = ""


class RenamingRule(msgspec.Struct, frozen=True, kw_only=True):
    """Part of names on the left, and what it is on the right; `{k}` is a number."""

    left: str
    right: str


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """Names, shapes and dtypes against each other.

    Attributes:
        only_left: Tensors without counterpart, in the order of the file.
        only_right: The same on the right.
        reshaped: Pairs of different shapes.
        retyped: Pairs of different dtypes.
        rules: How names on the left become names on the right; empty where they are the same.
        ignored: Tensors left out on request, of both sides together.
        is_reordered: Whether the common tensors stand in another order.
    """

    only_left: tuple[ComparedTensor, ...] = ()
    only_right: tuple[ComparedTensor, ...] = ()
    reshaped: tuple[TensorPair, ...] = ()
    retyped: tuple[TensorPair, ...] = ()
    rules: tuple[RenamingRule, ...] = ()
    ignored: int = 0
    is_reordered: bool = False

    @property
    def is_same(self) -> bool:
        """Whether names, shapes and dtypes are the same."""
        one_sided = self.only_left or self.only_right
        return not (one_sided or self.reshaped or self.retyped or self.rules)


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict.

    Attributes:
        relation: It.
        sentence: It in words, with the numbers that matter most.
        evidence: What it rests on, each to be checked by hand.
    """

    relation: Relation
    sentence: str
    evidence: tuple[str, ...] = ()


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A module, or a row of equal ones, in both files.

    Attributes:
        name: Its path on the left, below the prefix; `(top)` for tensors of no module.
        tensors: Pairs in it.
        elements: Their elements.
        changed: Elements of other bits, where no cast explains them.
        relative_l2: Norm of the difference over the norm of the left; None where that is 0.
        cosine: Cosine between both sides; None where one of them is 0.
        unread: Pairs whose values were not compared: of other shapes, or unreadable.
        unread_elements: Elements of these.
    """

    name: str
    tensors: int
    elements: int
    changed: int
    relative_l2: float | None
    cosine: float | None
    unread: int = 0
    unread_elements: int = 0


class MetadataRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is recorded beside the tensors.

    Attributes:
        name: epoch, optimizer/lr, byteorder, ...
        left: Its value; None if the left file does not have it.
        right: The same of the right.
    """

    name: str
    left: FactValue | None = None
    right: FactValue | None = None

    @property
    def is_same(self) -> bool:
        """Whether both sides say the same."""
        return self.left == self.right


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a comparison, and what of it is compared.

    Attributes:
        path: As the user named it.
        location: Members that lead to the checkpoint.
        containers: Chain from the file to it.
        size_bytes: Bytes of the innermost container.
        state_dict: Path of the state_dict.
        role: network, ema, optimizer, other.
        prefix: What stands before every key.
        tensors: How many are compared.
        elements: Their elements.
        family: Family that knows it; empty for none.
        dialect: How it names its layers; empty if no family knows it.
        others: Paths of the file's other state_dicts, which are not compared.
        failure: Why it could not be read; None if it could.
    """

    path: str
    location: tuple[str, ...] = ()
    containers: tuple[ContainerKind, ...] = ()
    size_bytes: int | None = None
    state_dict: str = ""
    role: str = ""
    prefix: str = ""
    tensors: int = 0
    elements: int = 0
    family: str = ""
    dialect: str = ""
    others: tuple[str, ...] = ()
    failure: Failure | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two files of a report.

    Attributes:
        left: Index of the left file in the report's sides.
        right: Index of the right one.
        values_compared: Whether elements were read; else names, shapes and dtypes alone.
        conclusions: The verdicts that fit, the one with more evidence first.
        ways: In what they differ though the weights are the same.
        structure: Names, shapes and dtypes.
        pairs: Tensors that have a counterpart, in the order of the left file.
        blocks: Modules of the left file, with how far they are apart.
        metadata: What is recorded beside the tensors, side by side.
        relative_l2: Over all floating-point pairs of one shape; None if there are none.
        cosine: The same.
    """

    left: int
    right: int
    values_compared: bool
    conclusions: tuple[Conclusion, ...]
    ways: tuple[Way, ...] = ()
    structure: Structure = Structure()
    pairs: tuple[TensorPair, ...] = ()
    blocks: tuple[Block, ...] = ()
    metadata: tuple[MetadataRow, ...] = ()
    relative_l2: float | None = None
    cosine: float | None = None

    @property
    def is_same(self) -> bool:
        """Whether the weights are the same."""
        return self.conclusions[0].relation in SAME


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The order in which more than two files follow each other by distance.

    Attributes:
        order: Indices of the sides, one of each group of the same weights, from end to end.
        distances: Relative L2 between each and the next.
        is_line: Whether every file lies between its neighbours: none nearer to one further off.
        groups: Indices of files with the same weights, for groups of two and more.
        sentence: It in words.
    """

    order: tuple[int, ...]
    distances: tuple[float, ...]
    is_line: bool
    groups: tuple[tuple[int, ...], ...]
    sentence: str


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `diff A B ...`.

    Attributes:
        sides: Files in the order of the request.
        comparisons: Of each two that could be read, by left and right; one for two files.
        line: For more than two files of which all pairs were compared; else None.
    """

    sides: tuple[Side, ...]
    comparisons: tuple[Comparison, ...]
    line: Line | None = None

    @property
    def is_same(self) -> bool:
        """Whether all files were read and hold the same weights."""
        return all(side.failure is None for side in self.sides) and all(
            one.is_same for one in self.comparisons
        )
