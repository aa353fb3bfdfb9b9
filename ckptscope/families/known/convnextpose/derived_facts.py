"""Facts of a ConvNeXtPose that follow from others by arithmetic or by a table of names.

Enters: facts that were read; the tensors that are there. Leaves: the backbone's name, the stem in
words, the head's width, sums over the file's tensors.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ckptscope.facts.architecture import Evidence, Fact
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.facts.tensors import Kind, Origin
from ckptscope.families.known.convnextpose.configuration import (
    ConvNeXtPoseConfiguration,
    stem_text,
)
from ckptscope.families.readings import follow, sum_facts
from ckptscope.families.trunks.convnext import NAMED_SIZES, trunk_name
from ckptscope.families.view import NetworkView


def backbone_fact(dims: Fact, depths: Fact) -> Fact:
    """Name the backbone by its dims and depths; none of the named ones is an answer."""
    widths, blocks = dims.value, depths.value
    if not (isinstance(widths, tuple) and isinstance(blocks, tuple)):
        decided_by = dims.decided_by or depths.decided_by
        return Fact(name="backbone", value=None, origin=Origin.UNDETERMINED, decided_by=decided_by)
    name = trunk_name(_numbers(widths), _numbers(blocks))
    sizes = f"dims {list(widths)}, depths {list(blocks)}"
    if name is None:
        text = f"{sizes}: none of the named ones{_nearest(_numbers(widths), _numbers(blocks))}"
    else:
        text = f"{sizes}: {name}"
    return follow("backbone", name, text, (dims, depths))


def stem_fact(configuration: ConvNeXtPoseConfiguration, grounds: Iterable[Fact]) -> Fact:
    """Say the stem in words; the stem's tensors are the evidence of `stem_kernel`."""
    grounds = tuple(grounds)
    text = stem_text(configuration)
    fact = follow("stem", text, text, grounds)
    evidence = [one for ground in grounds for one in ground.evidence if one.key is not None]
    return msgspec.structs.replace(fact, evidence=tuple(evidence[:2]) or fact.evidence)


def width_fact(channels: Fact) -> Fact:
    """Say how wide the head is, where all its layers give as many channels."""
    widths = channels.value
    if not isinstance(widths, tuple) or not widths:
        return Fact(name="head_width", value=None, origin=Origin.UNDETERMINED)
    is_even = len(set(widths)) == 1
    text = f"{list(widths)}" if is_even else f"{list(widths)}: not one width"
    return follow("head_width", widths[0] if is_even else None, text, (channels,))


def element_facts(
    view: NetworkView, table: Sequence[ExpectedTensor], counts: Counts | None
) -> tuple[Fact, ...]:
    """Add up the tensors of the file that belong to the network.

    Args:
        view: The network.
        table: Its keys, as the file names them.
        counts: What the settings add up to; None without settings.
    """
    sums = {fact.name: fact for fact in sum_facts(view, table, counts)}
    there = [(one, view.tensors[one.key]) for one in table if one.key in view]
    head = sums.get("head_parameters", _total("head_parameters", 0, "nothing of it is there"))
    elements = {part: 0 for part in ("backbone", "head")}
    buffers = 0
    for expected, tensor in there:
        elements[expected.part] += tensor.elements
        if expected.kind is Kind.BUFFER:
            buffers += tensor.elements
    return (
        sums["parameters"],
        sums["state_elements"],
        sums["backbone_parameters"],
        head,
        _total("backbone_elements", elements["backbone"], "with the buffers of BatchNorm"),
        _total("head_elements", elements["head"], "with the buffers of BatchNorm"),
        _total("buffers", buffers, "statistics and counters of BatchNorm"),
        _total("tensors", len(there), "names of the network that are there"),
    )


def _total(name: str, value: int, text: str) -> Fact:
    return Fact(name=name, value=value, origin=Origin.DERIVED, evidence=(Evidence(text=text),))


def _numbers(values: Sequence[object]) -> tuple[int, ...]:
    return tuple(value for value in values if isinstance(value, int))


def _nearest(dims: tuple[int, ...], depths: tuple[int, ...]) -> str:
    """Return the named sizes that differ in the fewest numbers, and where; or nothing."""
    best: tuple[int, str, list[str]] | None = None
    for name, (widths, blocks) in NAMED_SIZES.items():
        if len(widths) != len(dims):
            continue
        where = [
            f"{what}[{i}] = {row[i]}"
            for what, row, own in (("dims", widths, dims), ("depths", blocks, depths))
            for i in range(len(row))
            if row[i] != own[i]
        ]
        if best is None or len(where) < best[0]:
            best = (len(where), name, where)
    if best is None or best[0] >= len(dims) + len(depths):
        return ""
    return f"; the nearest, {best[1]}, has {', '.join(best[2])}"
