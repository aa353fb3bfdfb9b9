"""Which tensor belongs to which layer of a ConvNeXt trunk, by its name.

Enters: tensors by key, a layout of names. Leaves: `TrunkNames`: layers of the stem, of the
downsampling and of each block, found in one pass. Nothing is said of shapes here. Numbers in names
come from the file and may be absurd: `dense_count` says how far a count of them can be trusted.
"""

import enum
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from ckptscope.facts.tensors import TensorInfo
from ckptscope.families.trunks.convnext import Layout
from ckptscope.families.view import read_number

#: Tensors of one layer by the last part of their names: weight, bias, ...
Leaves: TypeAlias = dict[str, TensorInfo]

#: Numbers that may be missing from a count whatever is there.
_FEW: Final = 2

#: What a BatchNorm counts while it is trained.
STATISTICS: Final = ("running_mean", "running_var", "num_batches_tracked")
#: What a convolution or a linear layer has.
AFFINE: Final = frozenset({"weight", "bias"})
#: What a norm may have.
NORM: Final = AFFINE.union(STATISTICS)


class Role(enum.Enum):
    """What a layer is to its block."""

    DEPTHWISE = "depthwise convolution"
    NORM = "norm"
    FIRST = "first pointwise layer"
    SECOND = "second pointwise layer"
    SCALE = "layer scale"
    RESPONSE = "global response normalization"


Block: TypeAlias = dict[Role, Leaves]


class TrunkNames(msgspec.Struct, frozen=True, kw_only=True):
    """The layers of a trunk that are there.

    Attributes:
        stem: Convolutions of the stem, one or (where it overlaps) two.
        stem_norm: The norm behind them.
        stem_activation: Whether something without weights stands between two convolutions.
        downsample_norms: Norm before the downsampling of a stage, by stage.
        downsample: Downsampling convolution, by stage.
        blocks: Layers by stage, block and role.
        final_norm: The last norm.
    """

    stem: tuple[Leaves, ...]
    stem_norm: Leaves
    stem_activation: bool
    downsample_norms: dict[int, Leaves]
    downsample: dict[int, Leaves]
    blocks: dict[int, dict[int, Block]]
    final_norm: Leaves

    def within(self, counts: tuple[int, ...]) -> Iterator[TensorInfo]:
        """Yield the tensors of stem, downsampling, blocks and last norm.

        Args:
            counts: Blocks of each stage; what stands outside is left out.
        """
        layers = [*self.stem, self.stem_norm]
        for i, count in enumerate(counts):
            layers += [self.downsample_norms.get(i, {}), self.downsample.get(i, {})]
            for j, block in self.blocks.get(i, {}).items():
                if j < count:
                    layers += block.values()
        for leaves in (*layers, self.final_norm):
            yield from leaves.values()


def dense_count(numbers: Iterable[int]) -> int:
    """Return how many items there are by their numbers, from 0; 0 if that cannot be told.

    It is the greatest number plus one, unless too many are missing below it: more than half as many
    as are there (two may always be). So what follows from the count grows with the file, and a lone
    `stages.999999999` is not taken for the last of a thousand million.
    """
    count = 0
    for present, number in enumerate(sorted(set(numbers)), start=1):
        missing = number + 1 - present
        if missing <= max(_FEW, present // 2):
            count = number + 1
    return count


def find_names(tensors: Mapping[str, TensorInfo], layout: Layout, prefix: str = "") -> TrunkNames:
    """Find the layers of a trunk.

    Args:
        tensors: By key.
        layout: How they are named.
        prefix: What stands before the keys.
    """
    layers = group_layers(tensors, prefix)
    templates = _templates(layout)
    norms: dict[int, Leaves] = {}
    reductions: dict[int, Leaves] = {}
    blocks: dict[int, dict[int, Block]] = {}
    for name, leaves in layers.items():
        tokens = name.split(".")
        place = _place(templates.block, tokens)
        if place is not None:
            role = templates.roles.get(".".join(tokens[len(templates.block) :]))
            if role is not None and not role[1].isdisjoint(leaves):
                stage = blocks.setdefault(place[0], {})
                stage.setdefault(place[1], {})[role[0]] = only(leaves, role[1])
                continue
        for template, found, wanted in (
            (templates.norm, norms, NORM),
            (templates.reduction, reductions, AFFINE),
        ):
            place = _place(template, tokens) if len(tokens) == len(template) else None
            if place is not None and place[0] > 0 and not wanted.isdisjoint(leaves):
                found[place[0]] = only(leaves, wanted)
    stem, stem_norm, has_activation = _find_stem(layers, layout)
    return TrunkNames(
        stem=stem,
        stem_norm=stem_norm,
        stem_activation=has_activation,
        downsample_norms=norms,
        downsample=reductions,
        blocks=blocks,
        final_norm=only(layers.get(layout.norm, {}), NORM),
    )


def group_layers(tensors: Mapping[str, TensorInfo], prefix: str) -> dict[str, Leaves]:
    """Group tensors by the module that their names name, the prefix cut off."""
    layers: dict[str, Leaves] = {}
    cut = len(prefix)
    for key, tensor in tensors.items():
        if key.startswith(prefix):
            name, _, leaf = key[cut:].rpartition(".")
            leaves = layers.get(name)
            if leaves is None:
                leaves = layers[name] = {}
            leaves[leaf] = tensor
    return layers


def only(leaves: Leaves, wanted: frozenset[str]) -> Leaves:
    """Leave out tensors that such a layer does not have."""
    if wanted.issuperset(leaves):
        return leaves
    return {leaf: tensor for leaf, tensor in leaves.items() if leaf in wanted}


class _Templates(msgspec.Struct, frozen=True, eq=False):
    """A layout's names, taken apart."""

    norm: tuple[str, ...]
    reduction: tuple[str, ...]
    block: tuple[str, ...]
    roles: dict[str, tuple[Role, frozenset[str]]]


@functools.cache
def _templates(layout: Layout) -> _Templates:
    depthwise, norm, first, second = layout.parts
    roles: dict[str, tuple[Role, frozenset[str]]] = {
        depthwise: (Role.DEPTHWISE, AFFINE),
        norm: (Role.NORM, NORM),
        first: (Role.FIRST, AFFINE),
        second: (Role.SECOND, AFFINE),
    }
    module, _, leaf = layout.scale[0].rpartition(".")
    roles[module] = (Role.SCALE, frozenset({leaf}))
    if layout.response is not None:
        pairs = [name.rpartition(".") for name in layout.response]
        roles[pairs[0][0]] = (Role.RESPONSE, frozenset(pair[2] for pair in pairs))
    before, reduction = layout.downsample
    return _Templates(
        tuple(before.split(".")), tuple(reduction.split(".")), tuple(layout.block.split(".")), roles
    )


def _place(template: tuple[str, ...], tokens: list[str]) -> tuple[int, int] | None:
    """Return stage and block of a name that begins as the template does, else None."""
    if len(tokens) < len(template):
        return None
    stage = block = 0
    for want, have in zip(template, tokens, strict=False):
        if want[0] != "{":
            if want != have:
                return None
            continue
        number = read_number(have)
        if number is None or number % 2 == {"{odd}": 0, "{even}": 1}.get(want):
            return None
        if want == "{j}":
            block = number
        else:
            stage = number if want == "{i}" else number // 2
    return stage, block


def _find_stem(
    layers: Mapping[str, Leaves], layout: Layout
) -> tuple[tuple[Leaves, ...], Leaves, bool]:
    """Return the stem's convolutions, its norm, and whether an activation is between them.

    An overlapping stem shows in its second layer: a weight of four dimensions, not of one.
    """
    names, has_activation = layout.stem, False
    first = layout.stem[0]
    if layout.overlapping_stem is not None:
        for between in (False, True):
            one, two, norm = layout.overlapping_names(has_activation=between)
            weight = layers.get(two, {}).get("weight")
            if weight is not None and len(weight.shape) == 4:
                first, names, has_activation = one, (two, norm), between
                break
    convolutions = [only(layers.get(names[0], {}), AFFINE)]
    if first != names[0]:
        convolutions.insert(0, only(layers.get(first, {}), AFFINE))
    return tuple(convolutions), only(layers.get(names[1], {}), NORM), has_activation
