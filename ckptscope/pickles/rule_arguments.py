"""What rebuild calls are given: reading their arguments, and the kinds that names imply.

Enters: nodes that stand as arguments of a rebuild call. Leaves: sizes, numbers, names; or an
`OddArgumentsError`, which the caller turns into a finding.
"""

from typing import cast

import msgspec

from ckptscope.facts.findings import Code
from ckptscope.facts.pickled import GlobalRef, Instance
from ckptscope.facts.tensors import Kind, Origin, TensorInfo
from ckptscope.pickles.views import plain_text, sequence_items

#: Names of the tensors that BatchNorm registers as buffers (torch/nn/modules/batchnorm.py).
_BUFFER_NAMES = frozenset({"running_mean", "running_var", "num_batches_tracked"})
_BUFFER_ENDINGS = tuple(_BUFFER_NAMES)
_TRAINABLE_PREFIXES = ("float", "bfloat", "complex")


class OddArgumentsError(Exception):
    """A rebuild call that torch could not carry out; becomes a finding of this code."""

    def __init__(self, message: str, code: Code = Code.PICKLE_REBUILD_ODD) -> None:
        super().__init__(message)
        self.code = code


def guess_kind(key: str, dtype: str) -> Kind:
    """Parameter or buffer, by the conventions of names and dtypes."""
    if key.endswith(_BUFFER_ENDINGS) and key.rpartition(".")[2] in _BUFFER_NAMES:
        return Kind.BUFFER
    return Kind.PARAMETER if dtype.startswith(_TRAINABLE_PREFIXES) else Kind.BUFFER


def dtype_name(node: object) -> str | None:
    """Return the name of a pickled `torch.dtype`."""
    if type(node) is GlobalRef and node.module == "torch":
        return node.name
    return None


def pair_values(node: object) -> list[object]:
    """Return the values of a mapping node."""
    pairs = getattr(node, "pairs", None)
    return [value for _, value in pairs] if pairs else []


def as_parameter(inner: TensorInfo, class_name: str, requires_grad: bool) -> TensorInfo:
    """Return a tensor as its wrapper class declares it."""
    if class_name in ("Variable", "Tensor"):
        return msgspec.structs.replace(inner, requires_grad=requires_grad)
    kind = Kind.BUFFER if class_name == "Buffer" else Kind.PARAMETER
    return msgspec.structs.replace(
        inner, requires_grad=requires_grad, kind=kind, kind_origin=Origin.OBSERVED
    )


def show_numbers(sizes: tuple[int, ...]) -> str:
    """Show sizes that may be absurdly large."""
    return ", ".join(plain_text(size) for size in sizes)


def as_whole(node: object) -> int:
    """Return a whole number.

    Raises:
        OddArgumentsError: It is none.
    """
    if type(node) is not int:
        raise OddArgumentsError("expected a whole number")
    return node


def as_sizes(node: object) -> tuple[int, ...]:
    """Read a shape or stride: a tuple of whole numbers, or `torch.Size` of one."""
    if type(node) is not tuple:
        found = sequence_items(node)
        if found is None:
            raise OddArgumentsError("expected a tuple of sizes")
        node = tuple(found[1])
    for size in node:
        if type(size) is not int:
            raise OddArgumentsError("expected whole numbers as sizes")
    return cast("tuple[int, ...]", node)


def arguments_of(node: Instance, least: int) -> tuple[object, ...]:
    """Return the arguments of a call that needs so many at least.

    Raises:
        OddArgumentsError: There are fewer.
    """
    if len(node.args) < least:
        raise OddArgumentsError(f"expected {least} arguments, found {len(node.args)}")
    return node.args


def math_bits(node: object) -> tuple[str, ...]:
    """`conj` and `neg` of the metadata: operations that reading the values must still apply."""
    pairs = getattr(node, "pairs", None) or []
    return tuple(key for key, value in pairs if key in ("conj", "neg") and value is True)


def layout_name(node: object) -> str:
    """`torch.serialization._get_layout("torch.sparse_coo")`, or the name itself."""
    if type(node) is Instance and node.args and type(node.args[0]) is str:
        return node.args[0].removeprefix("torch.")[:40]
    return node.name[:40] if type(node) is GlobalRef else "sparse"


def device_name(node: object) -> str | None:
    """Return the name of a device: text, or `torch.device("cuda", 0)`."""
    if type(node) is str:
        return node[:40]
    if type(node) is Instance and node.args and type(node.args[0]) is str:
        index = f":{plain_text(node.args[1])}" if type(node.args[-1]) is int else ""
        return node.args[0][:40] + index
    return None


def class_text(node: object) -> str | None:
    """Return the qualified name of a class."""
    return node.qualified[:200] if type(node) is GlobalRef else None
