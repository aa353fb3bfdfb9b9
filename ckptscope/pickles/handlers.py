"""One function for each opcode that the machine's loop does not handle itself.

Enters: the machine's state, positioned behind the opcode's byte. Leaves: the state changed as the
opcode says. `HANDLERS` maps the byte to the function; groups: containers, globals and calls, memo
and stack, framing; numbers, text and bytes are in `literals`.
"""

import struct

from msgspec import UNSET

from ckptscope.facts.pickled import (
    DictNode,
    GlobalRef,
    Instance,
    Naming,
    PersistentRef,
    SetNode,
)
from ckptscope.pickles.literals import LITERAL_HANDLERS, Handler, parse_int
from ckptscope.pickles.opcodes import Op
from ckptscope.pickles.state import NODE_COST, ONLY_PYTHON, MachineState
from ckptscope.pickles.views import handed_back, type_word
from ckptscope.pickles.watched import WatchedRef

#: Highest protocol that exists (PEP 574).
_HIGHEST_PROTOCOL = 5

_UNHASHABLE = (list, DictNode, bytearray)
_UINT8 = struct.Struct("<Q")


# Containers


def _empty_list(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.stack.append([])


def _empty_dict(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.stack.append(DictNode([]))


def _empty_set(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.stack.append(SetNode([]))


def _list(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.stack.append(state.pop_mark())


def _dict(state: MachineState) -> None:
    state.spend(NODE_COST)
    node = DictNode([])
    _set_items(state, node, state.pop_mark())
    state.stack.append(node)


def _frozenset(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.stack.append(SetNode(state.pop_mark(), True))


def _setitem(state: MachineState) -> None:
    value = state.pop()
    key = state.pop()
    _set_items(state, state.top(), [key, value])


def _setitems(state: MachineState) -> None:
    items = state.pop_mark()
    _set_items(state, state.top(), items)


def _set_items(state: MachineState, target: object, items: list[object]) -> None:
    if len(items) % 2:
        raise state.fail("expected pairs of key and value, found an odd number of items")
    flat = iter(items)
    pairs = list(zip(flat, flat, strict=True))
    if isinstance(target, DictNode):
        for key, _ in pairs:
            if isinstance(key, _UNHASHABLE) or (isinstance(key, SetNode) and not key.frozen):
                raise state.fail(f"expected a hashable key, found a {type_word(key)}")
        target.pairs.extend(pairs)
    elif isinstance(target, Instance):
        _note_change(state, target, "SETITEMS")
        if target.pairs is None:
            target.pairs = pairs
        else:
            target.pairs.extend(pairs)
    elif isinstance(target, GlobalRef | PersistentRef):
        state.odd(f"items are set on {type_word(target)}")
        _note_change(state, target, "SETITEMS")
    elif isinstance(target, list) and _could_replace(target, pairs):
        state.odd("items of a list are replaced")
        # What was computed of it before stays as it was, so nothing may be computed of it now.
        target.extend(PersistentRef(pair, state.opcode_offset) for pair in pairs)
    elif pairs:
        raise state.fail(f"expected a dict to set items in, found {type_word(target)}")


def _could_replace(target: list[object], pairs: list[tuple[object, object]]) -> bool:
    """Whether items of a list can be set: there are some, or a slice is."""
    return any(target or isinstance(key, Instance) for key, _ in pairs)


def _append(state: MachineState) -> None:
    value = state.pop()
    _extend(state, state.top(), [value])


def _appends(state: MachineState) -> None:
    items = state.pop_mark()
    _extend(state, state.top(), items)


def _extend(state: MachineState, target: object, items: list[object]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, Instance):
        _note_change(state, target, "APPENDS")
        if target.items is None:
            target.items = items
        else:
            target.items.extend(items)
    elif isinstance(target, GlobalRef | PersistentRef):
        state.odd(f"items are appended to {type_word(target)}")
        _note_change(state, target, "APPENDS")
    elif items:
        raise state.fail(f"expected a list to append to, found {type_word(target)}")


def _additems(state: MachineState) -> None:
    items = state.pop_mark()
    target = state.top()
    if isinstance(target, SetNode) and not target.frozen:
        target.items.extend(items)
    elif isinstance(target, Instance | GlobalRef):
        _extend(state, target, items)
    elif items:
        raise state.fail(f"expected a set to add to, found {type_word(target)}")


def _note_change(state: MachineState, target: object, opcode: str) -> None:
    """Record that what a name stands for is changed, for everybody who uses it later."""
    if type(target) is Instance:
        changed = handed_back(target)
    else:
        changed = target if isinstance(target, GlobalRef) else None
    if changed is not None:
        state.name_global(changed.module, changed.name, opcode, Naming.CHANGED)


# Globals and calls


def _decode_name(state: MachineState, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise state.fail(f"expected a name, found {raw[:40]!r}") from error


def _global(state: MachineState) -> None:
    module = _decode_name(state, state.line())
    name = _decode_name(state, state.line())
    state.stack.append(state.name_global(module, name, "GLOBAL"))


def _stack_global(state: MachineState) -> None:
    name = state.pop()
    module = state.pop()
    if type(module) is str and type(name) is str:
        state.stack.append(state.name_global(module, name, "STACK_GLOBAL"))
    else:
        state.stack.append(state.name_computed(module, name))


def _extension(length: int, opcode: str) -> Handler:
    def handler(state: MachineState) -> None:
        # Four bytes have a sign, fewer have none; CPython takes no number below 1.
        number = int.from_bytes(state.take(length), "little", signed=length == 4)
        if number < 1:
            raise state.fail(f"expected a number from 1 for {opcode}, found {number}")
        state.odd(f"{opcode} {number}: a class by its number in a registry outside the file")
        hidden = state.name_global("copyreg", f"extension {number}", opcode, Naming.HIDDEN)
        state.stack.append(hidden)

    return handler


def _inst(state: MachineState) -> None:
    module = _decode_name(state, state.line())
    name = _decode_name(state, state.line())
    args = tuple(state.pop_mark())
    _call(state, "INST", state.name_global(module, name, "INST"), args)


def _obj(state: MachineState) -> None:
    items = state.pop_mark()
    if not items:
        raise state.fail("expected a class for OBJ, found nothing")
    _call(state, "OBJ", items[0], tuple(items[1:]))


def _reduce(state: MachineState) -> None:
    args = state.pop()
    _call(state, "REDUCE", state.pop(), args)


def _newobj(state: MachineState) -> None:
    args = state.pop()
    _call(state, "NEWOBJ", state.pop(), args)


def _newobj_ex(state: MachineState) -> None:
    kwargs = state.pop()
    args = state.pop()
    _call(state, "NEWOBJ_EX", state.pop(), args, kwargs)


def _call(
    state: MachineState, opcode: str, function: object, args: object, kwargs: object = None
) -> None:
    if type(args) is not tuple:
        args = state.unpacked(args)
    if type(function) is GlobalRef:
        state.spend(NODE_COST)
        state.stack.append(Instance(function, args, state.opcode_offset, kwargs))
    else:
        state.stack.append(state.follow_call(function, args, kwargs, opcode))


def _build(state: MachineState) -> None:
    value = state.pop()
    target = state.top()
    if isinstance(target, Instance):
        _note_change(state, target, "BUILD")
        if target.state is not UNSET:
            if target.more_states is None:
                target.more_states = []
            target.more_states.append(value)
        else:
            target.state = value
    elif isinstance(target, GlobalRef | PersistentRef):
        state.odd(f"BUILD changes {type_word(target)}")
        _note_change(state, target, "BUILD")
    elif _sets_something(value):
        raise state.fail(f"expected an instance for BUILD, found {type_word(target)}")
    else:
        reads = "" if value is None or isinstance(value, tuple) else f"{ONLY_PYTHON}: "
        state.odd(f"{reads}BUILD sets nothing on a {type_word(target)}")


def _sets_something(value: object) -> bool:
    """Whether a state of BUILD sets anything for certain; nothing can be set on any value."""
    if type(value) is tuple and len(value) == 2:
        return any(map(_sets_something, value))
    if isinstance(value, DictNode):
        return bool(value.pairs)
    return not isinstance(value, Instance | PersistentRef) and bool(value)


def _persid(state: MachineState) -> None:
    state.spend(NODE_COST)
    pid = _decode_name(state, state.line())
    state.stack.append(state.refer(pid))


def _binpersid(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.stack.append(state.refer(state.pop()))


def _next_buffer(state: MachineState) -> None:
    state.spend(NODE_COST)
    state.odd("NEXT_BUFFER: bytes that were kept outside the pickle")
    state.stack.append(state.refer("next buffer"))


# Memo and stack


def _put(state: MachineState) -> None:
    index = parse_int(state, state.line())
    if index < 0:
        raise state.fail(f"expected a memo index, found {index}")
    state.memo[index] = state.top()


def _get(state: MachineState) -> None:
    index = parse_int(state, state.line())
    if index not in state.memo:
        raise state.fail(f"memo has no entry {index}")
    state.stack.append(state.memo[index])


def _memoize(state: MachineState) -> None:
    state.memo[len(state.memo)] = state.top()


def _pop(state: MachineState) -> None:
    if len(state.stack) > state.fence:
        state.stack.pop()
    else:
        state.pop_mark()


def _pop_mark(state: MachineState) -> None:
    state.pop_mark()


def _dup(state: MachineState) -> None:
    node = state.top()
    if type(node) is WatchedRef:
        node.pushes += 1
    state.stack.append(node)


# Framing


def _proto(state: MachineState) -> None:
    state.protocol = state.take(1)[0]
    if state.protocol > _HIGHEST_PROTOCOL:
        raise state.fail(f"expected protocol 0 to 5, found {state.protocol}")


def _frame(state: MachineState) -> None:
    length = _UINT8.unpack(state.take(8))[0]
    left = state.end - state.base - state.position
    if length > left:
        raise state.fail(f"expected a frame of {length:,} bytes, found {left:,}")


def _nothing(state: MachineState) -> None:
    """READONLY_BUFFER: changes no content."""


#: Byte → function, for every opcode but STOP, which ends the loop.
HANDLERS: dict[int, Handler] = {
    **LITERAL_HANDLERS,
    Op.EMPTY_LIST: _empty_list,
    Op.EMPTY_DICT: _empty_dict,
    Op.EMPTY_SET: _empty_set,
    Op.LIST: _list,
    Op.DICT: _dict,
    Op.FROZENSET: _frozenset,
    Op.SETITEM: _setitem,
    Op.SETITEMS: _setitems,
    Op.APPEND: _append,
    Op.APPENDS: _appends,
    Op.ADDITEMS: _additems,
    Op.GLOBAL: _global,
    Op.STACK_GLOBAL: _stack_global,
    Op.EXT1: _extension(1, "EXT1"),
    Op.EXT2: _extension(2, "EXT2"),
    Op.EXT4: _extension(4, "EXT4"),
    Op.INST: _inst,
    Op.OBJ: _obj,
    Op.REDUCE: _reduce,
    Op.NEWOBJ: _newobj,
    Op.NEWOBJ_EX: _newobj_ex,
    Op.BUILD: _build,
    Op.PERSID: _persid,
    Op.BINPERSID: _binpersid,
    Op.NEXT_BUFFER: _next_buffer,
    Op.READONLY_BUFFER: _nothing,
    Op.PUT: _put,
    Op.GET: _get,
    Op.MEMOIZE: _memoize,
    Op.POP: _pop,
    Op.POP_MARK: _pop_mark,
    Op.DUP: _dup,
    Op.PROTO: _proto,
    Op.FRAME: _frame,
}
