"""Whether the source is whole, before its tensors are given a new file with fresh checksums.

Enters: an open checkpoint and the tensors that are copied. Leaves: remarks about what is damaged
elsewhere; damage of what is copied is an error, as it is for torch.
"""

from collections.abc import Iterable, Iterator

from ckptscope.checks.crc import check_crcs
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.findings import Severity
from ckptscope.facts.tensors import TensorInfo
from ckptscope.tensors import ManifestBuild
from ckptscope.tensors.spending import with_parts

#: Remarks that are told of one file.
_MOST_TOLD = 5


def require_whole(build: ManifestBuild, tensors: Iterable[TensorInfo]) -> Iterator[str]:
    """Yield what is to be known of the source, in words.

    Args:
        build: The manifest of the source and the way to its archives.
        tensors: Those that are copied.

    Raises:
        ContainerFormatError: The bytes of one of them, or of the pickle, are not those that the
            archive's CRC-32 is of.
    """
    storages = build.manifest.storages
    spared = {one.member for one in storages.values()}
    for tensor in with_parts(tuple(tensors)):
        if tensor.storage in storages:
            spared.discard(storages[tensor.storage].member)
    remarks: list[str] = []
    for found in check_crcs(build.contents):
        if found.severity is not Severity.ERROR:
            continue
        if found.where.member not in spared:
            raise ContainerFormatError(
                f"the source is damaged: {found.message}",
                member=found.where.member,
                advice="get it again: what is copied would be damaged, too",
            )
        remarks.append(f"damaged, but not copied: {found.message}")
    remarks += [
        f"{found.code.value}: {found.message}"
        for found in build.manifest.findings
        if found.severity is Severity.ERROR
    ]
    yield from remarks[:_MOST_TOLD]
    if len(remarks) > _MOST_TOLD:
        yield f"and {len(remarks) - _MOST_TOLD:,} more findings, which inspect lists"
