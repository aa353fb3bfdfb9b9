"""Random access to bytes: a local file, a window into another source, bytes in memory, a spool.

Nothing here knows what the bytes mean. Reads are explicit and positioned (pread); files are not
mapped, because a mapped file that shrinks kills the process that touches it. Who maps all the same
learns from `place_in_file` where.
"""

from ckptscope.sources.base import ByteSource
from ckptscope.sources.local import LocalFile, Stamp, open_local, stamp_of
from ckptscope.sources.memory import MemorySource
from ckptscope.sources.placing import place_in_file
from ckptscope.sources.spool import spool_stream
from ckptscope.sources.window import Window

__all__ = [
    "ByteSource",
    "LocalFile",
    "MemorySource",
    "Stamp",
    "Window",
    "open_local",
    "place_in_file",
    "spool_stream",
    "stamp_of",
]
