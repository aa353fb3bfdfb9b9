"""The weights of a file → the parameters of a network.

Enters: a network without weights, the tables of keys that it may have, a view of a state_dict.
Leaves: the network filled, by load_state_dict(strict=True), and what had to be read or converted.
Keys of all dialects are understood, also side by side in one file. Nothing is left out in silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import TensorInfo
from ckptscope.families.base import misfit_text
from ckptscope.families.view import NetworkView
from ckptscope.forward.mapping import FileMaps
from ckptscope.forward.network import Network
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.spending import view_span
from ckptscope.tensors.values import read_values

Table = Sequence[ExpectedTensor]

#: Element types of weights that a pass can be computed with.
FLOATING = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
#: Names of tensors that are shown of those that are not finite.
_SHOWN = 3


@dataclass
class Pairing:
    """Parameters and buffers of a network beside the tensors that fill them.

    Attributes:
        tensors: By the network's own key; None for a counter that the file lacks.
        keys: The file's key, without the prefix, by the network's own; the expected one for
            counters that it lacks.
    """

    tensors: dict[str, TensorInfo | None] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def missing_counters(self) -> int:
        """How many counters the file lacks."""
        return sum(1 for found in self.tensors.values() if found is None)


@dataclass
class Loaded:
    """What loading came to.

    Attributes:
        mapped_bytes: Bytes of weights that are used where they lie.
        read_bytes: Bytes of weights that were read, or converted, into memory.
        stored_dtypes: Element types of the weights in the file, in the order in which they came.
        not_finite: Keys of weights, as in the file, that hold NaN or infinities.
    """

    mapped_bytes: int = 0
    read_bytes: int = 0
    stored_dtypes: dict[str, None] = field(default_factory=dict)
    not_finite: list[str] = field(default_factory=list)

    def finite_failures(self) -> tuple[str, ...]:
        """Return a line about weights that are no finite numbers; none if all are."""
        if not self.not_finite:
            return ()
        what = "tensors hold NaN or infinities" if len(self.not_finite) > 1 else ""
        what = what or "tensor holds NaN or infinities"
        return (misfit_text(len(self.not_finite), what, self.not_finite),)


def pair_keys(
    network: Network, tables: Sequence[Table], view: NetworkView, *, foreign: Sequence[str] = ()
) -> Pairing:
    """Find the tensor of the file for every parameter and buffer of a network.

    Args:
        network: Its state_dict gives the order of the tables.
        tables: Keys by dialect, the file's own dialect first; each as long as the state_dict.
        view: Tensors of the file.
        foreign: Prefixes, within the view, of other networks: their keys are not this one's.

    Raises:
        TensorLayoutError: A key is missing, or one too many, or a shape is another; the message
            names them all by number and the first by name.
    """
    pairing = Pairing()
    used: set[str] = set()
    missing: list[str] = []
    mismatched: list[str] = []
    for own, rows in zip(network.state_dict(), zip(*tables, strict=True), strict=True):
        row = next((row for row in rows if row.key in view), rows[0])
        found = view.tensors.get(row.key)
        pairing.tensors[own], pairing.keys[own] = found, row.key
        used.add(row.key)
        if found is None:
            if not row.is_counter:
                missing.append(view.saved_key(row.key))
        elif found.shape != row.shape:
            shapes = f"expected {list(row.shape)}, found {list(found.shape)}"
            mismatched.append(f"{view.saved_key(row.key)} ({shapes:.200})")
    unexpected = [
        view.saved_key(key)
        for key in view
        if key not in used and not key.startswith(tuple(foreign))
    ]
    _refuse(missing, unexpected, mismatched)
    return pairing


def _refuse(missing: list[str], unexpected: list[str], mismatched: list[str]) -> None:
    lists = (
        (missing, "missing"),
        (unexpected, "unexpected"),
        (mismatched, "of another shape"),
    )
    said = [misfit_text(len(keys), what, keys) for keys, what in lists if keys]
    if said:
        raise TensorLayoutError(
            f"load_state_dict(strict=True) would refuse the keys: {'; '.join(said)}",
            advice="ckptscope inspect tells what does not fit",
        )


def choose_dtype(pairing: Pairing, asked: str | None, device: str) -> str:
    """Return the element type of the pass.

    On a CPU it is float32 unless the file holds float64 alone: every float16 and bfloat16 is a
    float32, and not every CPU computes in the narrow types. On other devices it is the file's.

    Raises:
        TensorLayoutError: A parameter is no floating-point tensor.
    """
    dtypes: dict[str, None] = {}
    for own, tensor in pairing.tensors.items():
        if tensor is None or own.endswith("num_batches_tracked"):
            continue
        if tensor.dtype not in FLOATING or tensor.storage is None or tensor.layout != "strided":
            raise TensorLayoutError(
                f"expected plain floating-point weights, found {tensor.key!r:.200} "
                f"({tensor.dtype}, {tensor.layout}, device {tensor.device})"
            )
        dtypes.setdefault(tensor.dtype)
    if asked is not None:
        return asked
    if len(dtypes) == 1 and (device not in {"cpu", "meta"} or "float64" in dtypes):
        return next(iter(dtypes))
    return "float32"


def load_weights(
    network: Network, pairing: Pairing, build: ManifestBuild, *, dtype: str, device: str
) -> Loaded:
    """Fill a network with the weights of a file, and put it into eval mode.

    Raises:
        TensorLayoutError: A tensor leaves its storage, or its type cannot be converted.
        ArtifactError: A storage cannot be read.
    """
    loaded = Loaded()
    maps = FileMaps()
    wanted = FLOATING[dtype]
    state: dict[str, torch.Tensor] = {}
    for own, place in network.state_dict().items():
        tensor = pairing.tensors[own]
        if tensor is None:
            state[own] = torch.zeros((), dtype=torch.int64, device=device)
            continue
        values = _read(tensor, build, maps, loaded)
        if values.is_floating_point():
            loaded.stored_dtypes.setdefault(tensor.dtype)
            if not _is_finite(values):
                loaded.not_finite.append(tensor.key)
            if values.dtype != wanted or not values.is_contiguous():
                # load_state_dict copies into contiguous memory, and bits depend on it.
                values = values.to(wanted).contiguous()
                loaded.read_bytes += values.numel() * values.element_size()
        state[own] = values.reshape(place.shape).to(device)
    # Parameters stay such as require gradients, though none is computed: torch chooses by that how
    # it multiplies matrices, and the last bits would differ from the original's.
    network.load_state_dict(state, strict=True, assign=True)
    network.eval()
    return loaded


def _read(tensor: TensorInfo, build: ManifestBuild, maps: FileMaps, loaded: Loaded) -> torch.Tensor:
    """Return a tensor over the file, or over memory that it was read into."""
    mapped = _map(tensor, build, maps)
    if mapped is not None:
        loaded.mapped_bytes += mapped.numel() * mapped.element_size()
        return mapped
    values = read_values(build, tensor).copy()
    if tensor.dtype == "bfloat16":
        read = torch.from_numpy(values.view("int16")).view(torch.bfloat16)
    else:
        read = torch.from_numpy(values)
    loaded.read_bytes += read.numel() * read.element_size()
    return read


def _map(tensor: TensorInfo, build: ManifestBuild, maps: FileMaps) -> torch.Tensor | None:
    """Return a tensor over the file; None if its bytes cannot be used as they are."""
    dtype = torch.int64 if tensor.dtype == "int64" else FLOATING.get(tensor.dtype)
    if dtype is None or tensor.storage is None or tensor.stride is None or tensor.lazy:
        return None
    if build.byteorder_of(tensor.storage) != "little":
        return None
    start, end = view_span(tensor)
    source = build.open_storage(tensor.storage)
    if end * dtype.itemsize > source.size:
        return None  # the reader says what is wrong
    flat = maps.elements(source, start * dtype.itemsize, end - start, dtype)
    return None if flat is None else flat.as_strided(tensor.shape, tensor.stride)


def _is_finite(values: torch.Tensor) -> bool:
    """Whether all elements are finite: NaN and infinities show in the extremes."""
    least, greatest = torch.aminmax(values)
    return bool(torch.isfinite(least) & torch.isfinite(greatest))


def parameter_count(network: Network) -> int:
    """Return the elements of a network's parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
