"""Checkpoints at random, small enough to be written by the hundred, and what their storages are.

Enters: a source of randomness and a container. Leaves: the value that our writers write, in the
order in which `torch.save` would meet it, and a `Written` for every storage.
"""

import math
import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind
from ckptscope.families.registry import KNOWN_NAMES
from ckptscope.writers.forms import ordered_dict
from ckptscope.writers.tensors import (
    ChunkSource,
    OutgoingStorage,
    OutgoingTensor,
    item_size,
    tensor_over,
)
from tests.fuzz.carved import random_tensors, unrelated_elements

#: Larger checkpoints are drawn anew: what is asked of them does not depend on it.
_MOST_BYTES = 12 << 20
#: Elements of which all values are made.
_TILE = 4096
#: Entries of a parameter's state: its own size, or a counter.
_OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "Adam": ("step", "exp_avg", "exp_avg_sq"),
    "Adam, step a number": ("exp_avg", "exp_avg_sq"),
    "SGD": ("momentum_buffer",),
    "amsgrad": ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
}
_DTYPES = ("float32", "float32", "float32", "float16", "bfloat16", "float64")
#: Bytes of the state of torch's generator on the CPU.
_RNG_STATE = 5056


class Written(NamedTuple):
    """One tensor as it was saved."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    size_bytes: int
    #: Place in the network; None for the rest.
    index: int | None


class Plan(NamedTuple):
    """What is to be saved; of no family if no family knows it."""

    family: str
    dtype: str
    tensors: list[ExpectedTensor]
    entries: tuple[str, ...]


def draw_plan(rng: random.Random) -> Plan:
    """Draw checkpoints until one is small."""
    is_unrelated = rng.random() < 0.1
    kind = "named" if rng.random() < 0.3 else "unnamed"
    while True:
        dtype = rng.choice(_DTYPES)
        item = item_size(dtype)
        family = "" if is_unrelated else rng.choice(KNOWN_NAMES)
        entries = _OPTIMIZERS[rng.choice(list(_OPTIMIZERS))]
        if is_unrelated:
            sizes = unrelated_elements(rng, item)
            tensors = [
                ExpectedTensor(key=f"layers.{i}.weight", shape=(size,), terms=((),))
                for i, size in enumerate(sizes)
            ]
        else:
            tensors = random_tensors(rng, family, kind)
        # Papers' networks are larger than most that are drawn.
        most = _MOST_BYTES * (4 if kind == "named" else 1)
        if sum(one.elements for one in tensors) * item * (1 + len(entries)) <= most:
            return Plan(family, dtype, tensors, entries)


class Saving:
    """Spells a checkpoint, and writes down what every storage is.

    Attributes:
        tensors: By the key of the storage, in the order of saving.
    """

    def __init__(self, rng: random.Random, plan: Plan, container: str) -> None:
        self.tensors: dict[str, Written] = {}
        self.steps = rng.randint(1, 2_000_000)
        self._rng = rng
        self._plan = plan
        self._container = container
        self._tiles = _Tiles(rng, plan.dtype, is_zero=rng.random() < 0.3)
        self._prefix = rng.choice(("", "module."))

    def value(self) -> dict[str, object]:
        """Return what is saved: mostly epoch, network and optimizer, in this order."""
        drawn = self._rng.random()
        value: dict[str, object] = {"epoch": 3}
        if drawn < 0.08:
            value["rng_state"] = self._tensor("rng_state", (_RNG_STATE,), "uint8", "zero")
        if drawn > 0.92 and self._plan.entries:
            value["optimizer"] = self._optimizer()
        value["network"] = self._network("network")
        if 0.08 <= drawn < 0.16:
            value["ema"] = self._network("ema")
        if self._plan.entries and "optimizer" not in value:
            value["optimizer"] = self._optimizer()
        return value

    def _network(self, entry: str) -> object:
        pairs: list[tuple[str, OutgoingTensor]] = []
        for index, one in enumerate(self._plan.tensors):
            key = self._prefix + one.key
            dtype = "int64" if one.is_counter else self._plan.dtype
            made = self._tensor(
                f"{entry}/{key}",
                one.shape,
                dtype,
                _role(one),
                index if entry == "network" else None,
            )
            pairs.append((key, made))
        return ordered_dict(pairs)

    def _optimizer(self) -> dict[str, object]:
        parameters = [one for one in self._plan.tensors if one.kind is Kind.PARAMETER]
        if self._rng.random() < 0.1:
            # Groups with and without weight decay.
            is_first = self._rng.random() < 0.5
            parameters.sort(key=lambda one: (len(one.shape) > 1) is is_first)
        state: dict[int, dict[str, object]] = {}
        for index, one in enumerate(parameters):
            kept: dict[str, object] = {}
            if "step" not in self._plan.entries and len(self._plan.entries) > 1:
                kept["step"] = self.steps
            for entry in self._plan.entries:
                path = f"optimizer/state/{index}/{entry}"
                if entry == "step":
                    kept[entry] = self._tensor(path, (), "float32", "step")
                else:
                    role = "variance" if entry.endswith("sq") else "weight"
                    kept[entry] = self._tensor(path, one.shape, self._plan.dtype, role)
            state[index] = kept
        groups = [{"lr": 0.001, "params": list(range(len(parameters)))}]
        return {"state": state, "param_groups": groups}

    def _tensor(
        self, path: str, shape: tuple[int, ...], dtype: str, role: str, index: int | None = None
    ) -> OutgoingTensor:
        elements = math.prod(shape)
        key = self._key()
        size = elements * item_size(dtype)
        self.tensors[key] = Written(path, shape, dtype, size, index)
        storage = OutgoingStorage(
            dtype=dtype,
            elements=elements,
            chunks=self._chunks(dtype, role, size),
            # The keys of a stream are addresses, in no order; the others name them themselves.
            key=key if self._container == "stream" else None,
        )
        return tensor_over(storage, shape)

    def _key(self) -> str:
        count = len(self.tensors)
        if self._container == "stream":
            return str(self._rng.randrange(0x5500_0000_0000, 0x5600_0000_0000, 64))
        if self._container == "tar":
            # As our writer makes addresses up, of a tensor and its storage in turn.
            return str(0x1_0100_0000 + 0x50 * (2 * count + 1))
        return str(count)

    def _chunks(self, dtype: str, role: str, size: int) -> ChunkSource:
        if role == "step":
            return lambda: (struct.pack("<f", self.steps),)
        if dtype == "int64":
            return lambda: (struct.pack("<q", self.steps),)
        return self._tiles.chunks(role, size)


def _role(one: ExpectedTensor) -> str:
    if one.key.endswith("running_var"):
        return "variance"
    if len(one.shape) == 1 and one.key.endswith("weight"):
        return "norm"
    return "weight"


class _Tiles:
    """Values: zeros, or small random ones that repeat."""

    def __init__(self, rng: random.Random, dtype: str, *, is_zero: bool) -> None:
        drawn = np.random.default_rng(rng.getrandbits(32)).standard_normal(_TILE)
        values = {"weight": drawn * 0.02, "norm": 1 + drawn * 0.1, "variance": drawn**2 + 1e-3}
        zeros = np.zeros(_TILE)
        self._tiles = {
            role: _encoded(zeros if is_zero else one, dtype) for role, one in values.items()
        }
        self._tiles["zero"] = bytes(_TILE)

    def chunks(self, role: str, size: int) -> ChunkSource:
        """Return what yields so many bytes."""
        tile = self._tiles[role]

        def read() -> Iterator[bytes]:
            whole, rest = divmod(size, len(tile))
            for _ in range(whole):
                yield tile
            yield tile[:rest]

        return read


def _encoded(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", dtype: str) -> bytes:
    if dtype == "bfloat16":
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return values.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
