"""Initial values as canonical bytes: the same for the same name, on every machine.

Enters: an `Initial`, a name, a shape and a dtype. Leaves: pieces of bytes. Numbers come from
Python's Mersenne Twister, whose `random()` is promised to stay as it is for one seed; the seed is
the tensor's name, so that it does not matter which others are drawn. Normal ones are made of pairs
of these (G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates", Annals
of Mathematical Statistics 29 (1958), 610-611).
"""

import itertools
import math
import random
import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from ckptscope.facts.carved_file import Distribution, Initial
from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.unpacking import FLOATING

#: Elements of a piece.
_PIECE: Final = 1 << 16
#: dtypes that array writes itself, by its type codes; others are cast from float32.
_CODES: Final = {"float32": "f", "float64": "d"}


def initial_pieces(initial: Initial, key: str, elements: int, dtype: str) -> Iterable[bytes]:
    """Return the canonical bytes of a tensor with these initial values, in pieces.

    Args:
        initial: What they are.
        key: Name of the tensor.
        elements: How many.
        dtype: torch's name without `torch.`; of integers only zeros are written.
    """
    if dtype not in FLOATING:
        size = elements * ITEM_BYTES[dtype]
        return (bytes(min(_PIECE, size - start)) for start in range(0, size, _PIECE))
    numbers = itertools.islice(_numbers(initial, key), elements)
    if dtype in _CODES:
        return _packed(numbers, dtype)
    from ckptscope.tensors.casting import cast_pieces  # noqa: PLC0415 - numpy, seldom needed

    return cast_pieces(_packed(numbers, "float32"), "float32", dtype)


def _packed(numbers: Iterator[float], dtype: str) -> Iterator[bytes]:
    while True:
        piece = array(_CODES[dtype], itertools.islice(numbers, _PIECE))
        if not piece:
            return
        if sys.byteorder == "big":
            piece.byteswap()
        yield piece.tobytes()


def _numbers(initial: Initial, key: str) -> Iterator[float]:
    """Yield numbers without end."""
    if initial.kind is Distribution.CONSTANT:
        yield from itertools.repeat(initial.value)
    # Nothing secret is drawn here.
    draw = random.Random(key).random  # noqa: S311
    if initial.kind is Distribution.UNIFORM:
        while True:
            yield initial.value * (2 * draw() - 1)
    while True:
        # 1 - u is never 0, whose logarithm there is none of.
        radius = initial.value * math.sqrt(-2 * math.log(1 - draw()))
        angle = math.tau * draw()
        yield radius * math.cos(angle)
        yield radius * math.sin(angle)
