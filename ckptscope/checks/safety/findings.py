"""Imports that are not plainly harmless → findings, one for each name and member.

Enters: imports. Leaves: findings in the order of the file: `SAF001` dangerous, `SAF002` unknown,
`SAF003` names that the file does not tell.
"""

from collections.abc import Iterable, Iterator, Sequence

from ckptscope.checks.safety.judging import Judgement, Verdict, is_standard, judge
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.pickled import Import, Naming

#: Places of one name that are listed.
_MOST_PLACES = 5
#: Findings of one code; a network with all its classes names some dozens.
_MOST_FINDINGS = 200
_SHOWN_CHARACTERS = 200
#: Under this module stand the classes of the script that was run.
_MAIN = "__main__"

_Group = tuple[str, str, str | None, Naming]


def find_in(imports: Iterable[Import], allowed: Sequence[str]) -> tuple[Finding, ...]:
    """Judge imports, each name of each member once."""
    groups: dict[_Group, list[Import]] = {}
    for one in imports:
        groups.setdefault((one.module, one.name, one.member, _kind(one)), []).append(one)
    judged: dict[tuple[str, str], Judgement] = {}
    found: dict[Code, list[Finding]] = {}
    for places in groups.values():
        first = places[0]
        key = (first.module, first.name)
        judgement = judged.get(key)
        if judgement is None:
            judgement = judged[key] = judge(*key)
        finding = _finding(places, judgement, allowed)
        if finding is not None:
            found.setdefault(finding.code, []).append(finding)
    return tuple(finding for group in found.values() for finding in _bounded(group))


def _kind(one: Import) -> Naming:
    """Names that are resolved are judged alike, however the pickle came to them."""
    if one.naming in (Naming.COMPUTED, Naming.LOOKED_UP):
        return Naming.SPELLED
    return one.naming


def _finding(places: list[Import], judgement: Judgement, allowed: Sequence[str]) -> Finding | None:
    """Return what is to be said of one name in one member; None if nothing is."""
    first = places[0]
    name = qualified(first)
    if first.naming is Naming.HIDDEN:
        return _hidden(places)
    if first.naming is Naming.CHANGED:
        message = f"attributes or items of {name!r} are changed, for all in the process that use it"
        return _make(Code.IMPORT_DANGEROUS, Severity.ERROR, message, places)
    if first.naming is Naming.RESULT_CALLED:
        if judgement.verdict is not Verdict.HARMLESS:
            # The name itself has a finding.
            return None
        message = f"what a call of {name!r} gives is called in its turn; nothing tells what that is"
        return _make(Code.IMPORT_HIDDEN, Severity.ERROR, message, places)
    if judgement.verdict is Verdict.DANGEROUS and not all(one.followed for one in places):
        meant = f"{name!r} is {judgement.meant!r:.200}, which" if judgement.meant else f"{name!r}"
        message = f"{meant} {judgement.reason}"
        return _make(Code.IMPORT_DANGEROUS, Severity.ERROR, message, places)
    if judgement.verdict is Verdict.UNKNOWN and not all(one.followed for one in places):
        if any(_matches(pattern, f"{first.module}.{first.name}") for pattern in allowed):
            return None
        return _make(Code.IMPORT_UNKNOWN, Severity.WARNING, _unknown(first, name), places)
    return None


def qualified(one: Import) -> str:
    """Return module and name, cut to a line."""
    return f"{one.module}.{one.name}"[:_SHOWN_CHARACTERS]


def _matches(pattern: str, name: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern


def _hidden(places: list[Import]) -> Finding:
    first = places[0]
    if first.opcode.startswith("EXT"):
        message = (
            f"a name that the file does not tell: number {first.name.removeprefix('extension ')} "
            "of a registry in the process that loads it"
        )
    else:
        message = "a name that the file does not tell: it is computed while the file is loaded"
    return _make(Code.IMPORT_HIDDEN, Severity.ERROR, message, places)


def _unknown(one: Import, name: str) -> str:
    """Say what loading an unknown name would take."""
    package = one.module.partition(".")[0][:_SHOWN_CHARACTERS]
    if package == _MAIN:
        return f"{name!r} is not known: loading needs a script that defines it, and runs its code"
    if is_standard(one.module):
        return f"{name!r} is a part of Python that is not known to be harmless"
    if package in ("torch", "numpy"):
        return f"{name!r} is a part of {package} that is not known to be harmless"
    return f"{name!r} is not known: loading needs the package {package!r}, and runs its code"


def _make(code: Code, severity: Severity, message: str, places: list[Import]) -> Finding:
    first = places[0]
    return Finding(
        code=code,
        severity=severity,
        message=message,
        where=Where(member=first.member, offset_bytes=first.offset_bytes),
        evidence=tuple(_places(places)),
    )


def _places(places: list[Import]) -> Iterator[str]:
    for one in places[:_MOST_PLACES]:
        how = "" if one.naming is Naming.SPELLED else f" ({one.naming.value})"
        member = f" of {one.member!r:.200}" if one.member is not None else ""
        name = f"{one.module}.{one.name}"
        yield f"{name!r:.200} by {one.opcode} at byte {one.offset_bytes:,}{member}{how}"
    if len(places) > _MOST_PLACES:
        yield f"{len(places):,} places in all"


def _bounded(group: list[Finding]) -> list[Finding]:
    rest = group[_MOST_FINDINGS:]
    if not rest:
        return group
    last = Finding(
        code=group[0].code,
        severity=group[0].severity,
        message=f"the same of {len(rest):,} more names",
        where=rest[0].where,
        evidence=tuple(one.message for one in rest[:_MOST_PLACES]),
    )
    return [*group[:_MOST_FINDINGS], last]
