"""3DMPPE RootNet: what it is built from, its keys, and what they add up to.

Enters: settings. Leaves: a configuration, its table of keys, counts in closed form. Defined by
G. Moon, J. Y. Chang, K. M. Lee, "Camera Distance-aware Top-down Approach for 3D Multi-person Pose
Estimation from a Single RGB Image", ICCV 2019, and the authors' code
(mks0601/3DMPPE_ROOTNET_RELEASE, main/model.py).

| key | shape |
|---|---|
| `backbone.*` | the trunk of `families.trunks.resnet` |
| `root.deconv_layers.*` | the stack of `families.trunks.deconvolutions` |
| `root.xy_layer.weight` | [1, head_out_channels[-1], 1, 1]: where the root is in the image |
| `root.depth_layer.weight` | [1, dims[-1], 1, 1]: a correction of its depth, of the pooled trunk |

Both have a bias. The depth is that correction times k, a second input, which comes from the box and
the focal lengths.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.layers import ONE, Place, convolution, square
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

NAME: Final = "rootnet"
DIALECT: Final = "original"
HEAD: Final = "root."
XY_LAYER: Final = "root.xy_layer"
DEPTH_LAYER: Final = "root.depth_layer"


class RootNetConfiguration(StackConfiguration, frozen=True, kw_only=True):
    """What a RootNet is built from: trunk and transposed convolutions, and nothing beside."""


def spell_out(settings: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Replace settings that say several at once by the fields that they mean.

    Raises:
        UsageError: One names what there is not.
    """
    return spell_out_stack(settings, family=NAME)


def read_fields(settings: Mapping[str, FactValue]) -> RootNetConfiguration:
    """Read spelled out settings, each for itself.

    Raises:
        UsageError: A name is unknown, a value of the wrong type, or one is missing.
    """
    return read_settings(RootNetConfiguration, settings, family=NAME)


def configure(settings: Mapping[str, FactValue]) -> RootNetConfiguration:
    """Make a configuration of settings, and see that they go together.

    Raises:
        UsageError: They do not.
    """
    spelled = spell_out(settings)
    default_stack(spelled)
    configuration = read_fields(spelled)
    require_stack(configuration, family=NAME)
    return configuration


def configuration_keys(configuration: RootNetConfiguration) -> Iterator[ExpectedTensor]:
    """List the state_dict in its order."""
    yield from base_keys(configuration, prefix=HEAD)
    place = Place("head")
    yield from convolution(XY_LAYER, ONE, configuration.stack_out, square(1), place)
    yield from convolution(DEPTH_LAYER, ONE, configuration.last_dim, square(1), place)


def count_configuration(configuration: RootNetConfiguration) -> Counts:
    """Add a network up in closed form."""
    height, width = configuration.heatmap
    xy_layer = (configuration.stack.out, 1, height * width)
    depth_layer = (configuration.dims[-1], 1, 1)
    return Counts(parts=base_counts(configuration, (xy_layer, depth_layer)))


def configuration_attributes(configuration: RootNetConfiguration) -> dict[str, FactValue]:
    """Return what follows from a configuration, by the facts' names."""
    counts = count_configuration(configuration)
    backbone, head = counts.parts
    return {
        **base_attributes(configuration),
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
