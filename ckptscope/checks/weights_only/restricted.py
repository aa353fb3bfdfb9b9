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

import struct

from ckptscope.checks.weights_only.bytes_ahead import BytesAhead
from ckptscope.checks.weights_only.handlers import HANDLERS, PUSHED, is_called
from ckptscope.checks.weights_only.rules import Rules
from ckptscope.facts.weights_only import Because, Obstacle
from ckptscope.pickles.opcodes import Op
from ckptscope.pickles.state import LONGEST_FIXED_OPCODE
from ckptscope.sources import ByteSource

_UINT4 = struct.Struct("<I").unpack_from
_NAMES: dict[int, str] = {int(op): op.name for op in Op}


class Restricted:
    """The unpickler's registers, and which versions are still reading.

    Attributes:
        standing: Versions that have not stopped.
        obstacles: Versions, and what has stopped them, in the order of the pickle.
        ended: Whether STOP was reached.
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
        self.ended = False

    def read(self) -> None:
        """Read up to STOP, or until no version is left."""
        while self.standing and not self.ended:
            self._run_ahead()
            self._step()

    def _run_ahead(self) -> None:  # noqa: C901
        """Take the opcodes that make up most of a pickle, up to the first other one.

        They can stop no version. A function call for each would triple the time.
        """
        ahead, memo, outer, stack = self.ahead, self.memo, self.outer, self.stack
        buffer, position = ahead.buffer, ahead.position
        soft = len(buffer) - LONGEST_FIXED_OPCODE
        while position < soft:
            opcode = buffer[position]
            pushed = PUSHED.get(opcode)
            if pushed is not None:
                stack.append(pushed[0])
                position += 1 + pushed[1]
            elif opcode == 0x72 and stack:  # LONG_BINPUT
                memo[_UINT4(buffer, position + 1)[0]] = stack[-1]
                position += 5
            elif opcode == 0x68 and buffer[position + 1] in memo:  # BINGET
                stack.append(memo[buffer[position + 1]])
                position += 2
            elif opcode == 0x28:  # MARK
                outer.append(stack)
                stack = []
                position += 1
            elif opcode == 0x74 and outer:  # TUPLE
                items = tuple(stack)
                stack = outer.pop()
                stack.append(items)
                position += 1
            elif opcode == 0x52 and is_called(stack):  # REDUCE
                stack.pop()
                stack[-1] = stack[-1].makes  # type: ignore[attr-defined]
                position += 1
            elif opcode == 0x85 and stack:  # TUPLE1
                stack[-1] = (stack[-1],)
                position += 1
            elif opcode == 0x58:  # BINUNICODE
                length = _UINT4(buffer, position + 1)[0]
                end = position + 5 + length
                if length == len("storage") or end > len(buffer):
                    break
                stack.append("str")
                position = end
            else:
                break
        self.stack, ahead.position = stack, position

    def _step(self) -> None:
        """Take one opcode."""
        self.offset_bytes = self.ahead.offset_bytes
        self.opcode = self.ahead.byte()
        pushed = PUSHED.get(self.opcode)
        if pushed is not None:
            self.stack.append(pushed[0])
            self.ahead.skip(pushed[1])
            return
        handler = HANDLERS.get(self.opcode)
        if handler is None:
            name = self.word or f"0x{self.opcode:02x}"
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
