"""What a policy asks for, and what it does about findings.

Enters: nothing. Leaves: `Policy`, complete and checked, whatever it was read from.
"""

import datetime
from collections.abc import Mapping

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.containers import ContainerKind

#: The variant that a policy names where each file's name is to say which row it holds.
FROM_NAME = "from name"


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
        fail: Selectors of findings that keep a file from passing: a code, a prefix of codes, or a
            severity. Of several that fit a finding the most precise counts: a code before a prefix,
            a longer prefix before a shorter, any of them before a severity.
        warn: Selectors of findings that are told and do not count.
        ignore: Selectors of findings that are listed only where everything is.
        family: Family that the network must be of; None for any.
        variant: Row that it must be, or `from name`; None for any.
        config: Settings that the network must have: `{"joints": 17}`.
        specs: Tables beside those that come along, as paths.
        containers: Innermost or outer kinds that are allowed; empty for all.
        max_bytes: Largest size of the file, in bytes; None for any.
        imports: Unknown classes that are trusted, as `check_imports` takes them.
        metadata: Paths of plain values, or keys of a safetensors header, that must be there.
        values: Whether the values of all tensors must be scanned.
        deep: Whether CRCs must be checked.
        waivers: Findings that are accepted for a while.
        baseline: File of known findings, as a path; None for none.
    """

    source: str = "default policy"
    fail: tuple[str, ...] = ("error", "SAF002", "POL", "CON050", "PKL006")
    warn: tuple[str, ...] = ("warning",)
    ignore: tuple[str, ...] = ("info",)
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
    waivers: tuple[Waiver, ...] = ()
    baseline: str | None = None


DEFAULT_POLICY = Policy()
