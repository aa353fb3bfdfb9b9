"""Differences that have one meaning in any network.

Enters: `KeyDifferences` without a table. Leaves: causes: another number of classes, of words, of
colours, of positions; a norm with running statistics on one side alone; layers with and without a
bias; 1×1 convolutions against linear layers.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.differences.patterns import patterns_text
from ckptscope.facts.differences import Cause, CauseKind, KeyDifferences, ShapeMismatch
from ckptscope.facts.tensors import Origin

#: Data sets that have so many classes; detectors count the background.
_CLASSES: Final = {
    10: "CIFAR-10 and MNIST",
    19: "Cityscapes",
    20: "PASCAL VOC",
    21: "PASCAL VOC with background",
    80: "COCO",
    81: "COCO with background",
    91: "COCO with background and unused classes",
    100: "CIFAR-100",
    150: "ADE20K",
    365: "Places365",
    1000: "ImageNet-1K",
    21841: "ImageNet-21K",
    21843: "ImageNet-21K",
}
_STATISTICS: Final = ("running_mean", "running_var", "num_batches_tracked")
_WORDS: Final = ("embed", "wte", "lm_head", "token", "vocab")
_POSITIONS: Final = ("pos",)
#: Layers that end a network; more of them are something else.
_MOST_ENDS = 8


def landmark_causes(differences: KeyDifferences) -> Iterator[Cause]:
    """Yield what is recognised, without regard to the network."""
    yield from _statistics_causes(differences)
    yield from _bias_causes(differences)
    yield from _dimension_causes(differences.mismatched)
    plain = [line for line in differences.mismatched if line.axes]
    positions = [cause for line in plain for cause in _position_cause(line)]
    yield from positions
    taken = {key for cause in positions for key in cause.mismatched}
    plain = [line for line in plain if line.key not in taken]
    yield from _end_causes(plain)
    yield from _start_causes(plain)


def _statistics_causes(differences: KeyDifferences) -> Iterator[Cause]:
    """A norm with running statistics, where the other side's has none."""
    for in_file, keys in ((False, differences.missing), (True, differences.unexpected)):
        held = set(keys)
        lines = [
            key
            for key in keys
            if key.endswith(_STATISTICS) and f"{key.rpartition('.')[0]}.weight" not in held
        ]
        if not lines:
            continue
        counters_alone = all(key.endswith(_STATISTICS[2]) for key in lines)
        side, other = ("file", "network") if in_file else ("network", "file")
        if counters_alone:
            text = f"the counters of {len(lines):,} BatchNorms are in the {side} alone"
            advice = "load dict(state_dict): without _metadata torch fills counters in"
            if in_file:
                advice = "leave the counters out before loading"
        else:
            text = f"the {side} has BatchNorm where the {other} has a norm without statistics"
            advice = "build the network with the norm that the file has"
        yield Cause(
            text=text,
            kind=CauseKind.COUNTERS if counters_alone else CauseKind.SETTING,
            setting="" if counters_alone else "norm",
            missing=() if in_file else tuple(lines),
            unexpected=tuple(lines) if in_file else (),
            evidence=(f"only in the {side}: {patterns_text(lines)}",),
            origin=Origin.OBSERVED if counters_alone else Origin.ASSUMED,
            assumptions=() if counters_alone else ("only BatchNorm keeps running statistics",),
            advice=advice,
        )


def _bias_causes(differences: KeyDifferences) -> Iterator[Cause]:
    """Layers of both sides, with a bias on one alone."""
    for in_file, keys in ((False, differences.missing), (True, differences.unexpected)):
        held = set(keys)
        lines = [
            key
            for key in keys
            if key.endswith(".bias") and f"{key.removesuffix('bias')}weight" not in held
        ]
        if lines:
            side = "file" if in_file else "network"
            count = f"{len(lines):,} {'layer has' if len(lines) == 1 else 'layers have'}"
            yield Cause(
                text=f"{count} a bias in the {side} alone",
                setting="bias",
                found="true" if in_file else "false",
                expected="false" if in_file else "true",
                missing=() if in_file else tuple(lines),
                unexpected=tuple(lines) if in_file else (),
                evidence=(f"only in the {side}: {patterns_text(lines)}",),
                origin=Origin.OBSERVED,
                advice=f"build these layers with bias={'True' if in_file else 'False'}",
            )


def _dimension_causes(lines: Sequence[ShapeMismatch]) -> Iterator[Cause]:
    """The same numbers in tensors of more or fewer dimensions."""
    same = [
        line
        for line in lines
        if not line.axes and _without_ones(line.found) == _without_ones(line.expected)
    ]
    if same:
        yield Cause(
            text=f"{len(same):,} tensors differ in dimensions of 1 alone: a 1×1 convolution on one "
            "side, a linear layer on the other",
            mismatched=tuple(line.key for line in same),
            evidence=(_shapes(same[0]),),
            origin=Origin.OBSERVED,
            advice="reshape them before loading: tensor.reshape(parameter.shape)",
        )


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _position_cause(line: ShapeMismatch) -> Iterator[Cause]:
    """A table of positions, whose length follows from the size of the input."""
    axis = line.axes[0]
    is_table = len(line.axes) == 1 and axis.axis in (0, 1, len(line.found) - 2)
    if not is_table or not any(word in line.key.lower() for word in _POSITIONS):
        return
    grids = [_grid(axis.found), _grid(axis.expected)]
    evidence = [_shapes(line)]
    if all(grids):
        evidence.append(f"{grids[0]} in the file, {grids[1]} in the network")
    yield Cause(
        text=f"{line.key!r} has {axis.found} positions in the file, {axis.expected} in the "
        "network: another size of input, patch or window",
        setting="positions",
        found=str(axis.found),
        expected=str(axis.expected),
        mismatched=(line.key,),
        evidence=tuple(evidence),
        origin=Origin.ASSUMED,
        assumptions=("the name speaks of positions",),
        advice="build the network for the size of input of the file, or interpolate the table",
    )


def _grid(count: int) -> str:
    """Write a number of positions as a square, possibly with a token more."""
    for extra in (0, 1, 2):
        side = math.isqrt(max(count - extra, 0))
        if side > 1 and side * side == count - extra:
            return f"{count} = {side}×{side}" + (f" + {extra}" if extra else "")
    return ""


def _end_causes(lines: Sequence[ShapeMismatch]) -> Iterator[Cause]:
    """Layers whose outputs alone differ, and which no other layer follows."""
    modules: dict[str, list[ShapeMismatch]] = {}
    inner: set[tuple[int, int]] = set()
    for line in lines:
        inner.update((one.found, one.expected) for one in line.axes if one.axis)
        modules.setdefault(line.key.rpartition(".")[0], []).append(line)
    ends = {name: held for name, held in modules.items() if _is_end(held, inner)}
    if len(ends) > _MOST_ENDS:
        return
    for name, held in ends.items():
        axis = held[0].axes[0]
        yield _outputs_cause(name, axis.found, axis.expected, held)


def _is_end(lines: Sequence[ShapeMismatch], inner: set[tuple[int, int]]) -> bool:
    firsts = [line.axes[0] for line in lines]
    pairs = {(one.found, one.expected) for one in firsts}
    has_weight = any(len(line.found) > 1 for line in lines)
    return (
        has_weight
        and all(one.axis == 0 for one in firsts)
        and len(pairs) == 1
        and not pairs & inner
    )


def _outputs_cause(name: str, found: int, expected: int, lines: Sequence[ShapeMismatch]) -> Cause:
    is_vocabulary = any(word in name.lower() for word in _WORDS)
    what, meaning = ("rows", "words") if is_vocabulary else ("outputs", "classes or other outputs")
    known = [
        f"{size:,} is the number of classes of {_CLASSES[size]}"
        for size in (found, expected)
        if not is_vocabulary and size in _CLASSES
    ]
    return Cause(
        text=f"{name!r} has {found} {what} in the file, {expected} in the network: another number "
        f"of {meaning}",
        setting=f"{what} of {name}",
        found=str(found),
        expected=str(expected),
        mismatched=tuple(line.key for line in lines),
        evidence=(_shapes(lines[0]), *known),
        origin=Origin.ASSUMED,
        assumptions=("no other layer takes what it puts out, as far as the lines say",),
        advice=f"build the network with {found} {what} there, or leave {name!r} out of the file "
        "and train it anew",
    )


def _start_causes(lines: Sequence[ShapeMismatch]) -> Iterator[Cause]:
    """Convolutions whose inputs alone differ, which no other layer feeds."""
    outputs = {(one.found, one.expected) for line in lines for one in line.axes if not one.axis}
    starts = [
        line
        for line in lines
        if len(line.found) > 2
        and len(line.axes) == 1
        and line.axes[0].axis == 1
        and (line.axes[0].found, line.axes[0].expected) not in outputs
    ]
    if len(starts) != 1:
        return
    (line,) = starts
    axis, name = line.axes[0], line.key.rpartition(".")[0]
    yield Cause(
        text=f"{name!r} takes {axis.found} channels in the file, {axis.expected} in the network: "
        "another number of colours or features",
        setting=f"input channels of {name}",
        found=str(axis.found),
        expected=str(axis.expected),
        mismatched=(line.key,),
        evidence=(_shapes(line),),
        origin=Origin.ASSUMED,
        assumptions=("no other layer feeds it, as far as the lines say",),
        advice=f"build the network for {axis.found} input channels",
    )


def _shapes(line: ShapeMismatch) -> str:
    return f"{line.key!r} is {list(line.found)} in the file, {list(line.expected)} in the network"
