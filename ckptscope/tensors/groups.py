"""What the walk collects: tensors under the container that names them."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import TensorInfo

#: Keys that a finding lists.
_SHOWN: Final = 3


class Group(msgspec.Struct):
    """Tensors that one mapping, sequence, object or module names.

    Attributes:
        path: Way from the top.
        source: mapping, sequence, attributes, module, non-persistent, gradients,
            optimizer, single or header.
        tensors: In the order of the file.
        others: Entries of the same container that are no tensors.
        class_name: Class of the container, where the file names one.
        versions: Module versions of `_metadata`.
    """

    path: str
    source: str
    tensors: list[TensorInfo]
    others: int = 0
    class_name: str | None = None
    versions: dict[str, int] | None = None


def join(path: str, name: str) -> str:
    """Join a path and a name below it."""
    if not path:
        return name
    return f"{path}/{name}" if name else path


def drop_repeated(group: Group) -> Iterator[Finding]:
    """Of two tensors under one key keep the last, at the place of the first, as in a dict."""
    last = {tensor.key: tensor for tensor in group.tensors}
    repeated = len(group.tensors) - len(last)
    if not repeated:
        return
    times = Counter(tensor.key for tensor in group.tensors)
    group.tensors = list(last.values())
    yield Finding(
        code=Code.KEY_DUPLICATE,
        severity=Severity.WARNING,
        message=f"{repeated:,} tensors stand under a key that comes again; the last counts",
        where=Where(key=group.path[:200]),
        evidence=tuple(
            f"{key!r:.200} stands {count:,} times"
            for key, count in times.most_common(_SHOWN)
            if count > 1
        ),
    )
