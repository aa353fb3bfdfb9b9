"""Do the bytes of every member agree with the CRC-32 that the archive records?

Enters: a checkpoint, laid open. Leaves: findings `CON001` for each that does not, `CON050` for each
that cannot be read, `CON016` where nothing is recorded. Reads every byte of every archive on the
way to the checkpoint, a piece at a time.

Source: PKWARE APPNOTE.TXT 6.3.10, section 4.4.7.
"""

from collections.abc import Callable, Iterator

from ckptscope.checks.integrity import bound_findings
from ckptscope.containers import Contents
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity


def check_crcs(
    contents: Contents, *, progress: Callable[[int], None] | None = None
) -> tuple[Finding, ...]:
    """Read every member and compare.

    What the reading of the checkpoint has found itself is not said again.

    Args:
        contents: The checkpoint, whose file is open.
        progress: Told how many bytes more have been read.
    """
    known = set(contents.findings)
    found = _findings(contents, progress or _unheard)
    return bound_findings(one for one in dict.fromkeys(found) if one not in known)


def _unheard(count: int) -> None:
    """Tell nobody."""


def _findings(contents: Contents, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Go through the archives on the way, the outermost first, and those of the shards."""
    zips = [one for one in contents.archives if one.kind is ContainerKind.ZIP]
    for archive in zips:
        count = archive.unrecorded_crcs()
        if count is None:
            yield from archive.wrong_crcs(progress)
        else:
            yield _none_recorded(f"the CRC-32 of all {count:,} members is 0: none was recorded")
    for shard in contents.shards.values():
        yield from _findings(shard, progress)
    if not zips and not contents.shards:
        yield _none_recorded(f"a {contents.containers[-1].value} records no checksum of its bytes")


def _none_recorded(message: str) -> Finding:
    return Finding(
        code=Code.CRC_UNRECORDED,
        severity=Severity.INFO,
        message=message,
        evidence=("damage of the elements cannot be told from the file alone",),
    )
