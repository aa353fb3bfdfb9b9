"""The pickle machine: opcodes in, an inert graph out.

Enters: a source and where the pickle starts. Leaves: a `PickleGraph`. The loop below handles the
dozen opcodes that make up a pickle of tensors itself and hands all others to `handlers`. It is
longer and more branched than our style allows elsewhere, for speed: a checkpoint of 100,000
tensors runs through it three million times, and a function call for each would double the time.
The branches stand in the order of frequency in such a file; where LONG_BINPUT
nearly always follows, it is taken along. Memory is checked once for each MiB read; within it, the
branches only count.

Source: CPython's `Lib/pickle.py` (semantics of every opcode) and PEP 307, 3154, 574.
"""

import struct

from ckptscope.errors import ArtifactError, PickleFormatError
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import GlobalRef, Instance, PersistentRef, PickleGraph
from ckptscope.pickles.handlers import HANDLERS
from ckptscope.pickles.literals import push_text
from ckptscope.pickles.remains import Remains
from ckptscope.pickles.state import (
    LONGEST_FIXED_OPCODE,
    NODE_COST,
    NUMBER_COST,
    TEXT_COST,
    TUPLE_COST,
    MachineState,
)
from ckptscope.sources.base import ByteSource

_INT4 = struct.Struct("<i").unpack_from
_UINT4 = struct.Struct("<I").unpack_from
_UINT2 = struct.Struct("<H").unpack_from


def trace_pickle(
    source: ByteSource,
    *,
    limits: Limits,
    offset_bytes: int = 0,
    size_bytes: int | None = None,
    member: str | None = None,
    first_read_bytes: int | None = None,
    remains: Remains | None = None,
) -> PickleGraph:
    """Interpret one pickle without running anything of it.

    Args:
        source: Where it stands.
        limits: Bounds on objects, nesting, lengths.
        offset_bytes: First byte of the pickle in `source`; all offsets in the graph count from
            the start of `source`.
        size_bytes: Bytes that it may take up; None for all that follow. It ends at its STOP.
        member: What to call it in messages and imports.
        first_read_bytes: How much to read at first, if less than usual; further reads grow.
        remains: Is given what a pickle had built that breaks off.

    Raises:
        PickleFormatError: It breaks a rule of its protocol, or breaks off.
        LimitError: It asks for more than `limits` allow.
    """
    if size_bytes == 0 or offset_bytes >= source.size:
        raise PickleFormatError(
            "expected a pickle, found no bytes", member=member, offset_bytes=offset_bytes
        )
    state = MachineState(source, offset_bytes, size_bytes, limits, member, first_read_bytes)
    try:
        root = _run(state)
    except (IndexError, struct.error) as error:
        # The loop indexes the buffer only; a position behind its end is a pickle that breaks off.
        broken = state.cut_off("the pickle breaks off inside an opcode")
        _keep_reached(broken, state, remains)
        raise broken from error
    except ArtifactError as error:
        _keep_reached(error, state, remains)
        raise
    return PickleGraph(
        root=root,
        member=member,
        protocol=state.protocol,
        imports=state.finished_imports(),
        persistent=tuple(state.persistent),
        size_bytes=state.base + state.position - offset_bytes,
        oddities=tuple(state.oddities),
        payloads=tuple(state.payloads),
        opcodes=frozenset(state.opcodes),
    )


def _keep_reached(error: ArtifactError, state: MachineState, remains: Remains | None) -> None:
    """Keep what was named before the damage: a real unpickler would have run it by then."""
    error.reached = state.finished_imports()
    if remains is not None:
        remains.stack, remains.marks = state.stack, state.marks
        remains.persistent = state.persistent


def _run(state: MachineState) -> object:  # noqa: C901, PLR0912, PLR0915
    """Interpret up to STOP and return the top of the stack."""
    stack, memo, marks = state.stack, state.memo, state.marks
    push, remember, met = stack.append, state.persistent.append, state.opcodes.add
    handlers = HANDLERS.get
    buffer, base, position, fence = state.buffer, state.base, state.position, state.fence
    length = len(buffer)
    soft = length - LONGEST_FIXED_OPCODE if state.more else length - 1
    budget = state.budget
    while True:
        if position > soft:
            state.position, state.opcode_offset = position, base + position
            state.budget = budget
            state.fill(1)
            buffer, base, position = state.buffer, state.base, 0
            length = len(buffer)
            soft = length - LONGEST_FIXED_OPCODE if state.more else length - 1
        op = buffer[position]
        position += 1
        if op == 0x72:  # LONG_BINPUT
            if len(stack) <= fence:
                raise _at(state, base + position - 1).fail("stack underflow")
            memo[_UINT4(buffer, position)[0]] = stack[-1]
            position += 4
            continue
        elif op == 0x68:  # BINGET
            index = buffer[position]
            if index not in memo:
                raise _at(state, base + position - 1).fail(f"memo has no entry {index}")
            push(memo[index])
            position += 1
            continue
        elif op == 0x4B:  # BININT1
            push(buffer[position])
            position += 1
            continue
        elif op == 0x74:  # TUPLE
            if not marks:
                raise _at(state, base + position - 1).fail(
                    "expected a MARK on the stack, found none"
                )
            height = marks.pop()
            items = tuple(stack[height:])
            del stack[height:]
            push(items)
            fence = marks[-1] if marks else 0
            if position < soft and buffer[position] == 0x72:  # LONG_BINPUT follows
                memo[_UINT4(buffer, position + 1)[0]] = items
                position += 5
            budget -= TUPLE_COST
        elif op == 0x28:  # MARK
            fence = len(stack)
            marks.append(fence)
            if len(marks) > state.limits.nesting:
                marks.pop()
                _at(state, base + position - 1).open_mark()
            continue
        elif op == 0x58:  # BINUNICODE
            size = _UINT4(buffer, position)[0]
            end = position + 4 + size
            if end <= length:
                try:
                    text = str(buffer[position + 4 : end], "utf-8", "surrogatepass")
                except UnicodeDecodeError as error:
                    raise _at(state, base + position - 1).fail("expected UTF-8") from error
                push(text)
                budget -= TEXT_COST + size
                position = end
                if position < soft and buffer[position] == 0x72:  # LONG_BINPUT follows
                    memo[_UINT4(buffer, position + 1)[0]] = text
                    position += 5
                continue
            state.position, state.opcode_offset = position, base + position - 1
            state.budget = budget
            push_text(state, _UINT4(state.take(4))[0])
            buffer, base, position = state.buffer, state.base, state.position
            budget = state.budget
            length = len(buffer)
            soft = length - LONGEST_FIXED_OPCODE if state.more else length - 1
        elif op == 0x52:  # REDUCE
            if len(stack) < fence + 2:
                raise _at(state, base + position - 1).fail("stack underflow")
            args = stack.pop()
            function = stack[-1]
            if type(args) is not tuple:
                args = _at(state, base + position - 1).unpacked(args)
            if type(function) is not GlobalRef:
                state.opcode_offset, state.budget = base + position - 1, budget
                stack[-1] = state.follow_call(function, args, None, "REDUCE")
                memo, budget = state.memo, state.budget
                continue
            budget -= NODE_COST
            stack[-1] = instance = Instance(function, args, base + position - 1)
            if position < soft and buffer[position] == 0x72:  # LONG_BINPUT follows
                memo[_UINT4(buffer, position + 1)[0]] = instance
                position += 5
        elif op == 0x29:  # EMPTY_TUPLE
            push(())
            continue
        elif op == 0x85:  # TUPLE1
            if len(stack) <= fence:
                raise _at(state, base + position - 1).fail("stack underflow")
            stack[-1] = (stack[-1],)
            budget -= TUPLE_COST
        elif op == 0x51:  # BINPERSID
            if len(stack) <= fence:
                raise _at(state, base + position - 1).fail("stack underflow")
            stack[-1] = reference = PersistentRef(stack[-1], base + position - 1)
            remember(reference)
            budget -= NODE_COST
        elif op == 0x89:  # NEWFALSE
            push(False)
            continue
        elif op == 0x4D:  # BININT2
            push(_UINT2(buffer, position)[0])
            budget -= NUMBER_COST
            position += 2
            continue
        elif op == 0x4A:  # BININT
            push(_INT4(buffer, position)[0])
            budget -= NUMBER_COST
            position += 4
            continue
        elif op == 0x86:  # TUPLE2
            if len(stack) < fence + 2:
                raise _at(state, base + position - 1).fail("stack underflow")
            last = stack.pop()
            stack[-1] = items = (stack[-1], last)
            if position < soft and buffer[position] == 0x72:  # LONG_BINPUT follows
                memo[_UINT4(buffer, position + 1)[0]] = items
                position += 5
            budget -= TUPLE_COST
        elif op == 0x87:  # TUPLE3
            if len(stack) < fence + 3:
                raise _at(state, base + position - 1).fail("stack underflow")
            items = (stack[-3], stack[-2], stack[-1])
            del stack[-2:]
            stack[-1] = items
            budget -= TUPLE_COST
        elif op == 0x71:  # BINPUT
            if len(stack) <= fence:
                raise _at(state, base + position - 1).fail("stack underflow")
            memo[buffer[position]] = stack[-1]
            position += 1
            continue
        elif op == 0x6A:  # LONG_BINGET
            index = _UINT4(buffer, position)[0]
            if index not in memo:
                raise _at(state, base + position - 1).fail(f"memo has no entry {index}")
            push(memo[index])
            position += 4
            continue
        elif op == 0x4E:  # NONE
            push(None)
            continue
        elif op == 0x88:  # NEWTRUE
            push(True)
            continue
        elif op == 0x8C:  # SHORT_BINUNICODE
            met(op)
            size = buffer[position]
            end = position + 1 + size
            if end > length:
                state.position, state.opcode_offset = position + 1, base + position - 1
                state.budget = budget
                push_text(state, size)
                buffer, base, position = state.buffer, state.base, state.position
                budget, length = state.budget, len(buffer)
                soft = length - LONGEST_FIXED_OPCODE if state.more else length - 1
                continue
            try:
                push(str(buffer[position + 1 : end], "utf-8", "surrogatepass"))
            except UnicodeDecodeError as error:
                raise _at(state, base + position - 1).fail("expected UTF-8") from error
            budget -= TEXT_COST + size
            position = end
        elif op == 0x94:  # MEMOIZE
            if len(stack) <= fence:
                raise _at(state, base + position - 1).fail("stack underflow")
            memo[len(memo)] = stack[-1]
            met(op)
        elif op == 0x2E:  # STOP
            state.position, state.opcode_offset = position, base + position - 1
            state.fence = fence
            return state.pop()
        else:
            state.position, state.opcode_offset = position, base + position - 1
            state.fence, state.budget = fence, budget
            handler = handlers(op)
            met(op)
            if handler is None:
                raise state.fail(f"expected an opcode, found byte 0x{op:02x}")
            handler(state)
            if state.buffer is not buffer:
                buffer, base = state.buffer, state.base
                length = len(buffer)
                soft = length - LONGEST_FIXED_OPCODE if state.more else length - 1
            position, fence, budget = state.position, state.fence, state.budget
            memo = state.memo


def _at(state: MachineState, offset_bytes: int) -> MachineState:
    """Tell the state where the loop is, for a message."""
    state.opcode_offset = offset_bytes
    return state
