"""The family ConvNeXt: see `configuration` for its keys.

Enters: a view of a state_dict, or settings. Leaves: what a `Family` gives.
"""

from collections.abc import Mapping
from typing import ClassVar

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.base import NOTHING_GIVEN, Family, Given, Match
from ckptscope.families.known.convnext.configuration import (
    IMAGENET_22K_CLASSES,
    IMAGENET_CLASSES,
    ConvNeXtConfiguration,
    configuration_attributes,
    configuration_keys,
    count_configuration,
    require_buildable,
    spell_out,
)
from ckptscope.families.known.convnext.inference import infer_network
from ckptscope.families.known.convnext.layouts import DIALECTS
from ckptscope.families.known.convnext.reading import match_network
from ckptscope.families.known.convnext.snippets import write_snippets
from ckptscope.families.settings import read_settings
from ckptscope.families.trunks.convnext import (
    BATCH_NORM,
    LAYER_NORM,
    RMS_NORM,
)
from ckptscope.families.view import NetworkView


class ConvNeXt(Family[ConvNeXtConfiguration]):
    """ConvNeXt classifiers of both papers, and their trunks alone, in four layouts of keys."""

    name: ClassVar[str] = "convnext"
    title: ClassVar[str] = "ConvNeXt"
    source: ClassVar[str] = (
        "Z. Liu et al., A ConvNet for the 2020s, CVPR 2022; S. Woo et al., ConvNeXt V2, CVPR 2023"
    )
    anchors: ClassVar[tuple[str, ...]] = (
        "downsample_layers.0.0.weight",
        "stages.0.0.dwconv.weight",
        "stem.0.weight",
        "stages.0.blocks.0.conv_dw.weight",
        "features.0.0.weight",
        "features.1.0.block.0.weight",
        "convnext.embeddings.patch_embeddings.weight",
        "convnextv2.embeddings.patch_embeddings.weight",
        "embeddings.patch_embeddings.weight",
        "encoder.stages.0.layers.0.dwconv.weight",
    )
    dialects: ClassVar[tuple[str, ...]] = tuple(DIALECTS)
    weightless: ClassVar[tuple[str, ...]] = ("input_size",)
    blind_spots: ClassVar[tuple[str, ...]] = (
        "the size of the images that it was trained on, and how their colours were normalised",
        "which label each class stands for",
        "the rate of stochastic depth, and all else of its training: whether it was pretrained as "
        "a masked autoencoder (FCMAE), on ImageNet-22K, or distilled",
        "the activation (GELU in both papers) and the epsilon of its norms",
    )
    usual: ClassVar[Mapping[str, tuple[tuple[FactValue, ...], str]]] = {
        "classes": (
            (IMAGENET_CLASSES, IMAGENET_22K_CLASSES),
            "classes of ImageNet-1K and of ImageNet-22K",
        ),
    }
    spellings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "dims": ("dims",),
        "hidden_sizes": ("dims",),
        "depths": ("depths",),
        "num_classes": ("classes",),
    }

    def matches(self, view: NetworkView) -> Match:
        """Say whether the tensors of a view are a ConvNeXt, whole or the trunk of another."""
        return match_network(view)

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture from names and shapes."""
        return infer_network(self, view, given)

    def configure(self, settings: Mapping[str, FactValue]) -> ConvNeXtConfiguration:
        """Make a configuration of settings.

        Beside the fields: `backbone` (a name of the ConvNeXt table) for dims and depths; `version`
        (v1 or v2) for layer_scale and grn; `stem_type` (timm's names) for the stem's; and 0
        `classes` for a trunk without a classifier.

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing.
        """
        configuration = read_settings(ConvNeXtConfiguration, spell_out(settings), family=self.name)
        _require_sense(configuration)
        return configuration

    def keys(
        self, configuration: ConvNeXtConfiguration, dialect: str = ""
    ) -> tuple[ExpectedTensor, ...]:
        """List the state_dict in its order.

        Raises:
            UsageError: The dialect is unknown, or its code cannot build this configuration.
        """
        dialect = dialect or self.dialects[0]
        require_buildable(configuration, dialect)
        return tuple(configuration_keys(configuration, dialect))

    def count(self, configuration: ConvNeXtConfiguration) -> Counts:
        """Add a network up in closed form."""
        return count_configuration(configuration)

    def attributes(self, configuration: ConvNeXtConfiguration) -> dict[str, FactValue]:
        """Return what follows from a configuration, by the facts' names."""
        return configuration_attributes(configuration)

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file."""
        return write_snippets(architecture)


def _require_sense(configuration: ConvNeXtConfiguration) -> None:
    """Refuse settings that do not go together.

    Raises:
        UsageError: There is no stage, not as many depths as dims, no such norm, or an activation
            between convolutions that are not there.
    """
    if not configuration.dims:
        raise UsageError("convnext: expected at least one stage in 'dims', found none")
    if len(configuration.depths) != len(configuration.dims):
        raise UsageError(
            f"convnext: expected as many values of 'depths' as of 'dims', found "
            f"{len(configuration.depths)} and {len(configuration.dims)}"
        )
    norms = (LAYER_NORM, RMS_NORM, BATCH_NORM)
    if configuration.norm not in norms:
        raise UsageError(
            f"convnext: expected 'norm' to be one of {', '.join(norms)}, found "
            f"{configuration.norm!r}"
        )
    if configuration.stem_activation and configuration.stem_channels is None:
        raise UsageError("convnext: expected 'stem_channels' where there is a 'stem_activation'")
