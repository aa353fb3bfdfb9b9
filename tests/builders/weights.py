"""Torch zips whose tensors are arrays of numpy."""

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import numpy.typing as npt

from builders.pickles import Raw, tensor
from builders.zips import torch_zip

Arrays = Mapping[str, npt.NDArray[np.generic]]

#: numpy's dtype → torch's storage class.
STORAGES = {
    np.dtype(np.float64): "DoubleStorage",
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(ml_dtypes.bfloat16): "BFloat16Storage",
    np.dtype(np.int64): "LongStorage",
    np.dtype(np.bool_): "BoolStorage",
}


def spelled(arrays: Arrays) -> tuple[dict[str, Raw], dict[str, bytes]]:
    """Spell each array as a tensor with a storage of its own, whose key is the tensor's."""
    tensors = {name: tensor(name, one.shape, STORAGES[one.dtype]) for name, one in arrays.items()}
    return tensors, {name: one.tobytes() for name, one in arrays.items()}


def weights_zip(arrays: Arrays) -> bytes:
    """Write a state_dict."""
    tensors, storages = spelled(arrays)
    return torch_zip(tensors, storages)


def training_zip(arrays: Arrays, state: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """Write a network beside an optimizer that holds the state of one parameter."""
    tensors, storages = spelled(arrays)
    kept, more = spelled(state)
    optimizer = {"state": {0: kept}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    return torch_zip({"network": tensors, "optimizer": optimizer}, storages | more)


def random_weights(*shape: int, seed: int = 0, scale: float = 0.1) -> npt.NDArray[np.float32]:
    """Draw normally distributed weights, always the same for a seed."""
    numbers = np.random.default_rng(seed).standard_normal(shape) * scale
    return numbers.astype(np.float32)
