"""How much of a checkpoint may be gone over: views repeat storages, but not without end.

Enters: a manifest's build. Leaves: `Allowance`, which counts tensors before they are read.
"""

from typing import Final

from ckptscope.errors import TensorLayoutError
from ckptscope.facts.tensors import TensorInfo
from ckptscope.tensors.canonical import bytes_to_read, canonical_size
from ckptscope.tensors.manifest import ManifestBuild

#: Bytes of tensors, in bytes of all storages.
MOST_REPEATS: Final = 8
#: Bytes of tensors in any case.
ALWAYS: Final = 256 << 20
#: Bytes that are read, in bytes of all storages: columns of a large matrix are read with all that
#: lies between, and a large transposed matrix once for each piece that is gathered.
_MOST_READ: Final = 64
#: Bytes that are read in any case.
_ALWAYS_READ: Final = 1 << 30


class Allowance:
    """What is left to go over of one checkpoint."""

    def __init__(self, build: ManifestBuild) -> None:
        held = sum(storage.size_bytes for storage in build.manifest.storages.values())
        self._build = build
        self._tensors = max(MOST_REPEATS * held, ALWAYS)
        self._reads = max(_MOST_READ * held, _ALWAYS_READ)

    def spend(self, tensor: TensorInfo) -> int:
        """Count the bytes of a tensor before they are read, and return how many there are.

        Raises:
            TensorLayoutError: The tensors declare many times what the storages hold, or lie in them
                so that these would be read over and over again.
        """
        size, reads = canonical_size(tensor), bytes_to_read(self._build, tensor)
        if size > self._tensors or reads > self._reads:
            raise TensorLayoutError(
                f"{tensor.key!r:.200}: the tensors together declare more than {MOST_REPEATS} times "
                "the bytes of their storages, or lie in them so that these would be read more "
                f"than {_MOST_READ} times"
            )
        self._tensors -= size
        self._reads -= reads
        return size
