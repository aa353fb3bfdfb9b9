"""Whether tensors fit their storages, and storages what is said of them.

Enters: a manifest. Leaves: findings `TEN...`. No byte of a storage is read.
"""

from collections.abc import Iterable, Iterator
from heapq import nlargest

from ckptscope.facts.dtypes import ITEM_BYTES, storage_bytes
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import Manifest, TensorInfo
from ckptscope.tensors.spending import view_span, with_parts

#: Findings of one code that are listed one by one; the rest is counted in one more.
_MOST_OF_A_KIND = 20
#: Less than this is not worth a word.
_NOTABLE_BYTES = 64 << 10
#: Storages that a finding lists.
_SHOWN_STORAGES = 5


def check_layout(manifest: Manifest) -> tuple[Finding, ...]:
    """Compare every view with its storage and every storage with its declaration."""
    return bound_findings((*_tensor_findings(manifest), *_storage_findings(manifest)))


def bound_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Keep the first of each code and severity, and count the rest in one more."""
    groups: dict[tuple[Code, Severity], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.code, one.severity), []).append(one)
    return tuple(finding for group in groups.values() for finding in _bounded(group))


def _bounded(group: list[Finding]) -> list[Finding]:
    rest = len(group) - _MOST_OF_A_KIND
    if rest <= 0:
        return group
    last = Finding(
        code=group[0].code,
        severity=group[0].severity,
        message=f"the same of {rest:,} more",
    )
    return [*group[:_MOST_OF_A_KIND], last]


def _tensor_findings(manifest: Manifest) -> Iterator[Finding]:
    overrun = _overrun_storages(manifest)
    for state_dict in manifest.state_dicts:
        for tensor in state_dict.tensors:
            for one in with_parts((tensor,)) if tensor.parts else (tensor,):
                if one.dtype in ITEM_BYTES and (
                    one.storage is None
                    or (one.storage in manifest.storages and one.storage not in overrun)
                ):
                    continue
                name = f"{state_dict.path}/{one.key}" if state_dict.path else one.key
                if one.dtype not in ITEM_BYTES:
                    yield _error(Code.DTYPE_UNKNOWN, name, f"no dtype of torch: {one.dtype!r:.60}")
                elif one.stride is not None:
                    yield from _view(manifest, one, name)


def _overrun_storages(manifest: Manifest) -> set[str]:
    """Return the storages that some tensor reaches beyond; only their tensors need a look."""
    overrun = set()
    for key, end in manifest.storage_extents.items():
        use = manifest.storage_uses.get(key)
        declared = storage_bytes(use.elements, use.dtype) if use is not None else None
        if end > manifest.storages[key].size_bytes or (declared is not None and end > declared):
            overrun.add(key)
    return overrun


def _view(manifest: Manifest, tensor: TensorInfo, name: str) -> Iterator[Finding]:
    """Check that a view stays in its storage, as declared and as it is."""
    storage = manifest.storages.get(tensor.storage or "")
    use = manifest.storage_uses.get(tensor.storage or "")
    if storage is None:
        if manifest.storages_complete:
            yield _error(
                Code.STORAGE_MISSING,
                name,
                f"storage {tensor.storage!r:.60} is not in the file",
            )
        return
    start, end = view_span(tensor)
    if start == end:
        return
    need = storage_bytes(end, tensor.dtype) or 0
    declared = storage_bytes(use.elements, use.dtype) if use is not None else None
    if declared is not None and need > declared:
        yield _outside(name, tensor, need, declared, "declared")
    elif need > storage.size_bytes:
        yield _outside(name, tensor, need, storage.size_bytes, "held")


def _outside(name: str, tensor: TensorInfo, need: int, have: int, word: str) -> Finding:
    return Finding(
        code=Code.VIEW_OUTSIDE_STORAGE,
        severity=Severity.ERROR,
        message=f"the view ends at byte {need:,} of a storage of {have:,} bytes ({word})",
        where=Where(key=name[:400]),
        evidence=(
            f"shape {list(tensor.shape)}, stride {list(tensor.stride or ())}, offset "
            f"{tensor.offset:,}, {tensor.dtype}",
        ),
    )


def _storage_findings(manifest: Manifest) -> Iterator[Finding]:
    for key, use in manifest.storage_uses.items():
        storage = manifest.storages.get(key)
        declared = storage_bytes(use.elements, use.dtype)
        if storage is None or declared is None or declared == storage.size_bytes:
            continue
        short = storage.size_bytes < declared
        yield Finding(
            code=Code.STORAGE_SHORT if short else Code.STORAGE_LONG,
            severity=Severity.ERROR if short else Severity.WARNING,
            message=f"storage {key!r:.60} is declared with {declared:,} bytes and holds "
            f"{storage.size_bytes:,}",
            where=Where(member=storage.member),
        )
    yield from _hidden_in_views(manifest)
    held, named = manifest.storage_extents, manifest.storage_uses
    unused = [key for key in manifest.storages if key not in held and key not in named]
    if unused:
        total = sum(manifest.storages[key].stored_bytes for key in unused)
        yield Finding(
            code=Code.STORAGE_UNUSED,
            severity=Severity.WARNING,
            message=(
                f"{len(unused):,} storages of {total:,} bytes belong to no tensor"
                if len(unused) > 1
                else f"1 storage of {total:,} bytes belongs to no tensor"
            ),
            evidence=tuple(f"storage {key!r:.60}" for key in unused[:_SHOWN_STORAGES]),
        )


def _hidden_in_views(manifest: Manifest) -> Iterator[Finding]:
    """Bytes that were saved only because a tensor was a view of something larger."""
    for entry in manifest.spending:
        if entry.what == "unused" and entry.size_bytes > _NOTABLE_BYTES and entry.share > 0.05:
            yield Finding(
                code=Code.STORAGE_UNUSED,
                severity=Severity.WARNING,
                message=f"{entry.size_bytes:,} bytes of storages, {entry.share:.1%} of the file, "
                "are used by no tensor",
                evidence=(f"{manifest.size_bytes:,} bytes in all", *_least_used(manifest)),
            )


def _least_used(manifest: Manifest) -> Iterator[str]:
    """Name the storages with the most bytes behind the last that a tensor uses."""
    behind = [
        (manifest.storages[key].size_bytes - end, key)
        for key, end in manifest.storage_extents.items()
        if end < manifest.storages[key].size_bytes
    ]
    for rest, key in nlargest(_SHOWN_STORAGES, behind):
        size_bytes = manifest.storages[key].size_bytes
        yield f"storage {key!r:.60}: used up to byte {size_bytes - rest:,} of {size_bytes:,}"


def _error(code: Code, name: str, message: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, message=message, where=Where(key=name[:400]))
