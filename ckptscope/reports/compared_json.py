"""How checkpoints stand to each other → JSON, under the versioned schema of `diff`.

Enters: a `DiffReport`. Leaves: UTF-8 bytes of one JSON object, `ckptscope/diff/1`, whatever the
number of files. Its `mode` tells it from what `diff` says of one file and a network. Nothing is
folded or cut; numbers that are not finite are null.
"""

import math
from typing import Literal

import msgspec

from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.facts.comparison import (
    Block,
    ComparedTensor,
    Comparison,
    Conclusion,
    Difference,
    DiffReport,
    Line,
    MetadataRow,
    Pairing,
    Rearrangement,
    RenamingRule,
    Side,
    Structure,
    TensorPair,
    Way,
)
from ckptscope.reports.json import encode
from ckptscope.reports.loading_json import DIFF_SCHEMA, DiffOut


class DifferenceOut(msgspec.Struct, frozen=True, kw_only=True):
    """Two tensors element by element: see `facts.comparison.Difference`."""

    elements: int
    changed: int
    equal_bits: int
    equal_numbers: int
    equal_cast: int
    within: int
    relative_l2: float | None
    cosine: float | None
    squares_left: float | None
    squares_right: float | None
    products: float | None
    squares_apart: float | None
    largest: float | None
    not_finite: int
    zeroed: int
    filled: int
    zeros_left: int
    zeros_right: int
    levels_left: int
    levels_right: int
    row_cosine: float | None


class PairOut(msgspec.Struct, frozen=True, kw_only=True):
    """Two tensors: see `facts.comparison.TensorPair`."""

    left: ComparedTensor
    right: ComparedTensor
    pairing: Pairing
    difference: DifferenceOut | None
    rearrangement: Rearrangement | None
    unread: str


class NamePairOut(msgspec.Struct, frozen=True, kw_only=True):
    """Two tensors that are among the pairs."""

    left: ComparedTensor
    right: ComparedTensor


class StructureOut(msgspec.Struct, frozen=True, kw_only=True):
    """Names, shapes and dtypes: see `facts.comparison.Structure`."""

    same: bool
    only_left: tuple[ComparedTensor, ...]
    only_right: tuple[ComparedTensor, ...]
    reshaped: tuple[NamePairOut, ...]
    retyped: tuple[NamePairOut, ...]
    rules: tuple[RenamingRule, ...]
    ignored: int
    reordered: bool


class MetadataOut(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded beside the tensors; null where a file does not have it."""

    name: str
    same: bool
    left: FactValue
    right: FactValue


class ComparisonOut(msgspec.Struct, frozen=True, kw_only=True):
    """Two of the files: see `facts.comparison.Comparison`."""

    left: int
    right: int
    same: bool
    values_compared: bool
    conclusions: tuple[Conclusion, ...]
    ways: tuple[Way, ...]
    relative_l2: float | None
    cosine: float | None
    structure: StructureOut
    pairs: tuple[PairOut, ...]
    blocks: tuple[Block, ...]
    metadata: tuple[MetadataOut, ...]


class LineOut(msgspec.Struct, frozen=True, kw_only=True):
    """The order of the files by distance: see `facts.comparison.Line`."""

    order: tuple[int, ...]
    distances: tuple[float | None, ...]
    is_line: bool
    groups: tuple[tuple[int, ...], ...]
    sentence: str


class CompareOut(msgspec.Struct, frozen=True, kw_only=True, tag_field="mode", tag="compare"):
    """The whole object of `diff A B ...`."""

    schema: Literal["ckptscope/diff/1"] = DIFF_SCHEMA
    same: bool
    sides: tuple[Side, ...]
    comparisons: tuple[ComparisonOut, ...]
    line: LineOut | None


def render_compared_json(report: DiffReport) -> bytes:
    """Return the comparison as JSON with a newline at its end."""
    out = CompareOut(
        same=report.is_same,
        sides=report.sides,
        comparisons=tuple(map(_comparison, report.comparisons)),
        line=_line(report.line) if report.line is not None else None,
    )
    return encode(out) + b"\n"


def diff_json_schema() -> bytes:
    """Return the JSON schema of `diff`, of files or of a file and a network, indented."""
    schema = msgspec.json.schema(CompareOut | DiffOut)
    schema["$id"] = DIFF_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _comparison(one: Comparison) -> ComparisonOut:
    return ComparisonOut(
        left=one.left,
        right=one.right,
        same=one.is_same,
        values_compared=one.values_compared,
        conclusions=one.conclusions,
        ways=one.ways,
        relative_l2=_finite(one.relative_l2),
        cosine=_finite(one.cosine),
        structure=_structure(one.structure),
        pairs=tuple(map(_pair, one.pairs)),
        blocks=tuple(map(_block, one.blocks)),
        metadata=tuple(map(_metadata, one.metadata)),
    )


def _structure(found: Structure) -> StructureOut:
    return StructureOut(
        same=found.is_same,
        only_left=found.only_left,
        only_right=found.only_right,
        reshaped=tuple(map(_names, found.reshaped)),
        retyped=tuple(map(_names, found.retyped)),
        rules=found.rules,
        ignored=found.ignored,
        reordered=found.is_reordered,
    )


def _names(pair: TensorPair) -> NamePairOut:
    return NamePairOut(left=pair.left, right=pair.right)


def _pair(pair: TensorPair) -> PairOut:
    return PairOut(
        left=pair.left,
        right=pair.right,
        pairing=pair.pairing,
        difference=_difference(pair.difference) if pair.difference is not None else None,
        rearrangement=pair.rearrangement,
        unread=pair.unread,
    )


def _difference(found: Difference) -> DifferenceOut:
    return DifferenceOut(
        elements=found.elements,
        changed=found.changed,
        equal_bits=found.equal_bits,
        equal_numbers=found.equal_numbers,
        equal_cast=found.equal_cast,
        within=found.within,
        relative_l2=_finite(found.relative_l2),
        cosine=_finite(found.cosine),
        squares_left=_finite(found.squares_left),
        squares_right=_finite(found.squares_right),
        products=_finite(found.products),
        squares_apart=_finite(found.squares_apart),
        largest=_finite(found.largest),
        not_finite=found.not_finite,
        zeroed=found.zeroed,
        filled=found.filled,
        zeros_left=found.zeros_left,
        zeros_right=found.zeros_right,
        levels_left=found.levels_left,
        levels_right=found.levels_right,
        row_cosine=_finite(found.row_cosine),
    )


def _block(block: Block) -> Block:
    return msgspec.structs.replace(
        block, relative_l2=_finite(block.relative_l2), cosine=_finite(block.cosine)
    )


def _metadata(row: MetadataRow) -> MetadataOut:
    return MetadataOut(
        name=row.name, same=row.is_same, left=_sayable(row.left), right=_sayable(row.right)
    )


def _line(found: Line) -> LineOut:
    return LineOut(
        order=found.order,
        distances=tuple(map(_finite, found.distances)),
        is_line=found.is_line,
        groups=found.groups,
        sentence=found.sentence,
    )


def _finite(value: float | None) -> float | None:
    """Return a measure; None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None


def _sayable(value: FactValue) -> FactValue:
    """Return a recorded value; what JSON has no number for as text."""
    if isinstance(value, tuple):
        return tuple(_sayable_item(item) for item in value)
    return _sayable_item(value) if value is not None else None


def _sayable_item(item: FactItem) -> FactItem:
    return str(item) if isinstance(item, float) and not math.isfinite(item) else item
