"""Whether `torch.load(weights_only=True)` accepts a checkpoint, by version of torch.

Enters: what `checks.weights_only` knows of each version. Leaves: `WeightsOnly`, which reports show
and findings are made of.
"""

import enum

import msgspec


class Because(enum.StrEnum):
    """What kind of thing stops torch's restricted unpickler."""

    #: A class or function that is not on its list.
    NAME = "name"
    #: One of a module that cannot even be added to the list.
    BLOCKED = "blocked"
    #: One that is on the list only once another module of torch has been imported.
    UNIMPORTED = "unimported"
    #: An opcode that it does not know.
    OPCODE = "opcode"
    #: Something is called that it does not call.
    CALL = "call"
    #: An object is made of a class that it does not make objects of.
    OBJECT = "object"
    #: An object is given attributes that it gives none.
    STATE = "state"
    #: Items are set in, or appended to, something that it does not change.
    ITEMS = "items"
    #: An object outside the pickle that is no storage.
    REFERENCE = "reference"
    #: A byte string of Python 2 that is no UTF-8.
    TEXT = "text"
    #: The opcodes do not fit each other.
    BROKEN = "broken"
    #: torch.load takes no such container, or not with weights_only.
    CONTAINER = "container"


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing at which a version of torch stops.

    Attributes:
        because: What kind of thing.
        subject: What it is: a qualified name, an opcode, a container.
        sentence: Why it stops there, as the end of a sentence, with text of the file quoted.
        opcode: The opcode; empty for a container.
        member: Member whose pickle it is, or None for the file itself.
        offset_bytes: Offset of the opcode within it.
    """

    because: Because
    subject: str
    sentence: str
    opcode: str = ""
    member: str | None = None
    offset_bytes: int | None = None


class VersionVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What versions in a row say.

    Attributes:
        first: The oldest of them: `2.4`.
        last: The newest of them.
        obstacle: What stops them; None if they accept the file.
    """

    first: str
    last: str
    obstacle: Obstacle | None = None

    @property
    def versions(self) -> str:
        """`2.4`, or `2.4 to 2.15`."""
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


class WeightsOnly(msgspec.Struct, frozen=True, kw_only=True):
    """What `torch.load(weights_only=True)` says of one checkpoint.

    Attributes:
        verdicts: By version, the oldest first; all that are known.
        unlisted: Every name in its pickles that is not on the newest list, not the first alone.
        advice: What its author should change; empty if every version accepts it.
        default_since: The first version in which weights_only is True where nothing is said.
        wrapped: Whether it lies in a folder or another archive, out of which it has to be taken
            first.
    """

    verdicts: tuple[VersionVerdict, ...]
    unlisted: tuple[str, ...] = ()
    advice: str = ""
    default_since: str
    wrapped: bool = False

    @property
    def versions(self) -> str:
        """All versions that are known: `2.4 to 2.15`."""
        return VersionVerdict(first=self.verdicts[0].first, last=self.newest.last).versions

    @property
    def newest(self) -> VersionVerdict:
        """What the newest known version says."""
        return self.verdicts[-1]

    @property
    def accepted_by(self) -> str:
        """Versions that accept it: `2.4 to 2.15`, `2.6 to 2.9, 2.13`; empty for none."""
        return _joined(self.verdicts, accepting=True)

    @property
    def refused_by(self) -> str:
        """Versions that refuse it; empty for none."""
        return _joined(self.verdicts, accepting=False)

    @property
    def obstacle(self) -> Obstacle | None:
        """What stops the newest version that refuses it."""
        return next((one.obstacle for one in reversed(self.verdicts) if one.obstacle), None)


def _joined(verdicts: tuple[VersionVerdict, ...], *, accepting: bool) -> str:
    spans: list[tuple[str, str]] = []
    follows = False
    for one in verdicts:
        wanted = (one.obstacle is None) is accepting
        if wanted and follows:
            spans[-1] = (spans[-1][0], one.last)
        elif wanted:
            spans.append((one.first, one.last))
        follows = wanted
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in spans)
