"""Names and shapes → the tree of modules, each with its kind and what that rests on.

Enters: a `StateDict`, and the checkpoint's tree, whose pickled modules name their classes. Leaves:
a `ModuleNode` for the network. Every tensor stands in exactly one node, so that all sums add up.

The stations: `module_drafts` takes keys apart, `module_kinds` tries the known layers in turn (with
`module_convolutions`, `module_norms`, `module_matrices`, `module_recurrent`), `module_classes`
knows what the file says itself.
"""

from collections.abc import Sequence

import msgspec

from ckptscope.facts.dtypes import storage_bytes
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.tensors import Kind, Origin, StateDict, TensorInfo, TreeNode
from ckptscope.tensors.module_classes import find_module, settings_of, short_class, submodules
from ckptscope.tensors.module_drafts import Draft, collect_layers, draft_modules
from ckptscope.tensors.module_kinds import meaning_of, recognise, recognise_block
from ckptscope.tensors.module_layers import Guess, Surroundings, sizes_text

_CLASS_NAMED = "the file names its class"
_NO_CLASS = "no tensors of its own: the class is in the code alone"
_NO_LAYER = "its tensors are those of no layer that is known"
_HOLDS_MORE = "; it holds more than such a layer does"


def build_module_tree(state_dict: StateDict, tree: TreeNode | None = None) -> ModuleNode:
    """Build the tree of modules of a state_dict.

    Args:
        state_dict: Names and shapes.
        tree: The manifest's tree; where it holds the module that the state_dict is of, classes are
            observed, and modules without tensors stand in the result too.
    """
    root = draft_modules(state_dict)
    node = find_module(tree, state_dict) if tree is not None else None
    layers = collect_layers(root)
    if node is not None:
        _take_settings(root, node)
    return _Assembly(Surroundings(layers)).module(root, node)


def _take_settings(draft: Draft, node: TreeNode) -> None:
    """Tell layers the numbers that pickled modules have as attributes."""
    if draft.layer is not None:
        draft.layer.settings = settings_of(node)
    below = submodules(node)
    for name, child in draft.children.items():
        if name in below:
            _take_settings(child, below[name])


class _Sums(msgspec.Struct):
    """Running totals of a module."""

    tensor_count: int = 0
    parameters: int = 0
    buffers: int = 0
    size_bytes: int = 0

    def add_tensor(self, tensor: TensorInfo) -> None:
        elements = tensor.elements
        self.tensor_count += 1
        if tensor.kind is Kind.PARAMETER:
            self.parameters += elements
        else:
            self.buffers += elements
        if tensor.alias_of is None:
            self.size_bytes += storage_bytes(elements, tensor.dtype) or 0

    def add_node(self, node: ModuleNode) -> None:
        self.tensor_count += node.tensor_count
        self.parameters += node.parameters
        self.buffers += node.buffers
        self.size_bytes += node.size_bytes


class _Assembly:
    """Turns drafts into nodes."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def module(self, draft: Draft, node: TreeNode | None) -> ModuleNode:
        """Return the node of a module with all below it."""
        guess, claimed, loose = self._recognise(draft)
        children = [_bare(draft, name, tensor) for name, tensor in loose]
        children += self._children(draft, node)
        sums = _Sums()
        for tensor in claimed:
            sums.add_tensor(tensor)
        for child in children:
            sums.add_node(child)
        kind, detail, origin, reason = _statement(draft, guess, node, loose=bool(loose))
        open_alternatives = guess is not None and origin is not Origin.OBSERVED
        return ModuleNode(
            name=draft.name,
            path=draft.path,
            kind=kind,
            detail=detail,
            origin=origin,
            reason=reason,
            alternatives=guess.alternatives if guess is not None and open_alternatives else (),
            tensors=tuple(tensor.key for tensor in claimed),
            tensor_count=sums.tensor_count,
            parameters=sums.parameters,
            buffers=sums.buffers,
            size_bytes=sums.size_bytes,
            children=tuple(children),
        )

    def _recognise(
        self, draft: Draft
    ) -> tuple[Guess | None, list[TensorInfo], list[tuple[str, TensorInfo]]]:
        """Return what a module is, the tensors that make it up, and those that do not."""
        layer = draft.layer
        if layer is None:
            below = {
                name: child.layer.shapes if child.layer is not None else {}
                for name, child in draft.children.items()
            }
            return recognise_block(below), [], []
        guess = recognise(layer, self._around)
        claims = guess.claims if guess is not None else ()
        claimed = [tensor for name in claims for _, tensor in layer.sources[name]]
        loose: list[tuple[str, TensorInfo]] = []
        if len(claims) < len(layer.sources):
            known = frozenset(claims)
            for name, sources in layer.sources.items():
                loose += sources if name not in known else []
        return guess, claimed, loose

    def _children(self, draft: Draft, node: TreeNode | None) -> list[ModuleNode]:
        """Return the sub-modules in the order of the file."""
        named = submodules(node) if node is not None else {}
        held = {name: one for name, one in draft.children.items() if name not in draft.absorbed}
        children = []
        for name in dict.fromkeys((*named, *held)):
            child = held.get(name)
            if child is not None:
                children.append(self.module(child, named.get(name)))
            elif name not in draft.absorbed:
                path = f"{draft.path}.{name}" if draft.path else name
                children.append(_weightless(named[name], path))
        return children


def _statement(
    draft: Draft, guess: Guess | None, node: TreeNode | None, *, loose: bool
) -> tuple[str, str, Origin, str]:
    """Return kind, detail, origin and reason."""
    notes = draft.layer.notes if draft.layer is not None and guess is not None else []
    named = short_class(node) if node is not None else ""
    if named:
        detail = _detail_as(named, guess)
        return named, _noted(detail, notes), Origin.OBSERVED, _CLASS_NAMED
    if guess is None:
        reason = _NO_LAYER if draft.tensors else _NO_CLASS
        return "", "", Origin.UNDETERMINED, reason
    origin, reason = guess.origin, guess.reason
    unexpected = draft.children.keys() - {*guess.expects, *draft.absorbed}
    if loose or unexpected:
        reason += _HOLDS_MORE
        if origin in (Origin.OBSERVED, Origin.DERIVED):
            origin = Origin.ASSUMED
    return guess.kind, _noted(guess.detail, notes), origin, reason


def _detail_as(named: str, guess: Guess | None) -> str:
    """Return the sizes of a layer whose class is known; as another kind they may read otherwise."""
    if guess is None:
        return ""
    if guess.kind != named:
        for reading in guess.alternatives:
            if reading.kind == named:
                return reading.detail or guess.detail
    return guess.detail


def _noted(detail: str, notes: Sequence[str]) -> str:
    return ", ".join((detail, *notes)) if detail else ", ".join(notes)


def _bare(draft: Draft, name: str, tensor: TensorInfo) -> ModuleNode:
    """Return the node of a tensor that belongs to no layer."""
    sums = _Sums()
    sums.add_tensor(tensor)
    return ModuleNode(
        name=name,
        path=f"{draft.path}.{name}" if draft.path else name,
        kind=str(tensor.kind),
        detail=sizes_text(tensor.shape) or "scalar",
        origin=tensor.kind_origin,
        reason=meaning_of(name),
        tensors=(tensor.key,),
        tensor_count=1,
        parameters=sums.parameters,
        buffers=sums.buffers,
        size_bytes=sums.size_bytes,
    )


def _weightless(node: TreeNode, path: str) -> ModuleNode:
    """Return the node of a pickled module that holds no tensors, nor does any below it."""
    return ModuleNode(
        name=node.name,
        path=path,
        kind=short_class(node),
        origin=Origin.OBSERVED if node.class_name else Origin.UNDETERMINED,
        reason=_CLASS_NAMED if node.class_name else _NO_CLASS,
        children=tuple(
            _weightless(child, f"{path}.{name}") for name, child in submodules(node).items()
        ),
    )
