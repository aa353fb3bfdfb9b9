"""The functions by which torch pickles tensors, one reader each.

Enters: an `Instance` that calls one of them. Leaves: a `TensorInfo`. `RULES` maps module and name
to the reader; a further function of torch is a further row.

Source: `torch/_utils.py`, `torch/_tensor.py`, `torch/nn/parameter.py`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import UNSET

from ckptscope.facts.pickled import GlobalRef, Instance
from ckptscope.facts.tensors import Kind, TensorInfo
from ckptscope.pickles.numpy_rules import read_array
from ckptscope.pickles.rule_arguments import (
    OddArgumentsError,
    arguments_of,
    as_parameter,
    as_sizes,
    as_whole,
    class_text,
    device_name,
    dtype_name,
    guess_kind,
    layout_name,
    math_bits,
)
from ckptscope.pickles.views import key_text

if TYPE_CHECKING:
    from ckptscope.pickles.torch_rules import TensorRules

Rule = Callable[["TensorRules", Instance, str, int], TensorInfo | None]


def _strided(
    rules: "TensorRules", key: str, args: tuple[object, ...], dtype: str | None
) -> TensorInfo:
    """Lay (storage, offset, size, stride) out; `dtype` overrides that of the storage class."""
    if len(args) < 4:
        raise OddArgumentsError(f"expected 4 arguments, found {len(args)}")
    found = rules.storage(args[0])
    use = found.use
    dtype = dtype or use.dtype or found.class_name.rpartition(".")[2]
    requires_grad = len(args) > 4 and args[4] is True
    offset, shape, stride = args[1], args[2], args[3]
    if type(shape) is not tuple or type(stride) is not tuple:
        shape, stride = as_sizes(shape), as_sizes(stride)
    if not rules.is_plain_layout(offset, shape, stride):
        shape, stride = as_sizes(shape), as_sizes(stride)
        rules.check_shape(as_whole(offset) + found.view_offset, shape, stride)
    tensor = rules.make_checked(
        key,
        use,
        dtype,
        cast("int", offset) + found.view_offset,
        cast("tuple[int, ...]", shape),
        cast("tuple[int, ...]", stride),
        requires_grad,
    )
    bits = math_bits(args[-1]) if len(args) > 6 else ()
    return msgspec.structs.replace(tensor, lazy=bits) if bits else tensor


def _rebuild_tensor(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(storage, offset, size, stride[, requires_grad, hooks[, metadata]])`."""
    return _strided(rules, key, node.args, None)


def _rebuild_tensor_v3(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])`."""
    args = arguments_of(node, 7)
    dtype = dtype_name(args[6])
    if dtype is None:
        raise OddArgumentsError("expected a dtype")
    return _strided(rules, key, args, dtype)


def _rebuild_parameter(
    rules: "TensorRules", node: Instance, key: str, depth: int
) -> TensorInfo | None:
    """`(data, requires_grad, hooks[, state])`."""
    args = arguments_of(node, 2)
    inner = rules.read(args[0], key, depth + 1)
    if inner is None:
        raise OddArgumentsError("expected a tensor")
    return as_parameter(inner, "Parameter", args[1] is True)


def _rebuild_buffer(
    rules: "TensorRules", node: Instance, key: str, depth: int
) -> TensorInfo | None:
    """`(data, requires_grad, persistent)`."""
    inner = rules.read(arguments_of(node, 1)[0], key, depth + 1)
    if inner is None:
        raise OddArgumentsError("expected a tensor")
    return as_parameter(inner, "Buffer", requires_grad=False)


def _rebuild_qtensor(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(storage, offset, size, stride, quantizer parameters, requires_grad, hooks)`."""
    args = arguments_of(node, 5)
    tensor = _strided(rules, key, args[:4], None)
    parts = []
    if type(args[4]) is tuple:
        for index, part in enumerate(args[4]):
            found = rules.read(part, f"quantizer/{index}", depth + 1)
            if found is not None:
                parts.append(found)
    return msgspec.structs.replace(tensor, parts=tuple(parts), kind=Kind.PARAMETER)


def _rebuild_sparse(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(layout, (indices, values, size[, coalesced]))`, or compressed indices first."""
    args = arguments_of(node, 2)
    if type(args[1]) is not tuple:
        raise OddArgumentsError("expected the parts of a sparse tensor")
    parts: list[TensorInfo] = []
    shape: tuple[int, ...] | None = None
    for index, part in enumerate(args[1]):
        found = rules.read(part, str(index), depth + 1)
        if found is not None:
            parts.append(found)
        elif shape is None and parts:
            shape = as_sizes(part)
    if shape is None or len(parts) < 2:
        raise OddArgumentsError("expected indices, values and a size")
    values = parts[-1]
    return TensorInfo(
        key=key,
        shape=shape,
        dtype=values.dtype,
        stride=None,
        device=values.device,
        kind=guess_kind(key, values.dtype),
        layout=layout_name(args[0]),
        parts=tuple(parts),
    )


def _rebuild_from_numpy(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(array, dtype, device, requires_grad)`: the bytes stand in the pickle."""
    args = arguments_of(node, 3)
    array = read_array(args[0], key)
    if array is None:
        raise OddArgumentsError("expected an array")
    dtype = dtype_name(args[1]) or array.dtype
    tensor = rules.make(key, None, dtype, 0, array.shape, None)
    return msgspec.structs.replace(tensor, device=device_name(args[2]))


def _rebuild_from_cpu_tensor(
    rules: "TensorRules", node: Instance, key: str, depth: int
) -> TensorInfo:
    """`(tensor, dtype, device, requires_grad)`."""
    args = arguments_of(node, 3)
    inner = rules.read(args[0], key, depth + 1)
    if inner is None:
        raise OddArgumentsError("expected a tensor")
    dtype = dtype_name(args[1]) or inner.dtype
    return msgspec.structs.replace(inner, dtype=dtype, device=device_name(args[2]))


def _rebuild_meta(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(dtype, size, stride, requires_grad)`: a shape without bytes."""
    args = arguments_of(node, 3)
    dtype = dtype_name(args[0])
    if dtype is None:
        raise OddArgumentsError("expected a dtype")
    grad = len(args) > 3 and args[3] is True
    tensor = rules.make(key, None, dtype, 0, as_sizes(args[1]), as_sizes(args[2]), grad)
    return msgspec.structs.replace(tensor, device="meta")


def _rebuild_wrapper_subclass(
    rules: "TensorRules", node: Instance, key: str, depth: int
) -> TensorInfo:
    """`(class, dtype, size, stride, offset, layout, device, requires_grad)`; parts in the state."""
    args = arguments_of(node, 7)
    dtype = dtype_name(args[1])
    if dtype is None:
        raise OddArgumentsError("expected a dtype")
    tensor = rules.make(key, None, dtype, as_whole(args[4]), as_sizes(args[2]), as_sizes(args[3]))
    return msgspec.structs.replace(
        tensor,
        layout=layout_name(args[5]),
        device=device_name(args[6]),
        class_name=class_text(args[0]),
        parts=_state_tensors(rules, node.state, depth),
    )


def _state_tensors(rules: "TensorRules", state: object, depth: int) -> tuple[TensorInfo, ...]:
    parts = []
    for name, value in getattr(state, "pairs", None) or []:
        found = rules.read(value, key_text(name)[:80], depth + 1)
        if found is not None:
            parts.append(found)
    return tuple(parts)


def _rebuild_nested(rules: "TensorRules", node: Instance, key: str, depth: int) -> TensorInfo:
    """`(buffer, sizes, strides, offsets)`: ragged, so only the buffer has a shape."""
    parts = []
    for name, part in zip(("buffer", "sizes", "strides", "offsets"), node.args, strict=False):
        found = rules.read(part, name, depth + 1)
        if found is not None:
            parts.append(found)
    if not parts:
        raise OddArgumentsError("expected the parts of a nested tensor")
    return msgspec.structs.replace(
        parts[0], key=key, storage=None, stride=None, layout="nested", parts=tuple(parts)
    )


def _rebuild_from_type(
    rules: "TensorRules", node: Instance, key: str, depth: int
) -> TensorInfo | None:
    """`(function, class, arguments, state)`: another rebuild call, then a subclass of it."""
    args = arguments_of(node, 3)
    if type(args[0]) is not GlobalRef or type(args[2]) is not tuple:
        raise OddArgumentsError("expected a function and its arguments")
    state = args[3] if len(args) > 3 else UNSET
    inner = rules.read(Instance(args[0], args[2], node.offset_bytes, None, state), key, depth + 1)
    if inner is None:
        raise OddArgumentsError(f"{args[0].qualified} makes no tensor that is known")
    if type(args[1]) is GlobalRef and args[1].qualified in (
        "torch.nn.parameter.Parameter",
        "torch.nn.parameter.Buffer",
    ):
        return as_parameter(inner, args[1].name, inner.requires_grad)
    name = class_text(args[1])
    if name in ("torch.Tensor", "torch._tensor.Tensor"):
        return inner
    return msgspec.structs.replace(inner, class_name=name)


_UTILS: dict[str, Rule] = {
    "_rebuild_tensor": _rebuild_tensor,
    "_rebuild_tensor_v2": _rebuild_tensor,
    "_rebuild_tensor_v3": _rebuild_tensor_v3,
    "_rebuild_parameter": _rebuild_parameter,
    "_rebuild_parameter_with_state": _rebuild_parameter,
    "_rebuild_qtensor": _rebuild_qtensor,
    "_rebuild_sparse_tensor": _rebuild_sparse,
    "_rebuild_sparse_csr_tensor": _rebuild_sparse,
    "_rebuild_device_tensor_from_numpy": _rebuild_from_numpy,
    "_rebuild_xla_tensor": _rebuild_from_numpy,
    "_rebuild_device_tensor_from_cpu_tensor": _rebuild_from_cpu_tensor,
    "_rebuild_meta_tensor_no_storage": _rebuild_meta,
    "_rebuild_wrapper_subclass": _rebuild_wrapper_subclass,
    "_rebuild_nested_tensor": _rebuild_nested,
}
#: (module, function) → rule.
RULES: dict[tuple[str, str], Rule] = {
    **{("torch._utils", name): rule for name, rule in _UTILS.items()},
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("torch._tensor", "_rebuild_from_type"): _rebuild_from_type,
    ("torch.tensor", "_rebuild_from_type"): _rebuild_from_type,
    ("torch.nn.parameter", "_rebuild_buffer"): _rebuild_buffer,
    ("torch._utils", "_rebuild_buffer"): _rebuild_buffer,
}
