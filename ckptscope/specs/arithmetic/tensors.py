"""The tensors of a network, as its family lists them.

Enters: a family and a network. Leaves: its table of keys, one tensor of it, and the settings whose
products are sizes.
"""

from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.registry import AnyFamily
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.kinds import is_whole

#: Networks with more tensors are counted as they are, and nothing is searched for: the largest of
#: the tables has 932.
MOST_SEARCHED: Final = 2_000
#: Networks with more tensors are not listed.
MOST_LISTED: Final = 20_000
#: What wrappers put before keys (torch.nn.DataParallel, torch.compile).
_PREFIXES: Final = ("module.", "_orig_mod.")


def is_large(numbers: Numbers, *, most: int = MOST_SEARCHED) -> bool:
    """Whether a network is too large to be searched around, or to be listed."""
    tensors = numbers.facts.get("tensors")
    return is_whole(tensors) and tensors > most


def tables_of(
    family: AnyFamily, *networks: Numbers
) -> tuple[dict[str, ExpectedTensor], ...] | None:
    """Return the tensors of networks by key, in one dialect that has them all.

    Returns:
        None if there is no such dialect, or a network is too large to list.
    """
    if any(is_large(one, most=MOST_LISTED) for one in networks):
        return None
    for dialect in family.dialects:
        try:
            return tuple(
                {tensor.key: tensor for tensor in family.keys(one.configuration, dialect)}
                for one in networks
            )
        except UsageError:
            # The code behind this dialect cannot build such a network; another's can.
            continue
    return None


def find_tensor(family: AnyFamily, numbers: Numbers, key: str) -> ExpectedTensor | None:
    """Return the tensor of a key in whichever dialect has it, or None."""
    if is_large(numbers, most=MOST_LISTED):
        return None
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    for dialect in family.dialects:
        try:
            table = family.keys(numbers.configuration, dialect)
        except UsageError:
            # The code behind this dialect cannot build such a network.
            continue
        for tensor in table:
            if tensor.key == key:
                return tensor
    return None


def products_of(family: AnyFamily, numbers: Numbers) -> tuple[tuple[str, ...], ...]:
    """Return the settings whose products are sizes of tensors: (joints, depth_bins)."""
    tables = tables_of(family, numbers)
    found = {
        terms: None
        for tensor in (tables[0].values() if tables is not None else ())
        for terms in tensor.terms
        if len(terms) > 1 and not any(term.endswith("]") for term in terms)
    }
    return tuple(found)
