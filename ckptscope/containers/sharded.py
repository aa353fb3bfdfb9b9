"""Sharded checkpoints: an index `*.index.json` whose `weight_map` says which file holds what.

Enters: members among which an index stands. Leaves: `Contents` with the shards laid open; the
names are put together when the manifest is built. A path out of the index's folder is not followed.

Source: the index that Hugging Face transformers and diffusers write (`save_pretrained`).
"""

from collections.abc import Callable

import msgspec

from ckptscope.containers.contents import Contents, finding, no_storage
from ckptscope.containers.described import as_mapping
from ckptscope.containers.json_text import read_json
from ckptscope.containers.members import MemberTable
from ckptscope.containers.zip_archive import unsafe_path
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import Import
from ckptscope.sources import ByteSource

_ENDING = ".index.json"
_MAP = "weight_map"
#: The map may stand behind long metadata.
_SEARCHED_BYTES = 64 << 10


class Index(msgspec.Struct, frozen=True):
    """What an index says.

    Attributes:
        name: Member that it is.
        folder: Prefix of the shards' members.
        shard_of: File by tensor.
        metadata: Its other texts and numbers.
        size_bytes: Bytes of the index.
    """

    name: str
    folder: str
    shard_of: dict[str, str]
    metadata: tuple[tuple[str, str], ...]
    size_bytes: int

    @property
    def files(self) -> list[str]:
        """The shards, in the order of their first tensor."""
        return list(dict.fromkeys(self.shard_of.values()))


def is_index(source: ByteSource) -> bool:
    """Whether a source is an index: JSON that names a weight map early on."""
    head = source.peek(0, _SEARCHED_BYTES)
    return head.lstrip()[:1] == b"{" and b'"weight_map"' in head


def read_index(source: ByteSource, name: str, limits: Limits) -> Index:
    """Read an index.

    Raises:
        ContainerFormatError: It is no JSON, or has no `weight_map` of texts.
    """
    document = as_mapping(read_json(source, limits.header_bytes), "the index", name)
    mapping = as_mapping(document.get(_MAP), _MAP, name)
    if not mapping or not all(isinstance(file, str) for file in mapping.values()):
        raise ContainerFormatError(f"expected file names in {_MAP}, found none", member=name)
    if len(mapping) > limits.members:
        raise LimitError("members", allowed=limits.members, actual=len(mapping), member=name)
    metadata = document.get("metadata")
    return Index(
        name=name,
        folder=name[: name.rfind("/") + 1],
        shard_of={key: str(file) for key, file in mapping.items()},
        metadata=tuple(
            (key[:200], str(value)[:200])
            for key, value in (metadata.items() if isinstance(metadata, dict) else ())
            if isinstance(value, str | int | float)
        ),
        size_bytes=source.size,
    )


def find_indexes(members: MemberTable) -> list[str]:
    """Return every index among the members; JSON of another kind is left alone."""
    return [
        name
        for name in members.entries
        if name.endswith(_ENDING) and b'"weight_map"' in members.head(name, _SEARCHED_BYTES)
    ]


def read_sharded(
    members: MemberTable,
    index: Index,
    read_shard: Callable[[str], Contents],
    *,
    containers: tuple[ContainerKind, ...],
) -> Contents:
    """Lay open every shard that an index names.

    Args:
        members: Where the shards lie.
        index: What it says.
        read_shard: Reads the checkpoint in a member.
        containers: Chain up to and including this one.
    """
    findings: list[Finding] = []
    shards: dict[str, Contents] = {}
    reached: list[Import] = []
    for file in index.files:
        member = index.folder + file
        if unsafe_path(file):
            findings.append(
                finding(
                    Code.SHARD_PATH_UNSAFE,
                    f"the index names {file[:200]!r}, outside its folder: not followed",
                    member=index.name,
                )
            )
        elif member not in members.entries:
            findings.append(
                finding(
                    Code.SHARD_MISSING,
                    f"the index names {file[:200]!r}, which is not there",
                    member=index.name,
                )
            )
        else:
            try:
                shards[file] = read_shard(member)
            except ArtifactError as error:
                reached += [one for one in error.reached if isinstance(one, Import)]
                findings.append(
                    finding(
                        Code.MEMBER_UNREADABLE,
                        f"the shard cannot be read: {error.message}",
                        member=member,
                        offset_bytes=error.offset_bytes,
                    )
                )
    return Contents(
        source=members.source,
        containers=containers,
        shards=shards,
        reached=tuple(reached),
        shard_of=index.shard_of,
        pickle_bytes=index.size_bytes,
        metadata=index.metadata,
        findings=findings,
        read_storage=no_storage,
    )
