"""torch's restricted unpickler, played through with the types of objects in place of objects.

Enters: a pickle, and the versions of torch that are asked. Leaves: for each of them the first
opcode at which it stops, if it stops at all. One pass asks all versions: those that stop drop out,
and the pass ends when none is left. Nothing of the file is made, called or imported.

What stands on the stack is a `Named` for a global, a tuple for a tuple, and else the name of the
object's type. An object of one's own making that a function of torch refuses (wrong shapes, a
storage that is missing) is not noticed here: other checks see to that.

Source: `torch/_weights_only_unpickler.py`, `Unpickler.load`, of the releases that `data/torch.json`
names; `persistent_load` of `torch/serialization.py`.
"""

from collections.abc import Callable
from typing import TypeAlias

from ckptscope.checks.weights_only.bytes_ahead import BytesAhead
from ckptscope.checks.weights_only.rules import Named, Rules
from ckptscope.facts.weights_only import Because, Obstacle
from ckptscope.pickles.opcodes import Op
from ckptscope.sources import ByteSource

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
_NAMES: dict[int, str] = {int(op): op.name for op in Op}

Handler: TypeAlias = "Callable[[Restricted], None]"


class Restricted:
    """The unpickler's registers, and which versions are still reading.

    Attributes:
        standing: Versions that have not stopped.
        obstacles: Versions, and what has stopped them, in the order of the pickle.
    """

    def __init__(
        self,
        source: ByteSource,
        rules: Rules,
        versions: int,
        *,
        start: int = 0,
        member: str | None = None,
        id_lengths: tuple[int, ...],
        storage_classes: frozenset[str],
    ) -> None:
        """Stand before the first opcode.

        Args:
            source: Where the pickle stands.
            rules: What the versions accept.
            versions: Those that are asked.
            start: Offset of its first byte.
            member: What to call it.
            id_lengths: How many parts the persistent id of a storage has; none where storages are
                named by a text, as in a legacy tar.
            storage_classes: What may stand there for the type of the elements.
        """
        self.ahead = BytesAhead(source, start)
        self.rules = rules
        self.standing = versions
        self.obstacles: list[tuple[int, Obstacle]] = []
        self.id_lengths = id_lengths
        self.storage_classes = storage_classes
        self.stack: list[object] = []
        self.outer: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.protocol = -1
        self.opcode = 0
        self.offset_bytes = start
        self._member = member
        self._ended = False

    def read(self) -> None:
        """Read up to STOP, or until no version is left."""
        ahead = self.ahead
        while self.standing and not self._ended:
            position = ahead.position
            if position >= len(ahead.buffer):
                ahead.fill(1)
                position = 0
            self.offset_bytes = ahead.base + position
            self.opcode = opcode = ahead.buffer[position]
            ahead.position = position + 1
            pushed = _PUSHED.get(opcode)
            if pushed is not None:
                self.stack.append(pushed[0])
                if pushed[1]:
                    ahead.skip(pushed[1])
                continue
            handler = _HANDLERS.get(opcode)
            if handler is None:
                name = _NAMES.get(self.opcode, f"0x{self.opcode:02x}")
                self.refuse(Because.OPCODE, name, f"it does not know the opcode {name}")
                return
            try:
                handler(self)
            except (IndexError, KeyError):
                self.refuse(Because.BROKEN, self.word, "the opcode finds nothing to work on")

    @property
    def word(self) -> str:
        """Name of the current opcode."""
        return _NAMES.get(self.opcode, "")

    def refuse(
        self, because: Because, subject: str, sentence: str, versions: int | None = None
    ) -> None:
        """Let versions stop here: all that are left, or those of them that are given."""
        stopping = self.standing if versions is None else self.standing & versions
        if not stopping:
            return
        self.standing &= ~stopping
        obstacle = Obstacle(
            because=because,
            subject=subject,
            sentence=sentence,
            opcode=self.word,
            member=self._member,
            offset_bytes=self.offset_bytes,
        )
        self.obstacles.append((stopping, obstacle))

    def pop_mark(self) -> list[object]:
        """Return what stands above the last MARK, and go back below it."""
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def end(self) -> None:
        """STOP."""
        self.stack.pop()
        self._ended = True


def type_word(found: object) -> str:
    """Say what stands on the stack, for a sentence."""
    if isinstance(found, Named):
        return f"{found.name} itself"
    if isinstance(found, tuple):
        return "a tuple"
    return f"a {str(found).removeprefix('builtins.').partition(' ')[0]}"


# Names, calls and objects


def _global(at: Restricted) -> None:
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


def _reduce(at: Restricted) -> None:
    at.stack.pop()
    called = at.stack[-1]
    if not isinstance(called, Named):
        at.refuse(Because.CALL, type_word(called), f"it calls nothing like {type_word(called)}")
    elif called.kind == "values":
        at.refuse(Because.CALL, called.name, f"{called.name} cannot be called")
    else:
        at.stack[-1] = called.makes


def _newobj(at: Restricted) -> None:
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


def _build(at: Restricted) -> None:
    at.stack.pop()
    target = at.stack[-1]
    if isinstance(target, str) and target in _BUILT:
        return
    listed = at.rules.names.get(target) if isinstance(target, str) else None
    allowed = at.rules.since("builds_objects") & listed.versions if listed is not None else 0
    word = type_word(target)
    at.refuse(Because.STATE, word, f"it sets no attributes of {word}", ~allowed)


# Containers


def _append(at: Restricted) -> None:
    at.stack.pop()
    _check_list(at)


def _appends(at: Restricted) -> None:
    at.pop_mark()
    _check_list(at)


def _check_list(at: Restricted) -> None:
    if at.stack[-1] != "list":
        word = type_word(at.stack[-1])
        at.refuse(Because.ITEMS, word, f"it appends to lists only, not to {word}")


def _setitem(at: Restricted) -> None:
    del at.stack[-2:]
    _check_mapping(at)


def _setitems(at: Restricted) -> None:
    at.pop_mark()
    _check_mapping(at)


def _check_mapping(at: Restricted) -> None:
    target = at.stack[-1]
    if isinstance(target, str) and target in _MAPPINGS:
        return
    word = type_word(target)
    able = isinstance(target, str) and target in _WITH_ITEMS
    sentence = f"it sets items of dict, OrderedDict and Counter only, not of {word}"
    at.refuse(Because.ITEMS, word, sentence, at.rules.since("checks_items") if able else None)


def _mark(at: Restricted) -> None:
    at.outer.append(at.stack)
    at.stack = []


def _tuple(at: Restricted) -> None:
    items = at.pop_mark()
    at.stack.append(tuple(items))


def _tuple_of(length: int) -> Handler:
    def handler(at: Restricted) -> None:
        if len(at.stack) < length:
            raise IndexError
        at.stack[-length:] = [tuple(at.stack[-length:])]

    return handler


# Plain values


def _binunicode(at: Restricted) -> None:
    length = at.ahead.number()
    if length == len("storage"):
        at.stack.append(_STORAGE if at.ahead.take(length) == b"storage" else "str")
    else:
        at.ahead.skip(length)
        at.stack.append("str")


def _short_binstring(at: Restricted) -> None:
    raw = at.ahead.take(at.ahead.byte())
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError:
        at.refuse(Because.TEXT, f"{raw[:20]!r}", f"the byte string {raw[:20]!r} is no UTF-8")
        return
    at.stack.append(_STORAGE if decoded == "storage" else "str")


def _long1(at: Restricted) -> None:
    at.ahead.skip(at.ahead.byte())
    at.stack.append("int")


def _binpersid(at: Restricted) -> None:
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


def _binget(at: Restricted) -> None:
    at.stack.append(at.memo[at.ahead.byte()])


def _long_binget(at: Restricted) -> None:
    at.stack.append(at.memo[at.ahead.number()])


def _binput(at: Restricted) -> None:
    at.memo[at.ahead.byte()] = at.stack[-1]


def _long_binput(at: Restricted) -> None:
    at.memo[at.ahead.number()] = at.stack[-1]


def _proto(at: Restricted) -> None:
    at.protocol = at.ahead.byte()


#: Byte → the type of what it pushes, and how many bytes of argument it has.
_OPS_THAT_PUSH: dict[Op, tuple[object, int]] = {
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
_OPS_THAT_WORK: dict[Op, Handler] = {
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
    Op.STOP: Restricted.end,
}
#: The same by plain numbers, which are found in half the time.
_PUSHED = {int(op): pushed for op, pushed in _OPS_THAT_PUSH.items()}
_HANDLERS = {int(op): handler for op, handler in _OPS_THAT_WORK.items()}
HANDLED = frozenset(op.name for op in (*_OPS_THAT_PUSH, *_OPS_THAT_WORK))
