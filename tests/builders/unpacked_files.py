"""Checkpoints to unpack, written by the package's own writers, and what comes out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ckptscope.facts.identity import StateDictIdentity
from ckptscope.facts.tensors import TensorInfo
from ckptscope.facts.unpacking import UnpackReport, UnpackRequest
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.pipeline.unpacking import unpack
from ckptscope.tensors.canonical import canonical_pieces
from ckptscope.tensors.hashing import Hasher
from ckptscope.writers.forms import Reduce, ordered_dict
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage, item_size, tensor_over
from ckptscope.writers.torch_zip import write_torch_zip


def numbered(shape: Sequence[int], dtype: str = "float32", start: int = 0) -> OutgoingTensor:
    """A contiguous tensor whose bytes count up."""
    size = item_size(dtype)
    for one in shape:
        size *= one
    content = bytes((start + index) % 251 for index in range(size))
    return tensor_over(bytes_storage(content, dtype), tuple(shape))


def network(
    prefix: str = "", *, start: int = 0, versions: Mapping[str, int] | None = None
) -> Reduce:
    """A network of two layers."""
    pairs = {
        f"{prefix}conv.weight": numbered((4, 3, 3, 3), start=start),
        f"{prefix}conv.bias": numbered((4,), start=start),
        f"{prefix}norm.num_batches_tracked": numbered((), "int64", start),
    }
    if versions is None:
        return ordered_dict(pairs)
    described = ordered_dict({name: {"version": one} for name, one in versions.items()})
    return ordered_dict(pairs, state={"_metadata": described})


def optimizer() -> dict[str, object]:
    """The state of an optimizer with one parameter group."""
    state = {"step": 7, "exp_avg": numbered((4,)), "exp_avg_sq": numbered((4,), start=9)}
    group = {"lr": 0.001, "betas": (0.9, 0.999), "params": [0]}
    return {"state": {0: state}, "param_groups": [group]}


def training(**entries: object) -> dict[str, object]:
    """A checkpoint of a training, with what stands in no target."""
    return {
        "epoch": 12,
        "network": network("module.", versions={"": 1, "module": 1, "module.norm": 2}),
        "optimizer": optimizer(),
        "note": "first try",
        **entries,
    }


def write_zip(path: Path, value: object) -> Path:
    write_torch_zip(path, value)
    return path


def write_tensors(path: Path, tensors: Mapping[str, OutgoingTensor]) -> Path:
    write_safetensors(path, tensors.items(), metadata={"format": "pt"})
    return path


def unpacked(source: Path, target: Path | str, **wanted: object) -> UnpackReport:
    """Unpack with these fields of the request."""
    return unpack(source, str(target), UnpackRequest(**wanted))  # type: ignore[arg-type]


def identity_of(path: Path, entry: str = "") -> StateDictIdentity:
    with open_checkpoint(path) as checkpoint:
        return Hasher(checkpoint.build).identify_state_dict(checkpoint.state_dict(entry))


def contents_of(path: Path, entry: str = "") -> dict[str, tuple[TensorInfo, bytes]]:
    """Every tensor by key, with its canonical bytes."""
    with open_checkpoint(path) as checkpoint:
        return {
            one.key: (one, b"".join(canonical_pieces(checkpoint.build, one)))
            for one in checkpoint.state_dict(entry).tensors
        }
