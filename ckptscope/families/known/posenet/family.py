"""The family PoseNet of 3DMPPE: see `configuration` for its keys.

Enters: a view of a state_dict, or settings. Leaves: what a `Family` gives.
"""

from collections.abc import Mapping
from typing import ClassVar

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.base import NOTHING_GIVEN, Family, Given, Match
from ckptscope.families.known.posenet.configuration import (
    DEPTH_BINS,
    DIALECT,
    NAME,
    PoseNetConfiguration,
    configuration_attributes,
    configuration_keys,
    configure,
    count_configuration,
)
from ckptscope.families.known.posenet.division import JOINT_SETS, JOINT_SETS_TEXT
from ckptscope.families.known.posenet.inference import infer_network, match_network
from ckptscope.families.known.posenet.snippets import write_snippets
from ckptscope.families.view import NetworkView


class PoseNet(Family[PoseNetConfiguration]):
    """PoseNet of 3DMPPE on any ResNet trunk."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "3DMPPE PoseNet"
    source: ClassVar[str] = (
        "G. Moon, J. Y. Chang, K. M. Lee, Camera Distance-aware Top-down Approach for 3D "
        "Multi-person Pose Estimation from a Single RGB Image, ICCV 2019"
    )
    anchors: ClassVar[tuple[str, ...]] = (
        "head.deconv_layers.0.weight",
        "head.deconv_layers.3.weight",
        "head.deconv_layers.6.weight",
    )
    dialects: ClassVar[tuple[str, ...]] = (DIALECT,)
    weightless: ClassVar[tuple[str, ...]] = ("upsampling", "input_size")
    blind_spots: ClassVar[tuple[str, ...]] = (
        "how final channels divide into joints × depth bins: a product has many factors",
        "which joint is which, and in which order: joint sets of the same size look alike",
        "the strides of the transposed convolutions, so also the size of the heatmap; a 4×4 kernel "
        "fits a stride of 2 and others",
        "the strides and dilations of the trunk, and the size of the input that it was trained on",
        "the box in millimetres that the depth bins stand for (bbox_3d_shape), and how the colours "
        "of the input were normalised",
    )
    usual: ClassVar[Mapping[str, tuple[tuple[FactValue, ...], str]]] = {
        "joints": (tuple(JOINT_SETS), JOINT_SETS_TEXT),
        "depth_bins": (
            (DEPTH_BINS,),
            "depth_dim of the authors' configuration, as wide as its heatmap",
        ),
    }
    spellings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "joint_num": ("joints",),
        "num_joints": ("joints",),
        "depth_dim": ("depth_bins",),
    }

    def matches(self, view: NetworkView) -> Match:
        """Say whether the tensors of a view are a PoseNet."""
        return match_network(view)

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture from names and shapes."""
        return infer_network(self, view, given)

    def configure(self, settings: Mapping[str, FactValue]) -> PoseNetConfiguration:
        """Make a configuration of settings.

        Beside the fields: `backbone` (ResNet-50, ...) for the trunk's; `head_width` and
        `head_layers` for head_out_channels; `upsamplings`, a count, for the first so many layers;
        `final_channels` for joints × depth_bins. What the authors' code fixes may be left out: all
        of the head, and 64 depth bins.

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing.
        """
        return configure(settings)

    def keys(
        self, configuration: PoseNetConfiguration, dialect: str = ""
    ) -> tuple[ExpectedTensor, ...]:
        """List the state_dict in its order.

        Raises:
            UsageError: The dialect is unknown.
        """
        if dialect not in ("", *self.dialects):
            raise UsageError(f"no dialect {dialect!r} of {self.name}; there is: {DIALECT}")
        return tuple(configuration_keys(configuration))

    def count(self, configuration: PoseNetConfiguration) -> Counts:
        """Add a network up in closed form."""
        return count_configuration(configuration)

    def attributes(self, configuration: PoseNetConfiguration) -> dict[str, FactValue]:
        """Return what follows from a configuration, by the facts' names."""
        return configuration_attributes(configuration)

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file."""
        return write_snippets(architecture)
