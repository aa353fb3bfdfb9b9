"""What two files record beside their tensors, side by side.

Enters: two manifests. Leaves: `MetadataRow`s: what the left has, in its order, then what only the
right has.
"""

from collections.abc import Iterator

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.comparison import MetadataRow
from ckptscope.facts.tensors import Manifest

#: Rows of one comparison; a hostile file may record anything.
_MOST_ROWS = 200
_NAME_CHARACTERS = 200
_VALUE_CHARACTERS = 500


def side_by_side(left: Manifest, right: Manifest) -> tuple[MetadataRow, ...]:
    """Pair what is recorded by name."""
    before, after = dict(_recorded(left)), dict(_recorded(right))
    names = dict.fromkeys((*before, *after))
    rows = (MetadataRow(name=name, left=before.get(name), right=after.get(name)) for name in names)
    return tuple(rows)[:_MOST_ROWS]


def _recorded(manifest: Manifest) -> Iterator[tuple[str, FactValue]]:
    for scalar in manifest.scalars:
        value = scalar.value
        yield (
            scalar.path[:_NAME_CHARACTERS],
            value[:_VALUE_CHARACTERS] if isinstance(value, str) else value,
        )
    for optimizer in manifest.optimizers:
        yield f"{optimizer.path}: algorithm", optimizer.kind
        if optimizer.steps:
            yield f"{optimizer.path}: steps", optimizer.steps
        for index, group in enumerate(optimizer.groups):
            for name, value in group.settings:
                yield (
                    f"{optimizer.path}: group {index}: {name}"[:_NAME_CHARACTERS],
                    value[:_VALUE_CHARACTERS],
                )
    for name, value in (*manifest.metadata, *manifest.format_facts):
        yield f"container: {name}"[:_NAME_CHARACTERS], value[:_VALUE_CHARACTERS]
    yield "container: byteorder", manifest.byteorder
