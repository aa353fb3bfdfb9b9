"""Checksums that an archive records of its storages.

Enters: a checkpoint, laid open. Leaves: the CRC-32 of each storage as the archive's directory has
it. No storage is read, so that it stays open whether they are true.

Source: PKWARE APPNOTE.TXT 6.3.10, section 4.4.7. torch writes 0 where it was told to compute none
(`torch.serialization.set_crc32_options(False)`).
"""

from typing import Final

import msgspec

from ckptscope.containers.contents import Contents
from ckptscope.containers.zip_members import ZipMembers
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Severity

#: What leaves the directory as good as it was.
_HARMLESS: Final = frozenset({Code.ARCHIVE_PREFIXED, Code.ARCHIVE_TRAILING})


class RecordedChecksums(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive records.

    Attributes:
        crcs: CRC-32 by storage key; storages that have none are left out.
        why: Why none of them is to be relied on; empty if they are.
    """

    crcs: dict[str, int] = {}
    why: str = ""


def recorded_checksums(contents: Contents) -> RecordedChecksums:
    """Return the checksums of the storages of a torch zip.

    There are none of a storage that is deflated: a directory can say what it likes of its size.
    """
    kind = contents.containers[-1]
    table = contents.archives[-1] if contents.archives else None
    if kind is not ContainerKind.TORCH_ZIP or not isinstance(table, ZipMembers):
        chain = " > ".join(contents.containers)
        return RecordedChecksums(why=f"expected a torch zip, found {chain}: no checksums")
    if table.unrecorded_crcs() is not None:
        return RecordedChecksums(why="the archive records no CRC-32 of its members")
    for found in (*contents.findings, *table.findings):
        about_archive = found.code.startswith("CON") and found.code not in _HARMLESS
        if about_archive and found.severity is Severity.ERROR:
            where = f" ({found.where.member!r:.100})" if found.where.member else ""
            return RecordedChecksums(
                why=f"the archive contradicts itself: {found.code}{where} {found.message}"
            )
    crcs: dict[str, int] = {}
    for key, storage in contents.storages.items():
        crc = table.recorded_crc(storage.member) if storage.member is not None else None
        if crc is not None:
            crcs[key] = crc
    return RecordedChecksums(crcs=crcs)
