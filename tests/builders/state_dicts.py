"""State_dicts of names and shapes alone: no file, no bytes, no storages."""

from collections.abc import Iterable, Mapping

from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind, Origin, Role, StateDict, TensorInfo

Shape = tuple[int, ...]

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def state_dict_of(
    pairs: Mapping[str, Shape] | Iterable[tuple[str, Shape]],
    *,
    path: str = "network",
    prefix: str = "",
    role: Role = Role.NETWORK,
    versions: dict[str, int] | None = None,
) -> StateDict:
    """A state_dict that holds these names and shapes, `prefix` put before every name."""
    if isinstance(pairs, Mapping):
        pairs = pairs.items()
    tensors = tuple(tensor_of(prefix + key, tuple(shape)) for key, shape in pairs)
    sums = {kind: sum(one.elements for one in tensors if one.kind is kind) for kind in Kind}
    return StateDict(
        path=path,
        prefix=prefix,
        role=role,
        role_evidence="written by a test",
        tensors=tensors,
        parameters=sums[Kind.PARAMETER],
        buffers=sums[Kind.BUFFER],
        kind_evidence="by their names",
        kind_origin=Origin.ASSUMED,
        versions=versions,
    )


def tensor_of(key: str, shape: Shape) -> TensorInfo:
    """A tensor of float32, or of int64 if it is a counter of batches."""
    is_counter = key.endswith("num_batches_tracked")
    return TensorInfo(
        key=key,
        shape=shape,
        dtype="int64" if is_counter else "float32",
        stride=None,
        kind=Kind.BUFFER if key.endswith(_BUFFERS) else Kind.PARAMETER,
    )


def shapes_of(table: Iterable[ExpectedTensor]) -> dict[str, Shape]:
    """Names and shapes of a table of keys, in its order; to be damaged, and given to
    `state_dict_of`."""
    return {tensor.key: tensor.shape for tensor in table}
