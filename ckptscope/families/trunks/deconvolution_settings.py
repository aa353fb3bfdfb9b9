"""The settings of a network of ResNet trunk and transposed convolutions.

Enters: settings by name. Leaves: a `StackConfiguration`, on which families build theirs; its
attributes.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import ExpectedTensor, PartCount
from ckptscope.families.layers import Width
from ckptscope.families.trunks.deconvolutions import (
    KERNEL,
    LAYERS,
    MOST_LAYERS,
    WIDTH,
    Stack,
    stack_counts,
    stack_keys,
    stack_macs,
)
from ckptscope.families.trunks.resnet import trunk_counts, trunk_keys, trunk_macs, trunk_name
from ckptscope.families.trunks.resnet_settings import (
    TrunkConfiguration,
    default_trunk,
    require_lengths,
    require_trunk,
    spell_out_trunk,
    trunk_attributes,
)

#: Input of 3DMPPE's configuration, in pixels.
INPUT_SIZE: Final = (256, 256)
#: What stands before the trunk's keys.
BACKBONE: Final = "backbone."
#: Channels that enter the head in the code of 3DMPPE.
_INPLANES: Final = 2048


class StackConfiguration(TrunkConfiguration, frozen=True, kw_only=True):
    """What a network of trunk and transposed convolutions is built from, beside the trunk.

    Attributes:
        head_out_channels: Channels that leave each transposed convolution.
        head_kernels: Sides of their kernels.
        upsampling: Whether each doubles the plane; no tensor depends on it.
        input_size: Height and width of the input, in pixels; no tensor depends on it.
    """

    head_out_channels: tuple[int, ...]
    head_kernels: tuple[int, ...]
    upsampling: tuple[bool, ...]
    input_size: tuple[int, int] = INPUT_SIZE

    @property
    def stack(self) -> Stack:
        """Sizes of the transposed convolutions."""
        return Stack(
            into=self.dims[-1],
            widths=self.head_out_channels,
            kernels=self.head_kernels,
            doubles=self.upsampling,
        )

    @property
    def head_input(self) -> tuple[int, int]:
        """Height and width that leave the trunk."""
        return trunk_macs(self.trunk, self.input_size)[1]

    @property
    def heatmap(self) -> tuple[int, int]:
        """Height and width that leave the transposed convolutions."""
        return self.stack.planes(self.head_input)[-1]

    @property
    def last_dim(self) -> Width:
        """Channels that leave the trunk."""
        return Width(self.dims[-1], (f"dims[{len(self.dims) - 1}]",))

    @property
    def stack_out(self) -> Width:
        """Channels that leave the transposed convolutions."""
        if not self.head_out_channels:
            return self.last_dim
        last = len(self.head_out_channels) - 1
        return Width(self.head_out_channels[-1], (f"head_out_channels[{last}]",))


def spell_out_stack(settings: Mapping[str, FactValue], *, family: str) -> dict[str, FactValue]:
    """Replace the shorter ways to say several settings at once.

    Beside those of the trunk: `head_width` and `head_layers` for head_out_channels; `upsamplings`,
    a count, for the first so many layers.

    Raises:
        UsageError: There is no trunk of that name.
    """
    spelled = spell_out_trunk(settings, family=family)
    width, layers = spelled.pop("head_width", None), spelled.pop("head_layers", None)
    if width is not None or layers is not None:
        width = WIDTH if width is None else width
        count = layers if type(layers) is int and 0 < layers <= MOST_LAYERS else LAYERS
        if type(width) is int:
            spelled.setdefault("head_out_channels", (width,) * count)
    doublings = spelled.pop("upsamplings", None)
    if type(doublings) is int:
        count = _layer_count(spelled)
        spelled.setdefault("upsampling", tuple(i < doublings for i in range(count)))
    return spelled


def default_stack(spelled: dict[str, FactValue]) -> None:
    """Add what 3DMPPE's code fixes: three layers of 256 channels by 4×4, each of which doubles."""
    default_trunk(spelled)
    spelled.setdefault("head_out_channels", (WIDTH,) * LAYERS)
    count = _layer_count(spelled)
    spelled.setdefault("head_kernels", (KERNEL,) * count)
    spelled.setdefault("upsampling", (True,) * count)


def _layer_count(spelled: Mapping[str, FactValue]) -> int:
    channels = spelled.get("head_out_channels")
    return len(channels) if isinstance(channels, tuple) else LAYERS


def require_stack(configuration: StackConfiguration, *, family: str) -> None:
    """Refuse settings that do not go together.

    Raises:
        UsageError: They do not; the message names them.
    """
    require_trunk(configuration, family=family)
    channels = configuration.head_out_channels
    if len(channels) > MOST_LAYERS:
        raise UsageError(
            f"{family}: expected at most {MOST_LAYERS} layers in 'head_out_channels', found "
            f"{len(channels):,}"
        )
    for name, values in (
        ("head_kernels", configuration.head_kernels),
        ("upsampling", configuration.upsampling),
    ):
        require_lengths(name, values, "head_out_channels", channels, family=family)


def base_keys(configuration: StackConfiguration, *, prefix: str) -> Iterator[ExpectedTensor]:
    """List the trunk and the transposed convolutions.

    Args:
        configuration: The network's.
        prefix: What stands before the keys of the head: `head.`.
    """
    yield from trunk_keys(configuration.trunk, prefix=BACKBONE)
    stack = configuration.stack
    yield from stack_keys(stack, configuration.last_dim, prefix=prefix, part="head")


def base_counts(
    configuration: StackConfiguration, layers: tuple[tuple[int, int, int], ...]
) -> tuple[PartCount, PartCount]:
    """Add up the trunk and the head.

    Args:
        configuration: The network's.
        layers: Further 1×1 convolutions of the head, with a bias: channels in and out, and the
            places that they see.
    """
    tensors, parameters, buffers = trunk_counts(configuration.trunk)
    macs, plane = trunk_macs(configuration.trunk, configuration.input_size)
    backbone = PartCount(
        part="backbone", tensors=tensors, parameters=parameters, buffers=buffers, macs=macs
    )
    tensors, parameters, buffers = stack_counts(configuration.stack)
    head = PartCount(
        part="head",
        tensors=tensors + 2 * len(layers),
        parameters=parameters + sum(out * (into + 1) for into, out, _ in layers),
        buffers=buffers,
        macs=stack_macs(configuration.stack, plane)
        + sum(into * out * places for into, out, places in layers),
    )
    return backbone, head


def base_attributes(configuration: StackConfiguration) -> dict[str, FactValue]:
    """Return what follows from trunk and transposed convolutions, by the facts' names."""
    stack = configuration.stack
    widths = set(stack.widths)
    return {
        **trunk_attributes(configuration.trunk),
        "head_layers": len(stack.widths),
        "head_in_channels": (stack.into, *stack.widths)[: len(stack.widths)],
        "head_out_channels": stack.widths,
        "head_width": widths.pop() if len(widths) == 1 else None,
        "head_kernels": stack.kernels,
        "upsampling": stack.doubles,
        "upsamplings": sum(stack.doubles),
        "input_size": configuration.input_size,
        "head_input": configuration.head_input,
        "heatmap": configuration.heatmap,
    }


def resnet_type(configuration: StackConfiguration) -> int | None:
    """Return the number by which 3DMPPE's code knows a trunk, or None where it cannot build it."""
    name = trunk_name(configuration.trunk) or ""
    number = name.removeprefix("ResNet-")
    return int(number) if number.isdecimal() and configuration.input_channels == 3 else None


def head_cautions(configuration: StackConfiguration, head: str) -> tuple[str, ...]:
    """Say what of the head is fixed in 3DMPPE's code, and another in this network.

    Args:
        configuration: The network's.
        head: Class that builds it: HeadNet, RootNet.
    """
    fixed = (
        ("self.inplanes", configuration.dims[-1], _INPLANES),
        ("the widths of its layers", configuration.head_out_channels, (WIDTH,) * LAYERS),
        ("their kernels", configuration.head_kernels, (KERNEL,) * LAYERS),
    )
    return tuple(
        f"{head} fixes {what} at {usual}: change it to {found}"
        for what, found, usual in fixed
        if found != usual
    )
