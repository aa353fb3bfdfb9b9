"""Checkpoint forensics without executing a byte of the file.

`open_checkpoint` opens one checkpoint; `inspect` reports on files, folders and globs.
"""

from ckptscope.errors import (
    ArtifactError,
    CkptscopeError,
    ContainerFormatError,
    LimitError,
    PickleFormatError,
    TensorLayoutError,
    UnknownContainerError,
    UsageError,
)
from ckptscope.facts.limits import Limits
from ckptscope.pipeline import Checkpoint, inspect, open_checkpoint
from ckptscope.version import VERSION

__version__ = VERSION

__all__ = [
    "ArtifactError",
    "Checkpoint",
    "CkptscopeError",
    "ContainerFormatError",
    "LimitError",
    "Limits",
    "PickleFormatError",
    "TensorLayoutError",
    "UnknownContainerError",
    "UsageError",
    "__version__",
    "inspect",
    "open_checkpoint",
]
