"""Bytes in the other order.

Enters: chunks of little-endian elements, cut anywhere. Leaves: the same elements big-endian, as
a big-endian machine has them in memory and therefore in its files.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from ckptscope.writers.tensors import Chunk

_TYPE_CODES: Final = {2: "H", 4: "I", 8: "Q"}


def swap_words(chunks: Iterable[Chunk], word_bytes: int) -> Iterator[Chunk]:
    """Reverse the bytes of every word of a stream; a rest that is no whole word stays as it is."""
    if word_bytes == 1:
        yield from chunks
        return
    rest = b""
    for chunk in chunks:
        joined = rest + bytes(chunk) if rest else bytes(chunk)
        whole = len(joined) - len(joined) % word_bytes
        rest = joined[whole:]
        words = array(_TYPE_CODES[word_bytes], joined[:whole])
        words.byteswap()
        yield words.tobytes()
    if rest:
        yield rest
