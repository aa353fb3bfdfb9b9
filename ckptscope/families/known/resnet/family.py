"""The family ResNet: see `configuration` for its keys.

Enters: a view of a state_dict, or settings. Leaves: what a `Family` gives.
"""

from collections.abc import Mapping
from typing import ClassVar

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.base import NOTHING_GIVEN, Family, Given, Match
from ckptscope.families.known.resnet.configuration import (
    DIALECT,
    IMAGENET_CLASSES,
    NAME,
    ResNetConfiguration,
    configuration_attributes,
    configuration_keys,
    configure,
    count_configuration,
)
from ckptscope.families.known.resnet.inference import infer_network, match_network
from ckptscope.families.known.resnet.snippets import write_snippets
from ckptscope.families.view import NetworkView


class ResNet(Family[ResNetConfiguration]):
    """ResNets of any size under torchvision's names: classifiers, and trunks alone."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "ResNet"
    source: ClassVar[str] = (
        "K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016; "
        "names and strides of torchvision.models.resnet"
    )
    anchors: ClassVar[tuple[str, ...]] = (
        "layer1.0.conv1.weight",
        "layer2.0.conv1.weight",
        "layer3.0.conv1.weight",
        "layer4.0.conv1.weight",
    )
    dialects: ClassVar[tuple[str, ...]] = (DIALECT,)
    weightless: ClassVar[tuple[str, ...]] = ("input_size",)
    blind_spots: ClassVar[tuple[str, ...]] = (
        "the strides and dilations of its convolutions: the original ResNet steps in the first 1×1 "
        "of a Bottleneck, torchvision's (V1.5) in the 3×3, a backbone for segmentation may not "
        "step at all, and all have the same weights",
        "whether a pooling layer follows the stem, and the size of the images that it was trained "
        "on",
        "which label each class stands for, and how the colours of the input were normalised",
    )
    usual: ClassVar[Mapping[str, tuple[tuple[FactValue, ...], str]]] = {
        "classes": ((IMAGENET_CLASSES,), "classes of ImageNet-1K"),
    }
    spellings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "num_classes": ("classes",),
    }

    def matches(self, view: NetworkView) -> Match:
        """Say whether the tensors of a view are a ResNet, whole or the trunk of another."""
        return match_network(view)

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture from names and shapes."""
        return infer_network(self, view, given)

    def configure(self, settings: Mapping[str, FactValue]) -> ResNetConfiguration:
        """Make a configuration of settings.

        Beside the fields: `backbone` (ResNet-50, ...) for the trunk's, `width_per_group` as
        torchvision takes it, and 0 `classes` for a trunk without a classifier.

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing.
        """
        return configure(settings)

    def keys(
        self, configuration: ResNetConfiguration, dialect: str = ""
    ) -> tuple[ExpectedTensor, ...]:
        """List the state_dict in its order.

        Raises:
            UsageError: The dialect is unknown.
        """
        if dialect not in ("", *self.dialects):
            raise UsageError(f"no dialect {dialect!r} of {self.name}; there is: {DIALECT}")
        return tuple(configuration_keys(configuration))

    def count(self, configuration: ResNetConfiguration) -> Counts:
        """Add a network up in closed form."""
        return count_configuration(configuration)

    def attributes(self, configuration: ResNetConfiguration) -> dict[str, FactValue]:
        """Return what follows from a configuration, by the facts' names."""
        return configuration_attributes(configuration)

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file."""
        return write_snippets(architecture)
