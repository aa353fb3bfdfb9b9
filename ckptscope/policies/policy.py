"""What a policy asks for, and what it does about findings.

Enters: nothing. Leaves: `Policy`, complete and checked, whatever it was read from.
docs/writing-a-policy.md explains it as its author writes it.
"""

import datetime
from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.containers import ContainerKind

#: The variant that a policy names where each file's name is to say which row it holds.
FROM_NAME: Final = "from-name"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about which findings.

    A selector is a code, a prefix of codes, or a severity. Of several that fit a finding the most
    precise counts: a code before a prefix, a longer prefix before a shorter, any of them before a
    severity.

    Attributes:
        fail: Selectors of findings that keep a file from passing.
        warn: Selectors of findings that are told and do not count.
        ignore: Selectors of findings that are listed only where everything is.
    """

    fail: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


#: What may become of a file that could not be read, and whose storages tell what it was.
CARVED_REFUSED: Final = "refuse"
CARVED_ACTIONS: Final = ("inconclusive", CARVED_REFUSED)

#: What holds where neither a policy nor the command line says anything else: a file is to be safe,
#: whole, readable, and not contradicted by its label.
DEFAULT_SELECTION: Final = Selection(
    fail=(
        # Code that loading would run, bytes that are missing or twice, a label that is wrong.
        "error",
        # Nobody here knows the class, so nobody can say that loading is safe.
        "SAF002",
        # A part was not read, so it was not judged: a member, a second pickle, a tensor's values.
        "CON050",
        "PKL006",
        "VAL020",
        # Who demands something of a file means it.
        "POL",
    ),
    # A policy's own upkeep (waivers that are over, or idle) says nothing against a file.
    warn=("warning", "POL020", "POL021"),
    ignore=("info",),
)


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is known and accepted for a while.

    Attributes:
        code: Code or prefix of codes.
        reason: Why.
        expires: Last day on which it holds.
        file: Pattern of file names, as of a shell; matched against the path and its last part.
        where: Pattern of the member or the tensor's key; None for any.
        line: Line of the policy where it stands.
    """

    code: str
    reason: str
    expires: datetime.date
    file: str = "*"
    where: str | None = None
    line: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate asks for.

    Attributes:
        source: Path of the file that it is from, for messages.
        fail: Selectors of its own, see `Selection`; where one of its selectors fits a finding, the
            default ones are not asked.
        warn: Likewise.
        ignore: Likewise.
        overrides: Selectors of the command line: where one of them fits, no others are asked.
        family: Family that the network must be of; None for any.
        variant: Row that it must be, or `from-name`; None for any.
        config: Settings that the network must have: `{"joints": 17}`.
        specs: Tables beside those that come along, as paths; the network must be a row of one.
        containers: Kinds that every layer of packing must be of; empty for all.
        max_bytes: Largest size of the file, in bytes; None for any.
        imports: Unknown classes that are trusted, as `check_imports` takes them.
        metadata: Patterns of paths of plain values, or of keys of a safetensors header, that must
            be there.
        values: Whether the values of all tensors must be scanned.
        deep: Whether CRCs must be checked.
        carved: What becomes of a file that could not be read, and whose storages tell what it was:
            `inconclusive` or `refuse`; None for the first.
        waivers: Findings that are accepted for a while.
        baseline: File of known findings, as a path; None for none.
    """

    source: str = "default policy"
    fail: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    overrides: Selection = Selection()
    family: str | None = None
    variant: str | None = None
    config: Mapping[str, FactValue] = {}
    specs: tuple[str, ...] = ()
    containers: tuple[ContainerKind, ...] = ()
    max_bytes: int | None = None
    imports: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    values: bool = False
    deep: bool = False
    carved: str | None = None
    waivers: tuple[Waiver, ...] = ()
    baseline: str | None = None

    @property
    def selections(self) -> tuple[Selection, ...]:
        """Who is asked about a finding, one after the other."""
        own = Selection(fail=self.fail, warn=self.warn, ignore=self.ignore)
        return self.overrides, own, DEFAULT_SELECTION


DEFAULT_POLICY: Final = Policy()
