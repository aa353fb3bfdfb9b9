"""3DMPPE PoseNet: what it is built from, its keys, and what they add up to.

Enters: settings. Leaves: a configuration, its table of keys, counts in closed form. Defined by
G. Moon, J. Y. Chang, K. M. Lee, "Camera Distance-aware Top-down Approach for 3D Multi-person Pose
Estimation from a Single RGB Image", ICCV 2019, and the authors' code
(mks0601/3DMPPE_POSENET_RELEASE, main/model.py).

| key | shape |
|---|---|
| `backbone.*` | the trunk of `families.trunks.resnet` |
| `head.deconv_layers.*` | the stack of `families.trunks.deconvolutions` |
| `head.final_layer.weight` | [joints × depth_bins, head_out_channels[-1], 1, 1] |
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.layers import Place, Width, convolution, square
from ckptscope.families.settings import read_settings
from ckptscope.families.trunks.deconvolution_settings import (
    StackConfiguration,
    base_attributes,
    base_counts,
    base_keys,
    default_stack,
    require_stack,
    spell_out_stack,
)

NAME: Final = "posenet"
DIALECT: Final = "original"
HEAD: Final = "head."
FINAL_LAYER: Final = "head.final_layer"
#: `depth_dim` of the authors' configuration, as wide as its heatmap.
DEPTH_BINS: Final = 64


class PoseNetConfiguration(StackConfiguration, frozen=True, kw_only=True):
    """What a PoseNet is built from, beside trunk and transposed convolutions.

    Attributes:
        joints: Joints of the output; None where it is not known how the outputs divide.
        depth_bins: Depth bins of each joint; None likewise.
        undivided: Channels of the output where they are not divided into joints and depth bins.
    """

    joints: int | None = None
    depth_bins: int | None = None
    undivided: int | None = None

    @property
    def final_channels(self) -> int | None:
        """Channels that leave the network; None where nothing says it."""
        if self.joints is None or self.depth_bins is None:
            return self.undivided
        return self.joints * self.depth_bins


def spell_out(settings: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Replace settings that say several at once by the fields that they mean.

    Raises:
        UsageError: One names what there is not, or `final_channels` is no product.
    """
    spelled = spell_out_stack(settings, family=NAME)
    final = spelled.pop("final_channels", None)
    if type(final) is int:
        _divide(spelled, final)
    elif final is not None:
        raise UsageError(f"{NAME}: expected 'final_channels' to be a number, found {final!r}")
    return spelled


def _divide(spelled: dict[str, FactValue], final: int) -> None:
    """Divide the final channels by what is known of joints and depth bins."""
    joints, bins = spelled.get("joints"), spelled.get("depth_bins")
    known = [factor for factor in (joints, bins) if type(factor) is int and factor > 0]
    product = 1
    for factor in known:
        product *= factor
    if final % product or (len(known) == 2 and product != final):
        told = " × ".join(map(str, known))
        raise UsageError(f"{NAME}: expected 'final_channels' to be {told} × ..., found {final}")
    if not known:
        spelled["undivided"] = final
    elif len(known) == 1:
        spelled["depth_bins" if bins is None else "joints"] = final // product


def read_fields(settings: Mapping[str, FactValue]) -> PoseNetConfiguration:
    """Read spelled out settings, each for itself.

    Raises:
        UsageError: A name is unknown, a value of the wrong type, or one is missing.
    """
    return read_settings(PoseNetConfiguration, settings, family=NAME)


def configure(settings: Mapping[str, FactValue]) -> PoseNetConfiguration:
    """Make a configuration of settings, and see that they go together.

    Raises:
        UsageError: They do not.
    """
    spelled = spell_out(settings)
    default_stack(spelled)
    if spelled.get("undivided") is None:
        spelled.setdefault("depth_bins", DEPTH_BINS)
    configuration = read_fields(spelled)
    require_stack(configuration, family=NAME)
    if configuration.final_channels is None:
        raise UsageError(f"{NAME}: expected a value for 'joints', found none")
    return configuration


def configuration_keys(configuration: PoseNetConfiguration) -> Iterator[ExpectedTensor]:
    """List the state_dict in its order; without the final layer where nothing says its width."""
    yield from base_keys(configuration, prefix=HEAD)
    final = configuration.final_channels
    if final is not None:
        is_divided = configuration.joints is not None and configuration.depth_bins is not None
        terms = ("joints", "depth_bins") if is_divided else ("final_channels",)
        into = configuration.stack_out
        yield from convolution(FINAL_LAYER, Width(final, terms), into, square(1), Place("head"))


def count_configuration(configuration: PoseNetConfiguration) -> Counts:
    """Add a network up in closed form."""
    final = configuration.final_channels
    height, width = configuration.heatmap
    layers = () if final is None else ((configuration.stack.out, final, height * width),)
    return Counts(parts=base_counts(configuration, layers))


def configuration_attributes(configuration: PoseNetConfiguration) -> dict[str, FactValue]:
    """Return what follows from a configuration, by the facts' names."""
    counts = count_configuration(configuration)
    backbone, head = counts.parts
    return {
        **base_attributes(configuration),
        "final_channels": configuration.final_channels,
        "joints": configuration.joints,
        "depth_bins": configuration.depth_bins,
        "tensors": counts.tensors,
        "parameters": counts.parameters,
        "buffers": counts.buffers,
        "state_elements": counts.elements,
        "backbone_parameters": backbone.parameters,
        "backbone_elements": backbone.elements,
        "head_parameters": head.parameters,
        "head_elements": head.elements,
        "macs": counts.macs,
    }
