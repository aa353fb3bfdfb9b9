"""Checkpoints of true shapes that take no room: sparse and deflated files.

The shapes come from `fixtures.convnextpose`, which knows the paper and nothing of the package.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from ckptscope.writers.forms import ordered_dict
from ckptscope.writers.tensors import bytes_storage, tensor_over
from ckptscope.writers.torch_zip import TorchZipOptions, write_torch_zip
from fixtures.convnextpose import VARIANTS, Dialect, Entry, state_dict_entries


def entries_of(row: str, dialect: Dialect | None = None) -> tuple[Entry, ...]:
    """Names and shapes of a released variant, in its own dialect or another."""
    variant = VARIANTS[row]
    return state_dict_entries(variant.configuration, dialect or variant.dialect)


def write_sparse(
    path: Path, entries: Iterable[Entry], *, seed: int = 0, prefix: str = "module."
) -> Path:
    """Write a safetensors file whose weights are zero but for one number, `seed`, in the first.

    The zeros are a hole in the file: 30 MB of weights take up some kilobytes.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in entries:
        size = entry.elements * (8 if entry.dtype == "int64" else 4)
        header[prefix + entry.key] = {
            "dtype": "I64" if entry.dtype == "int64" else "F32",
            "shape": list(entry.shape),
            "data_offsets": [end, end + size],
        }
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + seed.to_bytes(4, "little"))
        file.truncate(8 + len(text) + end)
    return path


def write_deflated(path: Path, entries: Iterable[Entry], *, epoch: int) -> Path:
    """Write the torch zip of a training run, its weights zero and deflated to next to nothing."""
    tensors = []
    for entry in entries:
        size = entry.elements * (8 if entry.dtype == "int64" else 4)
        storage = bytes_storage(bytes(size), entry.dtype)
        tensors.append((f"module.{entry.key}", tensor_over(storage, entry.shape)))
    value = {"epoch": epoch, "network": ordered_dict(tensors)}
    deflated = TorchZipOptions(deflate=True)
    write_torch_zip(path, value, root=f"snapshot_{epoch}.pth", options=deflated)
    return path
