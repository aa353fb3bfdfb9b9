"""The settings of a ResNet trunk, as every family on one takes and tells them.

Enters: settings by name. Leaves: a `TrunkConfiguration`, on which families build theirs; facts and
attributes of its trunk.
"""

from collections.abc import Mapping

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Evidence, Fact, FactValue
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Configuration
from ckptscope.families.readings import follow
from ckptscope.families.trunks.resnet import (
    BLOCKS,
    INPUT_CHANNELS,
    NAMED_TRUNKS,
    STEM_KERNEL,
    STEM_WIDTH,
    Trunk,
    group_dims_of,
    stem_text,
    trunk_name,
)
from ckptscope.families.trunks.resnet_reading import TrunkReading

#: torchvision's `width_per_group`, unless it is set.
_BASE_WIDTH = 64


class TrunkConfiguration(Configuration, frozen=True, kw_only=True):
    """What a network on a ResNet trunk is built from.

    Attributes:
        block: BasicBlock or Bottleneck.
        depths: Blocks of each stage.
        dims: Channels that leave each stage.
        group_dims: Channels of one group of the inner 3×3 convolution, for each stage.
        groups: Groups of that convolution.
        stem_width: Channels that leave the stem.
        stem_kernel: Side of the first convolution.
        input_channels: Channels of the input.
    """

    block: str
    depths: tuple[int, ...]
    dims: tuple[int, ...]
    group_dims: tuple[int, ...]
    groups: int = 1
    stem_width: int = STEM_WIDTH
    stem_kernel: int = STEM_KERNEL
    input_channels: int = INPUT_CHANNELS

    @property
    def trunk(self) -> Trunk:
        """Sizes of the trunk."""
        return Trunk(
            block=self.block,
            depths=self.depths,
            dims=self.dims,
            group_dims=self.group_dims,
            groups=self.groups,
            stem_width=self.stem_width,
            stem_kernel=self.stem_kernel,
            input_channels=self.input_channels,
        )


def spell_out_trunk(settings: Mapping[str, FactValue], *, family: str) -> dict[str, FactValue]:
    """Replace the shorter ways to say several settings of a trunk at once.

    `backbone` is a name of `NAMED_TRUNKS`; `width_per_group` is torchvision's; `input_size` may be
    one side of a square.

    Raises:
        UsageError: There is no trunk of that name.
    """
    spelled = dict(settings)
    name, width = spelled.pop("backbone", None), spelled.pop("width_per_group", None)
    if name is not None:
        trunk = NAMED_TRUNKS.get(str(name))
        if trunk is None:
            known = ", ".join(NAMED_TRUNKS)
            raise UsageError(f"{family}: no ResNet backbone {name!r}; there are: {known}")
        fields = ("block", "depths", "dims", "groups", "group_dims")
        for field in fields if width is None else fields[:-1]:
            spelled.setdefault(field, getattr(trunk, field))
    if width is not None:
        _set_group_dims(spelled, width)
    side = spelled.get("input_size")
    if type(side) is int:
        spelled["input_size"] = (side, side)
    return spelled


def default_trunk(spelled: dict[str, FactValue]) -> None:
    """Add the group widths that torchvision takes for as many channels, where none are given."""
    if "group_dims" not in spelled:
        _set_group_dims(spelled, _BASE_WIDTH)


def _set_group_dims(spelled: dict[str, FactValue], base_width: FactValue) -> None:
    dims, block = spelled.get("dims"), spelled.get("block")
    if isinstance(dims, tuple) and block in BLOCKS and isinstance(base_width, int):
        sizes = tuple(dim for dim in dims if type(dim) is int)
        if len(sizes) == len(dims):
            spelled["group_dims"] = group_dims_of(str(block), sizes, base_width)


def require_trunk(configuration: TrunkConfiguration, *, family: str) -> None:
    """Refuse settings of a trunk that do not go together.

    Raises:
        UsageError: There is no stage, no such block, or lists differ in length.
    """
    if not configuration.dims:
        raise UsageError(f"{family}: expected at least one stage in 'dims', found none")
    if configuration.block not in BLOCKS:
        raise UsageError(
            f"{family}: expected 'block' to be {' or '.join(BLOCKS)}, found {configuration.block!r}"
        )
    require_lengths("depths", configuration.depths, "dims", configuration.dims, family=family)
    require_lengths(
        "group_dims", configuration.group_dims, "dims", configuration.dims, family=family
    )


def require_lengths(
    name: str, values: tuple[object, ...], other: str, others: tuple[object, ...], *, family: str
) -> None:
    """Refuse two lists of different lengths.

    Raises:
        UsageError: They have; the message names both.
    """
    if len(values) != len(others):
        raise UsageError(
            f"{family}: expected as many values of {name!r} as of {other!r}, found "
            f"{len(values)} and {len(others)}"
        )


def trunk_attributes(trunk: Trunk) -> dict[str, FactValue]:
    """Return what follows from a trunk, by the facts' names."""
    return {
        "backbone": trunk_name(trunk),
        "block": trunk.block,
        "depths": trunk.depths,
        "dims": trunk.dims,
        "groups": trunk.groups,
        "group_dims": trunk.group_dims,
        "stem": stem_text(trunk),
        "stem_width": trunk.stem_width,
        "stem_kernel": trunk.stem_kernel,
        "input_channels": trunk.input_channels,
    }


def trunk_facts(
    configuration: TrunkConfiguration, settings: Mapping[str, Fact], reading: TrunkReading
) -> tuple[Fact, ...]:
    """Return the facts of a trunk in the order in which they are told.

    Args:
        configuration: The network's.
        settings: Facts by setting, stated ones included.
        reading: What the tensors said.
    """
    trunk = configuration.trunk
    name = trunk_name(trunk)
    depths = "-".join(map(str, trunk.depths))
    text = f"{trunk.block} × {depths}, dims {list(trunk.dims)}"
    if name is None:
        text += ": none of the named ones"
    named = ("block", "depths", "dims", "groups", "group_dims", "stem_width", "stem_kernel")
    stem = ("stem_width", "stem_kernel", "input_channels")
    return (
        follow("backbone", name, text, [settings[one] for one in named]),
        *(settings[one] for one in ("block", "depths", "dims", "groups", "group_dims")),
        follow("stem", stem_text(trunk), "its convolution", [settings[one] for one in stem]),
        *(settings[one] for one in stem),
        reading.downsample,
    )


def assumed_input_size(size: tuple[int, int], why: str) -> Fact:
    """Assume the size of the input, on which no tensor depends."""
    return Fact(
        name="input_size",
        value=size,
        origin=Origin.ASSUMED,
        evidence=(Evidence(text="no tensor depends on it"),),
        assumptions=(why,),
        decided_by="the code or the configuration that the network was trained with",
    )
