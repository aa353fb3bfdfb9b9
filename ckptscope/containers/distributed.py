"""Distributed checkpoints: a pickle `.metadata` that describes, and `*.distcp` files that hold.

Enters: members below a root with `.metadata`. Leaves: `Contents` with the tensors under their names
and full shapes; each piece (chunk) of a tensor is a torch zip inside a `.distcp` file, opened only
for its pickle.

Source: `torch/distributed/checkpoint/metadata.py`, `.../filesystem.py`.
"""

from functools import partial

import msgspec

from ckptscope.containers.contents import Contents, TensorTable, finding, oddity_findings
from ckptscope.containers.described import contiguous_stride
from ckptscope.containers.further_pickles import FurtherPickles
from ckptscope.containers.marks import METADATA_NAME, PIECES_ENDING, claimed_by
from ckptscope.containers.members import MemberTable
from ckptscope.containers.pieces import Piece, PieceStorages, read_piece
from ckptscope.containers.torch_layout import behind_stop
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.pickled import Import, Instance, PickleGraph
from ckptscope.facts.tensors import TensorInfo
from ckptscope.pickles import trace_pickle
from ckptscope.pickles.rule_arguments import dtype_name, guess_kind
from ckptscope.pickles.views import (
    Pairs,
    attribute_map,
    class_of,
    mapping_pairs,
    plain_text,
    sequence_items,
)
from ckptscope.sources import Window

_MODULE = "torch.distributed.checkpoint"


def read_distributed(
    members: MemberTable, root: str, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the description and the pickles of all pieces.

    Raises:
        ArtifactError: `.metadata` is damaged or describes something else.
    """
    name = root + METADATA_NAME
    source = members.open(name)
    graph = trace_pickle(source, limits=limits, size_bytes=source.size, member=name)
    reader = _Reader(members, root, limits, containers)
    reader.further.follow_payloads(graph, source)
    reader.further.read_rest(source, graph.size_bytes)
    reader.findings += [*oddity_findings(graph), *behind_stop(source.size, graph)]
    held = attribute_map(graph.root) if type(graph.root) is Instance else {}
    described = mapping_pairs(held.get("state_dict_metadata"))
    if described is None:
        raise ContainerFormatError(
            "expected state_dict_metadata of torch.distributed.checkpoint, found none", member=name
        )
    reader.places(mapping_pairs(held.get("storage_data")) or [])
    paths = dict(_planner_paths(held.get("planner_data")))
    tables = reader.tables(described, paths)
    files = claimed_by(members, root)
    reader.look_between(files)
    return Contents(
        source=members.source,
        containers=containers,
        further_graphs=(graph, *reader.graphs, *reader.further.finish()),
        reached=tuple(reader.further.reached),
        tables=tables,
        values=tuple(reader.values),
        storages=reader.storages,
        pickle_bytes=source.size,
        format_facts=(("files", str(len(files))),),
        archives=tuple(table for piece in reader.opened for table in piece.contents.archives),
        findings=reader.findings,
        read_storage=PieceStorages(reader.pieces),
    )


def _planner_paths(node: object) -> list[tuple[str, tuple[str, ...]]]:
    """Read the way in the tree that each flattened name stands for."""
    found = []
    for name, path in mapping_pairs(node) or []:
        items = sequence_items(path)
        if isinstance(name, str) and items is not None:
            parts = [p if isinstance(p, str) else plain_text(p) for p in items[1] if _plain(p)]
            if parts and len(parts) == len(items[1]):
                found.append((name, tuple(parts)))
    return found


def _plain(node: object) -> bool:
    return isinstance(node, str | int)


class _Place(msgspec.Struct, frozen=True):
    """Where a piece stands, by the offset of its first element in the whole tensor."""

    file: str
    start: int
    length: int


class _Reader:
    """Collects tensors, pieces and plain values."""

    def __init__(
        self,
        members: MemberTable,
        root: str,
        limits: Limits,
        containers: tuple[ContainerKind, ...],
    ) -> None:
        self._members = members
        self._root = root
        self._limits = limits
        self._places: dict[tuple[str, tuple[int, ...]], _Place] = {}
        self.graphs: list[PickleGraph] = []
        self.opened: list[Piece] = []
        self.storages: dict[str, Storage] = {}
        self.pieces: dict[str, Piece] = {}
        self.values: list[tuple[str, object]] = []
        self.findings: list[Finding] = []
        self.further = FurtherPickles(limits, self.findings, containers=containers)
        #: Pieces by their file: first byte and end.
        self._spans: dict[str, list[tuple[int, int]]] = {}

    def places(self, pairs: Pairs) -> None:
        """Take up which file holds which piece."""
        for index, info in pairs:
            if type(index) is not Instance or type(info) is not Instance:
                continue
            key, place = attribute_map(index), attribute_map(info)
            name, file = key.get("fqn"), place.get("relative_path")
            start, length = place.get("offset"), place.get("length")
            if (
                isinstance(name, str)
                and isinstance(file, str)
                and type(start) is int
                and type(length) is int
            ):
                self._places[name, _sizes(key.get("offset")) or ()] = _Place(file, start, length)
                self._spans.setdefault(self._root + file, []).append((start, start + length))

    def tables(
        self, described: Pairs, paths: dict[str, tuple[str, ...]]
    ) -> tuple[TensorTable, ...]:
        """Return the tensors, grouped by the mapping that held them before flattening."""
        groups: dict[str, list[TensorInfo]] = {}
        for name, entry in described:
            if not isinstance(name, str) or type(entry) is not Instance:
                continue
            parts = paths.get(name, (name,))
            path, key = "/".join(parts[:-1]), parts[-1]
            held = attribute_map(entry)
            if "size" not in held:
                self._value(name, "/".join(parts))
                continue
            tensor = self._tensor(name, key, entry, held)
            if tensor is not None:
                groups.setdefault(path, []).append(tensor)
        return tuple(TensorTable(path=p, tensors=tuple(t)) for p, t in groups.items())

    def _tensor(
        self, name: str, key: str, entry: Instance, held: dict[str, object]
    ) -> TensorInfo | None:
        shape = _sizes(held.get("size"))
        dtype = _dtype(held.get("properties"))
        if shape is None or dtype is None or len(shape) > self._limits.tensor_dims:
            self._odd(name, "expected a size and a dtype")
            return None
        parts: list[TensorInfo] = []
        chunks = sequence_items(held.get("chunks"))
        for chunk in chunks[1] if chunks is not None else []:
            found = self._chunk(name, chunk, dtype)
            if found is not None:
                parts.append(found)
        whole = 1
        for size in shape:
            whole *= size
        covered = sum(part.elements for part in parts)
        if covered != whole:
            self.findings.append(
                finding(
                    Code.CHUNKS_INCOMPLETE,
                    f"{name[:200]!r}: the pieces hold {covered:,} of {whole:,} elements",
                    key=name[:400],
                )
            )
        only = parts[0] if len(parts) == 1 and parts[0].shape == shape else None
        found_class = class_of(entry)
        foreign = found_class is not None and not found_class.module.startswith(_MODULE)
        return TensorInfo(
            key=key,
            shape=shape,
            dtype=dtype,
            stride=only.stride if only is not None else None,
            offset=only.offset if only is not None else 0,
            storage=only.storage if only is not None else None,
            kind=guess_kind(key, dtype),
            layout="strided" if only is not None else "sharded",
            parts=() if only is not None else tuple(parts),
            class_name=found_class.qualified if foreign and found_class is not None else None,
        )

    def _chunk(self, name: str, chunk: object, dtype: str) -> TensorInfo | None:
        held = attribute_map(chunk) if type(chunk) is Instance else {}
        offsets, sizes = _sizes(held.get("offsets")), _sizes(held.get("sizes"))
        if offsets is None or sizes is None:
            self._odd(name, "expected the offsets and sizes of a piece")
            return None
        place = self._places.get((name, offsets)) or self._places.get((name, ()))
        key = f"{name} @ {list(offsets)}"
        held_by = self._piece(key, place, sizes, dtype) if place is not None else None
        return TensorInfo(
            key=str(list(offsets)),
            shape=sizes,
            dtype=dtype,
            stride=held_by.stride if held_by is not None else contiguous_stride(sizes),
            offset=held_by.offset if held_by is not None else 0,
            storage=key,
        )

    def _piece(
        self, key: str, place: _Place, sizes: tuple[int, ...], dtype: str
    ) -> TensorInfo | None:
        """Open a piece's pickle and compare it with what `.metadata` says of it."""
        piece = self._open(key, place)
        if piece is None:
            return None
        tensor = piece.tensor
        if tensor is None or tensor.shape != sizes or tensor.dtype != dtype:
            found = f"{tensor.dtype} {list(tensor.shape)}" if tensor is not None else "no tensor"
            self.findings.append(
                finding(
                    Code.CHUNK_DISAGREES,
                    f"{key[:200]!r}: .metadata says {dtype} {list(sizes)}, the piece holds {found}",
                    member=self._root + place.file,
                    offset_bytes=place.start,
                )
            )
            return None
        self.pieces[key] = piece
        self.storages[key] = Storage(
            key=key,
            size_bytes=piece.size_bytes,
            stored_bytes=place.length,
            member=self._root + place.file,
            offset_bytes=place.start,
        )
        return tensor

    def _value(self, name: str, path: str) -> None:
        """A plain object is a piece of its own."""
        place = self._places.get((name, ()))
        piece = self._open(name, place) if place is not None else None
        if piece is not None:
            self.values.append((path, piece.root))

    def _open(self, key: str, place: _Place) -> Piece | None:
        member = self._root + place.file
        if member not in self._members.entries or ".." in place.file.split("/"):
            self.findings.append(
                finding(
                    Code.SHARD_MISSING,
                    f"{key[:200]!r} is in {place.file[:200]!r}, which is not there",
                    key=key[:400],
                )
            )
            return None
        try:
            piece = read_piece(
                partial(self._members.open, member), place.start, place.length, member, self._limits
            )
        except ArtifactError as error:
            self.further.reached += [one for one in error.reached if isinstance(one, Import)]
            self.findings.append(
                finding(
                    Code.MEMBER_UNREADABLE,
                    f"the piece {key[:200]!r} cannot be read: {error.message}",
                    member=member,
                    offset_bytes=place.start,
                )
            )
            return None
        self.opened.append(piece)
        self.graphs += [piece.graph, *piece.contents.further_graphs]
        self.further.reached += piece.contents.reached
        self.findings += piece.findings
        return piece

    def look_between(self, files: list[str]) -> None:
        """Trace what stands in the files and is no piece; note pieces that overlap.

        A file whose pieces are all described has no such bytes.
        """
        for file in files:
            if not file.endswith(PIECES_ENDING):
                continue
            position, size = 0, self._members.entries[file].size_bytes
            for start, end in [*sorted(self._spans.get(file, [])), (size, size)]:
                if start > position:
                    self._look_at_gap(file, position, min(start, size))
                elif start < position and end > start and start < size:
                    self.findings.append(
                        finding(
                            Code.MEMBERS_OVERLAP,
                            f"a piece starts {position - start:,} bytes before the piece before "
                            "it ends",
                            member=file,
                            offset_bytes=start,
                        )
                    )
                position = max(position, end)

    def _look_at_gap(self, file: str, start: int, end: int) -> None:
        self.findings.append(
            finding(
                Code.NOT_READ,
                f"{end - start:,} bytes belong to no piece that .metadata describes",
                severity=Severity.WARNING,
                member=file,
                offset_bytes=start,
            )
        )
        name = f"{file} from byte {start}"
        self.further.look_at(
            lambda: Window(self._members.open(file), start, end - start, name), name
        )

    def _odd(self, name: str, what: str) -> None:
        self.findings.append(
            finding(
                Code.DESCRIPTION_ODD,
                f"the entry {name[:200]!r} is not described as a tensor: {what}",
                severity=Severity.ERROR,
                member=self._root + METADATA_NAME,
            )
        )


def _sizes(node: object) -> tuple[int, ...] | None:
    found = sequence_items(node)
    if found is None or len(found[1]) > DEFAULT_LIMITS.tensor_dims:
        return None
    if not all(type(n) is int and 0 <= n < 1 << 63 for n in found[1]):
        return None
    return tuple(n for n in found[1] if isinstance(n, int))


def _dtype(node: object) -> str | None:
    """Read `TensorProperties`: its state is a tuple that starts with the dtype, or a dict."""
    if type(node) is not Instance:
        return None
    if type(node.state) is tuple and node.state:
        return dtype_name(node.state[0])
    return dtype_name(attribute_map(node).get("dtype"))
