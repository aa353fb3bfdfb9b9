"""Checkpoint forensics without executing a byte of the file.

The public API: `open_checkpoint` reads one checkpoint, `inspect` reports on many.
"""

from ckptscope.version import VERSION as __version__

__all__ = ["__version__"]
