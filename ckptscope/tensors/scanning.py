"""Statistics of every tensor of a checkpoint, in one pass over the bytes and in bounded memory.

Enters: a manifest's build. Leaves: `TensorValues`, in the order of the manifest.
"""

from collections.abc import Callable

from ckptscope.facts.values import TensorValues
from ckptscope.tensors.manifest import ManifestBuild


def scan_values(
    build: ManifestBuild, *, jobs: int = 1, progress: Callable[[int], None] | None = None
) -> tuple[TensorValues, ...]:
    """Go over the elements of every tensor of every state_dict, and of the optimizers.

    Args:
        build: The manifest and the way to its storages.
        jobs: Threads that read and count.
        progress: Told how many bytes more have been gone over, from any of the threads.
    """
    return ()
