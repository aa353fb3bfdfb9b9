"""Calls by which a pickle fetches or computes names, followed without running them.

Enters: the machine's state and a call whose function is no plain global. Leaves: the node that the
call would have given; what it fetches is recorded as an import of its own, so that a name counts as
the unpickler would resolve it. A call that cannot be followed leaves its watched name unsettled.
"""

from typing import TypeAlias

from ckptscope.facts.pickled import DictNode, GlobalRef, Instance, Naming, PersistentRef, SetNode
from ckptscope.pickles.state import NODE_COST, MachineState
from ckptscope.pickles.views import bytes_value, class_of, type_word
from ckptscope.pickles.watched import WATCHED, WatchedRef

#: Bound functions inside bound functions that are opened.
_DEEPEST = 16
#: A longer path is no name of anything.
_LONGEST_NAME = 1_000
#: What stands for a part of a name that the file does not tell.
HIDDEN = "?"
#: Functions that import the module whose name they are given.
_IMPORTERS = {
    ("builtins", "__import__"),
    ("__builtin__", "__import__"),
    ("importlib", "import_module"),
    ("importlib", "__import__"),
    ("importlib._bootstrap", "_gcd_import"),
    ("importlib._bootstrap", "__import__"),
}
#: Functions that fetch whatever a dotted path names: `package.module:attribute`.
_RESOLVERS = {
    ("pkgutil", "resolve_name"),
    ("pydoc", "locate"),
    ("torch._utils", "_import_dotted_name"),
}
#: Module of the functions that lay a tensor out, for which the rebuild function of a type is.
_REBUILDING = "torch._utils"
_GETTERS = {("operator", "attrgetter"), ("_operator", "attrgetter")}
_CALLERS = {("operator", "methodcaller"), ("_operator", "methodcaller")}
_PARTIAL = {("functools", "partial"), ("_functools", "partial")}
#: Singletons whose class has no name of its own.
_NAMELESS = {
    (module, name)
    for module in ("builtins", "__builtin__")
    for name in ("Ellipsis", "NotImplemented")
}

#: `__import__` gives the innermost package if it is asked for names of it, in its fourth argument.
_WITH_FROMLIST = 4
#: Functions and methods that fetch an item by its key.
_ITEM_GETTERS = {"getitem", "dict.get", "dict.__getitem__", "modules.get", "modules.__getitem__"}
_PLAIN_CLASSES: dict[type, str] = {
    str: "str",
    bytes: "bytes",
    int: "int",
    float: "float",
    bool: "bool",
    list: "list",
    tuple: "tuple",
    DictNode: "dict",
    SetNode: "set",
}

#: Module, and dotted path in it; the path of a module itself is empty.
_Path: TypeAlias = tuple[str, str]


def name_computed(state: MachineState, module: object, name: object) -> GlobalRef:
    """Name a global by operands of STACK_GLOBAL that are not both plain text.

    Raises:
        PickleFormatError: One of them can be no text, whatever runs; an unpickler stops here.
    """
    for part in (module, name):
        if not isinstance(part, str | Instance | GlobalRef | PersistentRef):
            raise state.fail(
                "expected two strings for STACK_GLOBAL, found "
                f"{type_word(module)} and {type_word(name)}"
            )
    found = state.text(module), state.text(name)
    naming = Naming.COMPUTED if all(found) else Naming.HIDDEN
    return state.name_global(found[0] or HIDDEN, found[1] or HIDDEN, "STACK_GLOBAL", naming)


def follow_call(
    state: MachineState, function: object, args: tuple[object, ...], kwargs: object, opcode: str
) -> object:
    """Return what calling a watched name, or the result of another call, would give.

    Raises:
        PickleFormatError: It is nothing that can be called.
    """
    if not isinstance(function, GlobalRef | Instance | PersistentRef):
        raise state.fail(f"expected something to call, found {type_word(function)}")
    state.spend(NODE_COST)
    if type(function) is WatchedRef:
        return _follow_watched(state, function, args, kwargs, opcode)
    instance = Instance(function, args, state.opcode_offset, kwargs)
    if type(function) is Instance:
        return _follow_result(state, instance, function, opcode)
    return instance


def _follow_watched(
    state: MachineState, ref: WatchedRef, args: tuple[object, ...], kwargs: object, opcode: str
) -> object:
    """Follow the call of a watched name; what cannot be followed leaves it unsettled."""
    instance = Instance(ref.plain, args, state.opcode_offset, kwargs)
    if kwargs is not None and not (type(kwargs) is DictNode and not kwargs.pairs):
        return instance
    kind = WATCHED[ref.module, ref.name]
    if kind in ("storage", "pickle"):
        if args and bytes_value(args[0]) is not None:
            # A function of pickle's own stays unsettled: nothing has to be pickled so.
            ref.followed += kind == "storage" and len(args) == 1 and not _may_change(args[0])
            state.payloads.append(instance)
        return instance
    if kind == "rebuild":
        _note_rebuilding(state, args, opcode)
        return instance
    if kind in ("type", "item"):
        ref.followed += _is_nameless(args) if kind == "type" else _is_annotation(args)
        return instance
    found = _path(state, instance, 0)
    if found is not None and found[1]:
        # Nothing pickles a name as a reduction: that stays unsettled, whatever it gives.
        ref.followed += kind in ("getattr", "named")
        return state.name_global(*found, opcode, Naming.LOOKED_UP)
    if kind == "getattr" and len(args) == 2:
        found = _attribute(_class_path(args[0]), state.text(args[1]))
        if found is not None:
            ref.followed += 1
            state.name_global(*found, opcode, Naming.LOOKED_UP)
    return instance


def _may_change(node: object) -> bool:
    """Whether bytes are copied out of a bytearray, which may change after the call."""
    for _ in range(_DEEPEST):
        if type(node) is not Instance or not isinstance(node.callable, GlobalRef):
            return False
        if node.callable.name == "bytearray" or not node.args:
            return True
        node = node.args[0]
    return True


def _note_rebuilding(state: MachineState, args: tuple[object, ...], opcode: str) -> None:
    """Record that attributes are set on what another function gives than those for tensors."""
    function = args[0] if args else None
    if isinstance(function, GlobalRef) and function.module != _REBUILDING:
        state.name_global(function.module, function.name, opcode, Naming.RESULT_CALLED)


def _is_nameless(args: tuple[object, ...]) -> bool:
    """Whether `type` is asked for the class of None or its like."""
    (node,) = args if len(args) == 1 else (False,)
    return node is None or (isinstance(node, GlobalRef) and (node.module, node.name) in _NAMELESS)


def _is_annotation(args: tuple[object, ...]) -> bool:
    return len(args) == 2 and isinstance(args[0], GlobalRef) and args[0].module == "typing"


def _follow_result(
    state: MachineState, instance: Instance, function: Instance, opcode: str
) -> object:
    """Follow the call of what another call gave."""
    found = _path(state, instance, 0)
    if found is not None and found[1]:
        return state.name_global(*found, opcode, Naming.LOOKED_UP)
    target = _method_called(state, function, instance.args)
    if target is not None:
        state.name_global(*target, opcode, Naming.LOOKED_UP)
        return instance
    root = _root(function)
    if root is None:
        state.name_global(HIDDEN, HIDDEN, opcode, Naming.HIDDEN)
    elif type(root) is Instance and isinstance(root.callable, GlobalRef):
        known = root.callable
        state.name_global(known.module, known.name, opcode, Naming.RESULT_CALLED)
    elif isinstance(root, GlobalRef) and WATCHED.get((root.module, root.name)) == "rebuild":
        state.name_global(root.module, root.name, opcode, Naming.RESULT_CALLED)
    return instance


def _root(function: Instance) -> Instance | GlobalRef | PersistentRef | None:
    """Return the call that gave a function, out of whatever it is bound in.

    A global that is merely bound to arguments is judged by its name, and so is a method that was
    looked up; None for what cannot be told.
    """
    inner: object = function
    for _ in range(_DEEPEST):
        if isinstance(inner, GlobalRef | PersistentRef):
            return inner
        if type(inner) is not Instance:
            return None
        owner = inner.callable
        if isinstance(owner, PersistentRef):
            return owner
        if not isinstance(owner, GlobalRef):
            inner = owner
        elif (owner.module, owner.name) in _PARTIAL:
            inner = _bound(inner)
        else:
            return inner
    return None


def _bound(partial: Instance) -> object:
    """Return the function that a `functools.partial` binds; its state counts last."""
    states = [partial.state, *(partial.more_states or [])]
    given = [one for one in states if type(one) is tuple and one]
    if given:
        return given[-1][0]
    return partial.args[0] if partial.args else None


def _path(state: MachineState, node: object, depth: int) -> _Path | None:
    """Return the path of a global, a module or an attribute of one; None if it is none."""
    if isinstance(node, GlobalRef):
        return node.module, node.name
    if type(node) is not Instance or depth > _DEEPEST:
        return None
    function, args = node.callable, node.args
    if isinstance(function, GlobalRef):
        return _fetched(state, (function.module, function.name), args, depth)
    if type(function) is Instance and isinstance(function.callable, GlobalRef):
        getter = function.callable
        single = len(function.args) == 1 and len(args) == 1
        if (getter.module, getter.name) in _GETTERS and single:
            owner = _path(state, args[0], depth + 1)
            return _attribute(owner, state.text(function.args[0]))
    return None


def _fetched(
    state: MachineState, known: tuple[str, str], args: tuple[object, ...], depth: int
) -> _Path | None:
    """Return the path of what a global function fetches; None if it fetches nothing."""
    kind = WATCHED.get(known)
    if kind == "getattr" and len(args) == 2:
        return _attribute(_path(state, args[0], depth + 1), state.text(args[1]))
    if kind == "reduce":
        return _reduced(state, args, depth)
    if kind == "named" and len(args) == 2:
        module = state.text(args[0])
        return _attribute((module, ""), state.text(args[1])) if module else None
    if known in _IMPORTERS and args:
        module = state.text(args[0])
        if module and known[1] == "__import__" and len(args) < _WITH_FROMLIST:
            module = module.partition(".")[0]
        return (module, "") if module else None
    if known in _RESOLVERS and args:
        module, _, name = (state.text(args[0]) or "").replace(":", ".").partition(".")
        return (module, name) if module else None
    if known[1] in _ITEM_GETTERS and args:
        owner, key = _owner_and_key(state, known, args, depth)
        if owner == ("sys", "modules") and key:
            return key, ""
        if owner is not None and owner[1].rpartition(".")[2] == "__builtins__" and key:
            return "builtins", key
    return None


def _owner_and_key(
    state: MachineState, known: tuple[str, str], args: tuple[object, ...], depth: int
) -> tuple[_Path | None, str | None]:
    """Return which namespace an item is fetched from, and its key."""
    head, _, _ = known[1].rpartition(".")
    if known[0] in ("builtins", "__builtin__", "operator", "_operator") and len(args) >= 2:
        return _path(state, args[0], depth + 1), state.text(args[1])
    return (known[0], head), state.text(args[0])


def _reduced(state: MachineState, args: tuple[object, ...], depth: int) -> _Path | None:
    """`reduce(getattr, [owner, name, name])`, or with the owner behind the list."""
    if len(args) not in (2, 3) or not isinstance(args[0], GlobalRef):
        return None
    if WATCHED.get((args[0].module, args[0].name)) != "getattr":
        return None
    parts = args[1]
    if type(parts) is not list and type(parts) is not tuple:
        return None
    if not 0 < len(parts) <= _DEEPEST:
        return None
    owner, names = (args[2], parts) if len(args) == 3 else (parts[0], parts[1:])
    found = _path(state, owner, depth + 1)
    for name in names:
        found = _attribute(found, state.text(name))
    return found


def _method_called(
    state: MachineState, function: Instance, args: tuple[object, ...]
) -> _Path | None:
    """`methodcaller("name", ...)(owner)`: the path of the method."""
    caller = function.callable
    if not isinstance(caller, GlobalRef) or (caller.module, caller.name) not in _CALLERS:
        return None
    if len(args) != 1 or not function.args:
        return None
    owner = _path(state, args[0], 0) or _class_path(args[0])
    return _attribute(owner, state.text(function.args[0]))


def _class_path(node: object) -> _Path | None:
    """Return the path of a value's class, as far as it has a name."""
    if type(node) is Instance:
        found = class_of(node)
        return (found.module, found.name) if found is not None else None
    name = _PLAIN_CLASSES.get(type(node))
    return ("builtins", name) if name is not None else None


def _attribute(owner: _Path | None, name: str | None) -> _Path | None:
    if owner is None or not name:
        return None
    path = f"{owner[1]}.{name}" if owner[1] else name
    return (owner[0], path) if len(path) <= _LONGEST_NAME else None
