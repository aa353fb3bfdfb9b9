"""A checkpoint → what `torch.load(weights_only=True)` says of it, by version.

Enters: a checkpoint that is laid open, and its manifest. Leaves: `WeightsOnly`, or None for what
torch.load is not meant to read: safetensors, numpy, sharded and distributed checkpoints, ...

The pickle is played through, opcode by opcode (`restricted`). A report that has to be quick does so
only if it is not of the usual kind by what was noted when it was traced: protocol 2, names that
every version has on its list, opcodes that every version knows, nothing odd. What torch.load does
after unpickling, such as reading storages, is not forecast.

Source: `torch/serialization.py`, `load` and `_legacy_load`, of the releases that `data/torch.json`
names.
"""

from collections.abc import Iterable

import msgspec

from ckptscope.checks.weights_only.rules import Rules, load_rules
from ckptscope.containers import Contents
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code
from ckptscope.facts.pickled import Naming, PickleGraph
from ckptscope.facts.tensors import Manifest, TreeNode
from ckptscope.facts.weights_only import Because, Obstacle, VersionVerdict, WeightsOnly
from ckptscope.pickles.opcodes import Op

#: What a file must start with for torch.load to take it for an archive (`_is_zipfile`).
_ZIP_START = b"PK\x03\x04"
#: Member by which torch.load tells a TorchScript archive (`_is_torchscript_zip`).
_SCRIPT_MEMBER = "constants.pkl"
_SCRIPT = "TorchScript"
#: Opcodes that every version knows, and that still need a look at what they work on.
_LOOKED_AT = frozenset({int(Op.NEWOBJ), int(Op.SHORT_BINSTRING)})
#: Parts of the persistent id of a storage in an archive, and in a legacy stream.
_IN_ARCHIVE, _IN_STREAM = (5,), (6,)
#: Class of a storage of bytes; a legacy stream has no way to say what they are.
_UNTYPED = "torch.storage.UntypedStorage"
#: Names that are listed of one file.
_MOST_UNLISTED = 1000
_JUDGED = frozenset(
    {
        ContainerKind.TORCH_ZIP,
        ContainerKind.DIRECTORY,
        ContainerKind.TORCHSCRIPT,
        ContainerKind.LEGACY_STREAM,
        ContainerKind.LEGACY_TAR,
        ContainerKind.PICKLE,
    }
)
_Obstacles = list[tuple[int, Obstacle]]
#: Bytes that no version of torch.load finds, with weights_only or without.
_CUT_OFF = frozenset({Code.ARCHIVE_TRUNCATED, Code.STORAGE_MISSING})
_CUT = Obstacle(
    because=Because.CONTAINER, subject="cut off", sentence="bytes of its storages are missing"
)


def forecast_weights_only(
    contents: Contents, manifest: Manifest, *, quick: bool = False
) -> WeightsOnly | None:
    """Say which versions of torch accept a checkpoint, and what stops the others.

    Args:
        contents: The checkpoint, whose file is open.
        manifest: Its manifest.
        quick: Whether to leave out playing through pickles that look like every other: they can be
            refused only for calling or changing what no pickler calls or changes.

    Raises:
        LimitError: A compressed pickle would have to be unpacked once more, and may not be.
    """
    kind = contents.containers[-1]
    if kind not in _JUDGED or contents.graph is None:
        return None
    rules = load_rules()
    standing, obstacles = _before_unpickling(contents, rules)
    if standing and any(one.code in _CUT_OFF for one in manifest.findings):
        obstacles.append((standing, _CUT))
        standing = 0
    graphs = _graphs(contents)
    if standing and not (quick and _is_plain(graphs, manifest, rules)):
        obstacles += _play_through(contents, rules, standing)
    verdicts = _verdicts(rules, obstacles)
    answer = WeightsOnly(
        verdicts=verdicts,
        default_since=rules.starts["default"],
        wrapped=bool(contents.location) or len(contents.containers) > 1 or kind == "directory",
    )
    return answer if not obstacles else _explained(answer, graphs, manifest, rules)


def _before_unpickling(contents: Contents, rules: Rules) -> tuple[int, _Obstacles]:
    """Return the versions that come to unpickle the file, and what keeps the others from it."""
    kind = contents.containers[-1]
    refusing, subject, sentence = 0, "", ""
    if kind is ContainerKind.PICKLE:
        refusing, subject = rules.everyone, "pickle"
        sentence = "it reads what torch.save wrote, no bare pickles"
    elif kind is ContainerKind.LEGACY_TAR and not _has_tensors(contents):
        refusing, subject = rules.everyone, "legacy tar"
        sentence = "it takes a legacy tar only with its member 'tensors'"
    elif kind is ContainerKind.LEGACY_TAR:
        refusing, subject = rules.since("refuses_tar"), "legacy tar"
        sentence = "it refuses the tar files of torch before 0.1.10"
    elif _is_script(contents):
        # Versions before hand such a file to torch.jit.load, which does not unpickle it.
        obstacle = Obstacle(
            because=Because.CONTAINER,
            subject=_SCRIPT,
            sentence="it refuses TorchScript archives",
        )
        return 0, [(rules.since("refuses_script"), obstacle)]
    elif kind is ContainerKind.TORCH_ZIP and contents.source.peek(0, 4) != _ZIP_START:
        refusing, subject = rules.everyone, "prefixed"
        sentence = "it takes a file for an archive only if it starts as one"
    if not refusing:
        return rules.everyone, []
    obstacle = Obstacle(because=Because.CONTAINER, subject=subject, sentence=sentence)
    return rules.everyone & ~refusing, [(refusing, obstacle)]


def _has_tensors(contents: Contents) -> bool:
    return not contents.archives or "tensors" in contents.archives[-1].entries


def _is_script(contents: Contents) -> bool:
    main = contents.graph.member if contents.graph is not None else None
    root = (main or "").removesuffix("data.pkl")
    return any(one.member == root + _SCRIPT_MEMBER for one in contents.further_graphs)


def _graphs(contents: Contents) -> tuple[PickleGraph, ...]:
    """Return the pickles that torch.load would read."""
    if contents.graph is None:
        return ()
    in_a_row = contents.containers[-1] in (ContainerKind.LEGACY_STREAM, ContainerKind.LEGACY_TAR)
    return (contents.graph, *contents.further_graphs) if in_a_row else (contents.graph,)


def _is_plain(graphs: Iterable[PickleGraph], manifest: Manifest, rules: Rules) -> bool:
    """Whether every version accepts these pickles, by what was noted when they were traced."""
    # Names that are computed, or tensors that cannot be rebuilt, need a closer look.
    if any(one.code.startswith("PKL") for one in manifest.findings):
        return False
    known = frozenset(int(Op[name]) for name in rules.opcodes) - _LOOKED_AT
    lengths = _id_lengths(manifest.containers[-1])
    untyped = _UNTYPED if lengths == _IN_STREAM else ""
    for graph in graphs:
        if not all(_is_storage(one.pid, lengths) for one in graph.persistent):
            return False
        if graph.protocol != 2 or not graph.opcodes <= known or graph.oddities:
            return False
        for one in graph.imports:
            named = rules.names.get(f"{one.module}.{one.name}")
            if named is None or named.versions != rules.everyone or named.name == untyped:
                return False
    return True


def _id_lengths(kind: ContainerKind) -> tuple[int, ...]:
    """Return how many parts the persistent id of a storage may have."""
    if kind is ContainerKind.LEGACY_TAR:
        return ()
    return _IN_STREAM if kind is ContainerKind.LEGACY_STREAM else _IN_ARCHIVE


def _storage_classes(kind: ContainerKind, rules: Rules) -> frozenset[str]:
    """Return what may stand in a persistent id for the type of the elements."""
    typed = {name for name, one in rules.names.items() if one.kind == "values"}
    return frozenset(name for name in typed if name.endswith("Storage")) | (
        frozenset() if kind is ContainerKind.LEGACY_STREAM else {_UNTYPED}
    )


def _is_storage(pid: object, lengths: tuple[int, ...]) -> bool:
    return type(pid) is tuple and len(pid) in lengths and pid[0] == "storage"


def _play_through(contents: Contents, rules: Rules, standing: int) -> _Obstacles:
    """Ask the versions that are left, opcode by opcode."""
    # Only for pickles that are not of the usual kind.
    from ckptscope.checks.weights_only.restricted import Restricted  # noqa: PLC0415

    member = contents.graph.member if contents.graph is not None else None
    kind = contents.containers[-1]
    source = contents.open_pickle() if contents.open_pickle is not None else contents.source
    obstacles: _Obstacles = []
    start = 0
    # In a stream: magic number, protocol, system, object, keys.
    for _ in range(5 if kind is ContainerKind.LEGACY_STREAM else 1):
        reading = Restricted(
            source,
            rules,
            standing,
            start=start,
            member=member,
            id_lengths=_id_lengths(kind),
            storage_classes=_storage_classes(kind, rules),
        )
        reading.read()
        obstacles += reading.obstacles
        start, standing = reading.ahead.offset_bytes, reading.standing
        if not standing:
            break
    return obstacles


def _verdicts(rules: Rules, obstacles: _Obstacles) -> tuple[VersionVerdict, ...]:
    """Put versions in a row that say the same together."""
    verdicts: list[VersionVerdict] = []
    for index, version in enumerate(rules.versions):
        found = next((one for versions, one in obstacles if versions >> index & 1), None)
        joins = bool(verdicts) and verdicts[-1].obstacle == found
        first = verdicts.pop().first if joins else version
        verdicts.append(VersionVerdict(first=first, last=version, obstacle=found))
    return tuple(verdicts)


def _explained(
    answer: WeightsOnly, graphs: Iterable[PickleGraph], manifest: Manifest, rules: Rules
) -> WeightsOnly:
    """Add every name that is not on the newest list, and what to change."""
    from ckptscope.checks.weights_only.remedies import advise  # noqa: PLC0415

    stop = answer.obstacle
    if stop is not None and stop.subject != _SCRIPT:
        answer = msgspec.structs.replace(answer, unlisted=tuple(_unlisted(graphs, rules)))
    advice = advise(answer, _module_classes(manifest.tree))
    return msgspec.structs.replace(answer, advice=advice)


def _unlisted(graphs: Iterable[PickleGraph], rules: Rules) -> list[str]:
    newest = 1 << (len(rules.versions) - 1)
    names: dict[str, None] = {}
    for graph in graphs:
        for one in graph.imports:
            today = rules.today(one.module, one.name)
            named = rules.names.get(today)
            if one.naming is Naming.SPELLED and (named is None or not named.versions & newest):
                names[today] = None
                if len(names) >= _MOST_UNLISTED:
                    return list(names)
    return list(names)


def _module_classes(tree: TreeNode) -> frozenset[str]:
    """Return the classes of networks that were saved as objects."""
    classes = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node.kind == "module" and node.class_name is not None:
            classes.add(node.class_name)
        waiting += node.children
    return frozenset(classes)
