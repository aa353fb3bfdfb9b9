"""What arithmetic says of claims.

Enters: claims of any source, tables of reference. Leaves: a `SpecCheckReport`: each claim with its
verdict, the numbers behind it, what was assumed on the way, and the smallest change that would make
a contradicting claim consistent.
"""

import enum

import msgspec

from ckptscope.facts.architecture import FactValue


class ClaimVerdict(enum.StrEnum):
    """The outcome of holding claims against each other."""

    HOLDS = "holds"
    #: Nothing was claimed that the arithmetic could meet or miss, or only unusual settings fit.
    NOT_DECIDABLE = "not decidable"
    #: The premise may be true and the conclusion false.
    DOES_NOT_FOLLOW = "does not follow"
    #: Its numbers agree with each other, and not with the row that it names.
    CONTRADICTS_TABLE = "contradicts the table"
    #: Its numbers cannot all be true of one network.
    CONTRADICTS_ITSELF = "contradicts itself"


#: The least grave first.
GRAVITY = tuple(ClaimVerdict)
#: Verdicts for which a check fails.
FAILING = frozenset(
    {
        ClaimVerdict.DOES_NOT_FOLLOW,
        ClaimVerdict.CONTRADICTS_TABLE,
        ClaimVerdict.CONTRADICTS_ITSELF,
    }
)


class StatedValue(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a claim says of a network, beside what follows from its settings.

    Attributes:
        attribute: Name in the claim: params, `depths[2]`, a tensor's key.
        claimed: What is said, as printed.
        fact: The fact that it was held against: parameters. Where the claim leaves open what it
            counts, the one that meets it, or the first of them.
        computed: What follows; None where nothing does.
        computed_text: The same for people, rounded as the claim is: `7,596,986 (7.60 M)`.
        meets: Whether the two agree; None where nothing follows.
    """

    attribute: str
    claimed: str
    fact: str = ""
    computed: FactValue = None
    computed_text: str = ""
    meets: bool | None = None


class ChangeKind(enum.StrEnum):
    """What is changed about a claim."""

    #: The number stays, and is about something else: incoming channels, all elements.
    READING = "reading"
    #: A setting has another value.
    SETTING = "setting"
    #: A number that follows from the settings is another.
    NUMBER = "number"
    #: All of it is true of another row of the table.
    ROW = "row"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to change about a claim.

    Attributes:
        attribute: Setting or fact: depth_bins, `head_out_channels[0]`, state_elements.
        kind: What sort of change.
        claimed: What the claim says.
        value: What would be consistent. Of another reading the same value.
        read_as: The fact that the value is about; that of the claim unless it is another reading.
        text: `depth_bins = 32`.
    """

    attribute: str
    kind: ChangeKind
    claimed: FactValue
    value: FactValue
    read_as: str
    text: str


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A change that makes a contradicting claim consistent.

    Attributes:
        changes: The things to change; all of them.
        follows: What the claim says besides and what changes with them: final_channels with joints.
        reason: Where the new value is from: `as in row S`.
        settings: Every setting of the network that then meets all the rest, to be counted again.
        text: `depth_bins = 32`; of several changes all.
        effect: What it does, in elements: `head.final_layer.weight [1152, 256, 1, 1] → ...`.
    """

    changes: tuple[Change, ...]
    follows: tuple[Change, ...] = ()
    reason: str = ""
    settings: dict[str, FactValue]
    text: str
    effect: str = ""


class SameNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a table whose numbers are all those of a claim.

    Attributes:
        family: Family of the table.
        table: Name of the table.
        title: The same for people.
        row: Name of the row.
        values: The row's values of what is claimed, in words.
        settings: Every setting of the row's network.
    """

    family: str
    table: str
    title: str
    row: str
    values: tuple[str, ...] = ()
    settings: dict[str, FactValue] = {}


class PartKind(enum.StrEnum):
    """What a part of a claim is about."""

    NETWORK = "network"
    RELATION = "relation"
    INFERENCE = "inference"


class CheckedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One network, relation or inference of a claim.

    Attributes:
        kind: Which of the three.
        subject: Name of the network, or the relation: `loads`.
        row: Row of a table that the network is; empty for none.
        table: Name of that table.
        verdict: Of this part.
        reason: The shortest reason for it; a few words.
        evidence: The arithmetic in sentences, to be checked by hand.
        assumptions: Conventions that the verdict rests on.
        values: What is claimed beside what follows.
        settings: The network that the values follow from; None if there is none.
        remedies: Changes that would make it consistent, the smallest first.
        same_numbers: Rows whose numbers these are, if the claim gives them to something else.
    """

    kind: PartKind
    subject: str
    row: str = ""
    table: str = ""
    verdict: ClaimVerdict
    reason: str = ""
    evidence: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    values: tuple[StatedValue, ...] = ()
    settings: dict[str, FactValue] | None = None
    remedies: tuple[Remedy, ...] = ()
    same_numbers: tuple[SameNumbers, ...] = ()


class CheckedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """One claim and what became of it.

    Attributes:
        id: Name of the claim within its file.
        text: The claim in its author's words.
        source: Where it is made.
        line: Line of the file on which it begins; None if that is not known.
        verdict: The gravest of its parts.
        reason: Of the part that decides.
        evidence: What concerns all networks of the claim together.
        parts: Networks, relations, inferences.
    """

    id: str
    text: str = ""
    source: str = ""
    line: int | None = None
    verdict: ClaimVerdict
    reason: str = ""
    evidence: tuple[str, ...] = ()
    parts: tuple[CheckedPart, ...]


class CheckedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one file of claims.

    Attributes:
        path: The file, as the user named it.
        title: What the file calls itself.
        family: Family of its networks.
        tables: Titles of the tables that its networks are rows of.
        claims: In the order of the file.
    """

    path: str
    title: str = ""
    family: str
    tables: tuple[str, ...] = ()
    claims: tuple[CheckedClaim, ...]

    @property
    def failing(self) -> int:
        """Claims that contradict something, or whose conclusion does not follow."""
        return sum(claim.verdict in FAILING for claim in self.claims)


class UnreadClaims(msgspec.Struct, frozen=True, kw_only=True):
    """A file of claims that could not be read.

    Attributes:
        path: The file, as the user named it.
        message: File, line and key, and what is wrong there.
    """

    path: str
    message: str


class SpecCheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `spec check`.

    Attributes:
        files: Those that were checked, in the order of the request.
        failures: Those that could not be read.
    """

    files: tuple[CheckedFile, ...]
    failures: tuple[UnreadClaims, ...] = ()

    @property
    def failing(self) -> int:
        """Claims that contradict something, or whose conclusion does not follow."""
        return sum(file.failing for file in self.files)


def gravest(verdicts: "tuple[ClaimVerdict, ...]") -> ClaimVerdict:
    """Return the gravest of verdicts; without any, it holds."""
    return max(verdicts, key=GRAVITY.index, default=ClaimVerdict.HOLDS)
