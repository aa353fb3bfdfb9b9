"""One array as a file of numpy's.

Enters: a shape and little-endian elements in C order. Leaves: a `.npy` file, written beside and
renamed.

Source: numpy/lib/format.py, "Format Version 1.0".
"""

import os
from collections.abc import Iterable, Sequence

from ckptscope.writers.atomic import writing_file

_MAGIC = b"\x93NUMPY\x01\x00"
#: Multiple at which the elements begin.
_ALIGNMENT = 64


def write_float32(
    path: str | os.PathLike[str], shape: Sequence[int], chunks: Iterable[bytes | memoryview]
) -> None:
    """Write an array of float32.

    Args:
        path: The file; an earlier one is replaced when all went well.
        shape: Elements along each dimension.
        chunks: Their bytes.

    Raises:
        UsageError: The path is a folder, or its folder does not exist.
        OSError: The system could not write.
    """
    with writing_file(path) as file:
        file.write(float32_header(shape))
        for chunk in chunks:
            file.write(chunk)


def float32_header(shape: Sequence[int]) -> bytes:
    """Return what stands before the elements."""
    sizes = "".join(f"{size}, " for size in shape).rstrip(" ")
    sizes = sizes if len(shape) == 1 else sizes.rstrip(",")
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}"
    # The header ends with a newline at a multiple of the alignment.
    length = len(_MAGIC) + 2 + len(text) + 1
    text += " " * (-length % _ALIGNMENT) + "\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text.encode("latin-1")
