"""One function for each opcode that torch's restricted unpickler knows.

Enters: the registers, positioned behind the opcode's byte. Leaves: the registers changed as the
opcode says, with types in place of objects; or versions of torch that stop there.

Source: `torch/_weights_only_unpickler.py`, `Unpickler.load`, of the releases that `data/torch.json`
names; `persistent_load` of `torch/serialization.py`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ckptscope.checks.weights_only.rules import Named
from ckptscope.facts.weights_only import Because
from ckptscope.pickles.opcodes import Op

if TYPE_CHECKING:
    from ckptscope.checks.weights_only.restricted import Restricted

#: What a persistent id must have first.
_STORAGE: str = "str 'storage'"
_ORDERED = "collections.OrderedDict"
#: Types whose attributes every version sets.
_BUILT = frozenset({"torch.Tensor", "torch.nn.parameter.Parameter", _ORDERED})
#: Types whose items every version sets, ...
_MAPPINGS = frozenset({"dict", _ORDERED, "collections.Counter"})
#: ... and those that have any.
_WITH_ITEMS = frozenset({*_MAPPINGS, *_BUILT, "list", "builtins.bytearray"})
#: The type of what stands for a storage.
_TYPED_STORAGE = "torch.storage.TypedStorage"
#: Protocol whose pickles torch 2.4 and 2.5 read names of Python 2 from.
_PROTOCOL_OF_TORCH = 2

Handler: TypeAlias = "Callable[[Restricted], None]"


def type_word(found: object) -> str:
    """Say what stands on the stack, for a sentence."""
    if isinstance(found, Named):
        return f"{found.name} itself"
    if isinstance(found, tuple):
        return "a tuple"
    return f"a {str(found).removeprefix('builtins.').partition(' ')[0]}"


def is_called(stack: list[object]) -> bool:
    """Whether REDUCE would call a class or function of some list."""
    called = stack[-2] if len(stack) > 1 else None
    return type(called) is Named and called.kind != "values"


# Names, calls and objects


def _global(at: "Restricted") -> None:
    rules = at.rules
    module = at.ahead.line().decode("utf-8", "replace")
    name = at.ahead.line().decode("utf-8", "replace")
    today, spelled = rules.today(module, name), f"{module}.{name}"
    old = 0 if at.protocol == _PROTOCOL_OF_TORCH else ~rules.since("translates_always")
    named = rules.names.get(today)
    missing = ~named.versions if named is not None else rules.everyone
    if old and spelled != today:
        literal = rules.names.get(spelled)
        missing = missing & ~old | (old if literal is None else old & ~literal.versions)
        named = named or literal
    if missing:
        if today.rpartition(".")[0] in rules.blocked_modules:
            blocking = missing & rules.since("blocks_modules")
            sentence = f"{today!r:.200} is of a module that it blocks"
            at.refuse(Because.BLOCKED, today, sentence, blocking)
        module_needed = rules.once_imported.get(today)
        if module_needed is not None:
            sentence = f"{today} is on its list only once {module_needed} is imported"
            at.refuse(Because.UNIMPORTED, today, sentence, missing)
        at.refuse(Because.NAME, today, f"{today!r:.200} is not on its list", missing)
    at.stack.append(named)


def _reduce(at: "Restricted") -> None:
    at.stack.pop()
    called = at.stack[-1]
    if not isinstance(called, Named):
        at.refuse(Because.CALL, type_word(called), f"it calls nothing like {type_word(called)}")
    elif called.kind == "values":
        at.refuse(Because.CALL, called.name, f"{called.name} cannot be called")
    else:
        at.stack[-1] = called.makes


def _newobj(at: "Restricted") -> None:
    at.stack.pop()
    made = at.stack.pop()
    if not isinstance(made, Named) or made.kind != "classes":
        word = type_word(made)
        at.refuse(Because.OBJECT, word, f"it makes no objects of {word}")
        return
    if made.name != "torch.nn.parameter.Parameter":
        sentence = f"it makes no objects of {made.name}, only of torch.nn.Parameter"
        at.refuse(Because.OBJECT, made.name, sentence, ~at.rules.since("makes_objects"))
    at.stack.append(made.makes)


def _build(at: "Restricted") -> None:
    at.stack.pop()
    target = at.stack[-1]
    if isinstance(target, str) and target in _BUILT:
        return
    listed = at.rules.names.get(target) if isinstance(target, str) else None
    allowed = at.rules.since("builds_objects") & listed.versions if listed is not None else 0
    word = type_word(target)
    at.refuse(Because.STATE, word, f"it sets no attributes of {word}", ~allowed)


# Containers


def _append(at: "Restricted") -> None:
    at.stack.pop()
    _check_list(at)


def _appends(at: "Restricted") -> None:
    at.pop_mark()
    _check_list(at)


def _check_list(at: "Restricted") -> None:
    if at.stack[-1] != "list":
        word = type_word(at.stack[-1])
        at.refuse(Because.ITEMS, word, f"it appends to lists only, not to {word}")


def _setitem(at: "Restricted") -> None:
    del at.stack[-2:]
    _check_mapping(at)


def _setitems(at: "Restricted") -> None:
    at.pop_mark()
    _check_mapping(at)


def _check_mapping(at: "Restricted") -> None:
    target = at.stack[-1]
    if isinstance(target, str) and target in _MAPPINGS:
        return
    word = type_word(target)
    able = isinstance(target, str) and target in _WITH_ITEMS
    sentence = f"it sets items of dict, OrderedDict and Counter only, not of {word}"
    at.refuse(Because.ITEMS, word, sentence, at.rules.since("checks_items") if able else None)


def _mark(at: "Restricted") -> None:
    at.outer.append(at.stack)
    at.stack = []


def _tuple(at: "Restricted") -> None:
    items = at.pop_mark()
    at.stack.append(tuple(items))


def _tuple_of(length: int) -> Handler:
    def handler(at: "Restricted") -> None:
        if len(at.stack) < length:
            raise IndexError
        at.stack[-length:] = [tuple(at.stack[-length:])]

    return handler


# Plain values


def _binunicode(at: "Restricted") -> None:
    length = at.ahead.number()
    if length == len("storage"):
        at.stack.append(_STORAGE if at.ahead.take(length) == b"storage" else "str")
    else:
        at.ahead.skip(length)
        at.stack.append("str")


def _short_binstring(at: "Restricted") -> None:
    raw = at.ahead.take(at.ahead.byte())
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError:
        at.refuse(Because.TEXT, f"{raw[:20]!r}", f"the byte string {raw[:20]!r} is no UTF-8")
        return
    at.stack.append(_STORAGE if decoded == "storage" else "str")


def _long1(at: "Restricted") -> None:
    at.ahead.skip(at.ahead.byte())
    at.stack.append("int")


def _binpersid(at: "Restricted") -> None:
    pid = at.stack.pop()
    if not at.id_lengths:
        if pid not in ("str", _STORAGE):
            word = type_word(pid)
            at.refuse(Because.REFERENCE, word, f"it takes a text as reference, not {word}")
    elif not isinstance(pid, tuple) or not pid or pid[0] != _STORAGE:
        word = type_word(pid)
        at.refuse(Because.REFERENCE, word, "it follows references to storages only")
    elif len(pid) not in at.id_lengths:
        at.refuse(Because.REFERENCE, "a storage", "the reference to a storage has other parts")
    elif not isinstance(pid[1], Named) or pid[1].name not in at.storage_classes:
        word = type_word(pid[1])
        at.refuse(Because.REFERENCE, word, f"it cannot tell the type of the elements by {word}")
    at.stack.append(_TYPED_STORAGE)


# Memo and frame


def _binget(at: "Restricted") -> None:
    at.stack.append(at.memo[at.ahead.byte()])


def _long_binget(at: "Restricted") -> None:
    at.stack.append(at.memo[at.ahead.number()])


def _binput(at: "Restricted") -> None:
    at.memo[at.ahead.byte()] = at.stack[-1]


def _long_binput(at: "Restricted") -> None:
    at.memo[at.ahead.number()] = at.stack[-1]


def _proto(at: "Restricted") -> None:
    at.protocol = at.ahead.byte()


def _stop(at: "Restricted") -> None:
    at.stack.pop()
    at.ended = True


#: Byte → the type of what it pushes, and how many bytes of argument it has.
_PUSHING: dict[Op, tuple[object, int]] = {
    Op.EMPTY_TUPLE: ((), 0),
    Op.EMPTY_LIST: ("list", 0),
    Op.EMPTY_DICT: ("dict", 0),
    Op.EMPTY_SET: ("builtins.set", 0),
    Op.NONE: ("NoneType", 0),
    Op.NEWFALSE: ("bool", 0),
    Op.NEWTRUE: ("bool", 0),
    Op.BININT: ("int", 4),
    Op.BININT1: ("int", 1),
    Op.BININT2: ("int", 2),
    Op.BINFLOAT: ("float", 8),
}
#: Byte → what it does, for all others that torch's unpickler knows.
_WORKING: dict[Op, Handler] = {
    Op.GLOBAL: _global,
    Op.REDUCE: _reduce,
    Op.NEWOBJ: _newobj,
    Op.BUILD: _build,
    Op.APPEND: _append,
    Op.APPENDS: _appends,
    Op.SETITEM: _setitem,
    Op.SETITEMS: _setitems,
    Op.MARK: _mark,
    Op.TUPLE: _tuple,
    Op.TUPLE1: _tuple_of(1),
    Op.TUPLE2: _tuple_of(2),
    Op.TUPLE3: _tuple_of(3),
    Op.LONG1: _long1,
    Op.BINUNICODE: _binunicode,
    Op.SHORT_BINSTRING: _short_binstring,
    Op.BINPERSID: _binpersid,
    Op.BINGET: _binget,
    Op.LONG_BINGET: _long_binget,
    Op.BINPUT: _binput,
    Op.LONG_BINPUT: _long_binput,
    Op.PROTO: _proto,
    Op.STOP: _stop,
}
#: The same by plain numbers, which are found in half the time.
PUSHED = {int(op): pushed for op, pushed in _PUSHING.items()}
HANDLERS = {int(op): handler for op, handler in _WORKING.items()}
HANDLED = frozenset(op.name for op in (*_PUSHING, *_WORKING))
