"""A torch zip that was cut off: what was expected, told by the pickle at its start.

Enters: a source that starts as a zip and has no directory. Leaves: the error that says how many
bytes are missing at least. torch.save writes `data.pkl` first, so a partial download usually still
holds the list of storages that should follow.
"""

from ckptscope.containers.zip_directory import LOCAL_SIGNATURE, local_data
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.limits import Limits
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
    found = local_data(source, 0)
    if found is None or not found[0].endswith("data.pkl"):
        return error
    try:
        graph = trace_pickle(source, limits=limits, offset_bytes=found[1], member=found[0])
    except ArtifactError:
        # The pickle itself is cut off: nothing more is known than before.
        return error
    uses = storage_uses(graph.persistent)
    wanted = sum(storage_bytes(use.elements, use.dtype) or 0 for use in uses.values())
    least = found[1] + graph.size_bytes + wanted
    if least <= source.size:
        return error
    return ContainerFormatError(
        f"expected at least {least:,} bytes, of which {wanted:,} in {len(uses):,} storages, found "
        f"{source.size:,}: the archive is cut off before its directory",
        member=source.name,
        advice=_ADVICE,
    )
