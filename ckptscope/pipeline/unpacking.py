"""`unpack`: the tensors of any checkpoint, rewritten as safetensors or as a plain torch zip.

Enters: a path, a target, an `UnpackRequest`. Leaves: files, and an `UnpackReport` of what is in
them and what is not. A file is written beside its place, read back, compared with the source tensor
by tensor, and only then renamed: what stands at the target is whole, or it is not there.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec

from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.tensors import Manifest, Role, StateDict
from ckptscope.facts.unpacking import (
    CAST_TARGETS,
    Dropped,
    LeftValue,
    TargetKind,
    UnpackedFile,
    UnpackReport,
    UnpackRequest,
)
from ckptscope.pipeline.opening import Checkpoint, open_checkpoint
from ckptscope.pipeline.unpack_choice import (
    Naming,
    Selection,
    drop_tensors,
    name_tensors,
    select_state_dicts,
)
from ckptscope.pipeline.unpack_copy import (
    Copy,
    Planned,
    Progress,
    dtype_after,
    obstacle,
    verify,
)
from ckptscope.pipeline.unpack_damage import require_whole
from ckptscope.pipeline.unpack_values import MOST_LISTED, encode_values, list_values
from ckptscope.pipeline.walking import PathLike
from ckptscope.sources import Stamp, stamp_of
from ckptscope.writers.atomic import writing_directory, writing_file

#: What a name ends in → what is written there.
SUFFIXES = {
    ".safetensors": TargetKind.SAFETENSORS,
    ".pth": TargetKind.TORCH_ZIP,
    ".pt": TargetKind.TORCH_ZIP,
    ".ckpt": TargetKind.TORCH_ZIP,
    ".bin": TargetKind.TORCH_ZIP,
}
#: File of a folder that holds what is no tensor.
METADATA_NAME = "metadata.json"
#: What readers of the Hugging Face libraries ask a header for.
_FORMAT = {"format": "pt"}
#: Names that one sentence lists, and characters of a file's name.
_SHOWN, _MOST_CHARACTERS = 8, 100
#: The file is gone over to hash, to write and to read back.
_PASSES = 3


class _Draft(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One file that is to be written."""

    state_dict: StateDict
    naming: Naming
    copy: Copy
    kind: TargetKind
    header: dict[str, str]
    versions: dict[str, int]


def unpack(
    path: PathLike,
    target: str,
    request: UnpackRequest,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> UnpackReport:
    """Rewrite a checkpoint.

    Args:
        path: File or folder that is a checkpoint.
        target: NAME.safetensors, NAME.pth (.pt, .ckpt, .bin), or a folder, new or empty: NAME/.
        request: What is wanted.
        limits: Bounds of the reading.
        progress: Told how many bytes more have been gone over.
        tell: Told, before anything is written, what was chosen.

    Raises:
        UsageError: The request cannot be met; the message says why.
        ArtifactError: The source cannot be read, or what was written is not as it should be.
    """
    kind = _check(Path(path), target, request)
    before = stamp_of(Path(path))
    with open_checkpoint(path, member=request.member, limits=limits) as checkpoint:
        _require_no_shard(Path(path), checkpoint, (target, request.metadata))
        selection = select_state_dicts(checkpoint.state_dicts, request, several=kind is None)
        slowed = _slowed(progress)
        drafts, dropped = _draft(checkpoint, selection, kind, request, slowed)
        notes = _notes(checkpoint, selection, drafts)
        for note in notes:
            if tell is not None:
                tell(note)
        with ExitStack() as stack:
            folder = None
            if kind is None:
                folder = stack.enter_context(writing_directory(target, into_empty=True))
                files = tuple(_write_folder(folder, target, drafts, slowed))
            else:
                file = stack.enter_context(writing_file(target, overwrite=request.force))
                files = (_write(file, target, drafts[0], slowed),)
            metadata, unwritten = _write_metadata(stack, checkpoint, str(path), request, folder)
            _require_unchanged(Path(path), before)
        values, more = _left_values(checkpoint.manifest, kind, drafts)
        return UnpackReport(
            source=str(path),
            location=checkpoint.manifest.location,
            containers=checkpoint.manifest.containers,
            target=target,
            files=files,
            dropped=(*selection.dropped, *dropped),
            values=values,
            more_values=more,
            metadata=metadata,
            unwritten=unwritten,
            notes=notes,
        )


def _check(path: Path, target: str, request: UnpackRequest) -> TargetKind | None:
    """Refuse what no file could fulfil; return what is to be written, None for a folder.

    Raises:
        UsageError: The request cannot be met.
    """
    kind = _kind_of(target)
    if request.dtype and request.dtype not in CAST_TARGETS:
        raise UsageError(
            f"expected one of {', '.join(CAST_TARGETS)} for --dtype, found {request.dtype!r:.60}"
        )
    if request.prefix and request.strip_prefix:
        raise UsageError("expected --prefix or --strip-prefix, found both")
    places = [target] if request.metadata is None else [target, request.metadata]
    for place in places:
        require_elsewhere(path, place)
        if kind is not None and not request.force and os.path.lexists(place):
            raise UsageError(f"expected nothing at {place!r:.200}, found something; see --force")
    if len({os.path.realpath(place) for place in places}) < len(places):
        raise UsageError(f"expected another file for --metadata, found the target {target!r:.200}")
    return kind


def _left_values(
    manifest: Manifest, kind: TargetKind | None, drafts: Sequence[_Draft]
) -> tuple[tuple[LeftValue, ...], int]:
    """Return what is no tensor and has no place in the target, and how much more there is."""
    values = list_values(
        manifest,
        keeps_header=kind is not TargetKind.TORCH_ZIP,
        keeps_versions=[one.state_dict.path for one in drafts if one.versions],
    )
    return tuple(islice(values, MOST_LISTED)), sum(1 for _ in values)


def _notes(
    checkpoint: Checkpoint, selection: Selection, drafts: Sequence[_Draft]
) -> tuple[str, ...]:
    """Say what was chosen, how it is called, and what the source has of damage.

    Raises:
        ContainerFormatError: What is copied is damaged.
    """
    chosen = (selection.note,) if selection.note else ()
    named = (note for one in drafts for note in one.naming.notes)
    copied = (tensor for one in drafts for _, tensor in one.naming.tensors)
    return (*chosen, *named, *require_whole(checkpoint.build, copied))


def _slowed(progress: Progress) -> Progress:
    """Return a progress that is told of every byte once for each pass over it."""
    if progress is None:
        return None
    return lambda count: progress(count // _PASSES)


def _kind_of(target: str) -> TargetKind | None:
    """Return what a target is to be; None for a folder.

    Raises:
        UsageError: Its name does not say.
    """
    place = Path(target)
    if target.endswith(("/", os.sep)) or place.is_dir():
        return None
    kind = SUFFIXES.get(place.suffix.lower())
    if kind is None:
        raise UsageError(
            f"expected a name that says what to write ({', '.join(SUFFIXES)}, or a folder: "
            f"{target + '/'!r:.200}), found {target!r:.200}"
        )
    if place.exists() and not place.is_file():
        raise UsageError(f"expected a file to write, found something else at {target!r:.200}")
    return kind


def require_elsewhere(path: Path, target: str) -> None:
    """Refuse a target that is the source, or lies in it.

    Raises:
        UsageError: It does.
    """
    source, place = Path(os.path.realpath(path)), Path(os.path.realpath(target))
    same = source == place or (source.exists() and place.exists() and source.samefile(place))
    if same or (source.is_dir() and place.is_relative_to(source)):
        raise UsageError(f"expected a target outside the input, found {target!r:.200}")


def _require_no_shard(path: Path, checkpoint: Checkpoint, targets: Sequence[str | None]) -> None:
    """Refuse to replace a shard of the source.

    Raises:
        UsageError: A target is one.
    """
    places = [Path(target) for target in targets if target is not None]
    for name in checkpoint.build.contents.shards:
        shard = path.parent / name
        for place in places:
            if shard.exists() and place.exists() and shard.samefile(place):
                raise UsageError(f"expected a target outside the input, found {str(place)!r:.200}")


def _require_unchanged(path: Path, before: Stamp | None) -> None:
    if stamp_of(path) != before:
        raise ArtifactError(
            "expected a file that stays as it is while it is read, found it changed",
            advice="nothing was written: wait until it is complete, and run again",
        )


def _draft(
    checkpoint: Checkpoint,
    selection: Selection,
    kind: TargetKind | None,
    request: UnpackRequest,
    progress: Progress,
) -> tuple[list[_Draft], list[Dropped]]:
    """Lay out every file; nothing is written before all are known to be possible.

    Raises:
        UsageError: A tensor has no place in the target, or nothing is left to write.
    """
    drafts: list[_Draft] = []
    dropped: list[Dropped] = []
    several = kind is None
    file_kind = kind or TargetKind.SAFETENSORS
    for one in selection.chosen:
        naming = name_tensors(one, request, several=several)
        is_cast = not (several and one.role is Role.OPTIMIZER)
        planned, unfit = _plan(naming, file_kind, request.dtype if is_cast else "")
        if unfit and not request.skip_unsupported:
            raise UsageError(_unfit_text(unfit, file_kind))
        left = drop_tensors(one, [tensor.tensor for tensor, _ in unfit], "--skip-unsupported")
        dropped += [gone for gone in (naming.dropped, left) if gone is not None]
        if planned:
            drafts.append(
                _Draft(
                    state_dict=one,
                    naming=naming,
                    copy=Copy(checkpoint.build, planned, file_kind, progress),
                    kind=file_kind,
                    header=_FORMAT | dict(checkpoint.manifest.metadata),
                    versions=_versions(one, planned, naming.prefix)
                    if file_kind is TargetKind.TORCH_ZIP
                    else {},
                )
            )
    if not drafts:
        raise UsageError("no tensor is left to write: no --only pattern fits, or none is supported")
    return drafts, dropped


def _plan(
    naming: Naming, kind: TargetKind, dtype: str
) -> tuple[list[Planned], list[tuple[Planned, str]]]:
    """Divide tensors into those that the target holds, and the others with the reasons."""
    planned: list[Planned] = []
    unfit: list[tuple[Planned, str]] = []
    for name, tensor in naming.tensors:
        one = Planned(name=name, tensor=tensor, dtype=dtype_after(tensor, dtype))
        reason = obstacle(one, kind)
        if reason:
            unfit.append((one, reason))
        else:
            planned.append(one)
    return planned, unfit


def _unfit_text(unfit: Sequence[tuple[Planned, str]], kind: TargetKind) -> str:
    shown = "; ".join(f"{one.tensor.key!r:.100}: {reason}" for one, reason in unfit[:_SHOWN])
    more = f"; and {len(unfit) - _SHOWN:,} more" if len(unfit) > _SHOWN else ""
    count = "1 tensor has" if len(unfit) == 1 else f"{len(unfit):,} tensors have"
    return f"{count} no place in a {kind.value}: {shown}{more}; --skip-unsupported leaves them out"


def _versions(one: StateDict, planned: Sequence[Planned], prefix: str) -> dict[str, int]:
    """Return the module versions of a state_dict under the new names of its modules."""
    renamed = {plan.tensor.key.rpartition(".")[0]: plan.name.rpartition(".")[0] for plan in planned}
    there = {""}
    for plan in planned:
        parts = plan.name.split(".")[:-1]
        there |= {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    found: dict[str, int] = {}
    for module, version in (one.versions or {}).items():
        inner = f"{module}."
        cut = inner[len(prefix) :] if inner.startswith(prefix) else inner
        name = renamed.get(module, cut.removesuffix("."))
        # What wrappers are themselves has no name any more.
        if name in there and not (prefix.startswith(inner) and inner != prefix):
            found[name] = version
    return found


def _write_folder(
    folder: Path, target: str, drafts: Sequence[_Draft], progress: Progress
) -> Iterator[UnpackedFile]:
    taken: set[str] = set()
    for draft in drafts:
        name = _file_name(draft.state_dict, taken)
        with (folder / name).open("xb") as file:
            yield _write(file, str(Path(target) / name), draft, progress)


def _file_name(one: StateDict, taken: set[str]) -> str:
    """Name the file of a state_dict after its path, as one that any file system can hold."""
    text = re.sub(r"[^A-Za-z0-9_.-]+", "_", one.path.replace("/", ".")).strip("._-")
    stem = text[:_MOST_CHARACTERS] or one.role.value
    name, number = f"{stem}.safetensors", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}.safetensors"
    taken.add(name.lower())
    return name


def _write(file: BinaryIO, path: str, draft: _Draft, progress: Progress) -> UnpackedFile:
    """Write a file, read it back, and say what is in it.

    Raises:
        ArtifactError: The source cannot be read, or the file is not as it should be.
    """
    expected = draft.copy.expect()
    draft.copy.write(file, draft.header, draft.versions)
    file.flush()
    os.fsync(file.fileno())
    root, up_to_names = verify(Path(file.name), expected, progress)
    return UnpackedFile(
        path=path,
        kind=draft.kind,
        entry=draft.state_dict.path,
        role=draft.state_dict.role.value,
        prefix=draft.naming.prefix,
        source_dialect=draft.naming.source_dialect,
        dialect=draft.naming.dialect,
        size_bytes=os.fstat(file.fileno()).st_size,
        tensors=tuple(expected.values()),
        ties=draft.copy.ties,
        root=root,
        root_up_to_names=up_to_names,
    )


def _write_metadata(
    stack: ExitStack,
    checkpoint: Checkpoint,
    source: str,
    request: UnpackRequest,
    folder: Path | None,
) -> tuple[str | None, tuple[str, ...]]:
    """Write what is no tensor, if it is asked for, or into the folder; return where to."""
    if request.metadata is not None:
        content, unwritten = encode_values(checkpoint.build, source)
        file = stack.enter_context(writing_file(request.metadata, overwrite=request.force))
        file.write(content)
        return request.metadata, unwritten
    if folder is not None:
        content, unwritten = encode_values(checkpoint.build, source)
        (folder / METADATA_NAME).write_bytes(content)
        return METADATA_NAME, unwritten
    return None, ()
