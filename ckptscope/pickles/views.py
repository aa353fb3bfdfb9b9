"""Ways to look at a node of the graph: as a mapping, a sequence, an object, a value.

Enters: a node. Leaves: its parts, unresolved and unwalked. Knows the constructors of Python's own
types, which pickles of different protocols spell in different ways.
"""

from msgspec import UNSET

from ckptscope.facts.pickled import BytesRef, DictNode, GlobalRef, Instance, PersistentRef, SetNode
from ckptscope.pickles.persistent import parse_class_id

Pairs = list[tuple[object, object]]

_MAPPINGS = {
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("builtins", "dict"),
    ("__builtin__", "dict"),
}
_SETS = ("set", "frozenset")
#: bytes(bytearray(...)) is as deep as picklers go.
_WRAPPED_BYTES = 4
_BUILTINS = ("builtins", "__builtin__")
#: Functions whose first argument is the class of the object that they make.
_RECONSTRUCTORS = {
    ("copy_reg", "_reconstructor"),
    ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"),
    ("copy_reg", "__newobj__"),
    ("copyreg", "__newobj_ex__"),
}
#: Functions that may give back what they are given, or stand for it: what is set there is set on
#: it. Names that are harmless otherwise; of no other name is such a call plain.
_HANDING_BACK = {
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "object_"),
    ("types", "GenericAlias"),
    ("torch._tensor", "_rebuild_from_type"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch.tensor", "_rebuild_from_type"),
    ("torch.jit._pickle", "build_intlist"),
    ("torch.jit._pickle", "build_tensorlist"),
    ("torch.jit._pickle", "build_doublelist"),
    ("torch.jit._pickle", "build_boollist"),
    ("torch.jit._pickle", "build_tensor_from_id"),
    ("torch.jit._pickle", "restore_type_tag"),
}
#: Bound functions inside bound functions that are opened.
_BOUND = 16
#: Length of a value that is worth showing in full.
_SHOWN_CHARACTERS = 120
_SHOWN_ITEMS = 12


def class_of(node: Instance) -> GlobalRef | None:
    """Return the class or function that an instance is of, as far as a name says."""
    function = node.callable
    if type(function) is GlobalRef:
        if (function.module, function.name) in _RECONSTRUCTORS and node.args:
            first = node.args[0]
            return first if type(first) is GlobalRef else function
        return function
    if type(function) is PersistentRef:
        return parse_class_id(function.pid)
    return None


def handed_back(node: Instance) -> GlobalRef | None:
    """Return the name that is changed with an object, whose call may only hand on what it got.

    None is returned for an object that is made anew.
    """
    function: object = node.callable
    args = node.args
    for _ in range(_BOUND):
        if type(function) is not Instance or class_of(function) is None:
            break
        # What `functools.partial` binds.
        args = (*function.args[1:], *args)
        function = function.args[0] if function.args else None
    if not isinstance(function, GlobalRef):
        return None
    known = function.module, function.name
    if known in _RECONSTRUCTORS:
        classes = args[: 2 if function.name == "_reconstructor" else 1]
        first = classes[0] if classes else None
        if not isinstance(first, GlobalRef) or not isinstance(classes[-1], GlobalRef):
            return function
        function, args = first, args[1:]
        known = first.module, first.name
    if known not in _HANDING_BACK:
        return None
    return next((one for one in args if isinstance(one, GlobalRef)), function)


def class_name_of(node: Instance) -> str:
    """Return the qualified name of an instance's class, or a word for what stands there."""
    found = class_of(node)
    if found is not None:
        return found.qualified
    return "a call of a call" if type(node.callable) is Instance else "an unnamed class"


def mapping_pairs(node: object) -> Pairs | None:
    """Return the pairs of a dict or of an instance that holds pairs, else None."""
    if type(node) is DictNode:
        return node.pairs
    if type(node) is not Instance:
        return None
    found = class_of(node)
    known = found is not None and (found.module, found.name) in _MAPPINGS
    if node.pairs is not None:
        return _given_pairs(node) + node.pairs if known else node.pairs
    return _given_pairs(node) if known else None


def _given_pairs(node: Instance) -> Pairs:
    """Pairs among the arguments: OrderedDict([[k, v], ...]) of Python 2, Counter({...})."""
    pairs: Pairs = []
    for argument in node.args:
        if type(argument) is DictNode:
            pairs += argument.pairs
        elif type(argument) is list:
            for item in argument:
                if type(item) in (list, tuple) and len(item) == 2:
                    pairs.append((item[0], item[1]))
    return pairs


def sequence_items(node: object) -> tuple[str, list[object]] | None:
    """Return the kind and the items of a list, tuple, set or deque, else None."""
    native = _native_items(node)
    if native is not None or type(node) is not Instance:
        return native
    found = class_of(node)
    given = _native_items(node.args[0]) if len(node.args) > 0 else None
    items = given[1] if given is not None else []
    if found is not None and len(node.args) == 1 and given is not None:
        if found.module in _BUILTINS and found.name in _SETS:
            return "set", items
        if (found.module, found.name) == ("torch", "Size"):
            return "tuple", items
    if found is not None and (found.module, found.name) == ("collections", "deque"):
        return "list", [*items, *(node.items or [])]
    return ("list", node.items) if node.items is not None else None


def _native_items(node: object) -> tuple[str, list[object]] | None:
    """Return the items of what the pickle itself spells as a container."""
    if type(node) is list:
        return "list", node
    if type(node) is tuple:
        return "tuple", list(node)
    if type(node) is SetNode:
        return "set", node.items
    return None


def attributes(node: Instance) -> Pairs:
    """Return the attributes that BUILD would have set, from a dict or a pair (dict, slots)."""
    pairs: Pairs = []
    for state in (node.state, *(node.more_states or [])):
        if state is UNSET:
            continue
        if type(state) is tuple and len(state) == 2:
            for part in state:
                pairs += mapping_pairs(part) or []
        else:
            pairs += mapping_pairs(state) or []
    if not pairs and len(node.args) == 1 and type(node.args[0]) is DictNode:
        # A class that is saved with its source hands its state to a function, among other things.
        for name, value in node.args[0].pairs:
            if name == "state":
                return mapping_pairs(value) or []
    return pairs


def attribute_map(node: Instance) -> dict[str, object]:
    """Return the attributes with text names; of two of one name the last counts."""
    return {name: value for name, value in attributes(node) if type(name) is str}


def bytes_value(node: object) -> bytes | BytesRef | None:
    """Return a byte string: itself, or text that `_codecs.encode` would turn back into bytes."""
    for _ in range(_WRAPPED_BYTES):
        if isinstance(node, bytes | BytesRef):
            return node
        if type(node) is not Instance or type(node.callable) is not GlobalRef:
            return None
        function, args = node.callable, node.args
        if function.qualified == "_codecs.encode":
            return _encoded(args)
        if function.module not in _BUILTINS or function.name not in ("bytes", "bytearray"):
            return None
        if node.items is not None or node.pairs is not None:
            # A bytearray that was changed since.
            return None
        if not args:
            return b""
        node = args[0]
    return None


def _encoded(args: tuple[object, ...]) -> bytes | None:
    """Apply `_codecs.encode(text, "latin1")`, by which protocol 2 spells bytes."""
    if len(args) != 2 or type(args[0]) is not str or args[1] not in ("latin1", "latin-1"):
        return None
    try:
        return args[0].encode("latin1")
    except UnicodeEncodeError:
        return None


def key_text(key: object) -> str:
    """Return the text of a mapping's key, as `str` would give it for plain values."""
    if type(key) is str:
        return key
    if key is None or isinstance(key, bool | int | float):
        return plain_text(key)
    if type(key) is bytes:
        return repr(key[:_SHOWN_CHARACTERS])
    if type(key) is tuple and len(key) <= _SHOWN_ITEMS and all(_is_scalar(part) for part in key):
        inner = ", ".join(plain_text(part) for part in key)
        return f"({inner},)" if len(key) == 1 else f"({inner})"
    if isinstance(key, GlobalRef):
        return key.qualified
    if type(key) is Instance:
        return f"<{class_name_of(key)}>"
    return f"<{type(key).__name__}>"


def short(node: object) -> str:
    """Show any node in a few words, without walking it."""
    if _is_scalar(node):
        return plain_text(node)
    if isinstance(node, GlobalRef):
        return node.qualified[:_SHOWN_CHARACTERS]
    if type(node) is tuple and len(node) <= _SHOWN_ITEMS and all(_is_scalar(p) for p in node):
        return f"({', '.join(plain_text(part) for part in node)})"
    return f"a {type(node).__name__}"


def type_word(node: object) -> str:
    """Say what a node is, in a word."""
    if isinstance(node, DictNode):
        return "dict"
    if isinstance(node, SetNode):
        return "set"
    if isinstance(node, GlobalRef):
        return f"the global {node.qualified!r:.200}"
    if isinstance(node, PersistentRef):
        return "an object outside the pickle"
    return type(node).__name__


def _is_scalar(node: object) -> bool:
    return node is None or isinstance(node, bool | int | float | str | bytes)


def plain_text(value: object) -> str:
    """Return a plain value as Python would write it, cut to a line; numbers of any size."""
    if type(value) is int and value.bit_length() > 4 * _SHOWN_CHARACTERS:
        return f"<integer of {value.bit_length():,} bits>"
    if isinstance(value, str | bytes) and len(value) > _SHOWN_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]!r}..."
    return repr(value)
