"""What BatchNorms have counted: `num_batches_tracked` of every network of a checkpoint.

Enters: a manifest and the way to its storages. Leaves: `BatchCounters`. Each is one number of eight
bytes, so no more than that is read of a storage; a compressed one is left alone.

Source: `torch/nn/modules/batchnorm.py`: one is added for each forward pass in training mode.
"""

from ckptscope.errors import ArtifactError
from ckptscope.facts.tensors import Role, TensorInfo
from ckptscope.facts.training import BatchCounters
from ckptscope.tensors.manifest import ManifestBuild
from ckptscope.tensors.scalars import read_number

_COUNTER = "num_batches_tracked"
#: Counters that are read of one checkpoint; the deepest networks have some hundreds.
_MOST_COUNTERS = 4096


def read_counters(build: ManifestBuild) -> tuple[BatchCounters, ...]:
    """Read the counters of every network and averaged copy that has some."""
    found: list[BatchCounters] = []
    left = _MOST_COUNTERS
    for state_dict in build.manifest.state_dicts:
        if state_dict.role not in (Role.NETWORK, Role.EMA):
            continue
        tensors = [one for one in state_dict.tensors if one.key.rpartition(".")[2] == _COUNTER]
        if not tensors:
            continue
        read = [(one.key, _read(build, one)) for one in tensors[:left]]
        left -= len(read)
        values = tuple((key, value) for key, value in read if value is not None)
        found.append(
            BatchCounters(path=state_dict.path, values=values, unread=len(tensors) - len(values))
        )
    return tuple(found)


def _read(build: ManifestBuild, tensor: TensorInfo) -> int | None:
    """Return a whole number; None where there is none, or its storage is damaged.

    That a storage is damaged or missing is said where storages are looked at.
    """
    storage = build.manifest.storages.get(tensor.storage or "")
    if storage is None or storage.compressed:
        return None
    try:
        source = build.open_storage(storage.key)
        value = read_number(tensor, source, build.byteorder_of(storage.key))
    except ArtifactError:
        return None
    return int(value) if value is not None and value == value // 1 else None
