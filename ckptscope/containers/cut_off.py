"""A zip without a directory: what was expected, and what its pickles name.

Enters: a source that starts as a zip and has no directory. Leaves: the error that says how many
bytes are missing at least; the imports of every pickle that the local headers lead to. torch.save
writes `data.pkl` first, so a partial download usually still holds the list of storages that should
follow.
"""

from functools import partial

from ckptscope.containers.further_pickles import FurtherPickles
from ckptscope.containers.zip_archive import ZipArchive
from ckptscope.containers.zip_asides import Aside
from ckptscope.containers.zip_headers import ZipLayout
from ckptscope.containers.zip_locals import LOCAL_SIGNATURE, find_local_members, local_member
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import Import
from ckptscope.pickles import trace_pickle
from ckptscope.pickles.persistent import storage_uses
from ckptscope.sources import ByteSource

_ADVICE = "the download is incomplete: get the file again"


def explain_cut_off(
    source: ByteSource, limits: Limits, error: ContainerFormatError
) -> ContainerFormatError:
    """Return a better error if the start of the file tells what is missing, else the given one."""
    if source.peek(0, 4) != LOCAL_SIGNATURE:
        return error
    found = local_member(source, 0, source.size)
    if found is None or not found.name.endswith("data.pkl"):
        return error
    try:
        graph = trace_pickle(
            source, limits=limits, offset_bytes=found.data_offset, member=found.name
        )
    except ArtifactError:
        # The pickle itself is cut off: nothing more is known than before.
        return error
    uses = storage_uses(graph.persistent)
    wanted = sum(storage_bytes(use.elements, use.dtype) or 0 for use in uses.values())
    least = found.data_offset + graph.size_bytes + wanted
    if least <= source.size:
        return error
    return ContainerFormatError(
        f"expected at least {least:,} bytes, of which {wanted:,} in {len(uses):,} storages, found "
        f"{source.size:,}: the archive is cut off before its directory",
        member=source.name,
        advice=_ADVICE,
    )


def imports_by_headers(
    source: ByteSource, containers: tuple[ContainerKind, ...], limits: Limits
) -> tuple[Import, ...]:
    """Trace every pickle that a local header leads to; a careless reader would load it."""
    archive = ZipArchive(source, {}, [], ZipLayout([], [], {}, [], source.size), limits)
    further = FurtherPickles(limits, [], containers=containers)
    for member in find_local_members(source, 0, source.size):
        aside = Aside(member.name, member)
        further.look_at(partial(archive.open_aside, aside), member.name)
    return further.imports
