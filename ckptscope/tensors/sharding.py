"""Shards → one name space.

Enters: a walk over contents that consist of shards. Leaves: one group with all tensors in the order
of the index, and findings where index and shards tell different stories.
"""

from typing import TYPE_CHECKING

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import TensorInfo, TreeNode
from ckptscope.tensors.groups import Group

if TYPE_CHECKING:
    from ckptscope.tensors.walk import Walker

#: Names that a finding lists.
_SHOWN = 3


def walk_shards(walker: "Walker") -> TreeNode:
    """Walk every shard and put their tensors together."""
    contents = walker.contents
    held: dict[str, dict[str, TensorInfo]] = {}
    for file, shard in contents.shards.items():
        groups = walker.walk_inner(shard, f"{file}:")
        held[file] = {
            (f"{group.path}/{tensor.key}" if group.path else tensor.key): tensor
            for group in groups
            for tensor in group.tensors
        }
    tensors = [
        held[file][name]
        for name, file in contents.shard_of.items()
        if file in held and name in held[file]
    ]
    walker.groups.append(Group("", "header", tensors))
    walker.findings += _disagreements(dict(contents.shard_of), held)
    return TreeNode(name="", kind="state_dict", length=len(tensors))


def _disagreements(
    shard_of: dict[str, str], held: dict[str, dict[str, TensorInfo]]
) -> list[Finding]:
    """Compare the index with the shards, in both directions."""
    absent = [n for n, file in shard_of.items() if file in held and n not in held[file]]
    unlisted = [n for tensors in held.values() for n in tensors if n not in shard_of]
    homes: dict[str, list[str]] = {}
    for file, tensors in held.items():
        for name in tensors:
            homes.setdefault(name, []).append(file)
    twice = [name for name, files in homes.items() if len(files) > 1]
    found = []
    for names, message, severity in (
        (absent, "are in the index but not in the shard that it names", Severity.ERROR),
        (unlisted, "are in a shard but not in the index: nobody loads them", Severity.WARNING),
        (twice, "are in two shards: which one counts depends on the reader", Severity.ERROR),
    ):
        if names:
            found.append(
                Finding(
                    code=Code.SHARD_DISAGREES,
                    severity=severity,
                    message=f"{len(names):,} tensors {message}",
                    where=Where(key=names[0][:400]),
                    evidence=tuple(name[:200] for name in names[:_SHOWN]),
                )
            )
    return found


def with_storage_prefix(tensor: TensorInfo, prefix: str) -> TensorInfo:
    """Return a tensor whose storages carry the name of the shard."""
    return msgspec.structs.replace(
        tensor,
        storage=prefix + tensor.storage if tensor.storage is not None else None,
        parts=tuple(with_storage_prefix(part, prefix) for part in tensor.parts),
    )
