"""Bounds on what a file may make ckptscope do.

Enters: nothing, or a user's options. Leaves: one frozen `Limits` that every reader takes.
"""

import msgspec

from ckptscope.errors import LimitError


class Meter:
    """What reading one file has cost so far.

    Attributes:
        file_bytes: Bytes of the file.
        unpacked_bytes: Bytes that were unpacked from it.
        traced_bytes: Bytes of pickles that were interpreted.
        opened: Members that were looked at.
        checkpoints: Checkpoints that were read.
    """

    def __init__(self, file_bytes: int) -> None:
        self.file_bytes = file_bytes
        self.unpacked_bytes = 0
        self.traced_bytes = 0
        self.opened = 0
        self.checkpoints = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one run; a file that asks for more gets a `LimitError` that names the field."""

    #: Members of one archive or files of one folder: ten times the largest checkpoint seen.
    members: int = 1_000_000
    #: Archives inside archives. A released file sits in two or three.
    container_depth: int = 8
    #: Checkpoints reported out of one file.
    checkpoints: int = 20_000
    #: Members looked at for each checkpoint that may be reported.
    members_per_checkpoint: int = 8
    #: Bytes of a zip's directory: 100 a member.
    directory_bytes: int = 100_000_000
    #: Bytes of a safetensors header; the format's own limit.
    header_bytes: int = 100_000_000
    #: Bytes of one pickle, large byte strings (which are skipped) not counted.
    pickle_bytes: int = 1 << 30
    #: Bytes of memory that the graph of one pickle may take, by estimate; a pickle of 100,000
    #: tensors takes about 200 MB.
    graph_bytes: int = 256 << 20
    #: A larger graph may take so many times the bytes of its pickle, or of the file if that is
    #: smaller. Pickles of numbers, the most expensive in practice, need 12.
    graph_ratio: int = 12
    #: Bytes of pickles that are interpreted in one file at least, ...
    traced_bytes: int = 48 << 20
    #: ... and of a larger file so many times its bytes: pickles may be stored compressed.
    traced_ratio: int = 4
    #: Members times checkpoints of one archive: each checkpoint looks through its members.
    member_visits: int = 20_000_000
    #: What a real unpickler would not accept, and still is read over, in one pickle.
    oddities: int = 100
    #: Globals that one pickle may name; picklers write each name once and refer to it later.
    imports: int = 100_000
    #: Open MARKs of a pickle; one for each level of nesting while it is built.
    nesting: int = 1_000
    #: Bytes of one text line of a pickle, and digits of one number.
    pickle_line_bytes: int = 64 << 20
    #: Bytes of one integer (LONG1, LONG4, LONG): a quarter of a million bits; time to print is
    #: quadratic in it.
    integer_bytes: int = 32 << 10
    #: Levels of the tree that are followed; each takes up to six calls of Python, which stops at
    #: 1,000. A network nests one for each level of modules.
    tree_depth: int = 100
    #: Steps of one walk over a graph; shared parts count each time they are met.
    walk_steps: int = 5_000_000
    #: Containers that one walk may meet again under another path: parts that are shared and share
    #: parts in turn multiply.
    walk_revisits: int = 100_000
    #: Characters of a tensor's name; the longest seen have a few hundred.
    key_characters: int = 16 << 10
    #: Elements that one tensor may declare; more than any address space holds.
    tensor_elements: int = 1 << 48
    #: Dimensions of one tensor; torch itself stops at 64.
    tensor_dims: int = 64
    #: Bytes that may be unpacked while one file is read: compressed wrappers and members.
    spool_bytes: int = 2 << 30
    #: Of a small file only so many times its bytes may be unpacked, ...
    unpack_ratio: int = 50
    #: ... but this much in any case.
    unpack_floor_bytes: int = 256 << 20
    #: Declared size over compressed size above which a member is checked by inflating it.
    inflation_ratio: int = 100
    #: What has been spent on the file that is being read; None before reading starts.
    meter: Meter | None = None

    def metered(self, file_bytes: int) -> "Limits":
        """Return the same limits with a fresh meter for a file of this size."""
        return msgspec.structs.replace(self, meter=Meter(file_bytes))

    def graph_allowance(self, pickle_bytes: int) -> int:
        """Return how much memory the graph of a pickle may take."""
        if self.meter is not None:
            pickle_bytes = min(pickle_bytes, self.meter.file_bytes)
        return max(self.graph_bytes, self.graph_ratio * pickle_bytes)

    def spend_traced(self, count: int, member: str | None) -> None:
        """Count bytes of a pickle that are interpreted.

        Raises:
            LimitError: More than a file of this size may hold.
        """
        if self.meter is None:
            return
        allowed = max(self.traced_bytes, self.traced_ratio * self.meter.file_bytes)
        self.meter.traced_bytes += count
        if self.meter.traced_bytes > allowed:
            raise LimitError(
                "traced_bytes", allowed=allowed, actual=self.meter.traced_bytes, member=member
            )

    def count_opened(self) -> None:
        """Count a member that is looked at.

        Raises:
            LimitError: More than one file may hold.
        """
        allowed = self.checkpoints * self.members_per_checkpoint
        if self.meter is not None:
            self.meter.opened += 1
            if self.meter.opened > allowed:
                raise LimitError("members", allowed=allowed, actual=self.meter.opened, final=True)

    def count_checkpoint(self) -> None:
        """Count a checkpoint that is read.

        Raises:
            LimitError: More than may be reported of one file.
        """
        if self.meter is not None:
            self.meter.checkpoints += 1
            if self.meter.checkpoints > self.checkpoints:
                raise LimitError(
                    "checkpoints",
                    allowed=self.checkpoints,
                    actual=self.meter.checkpoints,
                    final=True,
                )

    def spend_unpacked(self, count: int, member: str | None) -> None:
        """Count bytes that were unpacked.

        Raises:
            LimitError: More than a file of this size may unpack to.
        """
        if self.meter is None:
            return
        allowed = max(self.unpack_floor_bytes, self.unpack_ratio * self.meter.file_bytes)
        allowed = min(self.spool_bytes, allowed)
        self.meter.unpacked_bytes += count
        if self.meter.unpacked_bytes > allowed:
            raise LimitError(
                "spool_bytes",
                allowed=allowed,
                actual=self.meter.unpacked_bytes,
                member=member,
                advice="raise it with --max-spool if the file is trusted to be this large",
            )


DEFAULT_LIMITS = Limits()
