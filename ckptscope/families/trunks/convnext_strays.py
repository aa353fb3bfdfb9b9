"""What is odd about the numbers of a ConvNeXt trunk's stages and blocks, in words.

Enters: the layers that are there, and how many blocks each stage has. Leaves: sentences about parts
that are lost, blocks that are missing between others, numbers that stand apart, and blocks that are
the same tensors as others. Stages and blocks are counted from 0, as in the keys.
"""

from collections.abc import Iterator

from ckptscope.families.ballots import numbered
from ckptscope.families.trunks.convnext_names import Role, TrunkNames

#: Stages that are spoken of one by one.
_MOST_SENTENCES = 8


def stray_notes(names: TrunkNames, counts: tuple[int, ...]) -> tuple[str, ...]:
    """Return what is odd, the gravest first.

    Args:
        names: The layers that are there.
        counts: Blocks of each stage by their numbers.
    """
    notes = [*_lost(names, counts), *_gaps(names, counts), *_apart(names, counts)]
    notes += _repeated(names, counts)
    if len(notes) > _MOST_SENTENCES:
        left_out = len(notes) - _MOST_SENTENCES
        notes[_MOST_SENTENCES:] = [f"and {left_out:,} more of that sort"]
    return tuple(notes)


def _lost(names: TrunkNames, counts: tuple[int, ...]) -> Iterator[str]:
    lost = [i for i, count in enumerate(counts) if not count]
    if lost:
        yield f"no block of {numbered('stage', lost)} is there"
    if not (any(names.stem) or names.stem_norm):
        yield "the stem is missing"


def _gaps(names: TrunkNames, counts: tuple[int, ...]) -> Iterator[str]:
    for i, count in enumerate(counts):
        there = names.blocks.get(i, {})
        missing = [j for j in range(count) if j not in there]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            yield (
                f"stage {i} has {count} blocks by their numbers, but {numbered('block', missing)} "
                f"{verb} missing"
            )


def _apart(names: TrunkNames, counts: tuple[int, ...]) -> Iterator[str]:
    stages = [i for i in names.blocks if i >= len(counts)]
    if stages:
        yield (
            f"blocks of {numbered('stage', stages)} stand apart from the {len(counts)} stages "
            "of the network"
        )
    for i, count in enumerate(counts):
        apart = [j for j in names.blocks.get(i, {}) if j >= count]
        if apart:
            verb = "stands" if len(apart) == 1 else "stand"
            yield f"{numbered('block', apart)} of stage {i} {verb} apart from its {count} blocks"


def _repeated(names: TrunkNames, counts: tuple[int, ...]) -> Iterator[str]:
    """Find blocks whose convolution is an earlier one under another name."""
    owners: dict[str, tuple[int, int]] = {}
    copies: dict[int, dict[int, tuple[int, int]]] = {}
    for i in range(len(counts)):
        for j, block in names.blocks.get(i, {}).items():
            weight = block.get(Role.DEPTHWISE, {}).get("weight")
            if weight is not None:
                owners[weight.key] = (i, j)
                if weight.alias_of in owners:
                    copies.setdefault(i, {})[j] = owners[weight.alias_of]
    for i, found in copies.items():
        verb = "repeats" if len(found) == 1 else "repeat"
        own = {j for stage, j in found.values() if stage == i}
        same = numbered("block", own) if own else "blocks of other stages"
        yield (
            f"{numbered('block', found)} of stage {i} {verb} {same}: the same tensors under other "
            "names"
        )
