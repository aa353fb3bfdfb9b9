"""Tensors in the graph of a pickle, by the calls that would rebuild them.

Enters: an `Instance` that calls one of them, or an object of the 2017 classes. Leaves: a
`TensorInfo`, or None for what is no tensor; a call that torch itself could not carry out becomes a
finding.

Source: `torch/_utils.py`, `torch/_tensor.py`, `torch/storage.py`, and `torch/tensor.py` and
`torch/autograd/variable.py` of the old versions.
"""

from collections.abc import Callable, Mapping

import msgspec

from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import BytesRef, GlobalRef, Instance, PersistentRef
from ckptscope.facts.tensors import ExternalTensor, StorageUse, TensorInfo
from ckptscope.pickles.persistent import StorageId, parse_storage_id
from ckptscope.pickles.rebuild_rules import RULES
from ckptscope.pickles.rule_arguments import (
    OddArgumentsError,
    as_parameter,
    guess_kind,
    pair_values,
    show_numbers,
)
from ckptscope.pickles.views import bytes_value, class_of

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
                rule = RULES.get((function.module, function.name))
                if rule is not None:
                    if depth > _DEPTH:
                        self._refuse(node.offset_bytes, key, "calls nested without end")
                        return None
                    try:
                        return rule(self, node, key, depth)
                    except OddArgumentsError as odd:
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
        return as_parameter(inner, found.name, bool(flags and flags[0]))

    def _external(self, node: PersistentRef, key: str) -> TensorInfo | None:
        if type(node.pid) is not str:
            return None
        found = self.external_tensors.get(node.pid)
        if found is None:
            return None
        use = self.external_uses.get(found.storage)
        try:
            return self._make_external(key, found, use)
        except OddArgumentsError as odd:
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
            OddArgumentsError: No tensor can have this shape.
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
        if len(shape) != len(stride) or len(shape) > self.limits.tensor_dims:
            return False
        elements = 1
        for size in shape:
            if type(size) is not int or not 0 <= size <= _MOST:
                return False
            elements *= size
        for step in stride:
            if type(step) is not int or not 0 <= step <= _MOST:
                return False
        return (
            elements <= self.limits.tensor_elements and type(offset) is int and 0 <= offset <= _MOST
        )

    def check_shape(
        self, offset: int, shape: tuple[int, ...], stride: tuple[int, ...] | None
    ) -> None:
        """Refuse a layout that no tensor can have.

        Raises:
            OddArgumentsError: The reason.
        """
        if len(shape) > self.limits.tensor_dims:
            raise OddArgumentsError(f"{len(shape)} dimensions", Code.SHAPE_IMPOSSIBLE)
        if stride is not None and len(shape) != len(stride):
            raise OddArgumentsError(f"{len(shape)} sizes but {len(stride)} strides")
        elements = 1
        for size in shape:
            if not 0 <= size <= _MOST:
                raise OddArgumentsError(f"shape ({show_numbers(shape)})", Code.SHAPE_IMPOSSIBLE)
            elements *= size
        if elements > self.limits.tensor_elements:
            raise OddArgumentsError(
                f"shape ({show_numbers(shape)}) of {elements:,} elements", Code.SHAPE_IMPOSSIBLE
            )
        if not 0 <= offset <= _MOST:
            raise OddArgumentsError(f"offset {show_numbers((offset,))}", Code.SHAPE_IMPOSSIBLE)
        for step in stride or ():
            if not 0 <= step <= _MOST:
                raise OddArgumentsError(
                    f"stride ({show_numbers(stride or ())})", Code.SHAPE_IMPOSSIBLE
                )

    def storage(self, node: object) -> StorageId:
        """Return what a storage argument refers to.

        Raises:
            OddArgumentsError: It is no storage.
        """
        if type(node) is PersistentRef:
            known = self._storage_ids.get(id(node)) or self.storage_id(node)
            if known is not None:
                return known
        if type(node) is tuple:
            found = parse_storage_id(node)
            if found is not None:
                self._note_plain_id(found.use.key)
                return found
        if type(node) is Instance and type(node.callable) is GlobalRef:
            if node.callable.qualified == "torch.storage._load_from_bytes":
                return self._nested_storage(node)
            if node.callable.name in ("TypedStorage", "_TypedStorage", "UntypedStorage"):
                for part in (*node.args, *pair_values(node.kwargs)):
                    if type(part) is PersistentRef:
                        return self.storage(part)
        raise OddArgumentsError("expected a storage")

    def _note_plain_id(self, key: str) -> None:
        """A storage named by a plain tuple: read, but torch could not."""
        if not self._plain_ids_noted:
            self._plain_ids_noted = True
            self.findings.append(
                Finding(
                    code=Code.PICKLE_PERSISTENT_ID,
                    severity=Severity.WARNING,
                    message="storages are named by plain tuples and not by persistent ids; "
                    "torch.load cannot read this",
                    evidence=(f"storage {key!r:.60}",),
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
            raise OddArgumentsError(str(error)) from error
        if loaded is None:
            raise OddArgumentsError("expected the bytes of a saved storage")
        found = loaded.rules.storage(loaded.root)
        use = msgspec.structs.replace(found.use, key=loaded.rules.storage_prefix + found.use.key)
        return msgspec.structs.replace(found, use=use)
