"""The family ConvNeXtPose: see `configuration` for its keys.

Enters: a view of a state_dict, or settings. Leaves: what a `Family` gives.
"""

import functools
from collections.abc import Callable, Mapping
from typing import ClassVar

from ckptscope.facts.architecture import Architecture, Fact, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.facts.tensors import TensorInfo
from ckptscope.families.base import NOTHING_GIVEN, Family, Given, Match
from ckptscope.families.known.convnextpose.configuration import (
    DIALECTS,
    JOINT_SETS,
    NAMED,
    ConvNeXtPoseConfiguration,
    configuration_attributes,
    configuration_keys,
    count_configuration,
)
from ckptscope.families.known.convnextpose.inference import infer_network, match_network
from ckptscope.families.known.convnextpose.spelling import require_sound, spell_out
from ckptscope.families.settings import read_settings
from ckptscope.families.view import NetworkView


class ConvNeXtPose(Family[ConvNeXtPoseConfiguration]):
    """ConvNeXtPose in every width and depth, and in three dialects of its head."""

    name: ClassVar[str] = "convnextpose"
    title: ClassVar[str] = "ConvNeXtPose"
    source: ClassVar[str] = "H. S. Nguyen et al., IEEE Access 11 (2023), 117393-117402"
    anchors: ClassVar[tuple[str, ...]] = (
        "head.final_layer.weight",
        "backbone.downsample_layers.0.0.weight",
        "head.deconv_layers_1.dwconv.weight",
        "head.deconv_layers_1.0.weight",
        "head.deconv_layers.0.dwconv.weight",
    )
    dialects: ClassVar[tuple[str, ...]] = DIALECTS
    weightless: ClassVar[tuple[str, ...]] = ("upsampling", "input_size")
    blind_spots: ClassVar[tuple[str, ...]] = (
        "whether a head layer upsamples: bilinear upsampling and Identity have no weights",
        "the size of the input that it was trained on",
        "how final channels divide into joints × depth bins: a product has many factors",
    )
    usual: ClassVar[Mapping[str, tuple[tuple[FactValue, ...], str]]] = {
        "joints": (
            tuple(JOINT_SETS),
            "joint sets of the authors' data code: Human3.6M 18, MPII 16, MS COCO 19, "
            "MuCo/MuPoTS 21; and COCO's own 17",
        ),
        "depth_bins": (
            (8, 16, 32, 64),
            "the cube rule: as many bins as the heatmap is wide, 8·2^n for a 256×256 input",
        ),
    }
    spellings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "joint_num": ("joints",),
        "num_joints": ("joints",),
        "depth_dim": ("depth_bins",),
        "dims": ("dims",),
        "depths": ("depths",),
        "num_deconv_layers": ("head_layers",),
        # A fork documents incoming channels under this name, which its code takes for outgoing.
        "deconv_channels": ("head_out_channels", "head_in_channels"),
        "deconv_kernels": ("head_kernels",),
    }

    def matches(self, view: NetworkView) -> Match:
        """Say which tensors of a view are a ConvNeXtPose."""
        return match_network(view)

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture from names and shapes.

        Raises:
            UsageError: A stated setting is unknown, or has an impossible value.
        """
        return infer_network(self, view, given)

    def configure(self, settings: Mapping[str, FactValue]) -> ConvNeXtPoseConfiguration:
        """Make a configuration of settings.

        Beside the fields: `backbone` (a name of the ConvNeXt table) for dims and depths;
        `head_width` and `head_layers` for head_out_channels; `upsamplings`, a count, for the first
        so many layers; `final_channels` for joints × depth_bins, where one of the two or both are
        not known. Without `upsampling`, which no key depends on, nothing is said of planes and
        multiply-accumulates.

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing.
        """
        configuration = read_settings(
            ConvNeXtPoseConfiguration, spell_out(settings), family=self.name
        )
        require_sound(configuration)
        return configuration

    def keys(
        self, configuration: ConvNeXtPoseConfiguration, dialect: str = ""
    ) -> tuple[ExpectedTensor, ...]:
        """List the state_dict in its order."""
        return _keys(configuration, dialect or NAMED)

    def count(self, configuration: ConvNeXtPoseConfiguration) -> Counts:
        """Add a network up in closed form."""
        return count_configuration(configuration)

    def attributes(self, configuration: ConvNeXtPoseConfiguration) -> dict[str, FactValue]:
        """Return what follows from a configuration, by the facts' names."""
        return configuration_attributes(configuration)

    def settings(self, configuration: ConvNeXtPoseConfiguration) -> dict[str, FactValue]:
        """Return a configuration as settings by name, without those that are not known."""
        settings = super().settings(configuration)
        settings["final_channels"] = settings.pop("undivided")
        return {name: value for name, value in settings.items() if value is not None}

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file, for the authors' code and for a fork of it."""
        # Snippets and values are for those who ask; start-up time is a budget.
        from ckptscope.families.known.convnextpose.snippets import write_snippets

        return write_snippets(architecture)

    def value_facts(
        self, view: NetworkView, architecture: Architecture, nonzero: Callable[[TensorInfo], int]
    ) -> tuple[Fact, ...]:
        """Return the share of weights that are not zero, for each layer of the head.

        Raises:
            ArtifactError: A storage cannot be read.
        """
        from ckptscope.families.known.convnextpose.weights import nonzero_fact

        return (nonzero_fact(view, nonzero),)


@functools.lru_cache(maxsize=8)
def _keys(configuration: ConvNeXtPoseConfiguration, dialect: str) -> tuple[ExpectedTensor, ...]:
    """List a state_dict; a file is held against one, and its row against another or the same."""
    return tuple(configuration_keys(configuration, dialect))
