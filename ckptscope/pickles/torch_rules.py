"""The functions by which torch pickles tensors, read instead of called.

Enters: an `Instance` that calls one of them, or an object of the 2017 classes. Leaves: a
`TensorInfo`, or None for what is no tensor; a call that torch itself could not carry out becomes a
finding.

Source: `torch/_utils.py`, `torch/_tensor.py`, `torch/storage.py`, and `torch/tensor.py` and
`torch/autograd/variable.py` of the old versions.
"""

from collections.abc import Callable, Mapping
from typing import cast

import msgspec
from msgspec import UNSET

from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import BytesRef, GlobalRef, Instance, PersistentRef
from ckptscope.facts.tensors import ExternalTensor, Kind, Origin, StorageUse, TensorInfo
from ckptscope.pickles.numpy_rules import read_array
from ckptscope.pickles.persistent import StorageId, parse_storage_id
from ckptscope.pickles.views import bytes_value, class_of, key_text, plain_text, sequence_items

#: Names of the tensors that BatchNorm registers as buffers (torch/nn/modules/batchnorm.py).
_BUFFER_NAMES = frozenset({"running_mean", "running_var", "num_batches_tracked"})
_BUFFER_ENDINGS = tuple(_BUFFER_NAMES)
_TRAINABLE_PREFIXES = ("float", "bfloat", "complex")
_MOST = (1 << 63) - 1
#: Classes of old files that wrap a tensor: BUILD sets (data, grad, ..., requires_grad, volatile).
_WRAPPER_CLASSES = {
    ("torch.nn.parameter", "Parameter"),
    ("torch.nn.parameter", "Buffer"),
    ("torch.autograd.variable", "Variable"),
    ("torch.autograd", "Variable"),
    ("torch", "Tensor"),
    ("torch._tensor", "Tensor"),
    ("torch.tensor", "Tensor"),
}
_WRAPPER_NAMES = frozenset(name for _, name in _WRAPPER_CLASSES)
#: Calls that only wrap: the class or function of a subclass around another rebuild call.
_DEPTH = 16


class NestedLoader(msgspec.Struct, frozen=True):
    """What a byte string inside the pickle holds: its object, and how to read tensors in it."""

    root: object
    rules: "TensorRules"


class TensorRules:
    """Reads tensors out of the graph of one pickle.

    Args:
        limits: Bounds of the run.
        external_tensors: Tensors by persistent id (legacy tar).
        load_nested: Lays open the bytes of `_load_from_bytes`.
        storage_prefix: Put before storage keys, for pickles inside a pickle.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        external_tensors: Mapping[str, ExternalTensor] | None = None,
        load_nested: Callable[[Instance, bytes | BytesRef], NestedLoader] | None = None,
        external_uses: Mapping[str, StorageUse] | None = None,
        storage_prefix: str = "",
    ) -> None:
        self.limits = limits
        self.external_tensors = external_tensors or {}
        self.external_uses = external_uses or {}
        self.storage_prefix = storage_prefix
        self.findings: list[Finding] = []
        self.uses: dict[str, StorageUse] = {}
        self._load_nested = load_nested
        self._nested: dict[int, NestedLoader] = {}
        self._plain_ids_noted = False
        self._inner_reads = 0
        #: Gradients that hang on Parameters of 2017: (key, node), until the walk takes them.
        self.gradients: list[tuple[str, Instance]] = []
        self._storage_ids: dict[int, StorageId | None] = {}

    def read(self, node: object, key: str, depth: int = 0) -> TensorInfo | None:
        """Return the tensor that a node would be, named `key`; None if it is no tensor.

        Raises:
            ArtifactError: A nested checkpoint is damaged.
        """
        if depth:
            self._count_inner()
        if type(node) is Instance:
            function = node.callable
            if type(function) is GlobalRef:
                rule = _RULES.get((function.module, function.name))
                if rule is not None:
                    if depth > _DEPTH:
                        self._refuse(node.offset_bytes, key, "calls nested without end")
                        return None
                    try:
                        return rule(self, node, key, depth)
                    except _OddArguments as odd:
                        message = f"{function.qualified}: {odd}"
                        self._refuse(node.offset_bytes, key, message, odd.code)
                        return None
                if function.name not in _WRAPPER_NAMES and function.name[:1] != "_":
                    return None
            return self._wrapped(node, key, depth)
        if type(node) is PersistentRef:
            return self._external(node, key)
        return None

    def _count_inner(self) -> None:
        """Parts of parts may multiply: they count as steps of the walk."""
        self._inner_reads += 1
        if self._inner_reads > self.limits.walk_steps:
            raise LimitError("walk_steps", allowed=self.limits.walk_steps, actual=self._inner_reads)

    def _refuse(
        self, offset_bytes: int, key: str, message: str, code: Code = Code.PICKLE_REBUILD_ODD
    ) -> None:
        self.findings.append(
            Finding(
                code=code,
                severity=Severity.ERROR,
                message=f"a tensor that cannot be rebuilt: {message}",
                where=Where(key=key, offset_bytes=offset_bytes),
            )
        )

    def _wrapped(self, node: Instance, key: str, depth: int) -> TensorInfo | None:
        """Parameter and Variable objects of 2017: the state's first item is the data."""
        found = class_of(node)
        if found is None or (found.module, found.name) not in _WRAPPER_CLASSES:
            return None
        state = node.state
        if type(state) is not tuple or not state or depth > _DEPTH:
            return None
        inner = self.read(state[0], key, depth + 1)
        if inner is None:
            return None
        if len(state) > 1 and type(state[1]) is Instance:
            self.gradients.append((f"{key}.grad", state[1]))
        flags = [item for item in state[1:] if type(item) is bool]
        return _as_parameter(inner, found.name, bool(flags and flags[0]))

    def _external(self, node: PersistentRef, key: str) -> TensorInfo | None:
        if type(node.pid) is not str:
            return None
        found = self.external_tensors.get(node.pid)
        if found is None:
            return None
        use = self.external_uses.get(found.storage)
        try:
            return self._make_external(key, found, use)
        except _OddArguments as odd:
            self._refuse(node.offset_bytes, key, str(odd), odd.code)
            return None

    def _make_external(self, key: str, found: ExternalTensor, use: StorageUse | None) -> TensorInfo:
        return self.make(
            key,
            StorageUse(
                key=found.storage,
                dtype=found.dtype,
                elements=use.elements if use is not None else -1,
                device=use.device if use is not None else None,
            ),
            found.dtype,
            found.offset,
            found.shape,
            found.stride,
        )

    def make(
        self,
        key: str,
        use: StorageUse | None,
        dtype: str,
        offset: int,
        shape: tuple[int, ...],
        stride: tuple[int, ...] | None,
        requires_grad: bool = False,
    ) -> TensorInfo:
        """Make the tensor and remember its storage.

        Raises:
            _OddArguments: No tensor can have this shape.
        """
        self.check_shape(offset, shape, stride)
        return self.make_checked(key, use, dtype, offset, shape, stride, requires_grad)

    def make_checked(
        self,
        key: str,
        use: StorageUse | None,
        dtype: str,
        offset: int,
        shape: tuple[int, ...],
        stride: tuple[int, ...] | None,
        requires_grad: bool,
    ) -> TensorInfo:
        """Like `make`, for a layout that was checked."""
        storage = device = None
        if use is not None:
            storage, device = self.storage_prefix + use.key, use.device
            if storage not in self.uses and use.elements >= 0:
                self.uses[storage] = use
        return TensorInfo(
            key=key,
            shape=shape,
            dtype=dtype,
            stride=stride,
            offset=offset,
            storage=storage,
            device=device,
            kind=guess_kind(key, dtype),
            requires_grad=requires_grad,
        )

    def is_plain_layout(
        self, offset: object, shape: tuple[object, ...], stride: tuple[object, ...]
    ) -> bool:
        """Whether a layout is beyond doubt: one pass, for the tensors that nearly all are."""
        elements = 1
        for size in shape:
            if type(size) is not int or not 0 <= size <= _MOST:
                return False
            elements *= size
        for step in stride:
            if type(step) is not int or not 0 <= step <= _MOST:
                return False
        return (
            len(shape) == len(stride) <= self.limits.tensor_dims
            and elements <= self.limits.tensor_elements
            and type(offset) is int
            and 0 <= offset <= _MOST
        )

    def check_shape(
        self, offset: int, shape: tuple[int, ...], stride: tuple[int, ...] | None
    ) -> None:
        """Refuse a layout that no tensor can have.

        Raises:
            _OddArguments: The reason.
        """
        if len(shape) > self.limits.tensor_dims:
            raise _OddArguments(f"{len(shape)} dimensions", Code.SHAPE_IMPOSSIBLE)
        if stride is not None and len(shape) != len(stride):
            raise _OddArguments(f"{len(shape)} sizes but {len(stride)} strides")
        elements = 1
        for size in shape:
            if not 0 <= size <= _MOST:
                raise _OddArguments(f"shape ({_numbers(shape)})", Code.SHAPE_IMPOSSIBLE)
            elements *= size
        if elements > self.limits.tensor_elements:
            raise _OddArguments(
                f"shape ({_numbers(shape)}) of {elements:,} elements", Code.SHAPE_IMPOSSIBLE
            )
        if not 0 <= offset <= _MOST:
            raise _OddArguments(f"offset {_numbers((offset,))}", Code.SHAPE_IMPOSSIBLE)
        for step in stride or ():
            if not 0 <= step <= _MOST:
                raise _OddArguments(f"stride ({_numbers(stride or ())})", Code.SHAPE_IMPOSSIBLE)

    def storage(self, node: object) -> StorageId:
        """Return what a storage argument refers to.

        Raises:
            _OddArguments: It is no storage.
        """
        if type(node) is PersistentRef:
            known = self._storage_ids.get(id(node)) or self.storage_id(node)
            if known is not None:
                return known
        if type(node) is tuple:
            found = parse_storage_id(node)
            if found is not None:
                self._note_plain_id()
                return found
        if type(node) is Instance and type(node.callable) is GlobalRef:
            if node.callable.qualified == "torch.storage._load_from_bytes":
                return self._nested_storage(node)
            if node.callable.name in ("TypedStorage", "_TypedStorage", "UntypedStorage"):
                for part in (*node.args, *_values(node.kwargs)):
                    if type(part) is PersistentRef:
                        return self.storage(part)
        raise _OddArguments("expected a storage")

    def _note_plain_id(self) -> None:
        """A storage named by a plain tuple: read, but torch could not."""
        if not self._plain_ids_noted:
            self._plain_ids_noted = True
            self.findings.append(
                Finding(
                    code=Code.PICKLE_PERSISTENT_ID,
                    severity=Severity.WARNING,
                    message="storages are named by plain tuples and not by persistent ids; "
                    "torch.load cannot read this",
                )
            )

    def storage_id(self, node: PersistentRef) -> StorageId | None:
        """Return a storage's persistent id, parsed once."""
        try:
            return self._storage_ids[id(node)]
        except KeyError:
            found = self._storage_ids[id(node)] = parse_storage_id(node.pid)
            return found

    def nested(self, node: Instance) -> NestedLoader | None:
        """Return what `_load_from_bytes` would load, or None if it is no such call.

        Raises:
            ArtifactError: The bytes are damaged.
        """
        function = node.callable
        if type(function) is not GlobalRef or len(node.args) != 1:
            return None
        if function.qualified != "torch.storage._load_from_bytes" or self._load_nested is None:
            return None
        known = self._nested.get(id(node))
        if known is None:
            payload = bytes_value(node.args[0])
            if payload is None:
                return None
            known = self._nested[id(node)] = self._load_nested(node, payload)
        return known

    def _nested_storage(self, node: Instance) -> StorageId:
        try:
            loaded = self.nested(node)
        except ArtifactError as error:
            raise _OddArguments(str(error)) from error
        if loaded is None:
            raise _OddArguments("expected the bytes of a saved storage")
        found = loaded.rules.storage(loaded.root)
        use = msgspec.structs.replace(found.use, key=loaded.rules.storage_prefix + found.use.key)
        return msgspec.structs.replace(found, use=use)


Rule = Callable[[TensorRules, Instance, str, int], TensorInfo | None]


class _OddArguments(Exception):  # noqa: N818
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


def _values(node: object) -> list[object]:
    pairs = getattr(node, "pairs", None)
    return [value for _, value in pairs] if pairs else []


def _as_parameter(inner: TensorInfo, class_name: str, requires_grad: bool) -> TensorInfo:
    if class_name in ("Variable", "Tensor"):
        return msgspec.structs.replace(inner, requires_grad=requires_grad)
    kind = Kind.BUFFER if class_name == "Buffer" else Kind.PARAMETER
    return msgspec.structs.replace(
        inner, requires_grad=requires_grad, kind=kind, kind_origin=Origin.OBSERVED
    )


def _numbers(sizes: tuple[int, ...]) -> str:
    """Show sizes that may be absurdly large."""
    return ", ".join(plain_text(size) for size in sizes)


def _whole(node: object) -> int:
    if type(node) is not int:
        raise _OddArguments("expected a whole number")
    return node


def _sizes(node: object) -> tuple[int, ...]:
    """Read a shape or stride: a tuple of whole numbers, or `torch.Size` of one."""
    if type(node) is not tuple:
        found = sequence_items(node)
        if found is None:
            raise _OddArguments("expected a tuple of sizes")
        node = tuple(found[1])
    for size in node:
        if type(size) is not int:
            raise _OddArguments("expected whole numbers as sizes")
    return cast("tuple[int, ...]", node)


def _arguments(node: Instance, least: int) -> tuple[object, ...]:
    if len(node.args) < least:
        raise _OddArguments(f"expected {least} arguments, found {len(node.args)}")
    return node.args


def _strided(
    rules: TensorRules, key: str, args: tuple[object, ...], dtype: str | None
) -> TensorInfo:
    """Lay (storage, offset, size, stride) out; `dtype` overrides that of the storage class."""
    if len(args) < 4:
        raise _OddArguments(f"expected 4 arguments, found {len(args)}")
    found = rules.storage(args[0])
    use = found.use
    dtype = dtype or use.dtype or found.class_name.rpartition(".")[2]
    requires_grad = len(args) > 4 and args[4] is True
    offset, shape, stride = args[1], args[2], args[3]
    if type(shape) is not tuple or type(stride) is not tuple:
        shape, stride = _sizes(shape), _sizes(stride)
    if not rules.is_plain_layout(offset, shape, stride):
        shape, stride = _sizes(shape), _sizes(stride)
        rules.check_shape(_whole(offset) + found.view_offset, shape, stride)
    tensor = rules.make_checked(
        key,
        use,
        dtype,
        cast("int", offset) + found.view_offset,
        cast("tuple[int, ...]", shape),
        cast("tuple[int, ...]", stride),
        requires_grad,
    )
    bits = _math_bits(args[-1]) if len(args) > 6 else ()
    return msgspec.structs.replace(tensor, lazy=bits) if bits else tensor


def _math_bits(node: object) -> tuple[str, ...]:
    """`conj` and `neg` of the metadata: operations that reading the values must still apply."""
    pairs = getattr(node, "pairs", None) or []
    return tuple(key for key, value in pairs if key in ("conj", "neg") and value is True)


def _rebuild_tensor(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(storage, offset, size, stride[, requires_grad, hooks[, metadata]])`."""
    return _strided(rules, key, node.args, None)


def _rebuild_tensor_v3(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])`."""
    args = _arguments(node, 7)
    dtype = dtype_name(args[6])
    if dtype is None:
        raise _OddArguments("expected a dtype")
    return _strided(rules, key, args, dtype)


def _rebuild_parameter(
    rules: TensorRules, node: Instance, key: str, depth: int
) -> TensorInfo | None:
    """`(data, requires_grad, hooks[, state])`."""
    args = _arguments(node, 2)
    inner = rules.read(args[0], key, depth + 1)
    if inner is None:
        raise _OddArguments("expected a tensor")
    return _as_parameter(inner, "Parameter", args[1] is True)


def _rebuild_buffer(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo | None:
    """`(data, requires_grad, persistent)`."""
    inner = rules.read(_arguments(node, 1)[0], key, depth + 1)
    if inner is None:
        raise _OddArguments("expected a tensor")
    return _as_parameter(inner, "Buffer", requires_grad=False)


def _rebuild_qtensor(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(storage, offset, size, stride, quantizer parameters, requires_grad, hooks)`."""
    args = _arguments(node, 5)
    tensor = _strided(rules, key, args[:4], None)
    parts = []
    if type(args[4]) is tuple:
        for index, part in enumerate(args[4]):
            found = rules.read(part, f"quantizer/{index}", depth + 1)
            if found is not None:
                parts.append(found)
    return msgspec.structs.replace(tensor, parts=tuple(parts), kind=Kind.PARAMETER)


def _rebuild_sparse(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(layout, (indices, values, size[, coalesced]))`, or compressed indices first."""
    args = _arguments(node, 2)
    if type(args[1]) is not tuple:
        raise _OddArguments("expected the parts of a sparse tensor")
    parts: list[TensorInfo] = []
    shape: tuple[int, ...] | None = None
    for index, part in enumerate(args[1]):
        found = rules.read(part, str(index), depth + 1)
        if found is not None:
            parts.append(found)
        elif shape is None and parts:
            shape = _sizes(part)
    if shape is None or len(parts) < 2:
        raise _OddArguments("expected indices, values and a size")
    values = parts[-1]
    return TensorInfo(
        key=key,
        shape=shape,
        dtype=values.dtype,
        stride=None,
        device=values.device,
        kind=guess_kind(key, values.dtype),
        layout=_layout_name(args[0]),
        parts=tuple(parts),
    )


def _layout_name(node: object) -> str:
    """`torch.serialization._get_layout("torch.sparse_coo")`, or the name itself."""
    if type(node) is Instance and node.args and type(node.args[0]) is str:
        return node.args[0].removeprefix("torch.")[:40]
    return node.name[:40] if type(node) is GlobalRef else "sparse"


def _rebuild_from_numpy(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(array, dtype, device, requires_grad)`: the bytes stand in the pickle."""
    args = _arguments(node, 3)
    array = read_array(args[0], key)
    if array is None:
        raise _OddArguments("expected an array")
    dtype = dtype_name(args[1]) or array.dtype
    tensor = rules.make(key, None, dtype, 0, array.shape, None)
    return msgspec.structs.replace(tensor, device=_device_name(args[2]))


def _rebuild_from_cpu_tensor(
    rules: TensorRules, node: Instance, key: str, depth: int
) -> TensorInfo:
    """`(tensor, dtype, device, requires_grad)`."""
    args = _arguments(node, 3)
    inner = rules.read(args[0], key, depth + 1)
    if inner is None:
        raise _OddArguments("expected a tensor")
    dtype = dtype_name(args[1]) or inner.dtype
    return msgspec.structs.replace(inner, dtype=dtype, device=_device_name(args[2]))


def _device_name(node: object) -> str | None:
    if type(node) is str:
        return node[:40]
    if type(node) is Instance and node.args and type(node.args[0]) is str:
        index = f":{plain_text(node.args[1])}" if type(node.args[-1]) is int else ""
        return node.args[0][:40] + index
    return None


def _rebuild_meta(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(dtype, size, stride, requires_grad)`: a shape without bytes."""
    args = _arguments(node, 3)
    dtype = dtype_name(args[0])
    if dtype is None:
        raise _OddArguments("expected a dtype")
    grad = len(args) > 3 and args[3] is True
    tensor = rules.make(key, None, dtype, 0, _sizes(args[1]), _sizes(args[2]), grad)
    return msgspec.structs.replace(tensor, device="meta")


def _rebuild_wrapper_subclass(
    rules: TensorRules, node: Instance, key: str, depth: int
) -> TensorInfo:
    """`(class, dtype, size, stride, offset, layout, device, requires_grad)`; parts in the state."""
    args = _arguments(node, 7)
    dtype = dtype_name(args[1])
    if dtype is None:
        raise _OddArguments("expected a dtype")
    tensor = rules.make(key, None, dtype, _whole(args[4]), _sizes(args[2]), _sizes(args[3]))
    return msgspec.structs.replace(
        tensor,
        layout=_layout_name(args[5]),
        device=_device_name(args[6]),
        class_name=_class_text(args[0]),
        parts=_state_tensors(rules, node.state, depth),
    )


def _state_tensors(rules: TensorRules, state: object, depth: int) -> tuple[TensorInfo, ...]:
    parts = []
    for name, value in getattr(state, "pairs", None) or []:
        found = rules.read(value, key_text(name)[:80], depth + 1)
        if found is not None:
            parts.append(found)
    return tuple(parts)


def _rebuild_nested(rules: TensorRules, node: Instance, key: str, depth: int) -> TensorInfo:
    """`(buffer, sizes, strides, offsets)`: ragged, so only the buffer has a shape."""
    parts = []
    for name, part in zip(("buffer", "sizes", "strides", "offsets"), node.args, strict=False):
        found = rules.read(part, name, depth + 1)
        if found is not None:
            parts.append(found)
    if not parts:
        raise _OddArguments("expected the parts of a nested tensor")
    return msgspec.structs.replace(
        parts[0], key=key, storage=None, stride=None, layout="nested", parts=tuple(parts)
    )


def _rebuild_from_type(
    rules: TensorRules, node: Instance, key: str, depth: int
) -> TensorInfo | None:
    """`(function, class, arguments, state)`: another rebuild call, then a subclass of it."""
    args = _arguments(node, 3)
    if type(args[0]) is not GlobalRef or type(args[2]) is not tuple:
        raise _OddArguments("expected a function and its arguments")
    state = args[3] if len(args) > 3 else UNSET
    inner = rules.read(Instance(args[0], args[2], node.offset_bytes, None, state), key, depth + 1)
    if inner is None:
        raise _OddArguments(f"{args[0].qualified} makes no tensor that is known")
    if type(args[1]) is GlobalRef and args[1].qualified in (
        "torch.nn.parameter.Parameter",
        "torch.nn.parameter.Buffer",
    ):
        return _as_parameter(inner, args[1].name, inner.requires_grad)
    name = _class_text(args[1])
    if name in ("torch.Tensor", "torch._tensor.Tensor"):
        return inner
    return msgspec.structs.replace(inner, class_name=name)


def _class_text(node: object) -> str | None:
    return node.qualified[:200] if type(node) is GlobalRef else None


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
_RULES: dict[tuple[str, str], Rule] = {
    **{("torch._utils", name): rule for name, rule in _UTILS.items()},
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("torch._tensor", "_rebuild_from_type"): _rebuild_from_type,
    ("torch.tensor", "_rebuild_from_type"): _rebuild_from_type,
    ("torch.nn.parameter", "_rebuild_buffer"): _rebuild_buffer,
    ("torch._utils", "_rebuild_buffer"): _rebuild_buffer,
}
