"""`open_checkpoint`: one checkpoint, open for reading its tensors.

Enters: a path. Leaves: a `Checkpoint`.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ckptscope.containers import Contents, Outcome, Unread
from ckptscope.errors import UsageError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.tensors import Manifest, StateDict, TensorInfo
from ckptscope.pipeline.reading import manifest_of, paused_gc, read_outcomes
from ckptscope.pipeline.walking import PathLike, path_exists
from ckptscope.tensors import ManifestBuild

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Checkpoint:
    """One open checkpoint: its manifest, and its tensors' elements on request.

    Use it in a `with` block, or close it.
    """

    def __init__(self, build: ManifestBuild, stack: ExitStack) -> None:
        self._build = build
        self._stack = stack

    @property
    def manifest(self) -> Manifest:
        """The table of contents, with the findings of the layout checks."""
        return self._build.manifest

    @property
    def build(self) -> ManifestBuild:
        """The manifest with the way to its storages, for rooms that read them on their own."""
        return self._build

    @property
    def state_dicts(self) -> tuple[StateDict, ...]:
        """Mappings of names to tensors: networks first, optimizers last."""
        return self.manifest.state_dicts

    def state_dict(self, path: str = "") -> StateDict:
        """Return the state_dict at a path of the tree.

        Raises:
            UsageError: There is none; the message names those that there are.
        """
        for found in self.state_dicts:
            if found.path == path:
                return found
        names = ", ".join(repr(found.path) for found in self.state_dicts) or "none"
        raise UsageError(f"no state_dict at {path!r}; there are: {names}")

    def read(self, tensor: TensorInfo) -> "npt.NDArray[np.generic]":
        """Return a tensor's elements as a numpy array of its shape.

        Raises:
            TensorLayoutError: The tensor has no strided elements, or leaves its storage.
            ArtifactError: The storage cannot be read.
        """
        from ckptscope.tensors.values import read_values  # numpy, only where values are asked for

        return read_values(self._build, tensor)

    def close(self) -> None:
        """Close the file behind it."""
        self._stack.close()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_checkpoint(
    path: PathLike, *, member: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Checkpoint:
    """Open the checkpoint in a file or folder.

    Args:
        path: File, or a folder that is a checkpoint: an unpacked torch zip, a distributed
            checkpoint, shards with their index.
        member: Which one, where a wrapper holds several: the names on the way, joined by ` > `.
        limits: Bounds of the reading.

    Raises:
        UsageError: No such file; or several checkpoints and no `member`; or no such member.
        ArtifactError: The file is no checkpoint, or damaged.
    """
    place = Path(path)
    if not path_exists(place):
        raise UsageError(f"no such file or folder: {str(path)!r}")
    with ExitStack() as stack:
        with paused_gc():
            build = manifest_of(_choose(list(read_outcomes(place, limits, stack)), member), limits)
        return Checkpoint(build, stack.pop_all())


def _choose(outcomes: list[Outcome], member: str | None) -> Contents:
    readable = [outcome for outcome in outcomes if isinstance(outcome, Contents)]
    if member is not None:
        readable = [one for one in readable if " > ".join(one.location) == member]
        if not readable:
            raise UsageError(f"no checkpoint at {member!r} inside the file")
    if not readable:
        raise next(outcome.error for outcome in outcomes if isinstance(outcome, Unread))
    if len(readable) > 1:
        names = ", ".join(repr(" > ".join(one.location)) for one in readable[:8])
        raise UsageError(f"{len(readable)} checkpoints in the file, name one by member: {names}")
    return readable[0]
