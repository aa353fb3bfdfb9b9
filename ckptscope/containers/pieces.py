"""One piece of a distributed checkpoint: a torch zip somewhere inside a `.distcp` file.

Enters: a place in a file. Leaves: the piece's object, its tensor if it is one, and the way to its
storage.
"""

from collections.abc import Callable, Mapping

import msgspec

from ckptscope.containers.contents import Contents
from ckptscope.containers.further_pickles import FurtherPickles, keep_reached
from ckptscope.containers.marks import find_roots
from ckptscope.containers.nested import attach_nested, load_unvisited
from ckptscope.containers.readings import add_other_views
from ckptscope.containers.torch_layout import read_torch_layout
from ckptscope.containers.zip_members import ZipMembers, read_zip_members
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.facts.tensors import TensorInfo
from ckptscope.pickles.torch_rules import TensorRules
from ckptscope.sources import ByteSource, Window


class Piece(msgspec.Struct, frozen=True, eq=False):
    """A piece, opened.

    Attributes:
        root: Its object.
        graph: Its pickle.
        tensor: The tensor, if the object is one; its storage is a member of the piece.
        size_bytes: Bytes of elements.
        contents: The torch zip of the piece.
        findings: What was noticed in it.
    """

    root: object
    graph: PickleGraph
    tensor: TensorInfo | None
    size_bytes: int
    contents: Contents
    findings: tuple[Finding, ...]


def read_piece(
    open_file: Callable[[], ByteSource], start: int, length: int, member: str, limits: Limits
) -> Piece:
    """Read the torch zip at a place of a file.

    Raises:
        ArtifactError: There is none, or it is damaged.
    """
    source = Window(open_file(), start, length, member)
    try:
        members, root = _open_zip(source, start, limits)
    except ContainerFormatError as error:
        # torch.load takes what is no zip for pickles.
        further = FurtherPickles(limits, [])
        further.look_at(lambda: source, member)
        keep_reached(error, further.imports)
        raise
    contents = read_torch_layout(members, root, limits, containers=(ContainerKind.TORCH_ZIP,))
    contents.archives = (members,)
    add_other_views(members, contents, limits)
    attach_nested(contents, limits)
    load_unvisited(contents, limits)
    graph = contents.graph
    if graph is None:
        raise ContainerFormatError("expected a pickle, found none", member=member)
    rules = TensorRules(limits)
    tensor = rules.read(graph.root, "")
    storage = contents.storages.get(tensor.storage or "") if tensor is not None else None
    return Piece(
        root=graph.root,
        graph=graph,
        tensor=tensor,
        size_bytes=storage.size_bytes if storage is not None else 0,
        contents=contents,
        findings=(*members.findings, *contents.findings, *rules.findings),
    )


def _open_zip(source: ByteSource, start: int, limits: Limits) -> tuple[ZipMembers, str]:
    """Return the members of a torch zip and their root.

    Raises:
        ArtifactError: It is none, or it is damaged.
    """
    members = read_zip_members(source, limits)
    roots = find_roots(list(members.entries))
    if len(roots) != 1:
        raise ContainerFormatError(
            f"expected one torch zip, found {len(roots)} roots",
            member=source.name,
            offset_bytes=start,
        )
    return members, roots[0]


class PieceStorages:
    """Opens the storage inside a piece."""

    def __init__(self, pieces: Mapping[str, Piece]) -> None:
        self._pieces = pieces

    def __call__(self, storage: Storage) -> ByteSource:
        """Return the elements of a piece.

        Raises:
            ContainerFormatError: There is no such piece, or it holds no tensor.
        """
        piece = self._pieces.get(storage.key)
        if piece is None or piece.tensor is None or piece.tensor.storage is None:
            raise ContainerFormatError(f"no piece {storage.key!r:.200}")
        return piece.contents.read_storage(piece.contents.storages[piece.tensor.storage])
