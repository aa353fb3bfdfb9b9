"""What the walk collects: tensors under the container that names them."""

import msgspec

from ckptscope.facts.tensors import TensorInfo


class Group(msgspec.Struct):
    """Tensors that one mapping, sequence, object or module names.

    Attributes:
        path: Way from the top.
        source: mapping, sequence, attributes, module, non-persistent, gradients,
            optimizer, single or header.
        tensors: In the order of the file.
        others: Entries of the same container that are no tensors.
        class_name: Class of the container, where the file names one.
        versions: Module versions of `_metadata`.
    """

    path: str
    source: str
    tensors: list[TensorInfo]
    others: int = 0
    class_name: str | None = None
    versions: dict[str, int] | None = None


def join(path: str, name: str) -> str:
    """Join a path and a name below it."""
    if not path:
        return name
    return f"{path}/{name}" if name else path
