"""A distributed checkpoint of one tensor, whose description may tell another story than its file.

Source: torch/distributed/checkpoint/metadata.py.
"""

import struct

import msgspec

from builders.pickles import Raw, build, call, global_, new, ordered_dict, pickled, tensor
from builders.zips import torch_zip

_HOME = "torch.distributed.checkpoint.metadata"
_FILE = "__0_0.distcp"


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Shapes, as `.metadata` tells them and as they are.

    Attributes:
        whole: Shape of the tensor by `.metadata`.
        piece: Shape of its only piece by `.metadata`.
        held: Shape of the piece in its file.
    """

    whole: tuple[int, ...] = (2, 3)
    piece: tuple[int, ...] = (2, 3)
    held: tuple[int, ...] = (2, 3)


def distributed(story: Story) -> dict[str, bytes]:
    """Return the files of the checkpoint, by name."""
    piece = torch_zip(tensor("0", story.held), {"0": struct.pack("<6f", *range(6))})
    start = _made("MetadataIndex", fqn="w", offset=_size((0, 0)), index=0)
    place = build(
        new("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
        {"relative_path": _FILE, "offset": 0, "length": len(piece)},
    )
    properties = build(
        new(_HOME, "TensorProperties"), (global_("torch", "float32"), None, False, None, False)
    )
    chunk = _made("ChunkStorageMetadata", offsets=_size((0, 0)), sizes=_size(story.piece))
    described = _made(
        "TensorStorageMetadata", properties=properties, size=_size(story.whole), chunks=[chunk]
    )
    metadata = _made(
        "Metadata",
        state_dict_metadata={"w": described},
        planner_data={"w": ("w",)},
        storage_data=ordered_dict([(start, place)]),
    )
    return {".metadata": pickled(metadata), _FILE: piece}


def _made(name: str, **state: object) -> Raw:
    return build(new(_HOME, name), state)


def _size(sizes: tuple[int, ...]) -> Raw:
    return call("torch", "Size", sizes)
