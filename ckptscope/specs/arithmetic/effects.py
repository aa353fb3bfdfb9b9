"""What a difference of settings does to the tensors of a network.

Enters: two networks. Leaves: a sentence in elements, tensor by tensor where they are few.
"""

from typing import Final

from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind
from ckptscope.families.registry import AnyFamily
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.tensors import tables_of

#: Tensors that are listed one by one.
_MOST_LISTED: Final = 3
#: What is said of settings without weights.
NO_CHANGE: Final = "no tensor changes"


def effect_text(family: AnyFamily, before: Numbers, after: Numbers) -> str:
    """Say which tensors change, and by how many elements; empty if that cannot be listed."""
    tables = tables_of(family, before, after)
    if tables is None:
        return ""
    old, new = tables
    changed = [
        (old.get(key), new.get(key))
        for key in dict.fromkeys((*old, *new))
        if _shape(old.get(key)) != _shape(new.get(key))
    ]
    if not changed:
        return NO_CHANGE
    if len(changed) <= _MOST_LISTED:
        return "; ".join(_one(was, now) for was, now in changed)
    return _sum(changed)


def _shape(tensor: ExpectedTensor | None) -> tuple[int, ...] | None:
    return tensor.shape if tensor is not None else None


def _one(was: ExpectedTensor | None, now: ExpectedTensor | None) -> str:
    tensor = now or was
    key = tensor.key if tensor is not None else ""
    difference = _elements(now) - _elements(was)
    return f"{key} {_shown(was)} → {_shown(now)}: {signed(difference)}"


def _shown(tensor: ExpectedTensor | None) -> str:
    return str(list(tensor.shape)) if tensor is not None else "none"


def _elements(tensor: ExpectedTensor | None) -> int:
    return tensor.elements if tensor is not None else 0


def _sum(changed: list[tuple[ExpectedTensor | None, ExpectedTensor | None]]) -> str:
    """Sum up: tensors that come and go, parameters and buffers apart."""
    gone = sum(now is None for _, now in changed)
    come = sum(was is None for was, _ in changed)
    sums = {Kind.PARAMETER: 0, Kind.BUFFER: 0}
    for was, now in changed:
        tensor = now or was
        if tensor is not None:
            sums[tensor.kind] += _elements(now) - _elements(was)
    counts = [
        f"{count:,} tensors {word}"
        for count, word in (
            (come, "more"),
            (gone, "fewer"),
            (len(changed) - gone - come, "of other shapes"),
        )
        if count
    ]
    parts = [f"{signed(sums[Kind.PARAMETER])} parameters"]
    if sums[Kind.BUFFER]:
        parts.append(f"{signed(sums[Kind.BUFFER])} buffer elements")
    return f"{', '.join(counts)}: {', '.join(parts)}"


def signed(number: int) -> str:
    """Return a difference with its sign."""
    return f"\N{MINUS SIGN}{-number:,}" if number < 0 else f"+{number:,}"
