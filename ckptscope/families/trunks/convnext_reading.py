"""The sizes of a ConvNeXt trunk, read from names and shapes.

Enters: a view of a state_dict, and a layout of names. Leaves: a `TrunkReading`: a `Trunk`, for each
of its settings what says so, and what does not fit, in words. Keys may be missing, stray or oddly
shaped, in any order: where tensors disagree, most of them decide, the others are named, and what
was decided is assumed. Which tensor says what stands in the table of `convnext`. The cost grows
with the number of tensors alone.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from ckptscope.facts.architecture import Evidence, FactValue
from ckptscope.facts.tensors import Origin
from ckptscope.families.ballots import Ballot
from ckptscope.families.trunks.convnext import BATCH_NORM, NAMED_SIZES, Layout, Trunk
from ckptscope.families.trunks.convnext_names import (
    Role,
    TrunkNames,
    dense_count,
    find_names,
)
from ckptscope.families.trunks.convnext_strays import stray_notes
from ckptscope.families.trunks.convnext_votes import Votes
from ckptscope.families.view import NetworkView

#: What a trunk has where no tensor says otherwise; both papers.
PLAIN: Final = Trunk(dims=(), depths=())

V = TypeVar("V", int, bool, str)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a trunk, and what says so.

    Attributes:
        value: It; None where nothing says it, and then the `Trunk` has 1 in its place.
        origin: Observed, derived, assumed or undetermined.
        evidence: Tensors, with their keys as saved.
        assumptions: Conventions that it needs; empty unless it is assumed.
        alternatives: Other values that the rest allows, where it is undetermined.
    """

    value: FactValue
    origin: Origin
    evidence: tuple[Evidence, ...] = ()
    assumptions: tuple[str, ...] = ()
    alternatives: tuple[FactValue, ...] = ()


class TrunkReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors say of a trunk.

    Attributes:
        trunk: Its sizes; 1 for a width or a depth that nothing tells.
        settings: For each field of the trunk what says so.
        explained: Keys of the view that belong to layers of this trunk.
        notes: What does not fit, in words, the gravest first. Single tensors that are missing are
            not listed: a table of keys says it better.
        names: The layers that are there.
    """

    trunk: Trunk
    settings: Mapping[str, Reading]
    explained: tuple[str, ...]
    notes: tuple[str, ...]
    names: TrunkNames

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Settings that nothing tells."""
        return tuple(
            name for name, one in self.settings.items() if one.origin is Origin.UNDETERMINED
        )


def read_trunk(
    view: NetworkView, layout: Layout, *, prefix: str = "", usual: Trunk = PLAIN
) -> TrunkReading | None:
    """Read a trunk; None if there is no block of it.

    Args:
        view: The tensors.
        layout: How its layers are named.
        prefix: What stands before its keys within the view: `backbone.`.
        usual: What is assumed where the tensors that would say it are missing; its dims and depths
            are of no account.
    """
    names = find_names(view.tensors, layout, prefix)
    counts = count_blocks(names)
    if not any(counts):
        return None
    votes = Votes(names, counts)
    settings = {
        **_read_sizes(names, votes, counts),
        **_read_layers(votes, names, usual),
        "norm": _read_norm(votes.norm, usual),
        **_read_stem(votes, names, usual),
        "final_norm": _read_final_norm(names, layout),
    }
    known = {name: one.value for name, one in settings.items()}
    if known["dims"] is None:
        known["dims"] = tuple(ballot.value or 1 for ballot in votes.widths)
    if known["depths"] is None:
        known["depths"] = tuple(count or 1 for count in counts)
    cut = len(view.prefix)
    return TrunkReading(
        trunk=msgspec.convert(known, Trunk),
        settings=settings,
        explained=tuple(tensor.key[cut:] for tensor in names.within(counts)),
        notes=(*stray_notes(names, counts), *votes.dissents()),
        names=names,
    )


def count_blocks(names: TrunkNames) -> tuple[int, ...]:
    """Return how many blocks each stage has by their numbers; 0 for a stage that has lost all."""
    stages = dense_count({*names.blocks, *names.downsample, *names.downsample_norms})
    return tuple(dense_count(names.blocks.get(i, ())) for i in range(stages))


def _read_sizes(names: TrunkNames, votes: Votes, counts: tuple[int, ...]) -> dict[str, Reading]:
    """Read dims and depths; what is lost with a stage, the named sizes may tell."""
    widths = tuple(ballot.value for ballot in votes.widths)
    depths = tuple(count or None for count in counts)
    rows = [
        (name, sizes)
        for name, sizes in NAMED_SIZES.items()
        if _agree(sizes[0], widths) and _agree(sizes[1], depths)
    ]
    dims = _complete(
        widths,
        [(name, row[0]) for name, row in rows],
        tuple(one for ballot in votes.widths for one in ballot.evidence()),
        "wide",
    )
    doubts = tuple(one for ballot in votes.widths for one in ballot.assumptions())
    if doubts and dims.value is not None:
        dims = msgspec.structs.replace(
            dims, origin=Origin.ASSUMED, assumptions=dims.assumptions + doubts
        )
    return {
        "dims": dims,
        "depths": _complete(
            depths, [(name, row[1]) for name, row in rows], _block_evidence(names, counts), "deep"
        ),
    }


def _agree(row: tuple[int, ...], known: tuple[int | None, ...]) -> bool:
    return len(row) == len(known) and all(
        have is None or have == size for size, have in zip(row, known, strict=True)
    )


def _complete(
    known: tuple[int | None, ...],
    rows: list[tuple[str, tuple[int, ...]]],
    evidence: tuple[Evidence, ...],
    how: str,
) -> Reading:
    lost = [i for i, size in enumerate(known) if size is None]
    if not lost:
        return Reading(value=known, origin=Origin.OBSERVED, evidence=evidence)  # type: ignore[arg-type]
    options = list(dict.fromkeys(sizes for _, sizes in rows))
    if len(options) != 1:
        return Reading(
            value=None,
            origin=Origin.UNDETERMINED,
            evidence=evidence,
            alternatives=tuple(options),
        )
    where = ", ".join(str(i) for i in lost)
    named = " or ".join(name for name, _ in rows)
    return Reading(
        value=options[0],
        origin=Origin.ASSUMED,
        evidence=evidence,
        assumptions=(
            f"stage {where} is as {how} as in {named}, the only named sizes with all the others",
        ),
    )


def _block_evidence(names: TrunkNames, counts: tuple[int, ...]) -> tuple[Evidence, ...]:
    """Return for each stage a tensor of its last block."""
    evidence: list[Evidence] = []
    for i, count in enumerate(counts):
        block = names.blocks.get(i, {}).get(count - 1)
        if block:
            layer = block.get(Role.DEPTHWISE) or next(iter(block.values()))
            tensor = layer.get("weight") or next(iter(layer.values()))
            what = "block 0 alone" if count == 1 else f"blocks 0 to {count - 1}"
            text = f"depths[{i}] = {count}: {what}"
            evidence.append(Evidence(text=text, key=tensor.key, shape=tensor.shape))
    return tuple(evidence)


def _read_layers(votes: Votes, names: TrunkNames, usual: Trunk) -> dict[str, Reading]:
    return {
        "kernel_size": _read(votes.kernel_size, usual.kernel_size, "the depthwise convolutions"),
        "expansion": _read(
            votes.expansion, usual.expansion, "the pointwise layers", Origin.DERIVED
        ),
        "layer_scale": _read_presence(votes.layer_scale, "layer scale"),
        "grn": _read_presence(votes.grn, "global response normalization"),
        "pointwise_convolutions": _read(
            votes.pointwise_convolutions, usual.pointwise_convolutions, "the pointwise layers"
        ),
    }


def _read(ballot: Ballot[V], usual: V, layers: str, origin: Origin = Origin.OBSERVED) -> Reading:
    value = ballot.value
    if value is not None:
        doubts = ballot.assumptions()
        return Reading(
            value=value,
            origin=Origin.ASSUMED if doubts else origin,
            evidence=ballot.evidence(),
            assumptions=doubts,
        )
    return Reading(
        value=usual,
        origin=Origin.ASSUMED,
        assumptions=(f"{ballot.name} is {usual}, as usual: {layers} that tell it are not there",),
    )


def _read_presence(ballot: Ballot[bool], what: str) -> Reading:
    doubts = ballot.assumptions()
    return Reading(
        value=ballot.value,
        origin=Origin.ASSUMED if doubts else Origin.OBSERVED,
        evidence=ballot.evidence("" if ballot.value else f"no {what} in this block"),
        assumptions=doubts,
    )


def _read_norm(ballot: Ballot[str], usual: Trunk) -> Reading:
    """Read the kind of norm: running statistics are BatchNorm's; without them, names say less."""
    kind = ballot.value
    if kind is None:
        return _read(ballot, usual.norm, "the norms")
    doubts = ballot.assumptions()
    if kind == BATCH_NORM:
        return Reading(
            value=kind,
            origin=Origin.ASSUMED if doubts else Origin.OBSERVED,
            evidence=ballot.evidence("running statistics: BatchNorm2d"),
            assumptions=doubts,
        )
    return Reading(
        value=kind,
        origin=Origin.ASSUMED,
        evidence=ballot.evidence("no running statistics beside it"),
        assumptions=(
            f"a norm without running statistics is {kind}, as ConvNeXt has it; a GroupNorm would "
            "have the same names",
            *doubts,
        ),
    )


def _read_stem(votes: Votes, names: TrunkNames, usual: Trunk) -> dict[str, Reading]:
    overlaps = len(names.stem) > 1
    readings = {
        "stem_kernel": _read(votes.stem_kernel, usual.stem_kernel, "the stem"),
        "input_channels": _read(votes.input_channels, usual.input_channels, "the stem"),
        "stem_channels": Reading(value=None, origin=Origin.OBSERVED),
        "stem_activation": Reading(value=names.stem_activation, origin=Origin.OBSERVED),
    }
    if overlaps:
        readings["stem_channels"] = Reading(
            value=votes.stem_channels.value,
            origin=Origin.OBSERVED,
            evidence=votes.stem_channels.evidence(),
        )
    return readings


def _read_final_norm(names: TrunkNames, layout: Layout) -> Reading:
    for tensor in names.final_norm.values():
        evidence = Evidence(text=f"{layout.norm} is there", key=tensor.key, shape=tensor.shape)
        return Reading(value=True, origin=Origin.OBSERVED, evidence=(evidence,))
    evidence = Evidence(text=f"there is no {layout.norm}")
    return Reading(value=False, origin=Origin.OBSERVED, evidence=(evidence,))
