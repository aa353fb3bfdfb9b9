"""What the machine keeps between opcodes: a window on the bytes, a stack, marks and a memo.

Enters: a source and a stretch of it. Leaves: nothing; `machine` and `handlers` work on it.
"""

from typing import TYPE_CHECKING

import msgspec

from ckptscope.errors import LimitError, PickleFormatError
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import GlobalRef, Import, Instance, Naming, PersistentRef
from ckptscope.pickles.watched import WATCHED, WatchedRef, WatchingMemo
from ckptscope.sources.base import ByteSource

if TYPE_CHECKING:
    from ckptscope.pickles.constants import Workings

#: Bytes read at first; doubled with each further read up to the largest. The memory that the graph
#: takes is checked at each read.
_FIRST_CHUNK = 64 << 10
_LARGEST_CHUNK = 1 << 20
#: What objects take, roughly, with their place in a container, in bytes (CPython 3.11, 64 bits).
NUMBER_COST = 40
TEXT_COST = 64
TUPLE_COST = 80
NODE_COST = 144
IMPORT_COST = 256
_MEMO_COST = 100
_STACK_COST = 9
#: Nodes that are looked at to work out names which a pickle computes. An attack that was seen in
#: public takes forty.
_WORKING_STEPS = 4_000
#: Ways of naming that put the name on the stack.
_PUSHING = (Naming.SPELLED, Naming.COMPUTED, Naming.LOOKED_UP)
#: How a note on what CPython's unpickler in C refuses begins.
ONLY_PYTHON = "only `pickle` in Python reads this"
#: No opcode but the ones with a length of their own takes more bytes than this.
LONGEST_FIXED_OPCODE = 16


class MachineState:
    """The registers of the pickle machine.

    Attributes:
        buffer: The bytes at hand; `buffer[position]` is the next opcode.
        base: Offset of `buffer[0]` in the source.
        stack: As in the unpickler, with marks kept apart.
        marks: Heights of the stack at the open MARKs.
        fence: The innermost of them; nothing below may be popped.
        memo: By index.
        budget: Bytes of memory that new objects may still take.
    """

    def __init__(
        self,
        source: ByteSource,
        start: int,
        size: int | None,
        limits: Limits,
        member: str | None,
        first_read_bytes: int | None = None,
    ) -> None:
        self.source = source
        self.start = start
        self.end = source.size if size is None else start + size
        self.limits = limits
        self.member = member
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.fence = 0
        self.memo: dict[int, object] = {}
        self.protocol = 0
        self.imports: list[Import] = []
        self.oddities: list[tuple[int, str]] = []
        self.persistent: list[PersistentRef] = []
        self.payloads: list[Instance] = []
        self.opcodes: set[int] = set()
        self._workings: Workings | None = None
        self.globals: dict[tuple[str, str], GlobalRef] = {}
        self.allowance = limits.graph_allowance(self.end - start)
        self.budget = self.allowance
        self.base = start
        self.position = 0
        self.opcode_offset = start
        self._chunk = first_read_bytes or _FIRST_CHUNK
        if size is not None:
            self._chunk = _LARGEST_CHUNK
        self._read_bytes = 0
        self.buffer = b""
        self.fill(1)

    @property
    def more(self) -> bool:
        """Whether the source goes on behind the buffer."""
        return self.base + len(self.buffer) < self.end

    def require(self, length: int) -> None:
        """Check that the pickle goes on for `length` bytes, without reading them.

        Raises:
            PickleFormatError: It ends before.
        """
        left = self.end - self.base - self.position
        if length > left:
            raise self.cut_off(
                f"expected {length:,} bytes more, found {max(left, 0):,}: the pickle breaks off"
            )

    def fill(self, length: int) -> None:
        """Move the buffer so that at least `length` bytes follow the position.

        Raises:
            PickleFormatError: The pickle ends before.
        """
        self.require(length)
        offset = self.base + self.position
        left = self.end - offset
        self.check_memory()
        self._read_bytes += len(self.buffer)
        if self._read_bytes + length > self.limits.pickle_bytes:
            raise LimitError(
                "pickle_bytes",
                allowed=self.limits.pickle_bytes,
                actual=self._read_bytes + length,
                member=self.member,
                offset_bytes=offset,
            )
        self.buffer = self.source.read(offset, min(max(length, self._chunk), left))
        self.limits.spend_traced(len(self.buffer), self.member)
        self.base = offset
        self.position = 0
        self._chunk = min(self._chunk * 2, _LARGEST_CHUNK)

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes and step over them."""
        if self.position + length > len(self.buffer):
            self.fill(length)
        start = self.position
        self.position = start + length
        return self.buffer[start : start + length]

    def skip(self, length: int) -> int:
        """Step over `length` bytes without reading them; return where they start."""
        self.require(length)
        offset = self.base + self.position
        self.position += length
        if self.position > len(self.buffer):
            self.base, self.position, self.buffer = offset + length, 0, b""
        return offset

    def line(self) -> bytes:
        """Return the bytes up to the next newline and step over it."""
        length = 256
        while True:
            found = self.buffer.find(b"\n", self.position)
            if found >= 0:
                start, self.position = self.position, found + 1
                return self.buffer[start:found]
            at_hand = len(self.buffer) - self.position
            if at_hand > self.limits.pickle_line_bytes:
                raise LimitError(
                    "pickle_line_bytes",
                    allowed=self.limits.pickle_line_bytes,
                    actual=at_hand,
                    member=self.member,
                    offset_bytes=self.opcode_offset,
                )
            length = max(length, at_hand) * 2
            left = self.end - self.base - self.position
            self.fill(max(min(length, left), at_hand + 1))

    def fail(self, message: str) -> PickleFormatError:
        """Make the error that names the current opcode."""
        return PickleFormatError(message, member=self.member, offset_bytes=self.opcode_offset)

    def cut_off(self, message: str) -> PickleFormatError:
        """Make the error of a pickle whose last bytes are missing."""
        error = self.fail(message)
        error.is_cut_off = True
        return error

    def odd(self, message: str) -> None:
        """Note what a real unpickler would not have accepted, and go on.

        Raises:
            LimitError: There is too much of it.
        """
        if len(self.oddities) >= self.limits.oddities:
            raise LimitError(
                "oddities",
                allowed=self.limits.oddities,
                actual=len(self.oddities) + 1,
                member=self.member,
                offset_bytes=self.opcode_offset,
            )
        self.oddities.append((self.opcode_offset, message))

    def refer(self, pid: object) -> PersistentRef:
        """Make the node of an object outside the pickle, and remember it."""
        node = PersistentRef(pid, self.opcode_offset)
        self.persistent.append(node)
        return node

    def spend(self, cost: int) -> None:
        """Count the memory of a new object.

        Raises:
            LimitError: The graph takes more than it may.
        """
        self.budget -= cost
        if self.budget < 0:
            self.check_memory()

    def check_memory(self) -> None:
        """Add up what objects, stack and memo take.

        Raises:
            LimitError: More than the graph may.
        """
        left = self.budget - _MEMO_COST * len(self.memo) - _STACK_COST * len(self.stack)
        if left < 0:
            raise LimitError(
                "graph_bytes",
                allowed=self.allowance,
                actual=self.allowance - left,
                member=self.member,
                offset_bytes=self.opcode_offset,
            )

    def pop(self) -> object:
        """Take the top of the stack."""
        if len(self.stack) <= self.fence:
            raise self.fail("stack underflow")
        return self.stack.pop()

    def top(self) -> object:
        """Look at the top of the stack."""
        if len(self.stack) <= self.fence:
            raise self.fail("stack underflow")
        return self.stack[-1]

    def open_mark(self) -> None:
        """MARK: fence off what is on the stack."""
        if len(self.marks) >= self.limits.nesting:
            raise LimitError(
                "nesting",
                allowed=self.limits.nesting,
                actual=len(self.marks) + 1,
                member=self.member,
                offset_bytes=self.opcode_offset,
            )
        self.fence = len(self.stack)
        self.marks.append(self.fence)

    def pop_mark(self) -> list[object]:
        """Take everything above the innermost MARK, and the MARK."""
        if not self.marks:
            raise self.fail("expected a MARK on the stack, found none")
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        self.fence = self.marks[-1] if self.marks else 0
        return items

    def name_global(
        self, module: str, name: str, opcode: str, naming: Naming = Naming.SPELLED
    ) -> GlobalRef:
        """Record an import and return its node; the same name gives the same node."""
        self.spend(IMPORT_COST)
        if len(self.imports) >= self.limits.imports:
            raise LimitError(
                "imports",
                allowed=self.limits.imports,
                actual=len(self.imports) + 1,
                member=self.member,
                offset_bytes=self.opcode_offset,
            )
        self.imports.append(
            Import(
                module=module,
                name=name,
                opcode=opcode,
                member=self.member,
                offset_bytes=self.opcode_offset,
                naming=naming,
            )
        )
        known = self.globals.get((module, name))
        if known is None:
            watched = (module, name) in WATCHED
            known = self._watch(module, name) if watched else GlobalRef(module, name)
            self.globals[module, name] = known
        if type(known) is WatchedRef and naming in _PUSHING:
            known.pushes += 1
        return known

    def _watch(self, module: str, name: str) -> WatchedRef:
        """Make the node of a watched name, and count from now on what the memo gives."""
        if type(self.memo) is not WatchingMemo:
            self.memo = WatchingMemo(self.memo)
        return WatchedRef(module, name)

    def name_computed(self, module: object, name: object) -> GlobalRef:
        """Record an import by operands that are not both plain text."""
        # Only where a pickle does so: nothing that picklers write needs it.
        from ckptscope.pickles.naming import name_computed

        return name_computed(self, module, name)

    def follow_call(
        self, function: object, args: tuple[object, ...], kwargs: object, opcode: str
    ) -> object:
        """Return what a call gives whose function is no plain global."""
        from ckptscope.pickles.naming import follow_call

        return follow_call(self, function, args, kwargs, opcode)

    def unpacked(self, args: object) -> tuple[object, ...]:
        """Return arguments that are no tuple, as far as an unpickler would unpack them.

        They may come from another call; a list is taken by `pickle` in Python and not by that in C.

        Raises:
            PickleFormatError: It is nothing that could be unpacked.
        """
        if not isinstance(args, list | Instance | PersistentRef):
            raise self.fail(f"expected a tuple of arguments, found {type(args).__name__}")
        if isinstance(args, list):
            self.odd(f"{ONLY_PYTHON}: arguments that stand in a list")
            return tuple(args)
        self.odd("arguments that another call gives")
        return (args,)

    def text(self, node: object) -> str | None:
        """Return the text that a node is, or would be if calls of constants give it."""
        if type(node) is str:
            return node
        if self._workings is None:
            from ckptscope.pickles.constants import Workings

            self._workings = Workings(_WORKING_STEPS)
        return self._workings.text(node)

    def finished_imports(self) -> tuple[Import, ...]:
        """Return the imports; functions that look names up are marked where each use is known."""
        settled = {
            key for key, ref in self.globals.items() if type(ref) is WatchedRef and ref.is_settled
        }
        if not settled:
            return tuple(self.imports)
        return tuple(
            msgspec.structs.replace(one, followed=True)
            if (one.module, one.name) in settled
            else one
            for one in self.imports
        )
