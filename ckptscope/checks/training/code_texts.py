"""Code that lies in an archive, as text: it may hold paths and keys like any other.

Enters: a checkpoint, laid open. Leaves: its Python members as texts, up to a bound.
"""

from collections.abc import Iterator

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError

#: Bytes of code that are read; TorchScript writes some hundred thousand for a network.
_MOST_BYTES = 4 << 20


def read_code(contents: Contents) -> Iterator[tuple[str, str | None]]:
    """Yield the name and the text of each Python member; None where it was not read.

    That a member is damaged is said where members are looked at.
    """
    members = contents.archives[-1] if contents.archives else None
    left = _MOST_BYTES
    for name in contents.code_members:
        entry = members.entries.get(name) if members is not None else None
        if members is None or entry is None or not name.endswith(".py"):
            continue
        if entry.size_bytes > left:
            yield name, None
            continue
        left -= entry.size_bytes
        try:
            source = members.open(name)
            yield name, source.read(0, source.size).decode("utf-8", "replace")
        except ArtifactError:
            yield name, None
