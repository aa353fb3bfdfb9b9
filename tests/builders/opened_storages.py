"""A storage in memory and the tensors in it, as a pass over values asks for them."""

from collections import Counter

import msgspec
import numpy as np

from builders.reading import build_one
from builders.zips import torch_zip
from ckptscope.facts.tensors import Manifest, Origin, Role, StateDict, TensorInfo
from ckptscope.facts.values import TensorValues
from ckptscope.sources import MemorySource
from ckptscope.tensors.scanning import scan_values

EMPTY = build_one(torch_zip({}, {})).manifest


class Watched:
    """A storage that remembers how much of it was read at once, and in all."""

    def __init__(self, content: bytes) -> None:
        self._source = MemorySource(content)
        self.size = len(content)
        self.name = None
        self.largest = self.total = 0

    def read(self, offset: int, length: int) -> bytes:
        self.largest = max(self.largest, length)
        self.total += length
        return self._source.read(offset, length)


class Opened:
    """What a pass asks of a build: one storage, and the tensors in it."""

    def __init__(self, content: bytes, *tensors: TensorInfo, byteorder: str = "little") -> None:
        self.source = Watched(content)
        self.opened = Counter()
        self._byteorder = byteorder
        self.manifest = manifest_of(tensors)

    def open_storage(self, key: str) -> Watched:
        self.opened[key] += 1
        return self.source

    def byteorder_of(self, key: str) -> str:
        return self._byteorder


def manifest_of(tensors: tuple[TensorInfo, ...], *roles: Role) -> Manifest:
    """A manifest with these tensors in a network, or in a state_dict for each of the roles."""
    groups = tuple(state_dict_of(tensors, role) for role in roles or (Role.NETWORK,))
    return msgspec.structs.replace(EMPTY, state_dicts=groups)


def state_dict_of(tensors: tuple[TensorInfo, ...], role: Role) -> StateDict:
    return StateDict(
        path="net",
        prefix="",
        role=role,
        role_evidence="",
        tensors=tensors,
        parameters=0,
        buffers=0,
        kind_evidence="",
        kind_origin=Origin.ASSUMED,
    )


def view(dtype: str, shape, stride=None, offset: int = 0, **more: object) -> TensorInfo:
    if stride is None:
        stride, step = [], 1
        for size in reversed(shape):
            stride.insert(0, step)
            step *= size
    fields = {"key": "w", "storage": "0", **more}
    return TensorInfo(
        shape=tuple(shape), dtype=dtype, stride=tuple(stride), offset=offset, **fields
    )


def scan_array(array: np.ndarray, **options: object) -> TensorValues:
    """Go over an array of numpy, contiguous."""
    opened = Opened(array.tobytes(), view(str(array.dtype), array.shape))
    (found,) = scan_values(opened, **options)
    return found
