"""Where the bytes of a source lie in a file of this machine, for those that map files.

Enters: a source and an offset. Leaves: the open file and the offset in it, or nothing where the
bytes lie in no file as they are: in memory, or compressed.
"""

from ckptscope.sources.base import ByteSource
from ckptscope.sources.local import LocalFile
from ckptscope.sources.window import Window


def place_in_file(source: ByteSource, offset: int) -> tuple[LocalFile, int] | None:
    """Return the file behind a source, and where `offset` of the source lies in it."""
    while isinstance(source, Window):
        offset += source.start
        source = source.parent
    return (source, offset) if isinstance(source, LocalFile) else None
