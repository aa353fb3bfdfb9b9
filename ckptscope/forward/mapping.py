"""Weights where they lie in the file, without a copy.

Enters: a storage's source and a stretch of it. Leaves: a tensor over a private mapping of the file;
or nothing, where the bytes are compressed, lie in memory, or not at a multiple of the element's
size. The only module that maps files. Whoever shortens a file while its weights are in use ends the
process (SIGBUS), as with torch.load(mmap=True); its length is compared once, before it is mapped.
"""

import mmap
import os

import torch

from ckptscope.errors import ContainerFormatError
from ckptscope.sources import ByteSource, place_in_file


class FileMaps:
    """Mappings of the files that a checkpoint lies in, one each; they live as long as tensors do.

    Pages are private copies once written to, so that no mistake reaches the file.
    """

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap | None] = {}

    def elements(
        self, source: ByteSource, start_bytes: int, count: int, dtype: torch.dtype
    ) -> torch.Tensor | None:
        """Return `count` elements from an offset of a source, or None if they cannot be mapped.

        Raises:
            ContainerFormatError: The file shrank since it was opened.
        """
        found = place_in_file(source, start_bytes)
        if found is None or count == 0:
            return None
        file, offset_bytes = found
        if offset_bytes % dtype.itemsize:
            return None
        mapped = self._map(file.descriptor, file.size, file.name)
        if mapped is None:
            return None
        return torch.frombuffer(mapped, dtype=dtype, count=count, offset=offset_bytes)

    def _map(self, descriptor: int, size: int, name: str | None) -> mmap.mmap | None:
        if descriptor not in self._maps:
            found = os.fstat(descriptor).st_size
            if found < size:
                raise ContainerFormatError(
                    f"expected {size:,} bytes, found {found:,}: the file shrank meanwhile",
                    member=name,
                )
            try:
                self._maps[descriptor] = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
            except OSError:
                # A file system that cannot, or more than the system grants: its bytes are read.
                self._maps[descriptor] = None
        return self._maps[descriptor]
