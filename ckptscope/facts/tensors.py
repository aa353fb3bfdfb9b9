"""What a checkpoint holds: tensors, grouped by the mappings that name them, and all the rest.

Enters: the graph and the storages of one checkpoint. Leaves: a `Manifest`, the checkpoint's table
of contents, on which everything above the tensors room rests.
"""

import enum

import msgspec

from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Finding
from ckptscope.facts.pickled import Import


class Kind(enum.StrEnum):
    """What a tensor is to its network."""

    PARAMETER = "parameter"
    BUFFER = "buffer"


class Origin(enum.StrEnum):
    """What a statement rests on."""

    OBSERVED = "observed"
    DERIVED = "derived"
    ASSUMED = "assumed"
    STATED = "stated"
    UNDETERMINED = "undetermined"


class Role(enum.StrEnum):
    """What a group of tensors is in the checkpoint."""

    NETWORK = "network"
    EMA = "ema"
    OPTIMIZER = "optimizer"
    OTHER = "other"


class TensorInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tensor under one name; no bytes.

    Attributes:
        key: Name within its state_dict, as saved.
        shape: Elements along each dimension.
        dtype: torch's name without `torch.`: float32, bfloat16, qint8, ...
        stride: Elements to step along each dimension; None for layouts that have none.
        offset: First element, in elements from the start of the storage.
        storage: Key of the storage, or None (meta tensors, sparse tensors).
        device: Device that it was saved from, as the file says; None if it does not.
        kind: Parameter or buffer.
        kind_origin: Observed where the file says so (Parameter class, a module's dictionaries),
            assumed where the name or the dtype does.
        requires_grad: As saved; state_dict() detaches, so False says little.
        layout: strided, sparse_coo, sparse_csr, ..., nested.
        class_name: Class of a tensor subclass that the file names, else None.
        parts: Strided tensors that make up a sparse, quantized or nested one.
        lazy: Operations that its values still need: conj, neg.
        alias_of: Another name that came before of the same Python object, or of the same view of
            the same storage; None if there is none.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    stride: tuple[int, ...] | None
    offset: int = 0
    storage: str | None = None
    device: str | None = None
    kind: Kind = Kind.PARAMETER
    kind_origin: Origin = Origin.ASSUMED
    requires_grad: bool = False
    layout: str = "strided"
    class_name: str | None = None
    parts: "tuple[TensorInfo, ...]" = ()
    lazy: tuple[str, ...] = ()
    alias_of: str | None = None

    @property
    def elements(self) -> int:
        """Product of the shape."""
        count = 1
        for size in self.shape:
            count *= size
        return count


class StorageUse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the pickle says of a storage.

    Attributes:
        key: Its name.
        dtype: Element type of the storage class; None for an untyped one.
        elements: Declared count, in elements of `dtype` (bytes for an untyped one).
        device: Location tag: cpu, cuda:0, ...
    """

    key: str
    dtype: str | None
    elements: int
    device: str | None


class ExternalTensor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tensor that a pickle names by id and another member describes (legacy tar)."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: str


class StateDict(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping of names to tensors, wherever in the checkpoint it was found.

    Attributes:
        path: Way from the top of the tree, joined by `/`; empty for the top itself.
        prefix: What wrappers put before every key: `module.`, `_orig_mod.`, ...; possibly empty.
        role: Network, EMA copy, optimizer or other.
        role_evidence: Why.
        tensors: In the order of the file.
        parameters: Elements of the tensors that are parameters.
        buffers: Elements of those that are buffers.
        kind_evidence: What the division into parameters and buffers rests on, in words.
        kind_origin: The weakest origin among them; derived where an optimizer's list confirms it.
        shared_elements: Elements counted more than once because names share a storage.
        class_name: Class of the module or mapping, where the file names one.
        versions: Module versions that `state_dict()._metadata` records, by module name.
    """

    path: str
    prefix: str
    role: Role
    role_evidence: str
    tensors: tuple[TensorInfo, ...]
    parameters: int
    buffers: int
    kind_evidence: str
    kind_origin: Origin
    shared_elements: int = 0
    class_name: str | None = None
    versions: dict[str, int] | None = None

    @property
    def elements(self) -> int:
        """Parameters and buffers together."""
        return self.parameters + self.buffers


class ParameterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an optimizer's `param_groups`.

    Attributes:
        parameters: How many parameters it lists.
        settings: Hyper-parameters, as text.
    """

    parameters: int
    settings: tuple[tuple[str, str], ...]


class Optimizer(msgspec.Struct, frozen=True, kw_only=True):
    """An optimizer's state_dict.

    Attributes:
        path: Way from the top of the tree.
        kind: Name of the algorithm, or several where the state does not tell them apart.
        kind_evidence: The entries and settings that say so.
        groups: Parameter groups in order.
        states: Parameters that have a state.
        steps: Distinct step counters, ascending, at most eight; where they are tensors, those
            single numbers were read.
        tensors: How many tensors it holds.
        elements: Their elements.
        size_bytes: Their bytes.
        parameter_shapes: Shapes of the parameters in order, as far as the state tells.
    """

    path: str
    kind: str
    kind_evidence: str
    groups: tuple[ParameterGroup, ...]
    states: int
    steps: tuple[float, ...]
    tensors: int
    elements: int
    size_bytes: int
    parameter_shapes: tuple[tuple[int, ...] | None, ...] = ()


class ArrayInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A numpy array inside the pickle; no bytes.

    Attributes:
        path: Way from the top of the tree.
        shape: Elements along each dimension.
        dtype: numpy's name or type string.
        fortran_order: Whether the first index varies fastest.
        size_bytes: Bytes of its data in the pickle, or None where they are pickled objects.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    fortran_order: bool
    size_bytes: int | None


class TreeNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the checkpoint's tree, everything but the tensors' own lists.

    Attributes:
        name: Key, index or attribute under which it stands.
        kind: dict, list, tuple, set, value, bytes, instance, module, tensor, state_dict,
            optimizer, array, storage, global, alias.
        value: A plain value as text; or a short description.
        class_name: Qualified class of an instance, as the file spells it.
        length: Number of entries of a container, before cutting.
        children: Entries, in the order of the file.
        left_out: How many entries are not in `children`.
    """

    name: str
    kind: str
    value: str | None = None
    class_name: str | None = None
    length: int | None = None
    children: "tuple[TreeNode, ...]" = ()
    left_out: int = 0


class Scalar(msgspec.Struct, frozen=True, kw_only=True):
    """A plain number, truth value or short text with its place in the tree."""

    path: str
    value: int | float | bool | str


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the file's bytes is spent on.

    Attributes:
        what: network, ema, optimizer, other tensors, arrays, pickle, unused, container.
        path: State_dict or optimizer that it belongs to, or None.
        size_bytes: Bytes in the file.
        share: Fraction of the checkpoint's bytes, 0 to 1.
    """

    what: str
    path: str | None
    size_bytes: int
    share: float


class PickleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A pickle of the checkpoint: member, protocol, size in bytes."""

    member: str | None
    protocol: int
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The table of contents of one checkpoint.

    Attributes:
        containers: Chain from the file to the checkpoint, outermost first.
        location: Member names that lead through the wrappers to it; empty for the file itself.
        size_bytes: Bytes of the innermost container.
        byteorder: little or big.
        format_facts: What the container says of itself: `version`, `.format_version`, ...
        pickles: Every pickle that was read.
        state_dicts: Networks first, then EMA copies, others, optimizers; each in file order.
        optimizers: Optimizer views, in file order.
        arrays: numpy arrays.
        scalars: Training record: epoch, step, loss, ...; numbers and short texts near the top.
        tree: The tree without the tensors' lists.
        storages: Bytes by storage key.
        storage_uses: What the pickle says of each storage.
        storage_extents: Byte behind the last one that any tensor uses, by storage key.
        storages_complete: Whether `storages` lists all; False where the walk over them broke off.
        spending: What the bytes are spent on; adds up to `size_bytes`.
        imports: Every global that any pickle names.
        unclaimed_members: Members that belong to nothing that was understood.
        metadata: Free text of a safetensors header.
        findings: What was noticed.
    """

    containers: tuple[ContainerKind, ...]
    location: tuple[str, ...]
    size_bytes: int
    byteorder: str
    format_facts: tuple[tuple[str, str], ...]
    pickles: tuple[PickleInfo, ...]
    state_dicts: tuple[StateDict, ...]
    optimizers: tuple[Optimizer, ...]
    arrays: tuple[ArrayInfo, ...]
    scalars: tuple[Scalar, ...]
    tree: TreeNode
    storages: dict[str, Storage]
    storage_uses: dict[str, StorageUse]
    storage_extents: dict[str, int] = {}
    storages_complete: bool
    spending: tuple[Spending, ...]
    imports: tuple[Import, ...]
    unclaimed_members: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
