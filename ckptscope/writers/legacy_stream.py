"""The legacy stream: what `torch.save` wrote from 0.1.10 to 1.5, and still can.

Enters: a value with tensors. Leaves: five pickles (magic number, protocol, system, value, storage
keys), then each storage as an eight byte count and its elements. Defined by `_legacy_save` of
`torch/serialization.py`; views of storages by what its `_legacy_load` still reads.
"""

import struct
from typing import Final

from ckptscope.writers.atomic import Target, opened
from ckptscope.writers.forms import PersistentId, Reduce
from ckptscope.writers.modules import OutgoingModule
from ckptscope.writers.pickle_encoder import DEFAULT_PROTOCOL, encode_pickle
from ckptscope.writers.rebuild import AnyStorage, TorchForms, rebuild_tensor, storage_id_of
from ckptscope.writers.tensors import OutgoingStorage, OutgoingTensor, StorageView

#: `MAGIC_NUMBER` and `PROTOCOL_VERSION` of torch/serialization.py.
MAGIC: Final = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION: Final = 1001
#: Sizes are those of Python's `struct` in standard mode, whatever the machine.
SYSTEM: Final = {
    "protocol_version": PROTOCOL_VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def address(index: int) -> str:
    """Name the n-th storage like torch, which takes addresses; these are made up, but stable."""
    return str(0x5591_0000_0000 + 0x60 * index)


def count_of(storage: OutgoingStorage) -> int:
    """Count elements as the file does: bytes for a storage without a type."""
    return storage.size_bytes if storage.untyped else storage.elements


class _StreamForms(TorchForms):
    """Adds the sixth item to storage ids, and sources to module classes."""

    def __init__(self) -> None:
        super().__init__(address)

    def storage_id(self, storage: AnyStorage) -> object:
        if not isinstance(storage, StorageView):
            return (*storage_id_of(storage, self.keys.key_of(storage)), None)
        width = count_of(storage.root) // max(storage.root.elements, 1)
        root = storage_id_of(storage.root, self.keys.key_of(storage.root))
        key = self.keys.key_of(storage)
        return (*root, (key, storage.offset * width, storage.elements * width))

    def tensor_form(self, tensor: OutgoingTensor) -> Reduce:
        storage_id = PersistentId(self.storage_id(tensor.storage))
        return rebuild_tensor(tensor, storage_id, tensor.offset)

    def class_form(self, module: OutgoingModule) -> object:
        if self.is_first_of_class(module):
            return PersistentId(("module", module.cls, module.source_file, module.source))
        return module.cls


def write_legacy_stream(target: Target, value: object, *, protocol: int = DEFAULT_PROTOCOL) -> None:
    """Write a value as `torch.save(..., _use_new_zipfile_serialization=False)` would.

    Args:
        target: Path, or open binary file.
        value: Plain values, forms, and `OutgoingTensor`, `OutgoingStorage`, `StorageView`,
            `OutgoingModule`.
        protocol: Of the five pickles.

    Raises:
        TensorLayoutError: A storage gives another number of bytes than it declares.
        UsageError: The value cannot be written, or not there.
    """
    forms = _StreamForms()
    pickled = encode_pickle(value, protocol=protocol, rebuild=forms)
    keys = sorted(forms.keys.storages)
    with opened(target) as file:
        for head in (MAGIC, PROTOCOL_VERSION, SYSTEM):
            file.write(encode_pickle(head, protocol=protocol))
        file.write(pickled)
        file.write(encode_pickle(keys, protocol=protocol))
        for key in keys:
            storage = forms.keys.storages[key]
            file.write(struct.pack("<q", count_of(storage)))
            file.writelines(storage.read())
