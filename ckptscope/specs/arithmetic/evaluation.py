"""Settings → everything that follows from them by arithmetic.

Enters: a family and settings. Leaves: `Numbers`, in which a fact is looked up by the names that
claims use: a fact of the family (`parameters`), an item of a list (`depths[2]`), a product
(`joints × depth_bins`), a share (`head_share`), twice the multiply-accumulates (`flops`), and the
size of a file (`file_bytes:adam`).
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.families.base import Configuration
from ckptscope.families.registry import AnyFamily
from ckptscope.specs.arithmetic.kinds import is_size, is_whole

TIMES: Final = " × "
FLOPS: Final = "flops"
SHARE: Final = "_share"
FILE: Final = "file_bytes"

#: What an optimizer keeps of each parameter, in numbers of four bytes: nothing without one, a
#: momentum, the two moments of Adam and AdamW (torch.optim).
OPTIMIZERS: Final = {"weights": 0, "momentum": 1, "adam": 2}
#: Bytes of a number, by the precision of the weights; optimizers keep theirs in float32.
WEIGHT_BYTES: Final = {"float32": 4, "float16": 2}
_STATE_BYTES: Final = 4
#: Bytes that a torch zip spends beyond values for each tensor of the network: headers, alignment,
#: its place in the pickle, and the same for the optimizer's entries. Measured on files of torch
#: 2.13 (254 to 258, 405 to 410, 677 to 680) and on the released ones (968 to 973 with AdamW).
_BYTES_A_TENSOR: Final = {"weights": 256, "momentum": 408, "adam": 820}

_ITEM: Final = re.compile(r"(\w+)\[([0-9]{1,4})\]")


class Numbers(msgspec.Struct, frozen=True, eq=False):
    """A network and what follows from it.

    Attributes:
        settings: Every setting by name.
        facts: What the family derives from them, settings included.
        configuration: The family's own form of the settings.
    """

    settings: dict[str, FactValue]
    facts: dict[str, FactValue]
    configuration: Configuration

    def value(self, name: str) -> FactValue:
        """Return a fact, or None if there is no such fact."""
        if name in self.facts:
            return self.facts[name]
        base, index = split_item(name)
        if index is not None:
            items = self.facts.get(base)
            return items[index] if isinstance(items, tuple) and index < len(items) else None
        if TIMES in name:
            return self._product(name)
        if name == FLOPS:
            macs = self.facts.get("macs")
            return macs * 2 if is_whole(macs) else None
        if name.endswith(SHARE):
            return self._share(name.removesuffix(SHARE))
        return self._file_bytes(name) if name.startswith(FILE) else None

    def _product(self, name: str) -> int | None:
        product = 1
        for term in name.split(TIMES):
            factor = self.value(term)
            if not is_whole(factor):
                return None
            product *= factor
        return product

    def _share(self, part: str) -> float | None:
        own, whole = self.facts.get(f"{part}_parameters"), self.facts.get("parameters")
        if not is_whole(own) or not is_size(whole):
            return None
        return own / whole

    def _file_bytes(self, name: str) -> int | None:
        """Return the size of a torch zip: `file_bytes:OPTIMIZER:PRECISION`."""
        _, optimizer, precision = name.split(":")
        elements, parameters = self.facts.get("state_elements"), self.facts.get("parameters")
        tensors = self.facts.get("tensors")
        if not (is_whole(elements) and is_whole(parameters) and is_whole(tensors)):
            return None
        weights = elements * WEIGHT_BYTES[precision]
        state = parameters * _STATE_BYTES * OPTIMIZERS[optimizer]
        return weights + state + tensors * _BYTES_A_TENSOR[optimizer]


def file_fact(optimizer: str, precision: str) -> str:
    """Return the name of the fact that is the size of such a file."""
    return f"{FILE}:{optimizer}:{precision}"


def split_item(name: str) -> tuple[str, int | None]:
    """Return the list and the index of `depths[2]`; the name and None for anything else."""
    found = _ITEM.fullmatch(name)
    return (found[1], int(found[2])) if found is not None else (name, None)


def evaluate(family: AnyFamily, settings: Mapping[str, FactValue]) -> Numbers:
    """Derive all that follows from settings.

    Raises:
        UsageError: The family can build no network of them.
    """
    configuration = family.configure(settings)
    own = family.settings(configuration)
    return Numbers(own, own | family.attributes(configuration), configuration)
