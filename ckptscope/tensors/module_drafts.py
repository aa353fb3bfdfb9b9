"""Keys of a state_dict → drafts of modules, then layers whose tensors have their usual names.

Enters: a `StateDict`. Leaves: a tree of `Draft`s within bounds, and a `Layer` for each that holds
tensors. What rewrites a layer's tensors is undone here, once for all kinds.

Source: `torch/nn/utils/parametrize.py` and `parametrizations.py` (original, original0, original1),
`weight_norm.py` (_g, _v), `spectral_norm.py` (_orig, _u, _v), `prune.py` (_orig, _mask).
"""

from collections.abc import Iterator

import msgspec

from ckptscope.facts.tensors import StateDict, TensorInfo
from ckptscope.tensors.module_layers import Layer, Shape

#: Modules inside modules that are told apart; the rest of a key is taken for a tensor's name.
MOST_SEGMENTS = 64
#: Characters of a module's path, which every module below it repeats.
MOST_CHARACTERS = 1_000
#: Modules for each tensor up to which keys are taken apart. Networks have fewer than two; keys that
#: share nothing but their length would make a thousand times their number of modules.
_MODULES_PER_TENSOR = 6
_SPARE_MODULES = 1_000
_PARAMETRIZATIONS = "parametrizations"


class Draft(msgspec.Struct, eq=False, gc=False):
    """A module, as far as keys tell.

    Attributes:
        name: Last segment of its path.
        path: Below the prefix.
        number: Of this module among all.
        tensors: Its own, by name below it, in the order of the file.
        children: Its sub-modules, in the order of the file.
        absorbed: Sub-modules whose tensors stand for tensors of this module.
        layer: Its tensors under their usual names; None without any.
    """

    name: str
    path: str
    number: int
    tensors: list[tuple[str, TensorInfo]] = []
    children: "dict[str, Draft]" = {}
    absorbed: tuple[str, ...] = ()
    layer: Layer | None = None


def draft_modules(state_dict: StateDict) -> Draft:
    """Take the keys below the prefix apart."""
    root = Draft("", "", 0)
    known: dict[str, Draft] = {"": root}
    prefix = state_dict.prefix
    drafting = _Drafting(root, _SPARE_MODULES + _MODULES_PER_TENSOR * len(state_dict.tensors))
    for tensor in state_dict.tensors:
        key = tensor.key.removeprefix(prefix)
        path, dot, name = key.rpartition(".")
        module = known.get(path) if path or not dot else None
        if module is None:
            module, name = drafting.module_of(key)
            if module.path == path:
                known.setdefault(path, module)
        module.tensors.append((name, tensor))
    return root


class _Drafting:
    """Makes modules, as many as there is room for."""

    def __init__(self, root: Draft, room: int) -> None:
        self._root = root
        self._room = room
        self._made = 0

    def module_of(self, key: str) -> tuple[Draft, str]:
        """Return the module that holds a tensor, made with all above it, and the tensor's name."""
        module, start = self._root, 0
        for _ in range(MOST_SEGMENTS):
            end = key.find(".", start)
            if end < 0 or end > MOST_CHARACTERS:
                break
            child = self._child(module, key, start, end)
            if child is None:
                break
            module, start = child, end + 1
        return module, key[start:]

    def _child(self, module: Draft, key: str, start: int, end: int) -> Draft | None:
        name = key[start:end]
        child = module.children.get(name)
        if child is None and self._made < self._room:
            self._made += 1
            child = module.children[name] = Draft(name, key[:end], self._made)
        return child


def collect_layers(root: Draft) -> list[Layer]:
    """Give every module with tensors its layer; return those that tell others something."""
    found: list[Layer] = []
    _collect(root, None, found)
    return [one for one in found if one.weight or "running_mean" in one.shapes]


def _collect(draft: Draft, parent: Draft | None, found: list[Layer]) -> None:
    if draft.tensors or _PARAMETRIZATIONS in draft.children:
        draft.layer = _layer(draft, parent)
        found.append(draft.layer)
    for name, child in draft.children.items():
        if name not in draft.absorbed:
            _collect(child, draft, found)


def _layer(draft: Draft, parent: Draft | None) -> Layer:
    shapes = {name: tensor.shape for name, tensor in draft.tensors}
    sources: dict[str, list[tuple[str, TensorInfo]]] = {}
    for name, tensor in draft.tensors:
        sources.setdefault(name, []).append((name, tensor))
    layer = Layer(
        name=draft.name,
        path=draft.path,
        parent=parent.path if parent is not None else "",
        family=parent.number if parent is not None else -1,
        shapes=shapes,
        sources=sources,
        notes=[],
        below={},
        settings={},
    )
    if _PARAMETRIZATIONS in draft.children:
        _undo_parametrizations(draft, layer)
    for name in list(shapes):
        if name.endswith("_orig"):
            _undo_orig(layer, name.removesuffix("_orig"))
        elif name.endswith("_g"):
            _undo_weight_norm(layer, name.removesuffix("_g"))
    if "zero_point" in shapes and "weight" in shapes:
        _undo_quantization(layer)
    layer.weight = shapes.get("weight", ())
    layer.below = {
        name: {own: tensor.shape for own, tensor in child.tensors}
        for name, child in draft.children.items()
        if name not in draft.absorbed
    }
    return layer


def _undo_parametrizations(draft: Draft, layer: Layer) -> None:
    """Put `parametrizations.weight.original` and its like back as `weight`."""
    holder = draft.children[_PARAMETRIZATIONS]
    made: dict[str, tuple[Shape, str]] = {}
    for name, child in holder.children.items():
        read = _read_parametrized(child)
        if read is None or name in layer.shapes:
            return
        made[name] = read
    if holder.tensors or not made:
        return
    start = len(draft.path) + 1 if draft.path else 0
    for name, (shape, note) in made.items():
        child = holder.children[name]
        layer.shapes[name] = shape
        layer.sources[name] = [
            (f"{module.path[start:]}.{own}", tensor)
            for module in _all_below(child)
            for own, tensor in module.tensors
        ]
        _note(layer, note)
    draft.absorbed = (_PARAMETRIZATIONS,)


def _read_parametrized(child: Draft) -> tuple[Shape, str] | None:
    """Return the shape of a parametrized tensor, and what it is made by."""
    own = {name: tensor.shape for name, tensor in child.tensors}
    if "original" in own:
        norms = {name for step in child.children.values() for name, _ in step.tensors}
        note = "spectral norm" if {"_u", "_v"} <= norms else "parametrized"
        return own["original"], note
    is_pair = set(own) == {"original0", "original1"} and not child.children
    if is_pair and _is_magnitude(own["original0"], own["original1"]):
        return own["original1"], "weight norm"
    return None


def _is_magnitude(magnitude: Shape, direction: Shape) -> bool:
    """Whether one tensor holds the lengths of the other's slices, as weight norm parts them."""
    if not magnitude or not direction:
        return not magnitude
    return len(magnitude) == len(direction) and all(
        one in (1, other) for one, other in zip(magnitude, direction, strict=True)
    )


def _all_below(draft: Draft) -> Iterator[Draft]:
    yield draft
    for child in draft.children.values():
        yield from _all_below(child)


def _undo_orig(layer: Layer, name: str) -> None:
    """Put `weight_orig` back as `weight`: spectral norm or pruning."""
    shapes = layer.shapes
    if name in shapes or not name:
        return
    original = shapes[f"{name}_orig"]
    if shapes.get(f"{name}_mask") == original:
        _merge(layer, name, original, (f"{name}_orig", f"{name}_mask"), "pruned")
    elif len(shapes.get(f"{name}_u", ())) == 1:
        parts = (f"{name}_orig", f"{name}_u", f"{name}_v")
        _merge(layer, name, original, parts, "spectral norm")


def _undo_weight_norm(layer: Layer, name: str) -> None:
    """Put `weight_g` and `weight_v` back as `weight`."""
    magnitude, direction = layer.shapes.get(f"{name}_g"), layer.shapes.get(f"{name}_v")
    if name in layer.shapes or magnitude is None or direction is None:
        return
    if _is_magnitude(magnitude, direction):
        _merge(layer, name, direction, (f"{name}_g", f"{name}_v"), "weight norm")


def _undo_quantization(layer: Layer) -> None:
    """Count the scale and zero point of a quantized layer's output to its weight."""
    dtype = layer.sources["weight"][0][1].dtype
    if dtype.startswith("q"):
        _merge(layer, "weight", layer.shapes["weight"], ("weight", "scale", "zero_point"), dtype)


def _merge(layer: Layer, name: str, shape: Shape, parts: tuple[str, ...], note: str) -> None:
    sources = [source for part in parts for source in layer.sources.pop(part, [])]
    for part in parts:
        layer.shapes.pop(part, None)
    layer.shapes[name] = shape
    layer.sources[name] = sources
    _note(layer, note)


def _note(layer: Layer, note: str) -> None:
    if note not in layer.notes:
        layer.notes.append(note)
