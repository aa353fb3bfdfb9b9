"""The family RootNet of 3DMPPE: see `configuration` for its keys.

Enters: a view of a state_dict, or settings. Leaves: what a `Family` gives.
"""

from collections.abc import Mapping
from typing import ClassVar

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.base import NOTHING_GIVEN, Family, Given, Match
from ckptscope.families.known.rootnet.configuration import (
    DIALECT,
    NAME,
    RootNetConfiguration,
    configuration_attributes,
    configuration_keys,
    configure,
    count_configuration,
)
from ckptscope.families.known.rootnet.inference import infer_network, match_network
from ckptscope.families.known.rootnet.snippets import write_snippets
from ckptscope.families.view import NetworkView


class RootNet(Family[RootNetConfiguration]):
    """RootNet of 3DMPPE on any ResNet trunk."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "3DMPPE RootNet"
    source: ClassVar[str] = (
        "G. Moon, J. Y. Chang, K. M. Lee, Camera Distance-aware Top-down Approach for 3D "
        "Multi-person Pose Estimation from a Single RGB Image, ICCV 2019"
    )
    anchors: ClassVar[tuple[str, ...]] = (
        "root.xy_layer.weight",
        "root.depth_layer.weight",
        "root.deconv_layers.0.weight",
        "root.deconv_layers.3.weight",
        "root.deconv_layers.6.weight",
    )
    dialects: ClassVar[tuple[str, ...]] = (DIALECT,)
    weightless: ClassVar[tuple[str, ...]] = ("upsampling", "input_size")
    blind_spots: ClassVar[tuple[str, ...]] = (
        "the second input, k: it has no weights; which size of a box in millimetres it stands for "
        "(bbox_real) is in the configuration",
        "which joint is the root",
        "the strides of the transposed convolutions, so also the size of the heatmap; a 4×4 kernel "
        "fits a stride of 2 and others",
        "the strides and dilations of the trunk, the size of the input that it was trained on, and "
        "how its colours were normalised",
    )

    def matches(self, view: NetworkView) -> Match:
        """Say whether the tensors of a view are a RootNet."""
        return match_network(view)

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture from names and shapes."""
        return infer_network(self, view, given)

    def configure(self, settings: Mapping[str, FactValue]) -> RootNetConfiguration:
        """Make a configuration of settings.

        Beside the fields: `backbone` (ResNet-50, ...) for the trunk's; `head_width` and
        `head_layers` for head_out_channels; `upsamplings`, a count, for the first so many layers.
        What the authors' code fixes may be left out: all of the head.

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing.
        """
        return configure(settings)

    def keys(
        self, configuration: RootNetConfiguration, dialect: str = ""
    ) -> tuple[ExpectedTensor, ...]:
        """List the state_dict in its order.

        Raises:
            UsageError: The dialect is unknown.
        """
        if dialect not in ("", *self.dialects):
            raise UsageError(f"no dialect {dialect!r} of {self.name}; there is: {DIALECT}")
        return tuple(configuration_keys(configuration))

    def count(self, configuration: RootNetConfiguration) -> Counts:
        """Add a network up in closed form."""
        return count_configuration(configuration)

    def attributes(self, configuration: RootNetConfiguration) -> dict[str, FactValue]:
        """Return what follows from a configuration, by the facts' names."""
        return configuration_attributes(configuration)

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file."""
        return write_snippets(architecture)
