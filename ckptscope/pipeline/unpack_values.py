"""What is no tensor, and so has no place in a new file: listed, and written beside if asked for.

Enters: a manifest. Leaves: lines that name everything; the bytes of a JSON file that holds it.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from ckptscope.facts.tensors import Manifest, Optimizer, TreeNode
from ckptscope.facts.unpacking import LeftValue
from ckptscope.tensors import ManifestBuild

METADATA_SCHEMA = "ckptscope/metadata/1"
#: Lines of a report; a file of metadata has no such bound.
MOST_LISTED = 500
#: Kinds of the tree that are tensors or stand for them.
_TENSORS = ("tensor", "state_dict")
_HOLDERS = ("dict", "list", "tuple", "set", "instance")


def list_values(
    manifest: Manifest, *, keeps_header: bool, keeps_versions: Iterable[str]
) -> Iterator[LeftValue]:
    """Yield everything of a checkpoint that is no tensor.

    Args:
        manifest: Of the source.
        keeps_header: Whether the target has a place for the text of a safetensors header.
        keeps_versions: Paths of state_dicts whose module versions have a place in the target.
    """
    yield from _below(manifest.tree, "")
    for optimizer in manifest.optimizers:
        yield from _settings(optimizer)
    if not keeps_header:
        for name, text in manifest.metadata:
            yield LeftValue(path=f"__metadata__/{name}", text=repr(text[:200]))
    kept = frozenset(keeps_versions)
    for one in manifest.state_dicts:
        if one.versions and one.path not in kept:
            count = len(one.versions)
            words = "the version of 1 module" if count == 1 else f"versions of {count:,} modules"
            yield LeftValue(path=f"{one.path}/_metadata".lstrip("/"), text=words)


def _below(node: TreeNode, path: str) -> Iterator[LeftValue]:
    if node.kind in _TENSORS or node.kind == "optimizer":
        return
    for child in node.children:
        yield from _below(child, f"{path}/{child.name}" if path else child.name)
    if node.left_out:
        yield LeftValue(path=path, text=f"{node.left_out:,} further entries")
    if node.children or (node.kind in _HOLDERS and node.value is None and path == ""):
        return
    if node.kind in _HOLDERS and node.value is None and node.length:
        # It holds nothing but tensors.
        return
    text = node.value if node.value is not None else node.class_name or f"an empty {node.kind}"
    yield LeftValue(path=path, text=text)


def _settings(optimizer: Optimizer) -> Iterator[LeftValue]:
    for index, group in enumerate(optimizer.groups):
        settings = ", ".join(f"{name} {text}" for name, text in group.settings)
        yield LeftValue(
            path=f"{optimizer.path}/param_groups/{index}".lstrip("/"),
            text=f"{optimizer.kind}: {settings}",
        )


def encode_values(build: ManifestBuild, source: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a JSON file of everything that is no tensor, and what is not even in that.

    Raises:
        LimitError: There are more values than may be written.
    """
    from ckptscope.tensors.plain_values import PlainValues

    plain = PlainValues(build)
    manifest = build.manifest
    found = {
        "schema": METADATA_SCHEMA,
        "source": PurePath(source).name,
        "location": list(manifest.location),
        "containers": [kind.value for kind in manifest.containers],
        "values": plain.tree,
        "header": dict(manifest.metadata),
        "module_versions": {one.path: one.versions for one in manifest.state_dicts if one.versions},
        "not_written": plain.unwritten,
    }
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which a pickle may hold, has no form in UTF-8.
        encoded = json.dumps(found, indent=2, allow_nan=False).encode()
    return encoded + b"\n", tuple(plain.unwritten)
