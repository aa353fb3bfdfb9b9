"""Initial values of the families' tensors, as their own training code sets them.

Enters: the name and the shape of a tensor. Leaves: an `Initial`. Norms, biases and counters begin
alike everywhere (torch/nn/modules/batchnorm.py, normalization.py); weights as the code of each
family draws them:

- ConvNeXt (facebookresearch/ConvNeXt, `models/convnext.py`, `_init_weights`; timm does the same):
  normal with standard deviation 0.02. Its truncation at ±2 lies a hundred deviations out. Layer
  scale begins at 1e-6, GRN at 0 (facebookresearch/ConvNeXt-V2).
- Networks for poses (mks0601/3DMPPE_POSENET_RELEASE, `common/nets`, `init_weights`, and what
  follows it): normal with standard deviation 0.001, in heads and in the trunks of PoseNet and
  RootNet.
- ResNet (torchvision, `models/resnet.py`): convolutions normal by the fan-out (K. He et al.,
  "Delving Deep into Rectifiers", ICCV 2015); the classifier uniform by the fan-in, as
  torch/nn/modules/linear.py draws it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.carved_file import Distribution, Initial

_CONVNEXT_DEVIATION: Final = 0.02
_POSE_DEVIATION: Final = 0.001
_LAYER_SCALE: Final = 1e-6
#: Dimensions of the weight of a convolution; a linear layer's has two.
_CONVOLUTION: Final = 4

#: Last parts of names, as torch's norms and the families' blocks have them.
_ONES: Final = ("running_var",)
_ZEROS: Final = ("running_mean", "num_batches_tracked", "bias", "beta")
_SCALES: Final = ("gamma", "layer_scale", "layer_scale_parameter")
#: Module of global response normalization.
_RESPONSE: Final = "grn"

_Draw = Callable[[str, Sequence[int]], Initial]


def _constant(value: float) -> Initial:
    return Initial(kind=Distribution.CONSTANT, value=value)


def _normal(deviation: float) -> Initial:
    return Initial(kind=Distribution.NORMAL, value=deviation)


def _convnext(key: str, shape: Sequence[int]) -> Initial:
    return _normal(_CONVNEXT_DEVIATION)


def _convnextpose(key: str, shape: Sequence[int]) -> Initial:
    is_trunk = key.startswith("backbone.")
    return _normal(_CONVNEXT_DEVIATION if is_trunk else _POSE_DEVIATION)


def _pose(key: str, shape: Sequence[int]) -> Initial:
    return _normal(_POSE_DEVIATION)


def _resnet(key: str, shape: Sequence[int]) -> Initial:
    if len(shape) == _CONVOLUTION:
        fan_out = shape[0] * math.prod(shape[2:])
        return _normal(math.sqrt(2 / fan_out))
    return Initial(kind=Distribution.UNIFORM, value=1 / math.sqrt(math.prod(shape[1:])))


_DRAWS: Final[Mapping[str, tuple[_Draw, str]]] = {
    "convnext": (
        _convnext,
        f"weights normal with standard deviation {_CONVNEXT_DEVIATION}, layer scale "
        f"{_LAYER_SCALE:g}, as in the code of ConvNeXt",
    ),
    "convnextpose": (
        _convnextpose,
        f"weights of the trunk normal with standard deviation {_CONVNEXT_DEVIATION}, as in the "
        f"code of ConvNeXt, and of the head with {_POSE_DEVIATION}, as in that of 3DMPPE PoseNet",
    ),
    "posenet": (
        _pose,
        f"weights normal with standard deviation {_POSE_DEVIATION}, as in the code of 3DMPPE "
        "PoseNet",
    ),
    "rootnet": (
        _pose,
        f"weights normal with standard deviation {_POSE_DEVIATION}, as in the code of 3DMPPE "
        "RootNet",
    ),
    "resnet": (
        _resnet,
        "convolutions normal by their fan-out, the classifier uniform by its fan-in, as in "
        "torchvision",
    ),
}
_ALIKE: Final = "norms: weight and variance 1, bias and mean 0; other biases and counters 0"


def initial_of(family: str, key: str, shape: Sequence[int]) -> Initial:
    """Return the initial values of a tensor of a family.

    Raises:
        UsageError: The family's are not known.
    """
    draw, _ = _draw_of(family)
    parts = key.split(".")
    last = parts[-1]
    if last in _ONES:
        return _constant(1.0)
    if last in _ZEROS or _RESPONSE in parts:
        return _constant(0.0)
    if last in _SCALES:
        return _constant(_LAYER_SCALE)
    if len(shape) < 2:
        return _constant(1.0)
    return draw(key, shape)


def initialisation_of(family: str) -> tuple[str, ...]:
    """Say in words where a family's initial values come from.

    Raises:
        UsageError: They are not known.
    """
    return (_draw_of(family)[1], _ALIKE)


def _draw_of(family: str) -> tuple[_Draw, str]:
    found = _DRAWS.get(family)
    if found is None:
        known = ", ".join(_DRAWS)
        raise UsageError(
            f"expected a family whose initial values are known ({known}), found {family!r:.60}"
        )
    return found
