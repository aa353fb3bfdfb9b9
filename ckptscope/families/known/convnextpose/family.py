"""The family ConvNeXtPose: see `configuration` for its keys.

Enters: a view of a state_dict, or settings. Leaves: what a `Family` gives.
"""

from collections.abc import Mapping
from typing import ClassVar

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.base import NOTHING_GIVEN, Family, Given, Match
from ckptscope.families.known.convnextpose.configuration import (
    DIALECTS,
    NAMED,
    ConvNeXtPoseConfiguration,
    configuration_attributes,
    configuration_keys,
    count_configuration,
)
from ckptscope.families.settings import read_settings
from ckptscope.families.trunks.convnext import NAMED_SIZES
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
            (18, 16, 19, 21, 17),
            "joint sets of the authors' data code: Human3.6M 18, MPII 16, MS COCO 19, "
            "MuCo/MuPoTS 21; and COCO's own 17",
        ),
        "depth_bins": (
            (8, 16, 32, 64),
            "the cube rule: as many bins as the heatmap is wide, 8·2^n for a 256×256 input",
        ),
    }

    def matches(self, view: NetworkView) -> Match:
        """Say whether the tensors of a view are a ConvNeXtPose."""
        raise NotImplementedError

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture from names and shapes."""
        raise NotImplementedError

    def configure(self, settings: Mapping[str, FactValue]) -> ConvNeXtPoseConfiguration:
        """Make a configuration of settings.

        Beside the fields: `backbone` (a name of the ConvNeXt table) for dims and depths;
        `head_width` and `head_layers` for head_out_channels; `upsamplings`, a count, for the first
        so many layers.

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing.
        """
        given = _spell_out(dict(settings))
        configuration = read_settings(ConvNeXtPoseConfiguration, given, family=self.name)
        _require_lengths(configuration)
        return configuration

    def keys(
        self, configuration: ConvNeXtPoseConfiguration, dialect: str = ""
    ) -> tuple[ExpectedTensor, ...]:
        """List the state_dict in its order."""
        return tuple(configuration_keys(configuration, dialect or NAMED))

    def count(self, configuration: ConvNeXtPoseConfiguration) -> Counts:
        """Add a network up in closed form."""
        return count_configuration(configuration)

    def attributes(self, configuration: ConvNeXtPoseConfiguration) -> dict[str, FactValue]:
        """Return what follows from a configuration, by the facts' names."""
        return configuration_attributes(configuration)

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file."""
        raise NotImplementedError


def _spell_out(settings: dict[str, FactValue]) -> dict[str, FactValue]:
    """Replace settings that say several at once."""
    name = settings.pop("backbone", None)
    if name is not None:
        sizes = NAMED_SIZES.get(str(name))
        if sizes is None:
            known = ", ".join(NAMED_SIZES)
            raise UsageError(f"no ConvNeXt backbone {name!r}; there are: {known}")
        settings.setdefault("dims", sizes[0])
        settings.setdefault("depths", sizes[1])
    width, layers = settings.pop("head_width", None), settings.pop("head_layers", None)
    if isinstance(width, int):
        settings.setdefault(
            "head_out_channels", (width,) * (layers if isinstance(layers, int) else 3)
        )
    count = settings.pop("upsamplings", None)
    channels = settings.get("head_out_channels")
    if isinstance(count, int) and isinstance(channels, tuple):
        settings.setdefault("upsampling", tuple(i < count for i in range(len(channels))))
    return settings


def _require_lengths(configuration: ConvNeXtPoseConfiguration) -> None:
    """Refuse lists that do not go together.

    Raises:
        UsageError: As many depths as dims, as many truth values as head layers are needed.
    """
    pairs = (
        ("depths", configuration.depths, "dims", configuration.dims),
        (
            "upsampling",
            configuration.upsampling,
            "head_out_channels",
            configuration.head_out_channels,
        ),
        (
            "head_kernels",
            configuration.kernels,
            "head_out_channels",
            configuration.head_out_channels,
        ),
    )
    for name, values, other, others in pairs:
        if len(values) != len(others):
            raise UsageError(
                f"convnextpose: expected as many values of {name!r} as of {other!r}, found "
                f"{len(values)} and {len(others)}"
            )
    if not configuration.dims:
        raise UsageError("convnextpose: expected at least one stage in 'dims', found none")
