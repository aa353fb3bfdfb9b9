"""ResNet classifiers: what they are built from, their keys, and what they add up to.

Enters: settings. Leaves: a configuration, its table of keys, counts in closed form. Defined by
K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, S. Xie et al., "Aggregated
Residual Transformations for Deep Neural Networks", CVPR 2017 (groups), S. Zagoruyko and
N. Komodakis, "Wide Residual Networks", BMVC 2016 (wide), and torchvision.models.resnet.

| key | shape |
|---|---|
| `conv1.*`, `bn1.*`, `layer*.*` | the trunk of `families.trunks.resnet` |
| `fc.weight` | [classes, dims[-1]] |
| `fc.bias` | [classes] |
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import Counts, ExpectedTensor, PartCount
from ckptscope.families.layers import Place, Width, convolution
from ckptscope.families.settings import read_settings
from ckptscope.families.trunks.resnet import trunk_counts, trunk_keys, trunk_macs
from ckptscope.families.trunks.resnet_settings import (
    TrunkConfiguration,
    default_trunk,
    require_trunk,
    spell_out_trunk,
    trunk_attributes,
)

NAME: Final = "resnet"
DIALECT: Final = "torchvision"
#: Linear layer that gives the classes.
CLASSIFIER: Final = "fc"
#: Classes of ImageNet-1K, and the input for which torchvision prints multiply-accumulates.
IMAGENET_CLASSES: Final = 1000
INPUT_SIZE: Final = (224, 224)


class ResNetConfiguration(TrunkConfiguration, frozen=True, kw_only=True):
    """What a ResNet is built from, beside its trunk.

    Attributes:
        classes: Outputs of the classifier; None for a trunk without one.
        input_size: Height and width of the input, in pixels; no tensor depends on it.
    """

    classes: int | None = IMAGENET_CLASSES
    input_size: tuple[int, int] = INPUT_SIZE


def spell_out(settings: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Replace settings that say several at once by the fields that they mean.

    Raises:
        UsageError: One names what there is not.
    """
    spelled = spell_out_trunk(settings, family=NAME)
    if spelled.get("classes") == 0:
        spelled["classes"] = None
    return spelled


def read_fields(settings: Mapping[str, FactValue]) -> ResNetConfiguration:
    """Read spelled out settings, each for itself.

    Raises:
        UsageError: A name is unknown, a value of the wrong type, or one is missing.
    """
    return read_settings(ResNetConfiguration, settings, family=NAME)


def configure(settings: Mapping[str, FactValue]) -> ResNetConfiguration:
    """Make a configuration of settings, and see that they go together.

    Raises:
        UsageError: They do not.
    """
    spelled = spell_out(settings)
    default_trunk(spelled)
    configuration = read_fields(spelled)
    require_trunk(configuration, family=NAME)
    return configuration


def configuration_keys(configuration: ResNetConfiguration) -> Iterator[ExpectedTensor]:
    """List the state_dict in its order."""
    yield from trunk_keys(configuration.trunk)
    if configuration.classes is not None:
        last = len(configuration.dims) - 1
        into = Width(configuration.dims[-1], (f"dims[{last}]",))
        classes = Width(configuration.classes, ("classes",))
        yield from convolution(CLASSIFIER, classes, into, None, Place("head", ("classes",)))


def count_configuration(configuration: ResNetConfiguration) -> Counts:
    """Add a network up in closed form."""
    tensors, parameters, buffers = trunk_counts(configuration.trunk)
    macs, _ = trunk_macs(configuration.trunk, configuration.input_size)
    backbone = PartCount(
        part="backbone", tensors=tensors, parameters=parameters, buffers=buffers, macs=macs
    )
    if configuration.classes is None:
        return Counts(parts=(backbone,))
    weights = configuration.classes * configuration.dims[-1]
    head = PartCount(
        part="head",
        tensors=2,
        parameters=weights + configuration.classes,
        buffers=0,
        macs=weights,
    )
    return Counts(parts=(backbone, head))


def classifier_parameters(configuration: ResNetConfiguration) -> int:
    """Return the parameters of the classifier of 1000 classes on this trunk.

    It is the number that torchvision prints, also for a file whose classifier was replaced or left
    out.
    """
    plain = msgspec.structs.replace(configuration, classes=IMAGENET_CLASSES)
    return count_configuration(plain).parameters


def configuration_attributes(configuration: ResNetConfiguration) -> dict[str, FactValue]:
    """Return what follows from a configuration, by the facts' names."""
    counts = count_configuration(configuration)
    backbone, head = counts.part("backbone"), counts.part("head")
    return {
        **trunk_attributes(configuration.trunk),
        "classes": configuration.classes or 0,
        "input_size": configuration.input_size,
        "tensors": counts.tensors,
        "parameters": counts.parameters,
        "buffers": counts.buffers,
        "state_elements": counts.elements,
        "backbone_parameters": backbone.parameters,
        "backbone_elements": backbone.elements,
        "head_parameters": head.parameters,
        "head_elements": head.elements,
        "classifier_parameters": classifier_parameters(configuration),
        "macs": counts.macs,
    }
