"""Where the bytes of a checkpoint lie.

Enters: what the readers in `containers` found. Leaves: the kinds of containers, and storages with
their places.
"""

import enum

import msgspec


class ContainerKind(enum.StrEnum):
    """One layer of packing; a chain of them leads from the file to the checkpoint."""

    TORCH_ZIP = "torch zip"
    TORCHSCRIPT = "TorchScript"
    TORCH_EXPORT = "torch.export"
    TORCH_PACKAGE = "torch.package"
    DISTRIBUTED = "distributed checkpoint"
    SHARDED = "sharded"
    NUMPY = "numpy array"
    NUMPY_ARCHIVE = "numpy archive"
    LEGACY_STREAM = "legacy stream"
    LEGACY_TAR = "legacy tar"
    DIRECTORY = "directory"
    SAFETENSORS = "safetensors"
    PICKLE = "pickle"
    CONCATENATED = "concatenated zips"
    TAR = "tar"
    ZIP = "zip"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"


class Storage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The raw bytes behind one or several tensors.

    Attributes:
        key: Name by which tensors refer to it, unique within the checkpoint.
        size_bytes: Bytes of elements that the container holds.
        stored_bytes: Bytes that it takes up in the file; less than `size_bytes` if compressed.
        member: Archive member or file that holds it, or None for the file itself.
        offset_bytes: Where its elements start, within the checkpoint's source (within the member
            for a directory); None where that takes a read of the member's own header.
        compressed: Whether the bytes are deflated.
    """

    key: str
    size_bytes: int
    stored_bytes: int
    member: str | None
    offset_bytes: int | None
    compressed: bool = False
