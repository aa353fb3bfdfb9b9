"""Several whole zip archives in one file, one after the other, as `.distcp` files are.

Enters: a source. Leaves: the archives as windows, and the finding that says so: a reader that looks
from the end sees the last one only.
"""

from collections.abc import Sequence
from typing import Final

from ckptscope.containers.contents import finding
from ckptscope.containers.zip_directory import bytes_before
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, Window

#: Archives that the finding lists.
_SHOWN: Final = 5


def split_archives(source: ByteSource, limits: Limits) -> list[ByteSource]:
    """Return the archives in order.

    The list is empty if there is only one, or if what stands before the last is no archive; the
    ordinary reader then says so.
    """
    found: list[ByteSource] = []
    end = source.size
    try:
        while end:
            start = bytes_before(Window(source, 0, end, source.name))
            found.append(Window(source, start, end - start, source.name))
            if len(found) > limits.checkpoints:
                return []
            end = start
    except ContainerFormatError:
        # Not an archive: neither is the row.
        return []
    return found[::-1] if len(found) > 1 else []


def row_finding(archives: Sequence[ByteSource], *, is_format: bool) -> Finding:
    """Say that a file holds several archives.

    Args:
        archives: They.
        is_format: Whether this is how such a file is written: a `.distcp` file.
    """
    return finding(
        Code.ARCHIVES_IN_A_ROW,
        f"{len(archives):,} whole archives one after the other: a file of a distributed "
        "checkpoint, or files joined; readers that look from the end see the last one only",
        severity=Severity.WARNING if is_format else Severity.ERROR,
        evidence=tuple(f"archive of {one.size:,} bytes" for one in archives[:_SHOWN]),
    )
