"""One bounded walk over a graph: tensors into groups, everything else into a tree.

Enters: `Contents` and the rules that recognise tensors. Leaves: groups of named tensors,
optimizers, arrays, scalars, a tree without the tensors' lists. A part that two places share is
walked for each; the number of steps is bounded, and so is the depth.
"""

import msgspec

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import BytesRef, DictNode, GlobalRef, Instance, PersistentRef, SetNode
from ckptscope.facts.tensors import ArrayInfo, Scalar, TensorInfo, TreeNode
from ckptscope.pickles.numpy_rules import read_array, read_scalar
from ckptscope.pickles.persistent import parse_class_id
from ckptscope.pickles.torch_rules import NestedLoader, TensorRules
from ckptscope.pickles.views import (
    Pairs,
    attributes,
    bytes_value,
    class_name_of,
    class_of,
    key_text,
    mapping_pairs,
    plain_text,
    sequence_items,
)
from ckptscope.tensors.groups import Group, drop_repeated, join
from ckptscope.tensors.module_walk import is_module, is_script_module, walk_module
from ckptscope.tensors.optimizers import OptimizerDraft, read_optimizer
from ckptscope.tensors.sharding import with_storage_prefix

#: Entries of one container that stand in the tree; the rest is counted.
MOST_CHILDREN = 100
#: Nodes of the whole tree; beyond, containers are shown without their entries.
_MOST_TREE_NODES = 20_000
#: Scalars that make up the training record stand near the top.
_SCALAR_DEPTH = 3
_MOST_SCALARS = 256
_SCALAR_CHARACTERS = 200
#: Characters of one segment of a path; paths are copied at every level.
_SEGMENT_CHARACTERS = 1000
_PLAIN = (bool, int, float, str)
#: Module versions count changes of a module's format; torch is at 2.
_MOST_VERSION = 1 << 31


class Walker:
    """The state of one walk; `run` starts it."""

    def __init__(self, contents: Contents, limits: Limits) -> None:
        self.limits = limits
        self.contents = contents
        self.groups: list[Group] = []
        self.optimizers: list[OptimizerDraft] = []
        self.arrays: list[ArrayInfo] = []
        self.scalars: list[Scalar] = []
        self.findings: list[Finding] = []
        #: Contents nested in the pickle, by the prefix of their storage keys.
        self.nested: dict[str, Contents] = {}
        self.all_rules: list[TensorRules] = []
        self.rules = self._rules_for(contents, "")
        self._names: dict[int | str, str] = {}
        self._open: set[int] = set()
        self._versions: dict[int, dict[str, int]] = {}
        self._visited: set[int] = set()
        self._revisits = 0
        self._steps = 0
        self._tree_nodes = 0

    def run(self, root: object) -> TreeNode:
        """Walk the whole graph and return its tree."""
        tensor = self.tensor(root, "", "")
        if tensor is not None:
            self.groups.append(Group("", "single", [tensor]))
            return _tensor_node("", tensor)
        return self.visit(root, "", "", 0)

    def run_tables(self) -> TreeNode:
        """Take up what a header names: tables of tensors, arrays, plain values."""
        children = [
            self.visit(value, path.rpartition("/")[2], path, path.count("/") + 1)
            for path, value in self.contents.values
        ]
        for table in self.contents.tables:
            self.groups.append(Group(table.path, "header", list(table.tensors)))
            if table.path:
                children.append(
                    TreeNode(name=table.path, kind="state_dict", length=len(table.tensors))
                )
        for array in self.contents.arrays:
            self.arrays.append(array)
            children.append(
                TreeNode(name=array.path, kind="array", value=f"{array.dtype} {list(array.shape)}")
            )
        if not children and len(self.contents.tables) == 1:
            length = len(self.contents.tables[0].tensors)
            return TreeNode(name="", kind="state_dict", length=length)
        return TreeNode(
            name="",
            kind="dict",
            length=len(children),
            children=tuple(children[:MOST_CHILDREN]),
            left_out=max(len(children) - MOST_CHILDREN, 0),
        )

    def walk_inner(self, inner: Contents, prefix: str) -> list[Group]:
        """Walk contents that are a part of these; return their groups, storages prefixed."""
        self.nested[prefix] = inner
        outer_groups, self.groups = self.groups, []
        outer_contents, self.contents = self.contents, inner
        outer_rules, self.rules = self.rules, self._rules_for(inner, prefix)
        try:
            if inner.graph is not None:
                self.run(inner.graph.root)
                return self.groups
            self.run_tables()
            for group in self.groups:
                group.tensors = [with_storage_prefix(one, prefix) for one in group.tensors]
            return self.groups
        finally:
            self.groups, self.contents, self.rules = outer_groups, outer_contents, outer_rules

    def _rules_for(self, contents: Contents, prefix: str) -> TensorRules:
        def load(call: Instance, payload: bytes | BytesRef) -> NestedLoader:
            if contents.load_nested is None or contents.graph is None:
                raise ArtifactError("nested bytes cannot be read here")
            inner = contents.load_nested(call, payload)
            inner_prefix = f"{prefix}@{call.offset_bytes}/"
            self.nested[inner_prefix] = inner
            rules = self._rules_for(inner, inner_prefix)
            root = inner.graph.root if inner.graph is not None else None
            return NestedLoader(root, rules)

        rules = TensorRules(
            self.limits,
            external_tensors=contents.external_tensors,
            external_uses=contents.storage_uses,
            load_nested=load,
            storage_prefix=prefix,
        )
        self.all_rules.append(rules)
        return rules

    def step(self, count: int = 1) -> None:
        """Count steps of the walk.

        Raises:
            LimitError: The graph unfolds to more than may be walked.
        """
        self._steps += count
        if self._steps > self.limits.walk_steps:
            raise LimitError(
                "walk_steps",
                allowed=self.limits.walk_steps,
                actual=self._steps,
            )

    def tensor(self, node: object, key: str, path: str) -> TensorInfo | None:
        """Return the tensor at a node, marked as an alias if another name came first."""
        found = self.rules.read(node, key)
        if found is None:
            return None
        if len(key) > self.limits.key_characters:
            raise LimitError("key_characters", allowed=self.limits.key_characters, actual=len(key))
        if self.rules.gradients:
            self._take_gradients(path)
        name = join(path, key)
        # A persistent id names the same tensor wherever it is written.
        same = f"pid {node.pid}" if type(node) is PersistentRef else id(node)
        first = self._names.setdefault(same, name)
        if first != name:
            found = msgspec.structs.replace(found, alias_of=first)
        return found

    def _take_gradients(self, path: str) -> None:
        """Gradients that were saved with their parameters make a group of their own."""
        pending, self.rules.gradients = self.rules.gradients, []
        for key, node in pending:
            gradient = self.rules.read(node, key)
            if gradient is not None:
                self.groups.append(Group(path, "gradients", [gradient]))
        self.rules.gradients = []

    def visit(self, node: object, name: str, path: str, depth: int) -> TreeNode:
        """Walk a node that is no tensor and return its place in the tree."""
        self.step()
        self._tree_nodes += 1
        if node is None or isinstance(node, _PLAIN):
            return self._plain(node, name, path, depth)
        if isinstance(node, bytes | BytesRef):
            size = node.size_bytes if isinstance(node, BytesRef) else len(node)
            return TreeNode(name=name, kind="bytes", value=f"{size:,} bytes")
        if isinstance(node, GlobalRef):
            return TreeNode(name=name, kind="global", value=node.qualified)
        if type(node) is PersistentRef:
            return self._persistent(node, name, path)
        blocked = self.enter(node, name, path, depth)
        if blocked is not None:
            return blocked
        try:
            return self._container(node, name, path, depth)
        finally:
            self.leave(node)

    def enter(self, node: object, name: str, path: str, depth: int) -> TreeNode | None:
        """Step into a container; return what stands for one that must not be walked."""
        if id(node) in self._open:
            return TreeNode(name=name, kind="alias", value="a part of itself")
        if depth >= self.limits.tree_depth:
            self._too_deep(path)
            return TreeNode(name=name, kind="alias", value="not followed")
        self._count_revisit(id(node))
        self._open.add(id(node))
        return None

    def leave(self, node: object) -> None:
        """Step out of a container."""
        self._open.discard(id(node))

    def _count_revisit(self, identity: int) -> None:
        """Count a container that was walked before under another path."""
        if identity not in self._visited:
            self._visited.add(identity)
            return
        self._revisits += 1
        if self._revisits > self.limits.walk_revisits:
            raise LimitError(
                "walk_revisits",
                allowed=self.limits.walk_revisits,
                actual=self._revisits,
                advice="the pickle shares parts so that they multiply",
            )

    def _too_deep(self, path: str) -> None:
        self.findings.append(
            Finding(
                code=Code.NOT_READ,
                severity=Severity.ERROR,
                message=f"nested more than {self.limits.tree_depth} levels deep: not followed",
                where=Where(key=path[:200]),
            )
        )

    def _plain(self, node: object, name: str, path: str, depth: int) -> TreeNode:
        if isinstance(node, _PLAIN) and 0 < depth <= _SCALAR_DEPTH:
            self._record(path, node)
        return TreeNode(name=name, kind="value", value=plain_text(node))

    def _record(self, path: str, value: bool | int | float | str) -> None:
        short = type(value) is not str or len(value) <= _SCALAR_CHARACTERS
        huge = type(value) is int and value.bit_length() > 64
        if len(self.scalars) < _MOST_SCALARS and short and not huge:
            self.scalars.append(Scalar(path=path, value=value))

    def _persistent(self, node: PersistentRef, name: str, path: str) -> TreeNode:
        found = self.rules.storage_id(node)
        if found is not None:
            key = self.rules.storage_prefix + found.use.key
            self.rules.uses.setdefault(key, found.use)
            text = f"{found.class_name}, {found.use.elements:,} elements"
            return TreeNode(name=name, kind="storage", value=text)
        saved_class = parse_class_id(node.pid)
        if saved_class is not None:
            return TreeNode(name=name, kind="global", value=saved_class.qualified)
        if type(node.pid) is str and node.pid in self.contents.storages:
            return TreeNode(name=name, kind="storage", value=f"storage {node.pid}")
        self.findings.append(
            Finding(
                code=Code.PICKLE_PERSISTENT_ID,
                severity=Severity.ERROR,
                message=f"a persistent id that means nothing here: {short_pid(node.pid)}",
                where=Where(key=path[:200], offset_bytes=node.offset_bytes),
            )
        )
        return TreeNode(name=name, kind="storage", value="unknown")

    def _container(self, node: object, name: str, path: str, depth: int) -> TreeNode:
        if type(node) is Instance:
            return self._instance(node, name, path, depth)
        if type(node) is DictNode:
            return self.mapping(node.pairs, name, path, depth, kind="dict")
        if isinstance(node, list | tuple | SetNode):
            found = sequence_items(node)
            if found is not None:
                return self._sequence(found[0], found[1], name, path, depth)
        return TreeNode(name=name, kind="value", value=type(node).__name__)

    def _instance(self, node: Instance, name: str, path: str, depth: int) -> TreeNode:
        """An object: array, scalar, nested checkpoint, module, container, or any other."""
        special = self._special(node, name, path, depth)
        if special is not None:
            return special
        cls = class_of(node)
        class_name = class_name_of(node)
        pairs = mapping_pairs(node)
        if pairs is not None:
            versions = self._metadata_versions(node)
            kind = "dict" if cls is not None and cls.module in _PLAIN_MODULES else "instance"
            return self.mapping(
                pairs, name, path, depth, kind=kind, class_name=class_name, versions=versions
            )
        found = sequence_items(node)
        if found is not None:
            return self._sequence(found[0], found[1], name, path, depth, class_name=class_name)
        return self._object(node, name, path, depth, class_name)

    def _metadata_versions(self, node: Instance) -> dict[str, int] | None:
        """Read the `_metadata` that `nn.Module.state_dict` hangs on its OrderedDict."""
        for name, value in attributes(node):
            if name == "_metadata":
                known = self._versions.get(id(value))
                if known is None:
                    known = self._versions[id(value)] = self._module_versions(value)
                return known
        return None

    def _module_versions(self, metadata: object) -> dict[str, int]:
        versions: dict[str, int] = {}
        for module, entry in mapping_pairs(metadata) or []:
            for key, version in mapping_pairs(entry) or []:
                self.step()
                if key != "version" or type(version) is not int or type(module) is not str:
                    continue
                if 0 <= version < _MOST_VERSION:
                    versions[module] = version
        return versions

    def _special(self, node: Instance, name: str, path: str, depth: int) -> TreeNode | None:
        array = read_array(node, path)
        if array is not None:
            self.arrays.append(array)
            return TreeNode(name=name, kind="array", value=f"{array.dtype} {list(array.shape)}")
        scalar = read_scalar(node)
        if scalar is not None:
            if 0 < depth <= _SCALAR_DEPTH:
                self._record(path, scalar)
            return TreeNode(
                name=name, kind="value", value=plain_text(scalar), class_name=class_name_of(node)
            )
        if bytes_value(node) is not None:
            return TreeNode(name=name, kind="bytes", value="bytes")
        if is_module(node) or is_script_module(node):
            return walk_module(self, node, name, path, depth)
        return self._nested(node, name, path, depth)

    def _nested(self, node: Instance, name: str, path: str, depth: int) -> TreeNode | None:
        try:
            loaded = self.rules.nested(node)
        except ArtifactError as error:
            self.findings.append(
                Finding(
                    code=Code.PICKLE_REBUILD_ODD,
                    severity=Severity.ERROR,
                    message=f"a checkpoint inside the pickle cannot be read: {error}",
                    where=Where(key=path[:200], offset_bytes=node.offset_bytes),
                )
            )
            return None
        if loaded is None:
            return None
        outer, self.rules = self.rules, loaded.rules
        try:
            tensor = self.tensor(loaded.root, name, path.rpartition("/")[0])
            if tensor is not None:
                self.groups.append(Group(path, "single", [msgspec.structs.replace(tensor, key="")]))
                return _tensor_node(name, tensor)
            return self.visit(loaded.root, name, path, depth + 1)
        finally:
            self.rules = outer

    def mapping(
        self,
        pairs: Pairs,
        name: str,
        path: str,
        depth: int,
        *,
        kind: str,
        class_name: str | None = None,
        versions: dict[str, int] | None = None,
        source: str = "mapping",
    ) -> TreeNode:
        """Walk a mapping: its tensors become a group, the rest stands in the tree."""
        draft = read_optimizer(self, pairs, path)
        if draft is not None:
            self.optimizers.append(draft)
            self.groups.append(Group(path, "optimizer", draft.tensors))
            return TreeNode(name=name, kind="optimizer", length=len(pairs), class_name=class_name)
        group = Group(path, source, [], class_name=class_name, versions=versions)
        children: list[TreeNode] = []
        left_out = 0
        for key, value in pairs:
            self.step()
            text = key_text(key)
            tensor = self.tensor(value, text, path)
            if tensor is not None:
                group.tensors.append(tensor)
                continue
            group.others += 1
            below = join(path, text[:_SEGMENT_CHARACTERS])
            if self._room(children):
                children.append(self.visit(value, text, below, depth + 1))
            else:
                left_out += 1
                self.visit(value, text, below, depth + 1)
        if group.tensors:
            self.findings += drop_repeated(group)
            self.groups.append(group)
            if not group.others and source != "sequence":
                kind = "state_dict"
        return TreeNode(
            name=name,
            kind=kind,
            length=len(pairs),
            class_name=class_name,
            children=tuple(children),
            left_out=left_out,
        )

    def _room(self, children: list[TreeNode]) -> bool:
        return len(children) < MOST_CHILDREN and self._tree_nodes < _MOST_TREE_NODES

    def _sequence(
        self,
        kind: str,
        items: list[object],
        name: str,
        path: str,
        depth: int,
        class_name: str | None = None,
    ) -> TreeNode:
        self.step(len(items))
        if all(item is None or isinstance(item, _PLAIN) for item in items):
            return self._flat(kind, items, name, class_name)
        pairs: Pairs = [(str(index), item) for index, item in enumerate(items)]
        node = self.mapping(
            pairs, name, path, depth, kind=kind, class_name=class_name, source="sequence"
        )
        return node

    def _flat(self, kind: str, items: list[object], name: str, class_name: str | None) -> TreeNode:
        """A sequence of plain values is shown as a line."""
        shown = ", ".join(plain_text(item) for item in items[:8])
        more = f", ... {len(items) - 8:,} more" if len(items) > 8 else ""
        left, right = _BRACKETS.get(kind, ("[", "]"))
        return TreeNode(
            name=name,
            kind=kind,
            value=f"{left}{shown}{more}{right}",
            length=len(items),
            class_name=class_name,
        )

    def _object(
        self, node: Instance, name: str, path: str, depth: int, class_name: str
    ) -> TreeNode:
        """An instance of any class: its arguments and its attributes."""
        pairs: Pairs = [(f"args[{index}]", value) for index, value in enumerate(node.args)]
        found = class_of(node)
        if pairs and found is not None and pairs[0][1] is found:
            # copyreg's reconstructors repeat the class among the arguments.
            pairs = [pair for pair in pairs if not isinstance(pair[1], GlobalRef)]
        given = attributes(node)
        if not given and node.state is not msgspec.UNSET:
            given = [("state", node.state)]
        if node.kwargs is not None:
            given = [*(mapping_pairs(node.kwargs) or []), *given]
        if not given and all(value is None or isinstance(value, _PLAIN) for _, value in pairs):
            shown = ", ".join(plain_text(value) for _, value in pairs[:8])
            return TreeNode(name=name, kind="instance", class_name=class_name, value=f"({shown})")
        return self.mapping(
            [*pairs, *given],
            name,
            path,
            depth,
            kind="instance",
            class_name=class_name,
            source="attributes",
        )


_BRACKETS = {"tuple": ("(", ")"), "set": ("{", "}")}
#: Modules whose mappings count as plain dicts in the tree.
_PLAIN_MODULES = ("collections", "builtins", "__builtin__")


def short_pid(pid: object) -> str:
    """Show a persistent id in a line, without walking it."""
    if pid is None or isinstance(pid, _PLAIN):
        return plain_text(pid)
    if type(pid) is tuple:
        parts = (plain_text(p) if isinstance(p, _PLAIN) else type(p).__name__ for p in pid[:6])
        return f"({', '.join(parts)})"
    return type(pid).__name__


def _tensor_node(name: str, tensor: TensorInfo) -> TreeNode:
    return TreeNode(name=name, kind="tensor", value=f"{tensor.dtype} {list(tensor.shape)}")
