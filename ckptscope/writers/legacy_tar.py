"""The legacy tar: what `torch.save` wrote up to 0.1.9.

Enters: a value with tensors. Leaves: a tar of `sys_info`, `pickle`, `tensors` and `storages`.
Defined by `_save` of `torch/serialization.py` in 0.1.9, of which `legacy_load` still reads the
result. `write_tar_without_tensors` writes the other form that files are found in, made by readers'
test suites after the fact: torch reads it not.
"""

import io
import struct
import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from ckptscope.errors import UsageError
from ckptscope.writers.atomic import Target, opened
from ckptscope.writers.chunk_reader import ChunkReader
from ckptscope.writers.forms import (
    Global,
    NewObject,
    PersistentId,
    Reduce,
)
from ckptscope.writers.modules import OutgoingModule
from ckptscope.writers.pickle_encoder import encode_pickle
from ckptscope.writers.rebuild import AnyStorage, TorchForms, rebuild_tensor, storage_id_of
from ckptscope.writers.tensors import Chunk, OutgoingStorage, OutgoingTensor, StorageView

#: `PROTOCOL_VERSION` of 0.1.9 and before.
PROTOCOL_VERSION: Final = 1000
SYSTEM: Final = {
    "protocol_version": PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_PARAMETER: Final = Global("torch.nn.parameter", "Parameter")
_VARIABLE: Final = Global("torch.autograd.variable", "Variable")


class _TarForms(TorchForms):
    """Tensors and storages are persistent ids, decimal strings of made-up addresses.

    Attributes:
        tensors: What was met, by key.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next = 0
        self._keys_by_id: dict[int, int] = {}
        self.tensors: dict[int, OutgoingTensor] = {}
        self.storages: dict[int, OutgoingStorage] = {}
        self.views: dict[int, StorageView] = {}

    def __call__(self, value: object) -> Reduce | NewObject | PersistentId:
        if isinstance(value, OutgoingTensor) and not value.parameter:
            return self._variable(value) if value.requires_grad else self._tensor_id(value)
        return super().__call__(value)

    def storage_key(self, storage: AnyStorage) -> int:
        """Number a storage; a view brings its root along."""
        if isinstance(storage, StorageView):
            self.storage_key(storage.root)
        elif storage.untyped:
            raise UsageError(f"a legacy tar has no storage for dtype {storage.dtype!r}")
        key = self._address(storage)
        if isinstance(storage, StorageView):
            self.views[key] = storage
        else:
            self.storages[key] = storage
        return key

    def storage_id(self, storage: AnyStorage) -> object:
        return str(self.storage_key(storage))

    def parameter_form(self, tensor: OutgoingTensor) -> NewObject:
        """Spell (data, gradient, hooks, requires_grad, volatile) of a Parameter."""
        state = (self._tensor_id(tensor), None, None, tensor.requires_grad, False)
        return NewObject(_PARAMETER, (), state=state)

    def class_form(self, module: OutgoingModule) -> object:
        if self.is_first_of_class(module):
            return PersistentId((module.cls, module.source_file, module.source))
        return module.cls

    def _variable(self, tensor: OutgoingTensor) -> NewObject:
        return NewObject(_VARIABLE, (), state=(self._tensor_id(tensor), None, None, True, False))

    def _tensor_id(self, tensor: OutgoingTensor) -> PersistentId:
        key = self._address(tensor)
        if key not in self.tensors:
            self.tensors[key] = tensor
            self.storage_key(tensor.storage)
        return PersistentId(str(key))

    def _address(self, value: object) -> int:
        known = self._keys_by_id.get(id(value))
        if known is None:
            known = 0x1_0100_0000 + 0x50 * self._next
            self._next += 1
            self._keys_by_id[id(value)] = known
        return known


def write_legacy_tar(target: Target, value: object) -> None:
    """Write a value as torch 0.1.9 would.

    Args:
        target: Path, or open binary file that can tell its position.
        value: Plain values, forms, and `OutgoingTensor`, `OutgoingStorage`, `StorageView`,
            `OutgoingModule`.

    Raises:
        TensorLayoutError: A storage gives another number of bytes than it declares.
        UsageError: The value cannot be written, or not there.
    """
    forms = _TarForms()
    pickled = encode_pickle(value, rebuild=forms)
    views = encode_pickle(
        [
            (key, forms.storage_key(view.root), view.offset, view.elements)
            for key, view in forms.views.items()
        ]
    )
    with opened(target) as file, _tar(file) as archive:
        _add(archive, "sys_info", encode_pickle(SYSTEM))
        _add(archive, "pickle", pickled)
        _add(archive, "tensors", _tensors(forms))
        _add_storages(archive, tuple(forms.storages.items()), views)


def write_tar_without_tensors(target: Target, value: object) -> None:
    """Write the form without `tensors`: `_rebuild_tensor_v2` over plain ('storage', ...) tuples.

    Views of storages are resolved. Modules cannot be written.

    Raises:
        TensorLayoutError: A storage gives another number of bytes than it declares.
        UsageError: The value cannot be written, or not there.
    """
    forms = _InlineForms()
    pickled = encode_pickle(value, rebuild=forms)
    with opened(target) as file, _tar(file) as archive:
        _add(archive, "sys_info", encode_pickle(SYSTEM))
        _add(archive, "pickle", pickled)
        _add_storages(archive, tuple(forms.keys.storages.items()), b"")


class _InlineForms(TorchForms):
    """Storage ids are arguments like any other: the known files have no BINPERSID."""

    def tensor_form(self, tensor: OutgoingTensor) -> Reduce:
        if tensor.root.untyped:
            raise UsageError(f"a legacy tar has no storage for dtype {tensor.dtype!r}")
        storage_id = storage_id_of(tensor.root, self.keys.key_of(tensor.root))
        return rebuild_tensor(tensor, storage_id, tensor.root_offset)

    def class_form(self, module: OutgoingModule) -> object:
        raise UsageError(f"a tar without tensors holds no module, found {module.cls}")


def _tar(file: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)


def _tensors(forms: _TarForms) -> bytes:
    """Spell the member `tensors`: a count, then key, storage and class, and the numbers of each."""
    parts = [encode_pickle(len(forms.tensors))]
    for key, tensor in forms.tensors.items():
        root = tensor.root
        # 0.1.9 pickles the tensor's own class, which for a CUDA tensor lies under torch.cuda.
        module = "torch.cuda" if root.location.startswith("cuda") else "torch"
        cls = Global(module, root.storage_class.name.replace("Storage", "Tensor"))
        parts.append(encode_pickle((key, forms.storage_key(tensor.storage), cls)))
        ndim = len(tensor.shape)
        numbers = (*tensor.shape, *tensor.stride, tensor.offset)
        parts.append(struct.pack(f"<i4x{len(numbers)}q", ndim, *numbers))
    return b"".join(parts)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_member(name, len(content)), io.BytesIO(content))


def _add_storages(
    archive: tarfile.TarFile, storages: tuple[tuple[object, OutgoingStorage], ...], tail: bytes
) -> None:
    """Write a count, then of each storage its key, device and class, its count and its bytes."""
    heads = [encode_pickle(len(storages))]
    for key, storage in storages:
        heads.append(
            encode_pickle((key, storage.location, storage.storage_class))
            + struct.pack("<q", storage.elements)
        )
    contents = tuple(storage for _, storage in storages)
    size = sum(map(len, heads)) + sum(s.size_bytes for s in contents) + len(tail)
    reader = ChunkReader(_storages(heads, contents, tail))
    archive.addfile(_member("storages", size), reader)


def _storages(
    heads: Iterable[bytes], contents: Iterable[OutgoingStorage], tail: bytes
) -> Iterator[Chunk]:
    first, *others = heads
    yield first
    for head, storage in zip(others, contents, strict=True):
        yield head
        yield from storage.read()
    yield tail


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    """Describe a member; owner and time are TarInfo's zeros, so that bytes are reproducible."""
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    return member
