"""Shapes that a claim gives to tensors → statements about settings.

Enters: a tensor's key and shape, and a network of the same kind. Leaves: a statement for each axis:
the family's table of keys says which settings give its size. `[512, 384]` of a 1×1 convolution says
one number of outgoing and one of incoming channels.
"""

from typing import Final

from ckptscope.families.registry import AnyFamily
from ckptscope.specs.arithmetic.evaluation import TIMES, Numbers
from ckptscope.specs.arithmetic.statements import Option, Statement, exact_option
from ckptscope.specs.arithmetic.tensors import find_tensor

#: The fact of a tensor or an axis that no setting gives; no network has it.
NO_FACT: Final = "no tensor"


def shape_statements(
    family: AnyFamily,
    numbers: Numbers,
    key: str,
    shape: tuple[int, ...],
    keys: tuple[str | int, ...],
) -> tuple[Statement, ...]:
    """Return what a tensor's shape says of a network.

    Args:
        family: Family of the network.
        numbers: A network that the tensor is looked up in.
        key: Name of the tensor, in any dialect, with or without a wrapper's prefix.
        shape: As claimed; sizes of 1 at its end may be left out.
        keys: Place in the file.
    """
    tensor = find_tensor(family, numbers, key)
    if tensor is None or not _is_as_long(shape, tensor.shape):
        return (_none_such(key, shape, keys),)
    found = []
    for axis, size in enumerate(shape):
        terms = tensor.terms[axis]
        text = f"{size:,} of {_text(shape)}"
        if terms:
            option = exact_option(TIMES.join(terms), size)
            found.append(Statement(key, text, (option,), keys, size, of_tensor=True))
        elif tensor.shape[axis] != size:
            return (_none_such(key, shape, keys),)
    return tuple(found)


def _none_such(key: str, shape: tuple[int, ...], keys: tuple[str | int, ...]) -> Statement:
    """Return a statement about a tensor that no network of this kind has."""
    return Statement(key, _text(shape), (Option(NO_FACT, shape),), keys, shape, of_tensor=True)


def _is_as_long(claimed: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    rest = shape[len(claimed) :]
    return len(claimed) <= len(shape) and all(size == 1 for size in rest)


def _text(shape: tuple[int, ...]) -> str:
    return str(list(shape))
