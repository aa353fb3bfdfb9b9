"""Training record → blocks: counters, scores, and what the optimizers say.

Enters: a manifest. Leaves: blocks. Which plain values count as a record is decided by their names,
for reading alone: all others stand in the contents.
"""

import re
from collections.abc import Iterator, Sequence

from ckptscope.facts.tensors import Manifest, Optimizer, Scalar
from ckptscope.reports.blocks import (
    Block,
    Branch,
    Field,
    Name,
    Outline,
    Part,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.numerals import count_text, size_text

#: Words in the last name of a value that is part of a training record.
_RECORD = re.compile(
    r"(^|[^a-z])(epochs?|global_step|steps?|iter(ation)?s?|loss|best|acc(uracy)?|score|metric"
    r"|map|mpjpe|lr|seed)([^a-z]|$)",
    re.IGNORECASE,
)
_MOST_SCALARS = 12
_MOST_OPTIMIZERS = 6
_MOST_GROUPS = 6
#: Settings that come first; the others follow in the order of the file.
_FIRST_SETTINGS = ("lr", "betas", "momentum", "weight_decay", "eps")


def describe_training(manifest: Manifest) -> Iterator[Block]:
    """Describe counters and optimizers; nothing where there are none."""
    scalars = [one for one in manifest.scalars if _is_record(one)]
    if not scalars and not manifest.optimizers:
        return
    yield section("training record")
    if scalars:
        yield Outline(
            tuple(Branch(0, one.path, _value(one.value)) for one in scalars[:_MOST_SCALARS])
        )
    if len(scalars) > _MOST_SCALARS:
        yield line(f"and {count_text(len(scalars) - _MOST_SCALARS, 'more values', rounded=False)}")
    for optimizer in manifest.optimizers[:_MOST_OPTIMIZERS]:
        yield from _describe(manifest, optimizer)
    if len(manifest.optimizers) > _MOST_OPTIMIZERS:
        more = len(manifest.optimizers) - _MOST_OPTIMIZERS
        yield line(f"and {count_text(more, 'more optimizers', rounded=False)}")


def _is_record(one: Scalar) -> bool:
    """Whether a value is a number at the top, or has a name of the trade."""
    if isinstance(one.value, str | bool):
        return False
    return "/" not in one.path or _RECORD.search(one.path.rpartition("/")[2]) is not None


def _value(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _describe(manifest: Manifest, one: Optimizer) -> Iterator[Block]:
    kind = "of an unknown kind" if one.kind == "unknown" else one.kind
    at: list[Part] = [Words(", at "), Name(one.path)] if one.path else []
    yield field("optimizer", kind, *at)
    yield field("evidence", Name(one.kind_evidence))
    yield field("state", _state(one))
    yield field("steps", _steps(manifest, one))
    yield from _groups(one)


def _state(one: Optimizer) -> str:
    listed = sum(group.parameters for group in one.groups)
    parameters = count_text(listed, "parameters", rounded=False)
    if not one.states:
        return f"none for any of {parameters}"
    held = f"{one.states:,} of {parameters}" if one.states != listed else f"all {parameters}"
    tensors = count_text(one.tensors, "tensors", rounded=False)
    return (
        f"for {held}: {tensors}, {count_text(one.elements, 'elements')}, "
        f"{size_text(one.size_bytes)}"
    )


def _steps(manifest: Manifest, one: Optimizer) -> str:
    if one.steps:
        shown = ", ".join(f"{step:,.15g}" for step in one.steps)
        return shown if len(one.steps) == 1 else f"{shown} (parameters differ)"
    held = next((group.tensors for group in manifest.state_dicts if group.path == one.path), ())
    if any(tensor.key.rpartition("/")[2] == "step" for tensor in held):
        return "kept in tensors, whose values were not read"
    return "not recorded"


def _groups(one: Optimizer) -> Iterator[Field]:
    """Show settings: those that all groups share once, then what differs by group."""
    if not one.groups:
        return
    shared = dict(one.groups[0].settings)
    for group in one.groups[1:]:
        known = dict(group.settings)
        shared = {name: value for name, value in shared.items() if known.get(name) == value}
    if len(one.groups) > 1:
        counts = [f"{group.parameters:,}" for group in one.groups]
        more = f" + … {len(counts) - _MOST_GROUPS:,} more" if len(counts) > _MOST_GROUPS else ""
        shown = " + ".join(counts[:_MOST_GROUPS])
        yield field("groups", f"{len(one.groups):,}, of {shown}{more} parameters")
    if shared:
        yield field("settings", *_settings(list(shared.items())))
    if len(one.groups) == 1:
        return
    for index, group in enumerate(one.groups[:_MOST_GROUPS]):
        own = [pair for pair in group.settings if pair[0] not in shared]
        if own:
            yield field(f"group {index}", *_settings(own))


def _settings(settings: Sequence[tuple[str, str]]) -> list[Part]:
    """Return settings in a row, the ones that are asked for most first; those unset last."""

    def rank(pair: tuple[str, str]) -> tuple[bool, int]:
        known = pair[0] in _FIRST_SETTINGS
        place = _FIRST_SETTINGS.index(pair[0]) if known else len(_FIRST_SETTINGS)
        return pair[1] in ("None", "False"), place

    parts: list[Part] = []
    for name, value in sorted(settings, key=rank):
        parts += [Words(", ")] if parts else []
        parts += [Name(f"{name} {value}")]
    return parts
