"""A state_dict without the prefix of one network in it.

Enters: a `StateDict` and a prefix. Leaves: a `NetworkView`, which families look at: keys as the
network itself names them.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from ckptscope.facts.tensors import StateDict, TensorInfo

T = TypeVar("T")

#: Digits of a number in a key; no network has more blocks.
_MOST_DIGITS = 9


class NetworkView:
    """The tensors of one network, under the names that it gives them.

    Attributes:
        state_dict: Where they stand.
        prefix: What is cut off their keys; it ends with a dot, or is empty.
        tensors: By key without the prefix, in the order of the file.
        outside: Keys of the state_dict, as saved, that do not begin with the prefix.
    """

    def __init__(self, state_dict: StateDict, prefix: str = "") -> None:
        self.state_dict = state_dict
        self.prefix = prefix
        self._remembered: dict[str, object] = {}
        cut = len(prefix)
        self.tensors: dict[str, TensorInfo] = {
            tensor.key[cut:]: tensor
            for tensor in state_dict.tensors
            if tensor.key.startswith(prefix)
        }
        self.outside: tuple[str, ...] = tuple(
            tensor.key for tensor in state_dict.tensors if not tensor.key.startswith(prefix)
        )

    def remember(self, what: str, read: Callable[[], T]) -> T:
        """Return what a family read of the view before, or read it now.

        Args:
            what: The family's name for it; always of the same type.
            read: Reads it.
        """
        if what not in self._remembered:
            self._remembered[what] = read()
        return cast(T, self._remembered[what])

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor, or None if there is none of that name."""
        found = self.tensors.get(key)
        return None if found is None else found.shape

    def saved_key(self, key: str) -> str:
        """Return the key as the file has it."""
        return self.prefix + key

    def __contains__(self, key: str) -> bool:
        return key in self.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)


def find_prefixes(state_dict: StateDict, anchors: tuple[str, ...]) -> tuple[str, ...]:
    """Return what stands before keys that end with an anchor, in the order of the file.

    Args:
        state_dict: Keys of which are looked at.
        anchors: Keys that only this family has, as its network names them; each alone is enough.
    """
    found: dict[str, None] = {}
    for tensor in state_dict.tensors:
        key = tensor.key
        if key.endswith(anchors):
            for anchor in anchors:
                if key.endswith(anchor):
                    prefix = key[: -len(anchor)]
                    if not prefix or prefix.endswith("."):
                        found.setdefault(prefix)
    return tuple(found)


def read_number(text: str) -> int | None:
    """Return a number that stands in a key as torch writes it, or None: `07` is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > _MOST_DIGITS:
        return None
    return None if text[0] == "0" and len(text) > 1 else int(text)
