"""The sizes of a ResNet trunk, read from names and shapes.

Enters: a view of a state_dict. Leaves: a `TrunkReading`: a `Trunk`, and for each of its settings a
fact with the tensors that say so. Keys may be missing, stray or oddly shaped, in any order. Which
tensor says what is in the table of `families.trunks.resnet`; it takes one pass over the tensors.
"""

from typing import Final

import msgspec

from ckptscope.facts.architecture import Evidence, Fact
from ckptscope.facts.tensors import Origin, TensorInfo
from ckptscope.families.ballots import Ballot
from ckptscope.families.readings import (
    Said,
    extent,
    hear,
    list_fact,
    settle,
    size_fact,
)
from ckptscope.families.trunks.resnet import (
    BASIC,
    BOTTLENECK,
    EXPANSION,
    INPUT_CHANNELS,
    STEM_KERNEL,
    STEM_WIDTH,
    Trunk,
)
from ckptscope.families.view import NetworkView, read_number

#: Dimensions of a 2d convolution's weight; other numbers belong to networks for sound or video.
_DIMENSIONS: Final = 4
#: No ResNet has more stages; torchvision's have four.
_MOST_STAGES: Final = 16
_NORM_NAMES: Final = ("weight", "bias", "running_mean", "running_var")
#: What the first block of a stage has in its shortcut, as torchvision builds it.
SHORTCUT: Final = "Conv2d 1×1, BatchNorm2d"
NO_SHORTCUT: Final = "none"
_PROOFS: Final = {BASIC: "two convolutions a block", BOTTLENECK: "three convolutions a block"}

#: What the axes of a weight within a block are: channels that come in, inside it, of one group of
#: its inner convolution, that go out.
_AXES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    BASIC: {
        "conv1": ("inner", "into"),
        "bn1": ("inner",),
        "conv2": ("out", "group"),
        "bn2": ("out",),
        "downsample.0": ("out", "into"),
        "downsample.1": ("out",),
    },
    BOTTLENECK: {
        "conv1": ("inner", "into"),
        "bn1": ("inner",),
        "conv2": ("inner", "group"),
        "bn2": ("inner",),
        "conv3": ("out", "inner"),
        "bn3": ("out",),
        "downsample.0": ("out", "into"),
        "downsample.1": ("out",),
    },
}


class TrunkReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors say of a trunk.

    Attributes:
        trunk: Its sizes; those that nothing tells are assumed.
        settings: For each field of the trunk the fact.
        downsample: What the shortcuts of the first blocks hold.
        convolutions: How many weights of its blocks are those of 2d convolutions; none in networks
            for sound or video, which bear the same names.
    """

    trunk: Trunk
    settings: dict[str, Fact]
    downsample: Fact
    convolutions: int


class _Survey:
    """The tensors of a trunk by stage, block and name.

    Attributes:
        stages: Tensors by stage, from 0, then by block and name.
        depths: Blocks of each stage; stray numbers left out.
    """

    def __init__(self, view: NetworkView, prefix: str) -> None:
        self.view = view
        self.prefix = prefix
        self.stages: dict[int, dict[int, dict[str, TensorInfo]]] = {}
        cut = len(prefix)
        for key, tensor in view.tensors.items():
            if key.startswith("layer", cut) and key.startswith(prefix):
                self._place(key[cut + 5 :], tensor)
        count = extent(self.stages.keys())
        self.depths = [extent(self.stages.get(i, {}).keys()) for i in range(count)]

    def _place(self, rest: str, tensor: TensorInfo) -> None:
        """Put a tensor `{i+1}.{j}.{name}` into its block."""
        stage_text, _, rest = rest.partition(".")
        block_text, _, name = rest.partition(".")
        number, block = read_number(stage_text), read_number(block_text)
        if number and number <= _MOST_STAGES and block is not None:
            blocks = self.stages.setdefault(number - 1, {})
            blocks.setdefault(block, {})[name] = tensor

    def blocks(self, stage: int) -> dict[int, dict[str, TensorInfo]]:
        """Return the blocks of a stage that count."""
        held = self.stages.get(stage, {})
        return {j: names for j, names in held.items() if j < self.depths[stage]}

    def get(self, name: str) -> TensorInfo | None:
        """Return a tensor of the trunk, or None."""
        return self.view.tensors.get(self.prefix + name)


class _Widths:
    """What the tensors say of every width of a trunk.

    Attributes:
        flow: Channels between the stages: behind the stem, then behind each stage.
        inner: Channels inside the blocks of each stage.
        group: Channels of one group there.
    """

    def __init__(self, survey: _Survey, block: str) -> None:
        stages = range(len(survey.depths))
        self.flow: list[Ballot[int]] = [Ballot("stem_width")]
        self.flow += [Ballot(f"dims[{i}]") for i in stages]
        self.inner: list[Ballot[int]] = [Ballot(f"groups × group_dims[{i}]") for i in stages]
        self.group: list[Ballot[int]] = [Ballot(f"group_dims[{i}]") for i in stages]
        self._axes = {
            f"{layer}.{name}": axes
            for layer, axes in _AXES[block].items()
            for name in (_NORM_NAMES if len(axes) == 1 else ("weight",))
        }
        for name in ("conv1.weight", *(f"bn1.{name}" for name in _NORM_NAMES)):
            tensor = survey.get(name)
            if tensor is not None:
                hear(self.flow[0], tensor, 0)
        for stage in stages:
            self._hear_stage(survey, stage)

    def _hear_stage(self, survey: _Survey, stage: int) -> None:
        places = {"inner": self.inner[stage], "group": self.group[stage]}
        places["out"] = self.flow[stage + 1]
        for number, names in survey.blocks(stage).items():
            places["into"] = self.flow[stage + 1 if number else stage]
            for name, tensor in names.items():
                for axis, place in enumerate(self._axes.get(name, ())):
                    hear(places[place], tensor, axis)


def read_trunk(view: NetworkView, *, prefix: str = "") -> TrunkReading | None:
    """Read a trunk; None if there are not two stages of it.

    A network with `layer1` alone is another: HRNet begins like that.

    Args:
        view: The tensors.
        prefix: What stands before the trunk's keys within the view: `backbone.`.
    """
    survey = _Survey(view, prefix)
    if len(survey.depths) < 2:
        return None
    block, kind = _read_block(survey)
    widths = _Widths(survey, kind)
    stem_width = settle(widths.flow[0]) or Said(
        size=STEM_WIDTH, assumption=f"the stem is {STEM_WIDTH} wide, as in every named ResNet"
    )
    dims = _read_dims(widths, stem_width.size)
    groups, count = _read_groups(widths)
    settings = {
        "block": block,
        "depths": list_fact("depths", [_read_depth(survey, i) for i in range(len(dims))]),
        "dims": list_fact("dims", dims),
        "group_dims": list_fact("group_dims", _read_group_dims(widths, dims, count, kind)),
        "groups": groups,
        "stem_width": size_fact("stem_width", stem_width),
        **_read_stem(survey),
    }
    return TrunkReading(
        trunk=msgspec.convert({name: fact.value for name, fact in settings.items()}, Trunk),
        settings=settings,
        downsample=_read_shortcuts(survey),
        convolutions=sum(
            len(tensor.shape) == _DIMENSIONS
            for stage in range(len(dims))
            for names in survey.blocks(stage).values()
            for tensor in names.values()
        ),
    )


def _read_block(survey: _Survey) -> tuple[Fact, str]:
    """Tell a Bottleneck by its third convolution, or by the 1×1 of its first."""
    votes = {BASIC: 0, BOTTLENECK: 0}
    proofs: dict[str, Evidence] = {}
    for stage in range(len(survey.depths)):
        for names in survey.blocks(stage).values():
            first, third = names.get("conv1.weight"), names.get("conv3.weight")
            is_pointwise = first is not None and first.shape[2:] == (1, 1)
            kind = BOTTLENECK if third is not None or is_pointwise else BASIC
            votes[kind] += 1
            proof = third or first
            if kind not in proofs and proof is not None:
                proofs[kind] = Evidence(text=_PROOFS[kind], key=proof.key, shape=proof.shape)
    kind = max(votes, key=votes.__getitem__)
    count = sum(votes.values())
    said = f"block is {kind} by {votes[kind]:,} of {count:,} blocks"
    is_unanimous = votes[kind] == count
    return Fact(
        name="block",
        value=kind,
        origin=Origin.OBSERVED if is_unanimous else Origin.ASSUMED,
        evidence=(proofs[kind],) if kind in proofs else (),
        assumptions=() if is_unanimous else (said,),
    ), kind


def _read_depth(survey: _Survey, stage: int) -> Said:
    """Count the blocks of a stage; a gap in their numbers is a loss."""
    depth, held = survey.depths[stage], survey.blocks(stage)
    layer = f"layer{stage + 1}"
    if not depth:
        return Said(size=1, assumption=f"{layer} has one block: no tensor of it is in the file")
    lost = depth - len(held)
    text = f"depths[{stage}] = {depth}: the last block is '{layer}.{depth - 1}'"
    return Said(
        size=depth,
        evidence=Evidence(text=text),
        assumption=f"{lost} of {depth} blocks of {layer} are lost" if lost else "",
    )


def _read_dims(widths: _Widths, stem_width: int) -> list[Said]:
    dims: list[Said] = []
    for index, ballot in enumerate(widths.flow[1:]):
        said = settle(ballot)
        if said is None:
            size = 2 * dims[-1].size if dims else stem_width
            said = Said(size=size, assumption=f"dims[{index}] is {size}: no tensor tells it")
        dims.append(said)
    return dims


def _read_groups(widths: _Widths) -> tuple[Fact, int]:
    """Divide the channels inside the blocks by those of one group."""
    found: dict[int, Evidence] = {}
    for inside, within in zip(widths.inner, widths.group, strict=True):
        inner, group = settle(inside), settle(within)
        if inner and group and group.evidence and inner.size % group.size == 0:
            text = f"{inner.size} channels in groups of {group.size}"
            proof = msgspec.structs.replace(group.evidence, text=text)
            found.setdefault(inner.size // group.size, proof)
    if not found:
        assumptions = ("groups is 1: no tensor tells it",)
        return Fact(name="groups", value=1, origin=Origin.ASSUMED, assumptions=assumptions), 1
    groups, proof = next(iter(found.items()))
    differing = (f"groups is {groups} in every stage; some say otherwise",)
    return Fact(
        name="groups",
        value=groups,
        origin=Origin.ASSUMED if len(found) > 1 else Origin.DERIVED,
        evidence=(proof,),
        assumptions=differing if len(found) > 1 else (),
    ), groups


def _read_group_dims(widths: _Widths, dims: list[Said], groups: int, block: str) -> list[Said]:
    """Read the widths of groups; those that no inner convolution tells follow from its outside."""
    found: list[Said] = []
    for index, (within, inside) in enumerate(zip(widths.group, widths.inner, strict=True)):
        said, inner = settle(within), settle(inside)
        if said is None:
            planes = dims[index].size // (1 if block == BASIC else EXPANSION)
            size = max(1, (inner.size if inner is not None else planes) // groups)
            said = Said(
                size=size,
                evidence=inner.evidence if inner is not None else None,
                assumption=f"group_dims[{index}] is {size}: no inner convolution tells it",
            )
        found.append(said)
    return found


def _read_stem(survey: _Survey) -> dict[str, Fact]:
    """Read the first convolution's kernel and the channels that enter it."""
    facts: dict[str, Fact] = {}
    tensor = survey.get("conv1.weight")
    usual = (("stem_kernel", STEM_KERNEL, 2), ("input_channels", INPUT_CHANNELS, 1))
    for name, value, axis in usual:
        ballot: Ballot[int] = Ballot(name)
        if tensor is not None and len(tensor.shape) == _DIMENSIONS:
            hear(ballot, tensor, axis)
        said = settle(ballot) or Said(
            size=value,
            assumption=f"{name} is {value}, as in every named ResNet: no 'conv1.weight' tells it",
        )
        facts[name] = size_fact(name, said)
    return facts


def _read_shortcuts(survey: _Survey) -> Fact:
    """Say what the first blocks have in their shortcuts."""
    firsts = (survey.get(f"layer{i + 1}.0.downsample.0.weight") for i in range(len(survey.depths)))
    evidence = tuple(
        Evidence(text="in the shortcut", key=tensor.key, shape=tensor.shape)
        for tensor in firsts
        if tensor is not None
    )
    return Fact(
        name="downsample",
        value=SHORTCUT if evidence else NO_SHORTCUT,
        origin=Origin.OBSERVED,
        evidence=evidence or (Evidence(text="no 'downsample.0.weight' in any first block"),),
    )
