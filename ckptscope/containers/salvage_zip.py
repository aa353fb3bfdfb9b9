"""What is left of a torch zip: with its directory, or by the headers of its members.

Enters: a source that starts as a zip. Leaves: a `Salvage`; None where directory and pickle are
sound.
"""

from ckptscope.containers.marks import PICKLE_NAME
from ckptscope.containers.salvage_layout import STORAGE_FOLDER, Packing, salvage_members
from ckptscope.containers.salvage_parts import Salvage, reason_of
from ckptscope.containers.zip_archive import ZipArchive
from ckptscope.containers.zip_headers import ZipLayout
from ckptscope.containers.zip_locals import LOCAL_SIGNATURE
from ckptscope.containers.zip_members import ZipMembers, read_zip_members
from ckptscope.containers.zip_rows import split_archives
from ckptscope.containers.zip_walk import Walk, walk_members
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.findings import Code
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource


def salvage_zip(source: ByteSource, limits: Limits) -> Salvage | None:
    """Return what is left of a zip.

    Raises:
        LimitError: It has more members than may be looked at.
    """
    try:
        members = read_zip_members(source, limits)
    except ContainerFormatError as error:
        return _by_headers(source, limits, reason_of(error))
    if _is_another(source, members, limits):
        return _by_headers(source, limits, "the directory at the end is that of an archive inside")
    return salvage_members(members, limits)


def _is_another(source: ByteSource, members: ZipMembers, limits: Limits) -> bool:
    """Whether the directory is of an archive that a cut-off one holds as a storage."""
    is_behind = any(one.code is Code.ARCHIVE_PREFIXED for one in members.findings)
    is_archive = source.peek(0, len(LOCAL_SIGNATURE)) == LOCAL_SIGNATURE
    return is_behind and is_archive and not split_archives(source, limits)


def _by_headers(source: ByteSource, limits: Limits, why: str) -> Salvage | None:
    walk = walk_members(source, limits)
    if not walk.members:
        return None
    layout = ZipLayout([], [], {}, [], source.size)
    members = ZipMembers(ZipArchive(source, walk.members, [], layout, limits))
    packing = Packing(
        damage=_sentence(walk, why),
        root=_root_of(next(iter(walk.members))),
        cut=frozenset(walk.cut),
        wrong=frozenset(walk.wrong),
        left_out=frozenset(walk.twice),
    )
    return salvage_members(members, limits, packing)


def _sentence(walk: Walk, why: str) -> str:
    parts = [f"{why}: {len(walk.members):,} members are found by their own headers"]
    for names, words in (
        (walk.cut, "break off"),
        (walk.wrong, "do not have their CRC-32"),
        (walk.twice, "stand there twice, with different bytes"),
    ):
        if names:
            parts.append(f"{len(names):,} of them {words}")
    return ", ".join(parts)


def _root_of(name: str) -> str:
    """Return the folder of the archive by one of its members."""
    if name.endswith(PICKLE_NAME):
        return name.removesuffix(PICKLE_NAME)
    folder = name.rpartition("/")[0]
    if folder == STORAGE_FOLDER or folder.endswith(f"/{STORAGE_FOLDER}"):
        return folder.removesuffix(STORAGE_FOLDER)
    return folder.partition("/")[0] + "/" if folder else ""
