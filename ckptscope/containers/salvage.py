"""What survives of a checkpoint that cannot be read.

Enters: a path. Leaves: a `Salvage`: storages with their numbers and sizes, what the pickle had
named before the damage, and a way to read what is left. Nothing is executed, and no size is
believed that nothing confirms.
"""

from contextlib import ExitStack
from pathlib import Path

from ckptscope.containers.folder_members import read_folder_members
from ckptscope.containers.salvage_layout import salvage_members
from ckptscope.containers.salvage_names import Observed
from ckptscope.containers.salvage_parts import Salvage
from ckptscope.containers.sniff import Format, sniff_format
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource, open_local

__all__ = ["Observed", "Salvage", "salvage", "salvage_source"]


def salvage(path: Path, limits: Limits, stack: ExitStack) -> Salvage | None:
    """Return what survives of a file or folder; files stay open as long as the stack.

    None stands for a checkpoint that is sound as far as its pickle and its packing go, and for what
    is none.

    Raises:
        ArtifactError: The folder cannot be read.
        LimitError: It holds more than may be looked at.
    """
    if path.is_dir():
        members = read_folder_members(path, limits)
        return salvage_members(members, limits.metered(members.size_bytes))
    source = stack.enter_context(open_local(path))
    return salvage_source(source, limits.metered(source.size))


def salvage_source(source: ByteSource, limits: Limits) -> Salvage | None:
    """Return what survives of the bytes of one file.

    Raises:
        LimitError: It holds more than may be looked at.
    """
    found = sniff_format(source)
    if found is Format.ZIP:
        from ckptscope.containers.salvage_zip import salvage_zip

        return salvage_zip(source, limits)
    if found is Format.LEGACY_STREAM:
        from ckptscope.containers.salvage_stream import salvage_stream

        return salvage_stream(source, limits)
    if found is Format.TAR:
        from ckptscope.containers.salvage_tar import salvage_tar

        return salvage_tar(source, limits)
    return None
