"""How torch spells tensors, storages and modules in a pickle.

Enters: `tensors` and `modules` descriptions, met by the pickle encoder. Leaves: forms, and the
storages in the order in which they were met, for the container to write. Defined by
`torch/_tensor.py` (`__reduce_ex__`), `torch/nn/parameter.py` and the `persistent_id` functions of
`torch/serialization.py`.
"""

from collections.abc import Callable

from ckptscope.errors import UsageError
from ckptscope.writers.forms import (
    Global,
    NewObject,
    PersistentId,
    Reduce,
    Unshared,
    ordered_dict,
)
from ckptscope.writers.modules import OutgoingModule, module_form
from ckptscope.writers.tensors import OutgoingStorage, OutgoingTensor, StorageView

_TENSOR_V2 = Global("torch._utils", "_rebuild_tensor_v2")
_TENSOR_V3 = Global("torch._utils", "_rebuild_tensor_v3")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")

AnyStorage = OutgoingStorage | StorageView


class StorageKeys:
    """Names of storages, in the order in which they are met.

    Attributes:
        storages: Those that hold bytes, by key.
        views: Those that are parts of others, by key.
    """

    def __init__(self, name: Callable[[int], str]) -> None:
        """Start empty; `name` gives the n-th storage its key unless it brings one."""
        self._name = name
        self._met = 0
        self._keys: dict[int, str] = {}
        self._taken: set[str] = set()
        self.storages: dict[str, OutgoingStorage] = {}
        self.views: dict[str, StorageView] = {}

    def key_of(self, storage: AnyStorage) -> str:
        """Name a storage, always the same for the same object.

        Raises:
            UsageError: Another storage brought the same key.
        """
        known = self._keys.get(id(storage))
        if known is not None:
            return known
        key = storage.key if storage.key is not None else self._next_free()
        if key in self._taken:
            raise UsageError(f"expected one storage of each key, found another {key!r}")
        self._taken.add(key)
        self._keys[id(storage)] = key
        if isinstance(storage, StorageView):
            self.views[key] = storage
        else:
            self.storages[key] = storage
        return key

    def _next_free(self) -> str:
        while True:
            key = self._name(self._met)
            self._met += 1
            if key not in self._taken:
                return key


class TorchForms:
    """Spells as torch.save does today; the zip's dialect, which other containers vary.

    An object of this class is the `rebuild` of `encode_pickle`.

    Attributes:
        keys: The storages that were met.
    """

    def __init__(self, name: Callable[[int], str] = str) -> None:
        """Start empty; `name` gives the n-th storage its key unless it brings one."""
        self.keys = StorageKeys(name)
        self._classes: set[Global] = set()

    def __call__(self, value: object) -> Reduce | NewObject | PersistentId:
        """Spell one object.

        Raises:
            TypeError: It is no description of this package.
        """
        if isinstance(value, OutgoingTensor):
            return self.parameter_form(value) if value.parameter else self.tensor_form(value)
        if isinstance(value, OutgoingStorage | StorageView):
            return PersistentId(self.storage_id(value))
        if isinstance(value, OutgoingModule):
            return module_form(value, self.class_form(value))
        raise TypeError(f"expected a tensor, storage or module, found {type(value)}")

    def storage_id(self, storage: AnyStorage) -> object:
        """Spell the persistent id of a storage; a view is resolved to the storage it is part of.

        A bare view cannot be spelled here, since it has no shape of its own.
        """
        if isinstance(storage, StorageView):
            raise UsageError("expected a whole storage, found a bare view, which this kind lacks")
        return storage_id_of(storage, self.keys.key_of(storage))

    def tensor_form(self, tensor: OutgoingTensor) -> Reduce:
        """Spell a plain tensor."""
        storage_id = PersistentId(self.storage_id(tensor.root))
        return rebuild_tensor(tensor, storage_id, tensor.root_offset)

    def parameter_form(self, tensor: OutgoingTensor) -> Reduce | NewObject:
        """Spell a Parameter around its plain tensor."""
        return Reduce(_PARAMETER, (self.tensor_form(tensor), tensor.requires_grad, ordered_dict()))

    def class_form(self, module: OutgoingModule) -> object:
        """Spell the class of a module."""
        return module.cls

    def is_first_of_class(self, module: OutgoingModule) -> bool:
        """Tell whether a class is met for the first time; legacy kinds then add its source."""
        first = module.cls not in self._classes
        self._classes.add(module.cls)
        return first


def storage_id_of(storage: OutgoingStorage, key: str) -> tuple[object, ...]:
    """Spell ('storage', class, key, location, count); an untyped storage counts bytes."""
    count = storage.size_bytes if storage.untyped else storage.elements
    # torch makes the text of every device but the CPU anew each time.
    location = storage.location if storage.location == "cpu" else Unshared(storage.location)
    return ("storage", storage.storage_class, key, location, count)


def rebuild_tensor(tensor: OutgoingTensor, storage: object, offset: int) -> Reduce:
    """Spell a tensor over a storage that is spelled already."""
    # Sizes and strides are new tuples each time, so that the memo does not join those of two
    # tensors that were described by one object.
    args = (
        storage,
        offset,
        (*tensor.shape,),
        (*tensor.stride,),
        tensor.requires_grad and not tensor.parameter,
        ordered_dict(),
    )
    if tensor.root.untyped:
        return Reduce(_TENSOR_V3, (*args, Global("torch", tensor.dtype)))
    return Reduce(_TENSOR_V2, args)
