"""Causes in words.

Enters: lines of one cause, and what is known of both networks. Leaves: a `Cause`: what is
different, what it rests on, what to change.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ckptscope.differences.grounds import Grounds
from ckptscope.differences.patterns import patterns_text
from ckptscope.differences.values import (
    TIMES,
    UNKNOWN,
    option_text,
    product_name,
    split_name,
    value_of,
    value_text,
)
from ckptscope.facts.differences import AxisMismatch, Cause, CauseKind, ShapeMismatch
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Origin

_MOST_EVIDENCE = 4


class Lines(Protocol):
    """Lines of one cause."""

    missing: list[str]
    unexpected: list[str]
    mismatched: list[ShapeMismatch]
    shared: list[str]

    @property
    def count(self) -> int:
        """Lines of its own."""


def setting_cause(names: Sequence[str], lines: Lines, grounds: Grounds) -> Cause:
    """Put lines down to settings; several if the same lines are behind each of them."""
    pairs = [(name, *_both_values(name, lines, grounds)) for name in names]
    said = [
        f"{name} is {value_text(have)} in the file, {value_text(want)} in {grounds.place}"
        for name, have, want in pairs
    ]
    wanted = ", ".join(option_text(name, have) for name, have, _ in pairs if have is not UNKNOWN)
    origin, assumptions = _origin(names, grounds)
    return Cause(
        text="; ".join(said),
        kind=CauseKind.SETTING,
        setting=", ".join(names),
        found="; ".join(value_text(have) for _, have, _ in pairs),
        expected="; ".join(value_text(want) for _, _, want in pairs),
        missing=tuple(lines.missing),
        unexpected=tuple(lines.unexpected),
        mismatched=tuple(line.key for line in lines.mismatched),
        shared=tuple(lines.shared),
        evidence=tuple(_evidence(names, lines, grounds)),
        origin=origin,
        assumptions=assumptions,
        advice=f"build the network with {wanted}, or take a file with "
        + ", ".join(option_text(name, want) for name, _, want in pairs),
    )


def _both_values(name: str, lines: Lines, grounds: Grounds) -> tuple[object, object]:
    """Return what a setting is in the file and in the network; of an undivided product, sizes."""
    for line in lines.mismatched:
        for axis in line.axes:
            if len(axis.settings) > 1 and product_name(axis.settings) == name:
                return axis.found, axis.expected
    return value_of(grounds.found, name), value_of(grounds.expected, name)


def lost_cause(lines: Lines, grounds: Grounds) -> Cause:
    """Say that the file lacks what its own network has."""
    bare = [grounds.spelling.bare_expected(key) for key in lines.missing]
    lost = _parts(grounds.wanted[key] for key in bare if key in grounds.wanted)
    parts = _parts(grounds.wanted.values())
    whole = [part for part, count in lost.items() if part and count == parts[part]]
    if lost == parts:
        text = f"the file has none of the {_counted(lines.count)} of a {grounds.family}"
        advice = "take a file of such a network"
    elif whole and len(whole) == len(lost):
        text = f"the file has no {' and no '.join(whole)}: all {_counted(lines.count)} of it"
        advice = (
            "load the rest with strict=False if the network is to be trained from there, or take a "
            "file that holds the whole"
        )
    else:
        text = f"{_counted(lines.count)} that networks of these settings have are not in the file"
        advice = "the file was filtered or cut; take a whole one"
    return Cause(
        text=text,
        kind=CauseKind.LOST,
        missing=tuple(lines.missing),
        unexpected=tuple(lines.unexpected),
        mismatched=tuple(line.key for line in lines.mismatched),
        evidence=(patterns_text(lines.missing),),
        advice=advice,
    )


def _parts(tensors: Iterable[ExpectedTensor]) -> Counter[str]:
    """Count tensors by part; counters do not count, since torch fills most of them in."""
    return Counter(tensor.part for tensor in tensors if not tensor.is_counter)


def counters_cause(lines: Lines, grounds: Grounds) -> Cause:
    """Say that counters are missing although the file records versions that have them."""
    counters = sum(tensor.is_counter for tensor in grounds.wanted.values())
    return Cause(
        text=f"{lines.count:,} of {counters:,} counters of BatchNorm are not in the file, although "
        "its _metadata records a version that has them",
        kind=CauseKind.COUNTERS,
        missing=tuple(lines.missing),
        unexpected=tuple(lines.unexpected),
        mismatched=tuple(line.key for line in lines.mismatched),
        evidence=(patterns_text(lines.missing),),
        origin=Origin.OBSERVED,
        advice="load dict(state_dict): without _metadata torch fills the counters in",
    )


def misfit_cause(lines: Lines, grounds: Grounds) -> Cause:
    """Say that tensors do not fit the others of their own file."""
    own = grounds.own or {}
    evidence = [
        f"{line.key!r} is {list(line.found)}, beside the others it would be "
        f"{list(own[grounds.spelling.bare_expected(line.key)].shape)}"
        for line in lines.mismatched[:_MOST_EVIDENCE]
    ]
    return Cause(
        text=f"{_counted(lines.count)} of the file do not fit its other tensors",
        kind=CauseKind.LOST,
        missing=tuple(lines.missing),
        unexpected=tuple(lines.unexpected),
        mismatched=tuple(line.key for line in lines.mismatched),
        evidence=tuple(evidence),
        advice="they were replaced or changed after training; take a whole file",
    )


def foreign_cause(name: str, lines: Lines, grounds: Grounds) -> Cause:
    """Say that keys are of something else."""
    where = f" under {name!r}" if name else ""
    keys = f"{lines.count:,} {'key' if lines.count == 1 else 'keys'}{where}"
    network = grounds.family or "network of this family"
    them = "it" if lines.count == 1 else "them"
    further = grounds.spelling.networks.get(name)
    return Cause(
        text=f"{keys}: {further or f'no {network} has {them}'}",
        kind=CauseKind.FOREIGN,
        missing=tuple(lines.missing),
        unexpected=tuple(lines.unexpected),
        mismatched=tuple(line.key for line in lines.mismatched),
        evidence=(patterns_text(lines.unexpected),),
        advice="leave them out before loading",
    )


def _counted(count: int) -> str:
    return f"{count:,} {'tensor' if count == 1 else 'tensors'}"


def _origin(names: Sequence[str], grounds: Grounds) -> tuple[Origin, tuple[str, ...]]:
    """Return what a statement about the file's settings rests on, and its assumptions."""
    bare = [split_name(name)[0] for name in names]
    weak = (Origin.UNDETERMINED, Origin.ASSUMED, Origin.STATED)
    held = {grounds.origins.get(name, Origin.DERIVED) for name in bare}
    origin = next((one for one in weak if one in held), Origin.DERIVED)
    assumptions = [text for name in bare for text in grounds.assumptions.get(name, ())]
    return origin, tuple(dict.fromkeys(assumptions))


def _evidence(names: Sequence[str], lines: Lines, grounds: Grounds) -> Iterator[str]:
    """Show the first shape that says it, and the keys that only one side has."""
    bare = {split_name(name)[0] for name in names}
    for line in lines.mismatched:
        shown = f"{line.key!r} is {list(line.found)} in the file, {list(line.expected)}"
        yield f"{shown} in {grounds.place}"
        for axis in line.axes:
            formula = _formula(axis, grounds)
            if formula and bare.intersection(split_name(name)[0] for name in axis.settings):
                yield formula
        break
    if lines.unexpected:
        yield f"only in the file: {patterns_text(lines.unexpected)}"
    if lines.missing:
        yield f"only in {grounds.place}: {patterns_text(lines.missing)}"


def _formula(axis: AxisMismatch, grounds: Grounds) -> str:
    """Write sizes as products: `1152 = 18 × 64 in the file, 1088 = 17 × 64 in the model`."""
    if len(axis.settings) < 2:
        return ""
    sides = (
        (axis.found, grounds.found, "the file"),
        (axis.expected, grounds.expected, grounds.place),
    )
    shown: list[str] = []
    for size, values, place in sides:
        factors = [value_of(values, name) for name in axis.settings]
        product = 1
        for factor in factors:
            if not isinstance(factor, int) or isinstance(factor, bool):
                return ""
            product *= factor
        if product != size:
            return ""
        shown.append(f"{size} = {TIMES.join(str(factor) for factor in factors)} in {place}")
    return f"{TIMES.join(axis.settings)}: {', '.join(shown)}"
