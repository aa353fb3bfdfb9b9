"""May it be published? What the gate says of each file.

Enters: findings and a policy. Leaves: `GateReport`: for each checkpoint a verdict, every finding
with what the policy does about it, and which checks ran.
"""

import datetime
import enum

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Finding
from ckptscope.facts.report import Failure, Skipped


class Action(enum.StrEnum):
    """What a policy does about a finding."""

    FAIL = "fail"
    WARN = "warn"
    IGNORE = "ignore"


class GateVerdict(enum.StrEnum):
    """What came out for one file, in order of weight."""

    PASSED = "pass"
    #: Something that is required could not be decided.
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"
    #: It could not be read to its end.
    UNREADABLE = "unreadable"


class CheckState(enum.StrEnum):
    """Whether a check was made."""

    RAN = "ran"
    NOT_ASKED = "not asked"
    #: It was asked for, and something kept it from being made, or from being finished.
    UNFINISHED = "unfinished"


class CheckRun(msgspec.Struct, frozen=True, kw_only=True):
    """One check, and whether it was made.

    Attributes:
        name: safety, weights_only, integrity, crc, values, architecture, training.
        state: Whether it was.
        remark: What was gone over, or why it was not made.
    """

    name: str
    state: CheckState
    remark: str = ""


class RequirementOutcome(enum.StrEnum):
    """What came out for one demand of a policy."""

    MET = "met"
    NOT_MET = "not met"
    NOT_DECIDED = "not decided"


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One demand of a policy on one file.

    Attributes:
        key: The policy's key that asks for it: family, max-size, config.joints, ...
        text: What is asked, in words: `family convnextpose`.
        outcome: Whether it is met.
        found: What the file shows of it, in words; possibly empty.
    """

    key: str
    text: str
    outcome: RequirementOutcome
    found: str = ""


class Pardon(msgspec.Struct, frozen=True, kw_only=True):
    """Why a finding does not count: a waiver of the policy, or an entry of the baseline.

    Attributes:
        source: `waiver` or `baseline`.
        reason: In the words of who granted it; of a baseline the file's name.
        expires: Last day on which it holds; None for a baseline.
    """

    source: str
    reason: str
    expires: datetime.date | None = None


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, and what the policy does about it.

    Attributes:
        finding: What was found.
        action: What the policy says of its code and severity.
        undecided: Whether it says that something could not be decided: it makes a file
            inconclusive where another would have it refused.
        fingerprint: 32 hex digits that stay the same while the finding does, wherever the file
            lies and whatever else is in it; baselines and code scanning know it again by them.
        pardon: Why it does not count after all; None if it does.
    """

    finding: Finding
    action: Action
    undecided: bool = False
    fingerprint: str = ""
    pardon: Pardon | None = None

    @property
    def is_failing(self) -> bool:
        """Whether it keeps the file from passing."""
        return self.action is Action.FAIL and self.pardon is None


class GateFile(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint before the gate.

    Attributes:
        path: As the user named it, or as it was found.
        location: Members that lead through the wrappers to it.
        containers: Chain from the file to it; empty if it could not be read.
        size_bytes: Bytes of the innermost container.
        family: Family of its network; empty if no family knows it, or it was not asked for.
        variant: Row of the family's table that it is; empty for none.
        rulings: Every finding, in the order of the checks.
        checks: Which checks were made.
        requirements: What the policy demands of it, and what came out, in the order of the keys.
        failure: Why it could not be read; None if it could.
        carved: What its storages can be taken for with certainty, in a sentence, where it could
            not be read; empty where that cannot be said.
        carved_as: What the policy makes of such a file: inconclusive or refused.
    """

    path: str
    location: tuple[str, ...] = ()
    containers: tuple[ContainerKind, ...] = ()
    size_bytes: int | None = None
    family: str = ""
    variant: str = ""
    rulings: tuple[Ruling, ...] = ()
    checks: tuple[CheckRun, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    failure: Failure | None = None
    carved: str = ""
    carved_as: GateVerdict = GateVerdict.INCONCLUSIVE

    @property
    def verdict(self) -> GateVerdict:
        """What came out; what is unreadable was not judged, whatever else was found."""
        if self.failure is not None and not self.carved:
            return GateVerdict.UNREADABLE
        failing = [one for one in self.rulings if one.is_failing]
        if any(not one.undecided for one in failing):
            return GateVerdict.REFUSED
        if self.carved:
            return self.carved_as
        return GateVerdict.INCONCLUSIVE if failing else GateVerdict.PASSED

    @property
    def name(self) -> str:
        """Path, and the members that lead to the checkpoint."""
        return " > ".join((self.path, *self.location))


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `gate`.

    Attributes:
        policy: Where the policy stands: a path, or `default policy`.
        files: In the order of the request, and of the members of each wrapper.
        notices: Findings about the policy itself: waivers that have expired, or that nothing needs.
        skipped: What was met in folders and is no checkpoint.
    """

    policy: str
    files: tuple[GateFile, ...]
    notices: tuple[Ruling, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def verdict(self) -> GateVerdict:
        """The gravest of all files'; the policy's own notices count like a finding.

        Where nothing was judged, nothing has passed.
        """
        order = list(GateVerdict)
        verdicts = [one.verdict for one in self.files]
        if any(one.is_failing for one in self.notices):
            verdicts.append(GateVerdict.REFUSED)
        return max(verdicts, key=order.index, default=GateVerdict.INCONCLUSIVE)
