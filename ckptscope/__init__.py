"""Checkpoint forensics without executing a byte of the file.

`open_checkpoint` opens one checkpoint; `inspect` reports on files, folders and globs. The names are
fetched when they are first used, so that the program's `--help` does not wait for the readers.
"""

import importlib
from typing import TYPE_CHECKING

from ckptscope.version import VERSION

if TYPE_CHECKING:
    from ckptscope.errors import (
        ArtifactError,
        CkptscopeError,
        ContainerFormatError,
        LimitError,
        PickleFormatError,
        SpecError,
        TensorLayoutError,
        UnknownContainerError,
        UsageError,
    )
    from ckptscope.facts.limits import Limits
    from ckptscope.pipeline import Checkpoint, inspect, open_checkpoint

__version__ = VERSION

__all__ = [
    "ArtifactError",
    "Checkpoint",
    "CkptscopeError",
    "ContainerFormatError",
    "LimitError",
    "Limits",
    "PickleFormatError",
    "SpecError",
    "TensorLayoutError",
    "UnknownContainerError",
    "UsageError",
    "__version__",
    "inspect",
    "open_checkpoint",
]

_HOMES = {
    "Checkpoint": "ckptscope.pipeline",
    "Limits": "ckptscope.facts.limits",
    "inspect": "ckptscope.pipeline",
    "open_checkpoint": "ckptscope.pipeline",
}


def __getattr__(name: str) -> object:
    """Fetch a public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module 'ckptscope' has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_HOMES.get(name, "ckptscope.errors")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
