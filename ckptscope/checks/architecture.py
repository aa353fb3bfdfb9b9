"""Is it the network that it is said to be?

Enters: a file held against the row of its label, what was found in it, plain values that it holds
beside the tensors. Leaves: findings `ARC...`. That something is contradicted is said of observed
and derived facts alone; where a file cannot tell, that is said instead.
"""

from collections.abc import Iterator, Mapping, Sequence

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.claims import ClaimSource, Verdict
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.paper import Label, PaperFile, PaperOutcome
from ckptscope.facts.report import FileReport
from ckptscope.facts.standing import Judgement
from ckptscope.facts.tensors import Role
from ckptscope.facts.training import PlainMapping
from ckptscope.families.base import Given
from ckptscope.families.registry import find_family
from ckptscope.families.view import NetworkView

_MOST_LISTED = 8
#: Mappings of one file that are tried as the configuration of one network.
_MOST_TRIED = 8
#: Words in the path of a mapping that may be the network's configuration, and of one that is
#: another's.
_CONFIGURATIONS = (
    "arg",
    "cfg",
    "conf",
    "opt",
    "param",
    "setting",
    "model",
    "net",
    "header",
    "meta",
)
_OTHERS = ("teacher", "pretrain", "optimizer", "optim", "sched", "discriminator", "state_dict")


def check_architecture(
    file: PaperFile, report: FileReport, mappings: Sequence[PlainMapping] = ()
) -> tuple[Finding, ...]:
    """Say what contradicts the label, the table or the configuration, and what is not decided.

    Args:
        file: The checkpoint, held against the row of its label.
        report: What was found in it.
        mappings: Plain values that it holds; its configuration may be among them.
    """
    if file.failure is not None:
        return ()
    found = [*_label(file)]
    for one in report.identified:
        found += _configuration(one.architecture, report, mappings)
    found += _family(report)
    for one in report.identified:
        found += _misfits(one.architecture)
    return tuple(found)


def _label(file: PaperFile) -> Iterator[Finding]:
    label = file.label
    if label is None:
        if file.label_remark:
            yield Finding(
                code=Code.LABEL_UNDECIDED,
                severity=Severity.INFO,
                message="which row the file is said to be is not decided: "
                f"{file.label_remark:.300}",
                where=Where(key=file.state_dict[:400] or None),
                evidence=(f"{file.title}, held against {file.table!r:.60}",),
                help="give the file a name that means one row",
            )
        return
    contradicted = [one for one in file.judgements if one.verdict is Verdict.CONTRADICTS]
    if file.outcome is PaperOutcome.CONTRADICTS:
        yield _contradicted(file, label, contradicted)
    elif file.outcome is PaperOutcome.UNDECIDED:
        open_claims = [one for one in file.judgements if one.verdict is Verdict.NOT_DECIDABLE]
        yield Finding(
            code=Code.LABEL_UNDECIDED,
            severity=Severity.INFO,
            message=f"{label.source:.200} says {_row(label)}, and nothing in the file decides it",
            where=Where(key=file.state_dict[:400] or None),
            evidence=tuple(map(_line, open_claims[:_MOST_LISTED])),
        )


def _contradicted(file: PaperFile, label: Label, judgements: Sequence[Judgement]) -> Finding:
    by_name = label.made_by is ClaimSource.FILE_NAME
    said = f"{label.source:.200} says" if by_name else "the file is said to be"
    first = judgements[0]
    return Finding(
        code=Code.LABEL_CONTRADICTED if by_name else Code.SPEC_CONTRADICTED,
        severity=Severity.ERROR,
        message=f"{said} {_row(label)}, and the file contradicts it in {_counted(judgements)}: "
        f"{_line(first)}; {_instead(file, label)}",
        where=Where(key=file.state_dict[:400] or None),
        evidence=(*map(_line, judgements[:_MOST_LISTED]), *_telling(file, label)),
        help="rename the file to what it holds, or publish the one that was meant"
        if by_name
        else "publish the file that was meant, or ask for the row that this one is",
    )


def _instead(file: PaperFile, label: Label) -> str:
    """Say what the file is, as far as that is known."""
    standing = file.standing
    if standing is None or standing.spec != label.table:
        return f"its network is a {file.title}"
    if standing.variant is not None:
        return f"it matches row {standing.variant} in all that it decides"
    return f"{standing.remark}" if standing.remark else "it matches no row"


def _telling(file: PaperFile, label: Label) -> tuple[str, ...]:
    """Return the tensors that tell the row that fits best from the label's."""
    standing = file.standing
    if standing is None or standing.spec != label.table:
        return ()
    pair = (standing.ranking[0].row, standing.runner_up)
    return file.told_from_label or (standing.separating if label.row in pair else ())


def _line(one: Judgement) -> str:
    """Return one claim and what was found."""
    found = one.found_text or "nothing"
    origin = f" ({one.origin})" if one.origin is not None else ""
    said = f"{one.attribute}: claimed {one.claimed_text or one.claimed}, found {found}{origin}"
    return f"{said}; {one.explanation}" if one.explanation else said


def _row(label: Label) -> str:
    return f"row {label.row!r:.60} of {label.table!r:.60}"


def _counted(judgements: Sequence[Judgement]) -> str:
    return "1 claim" if len(judgements) == 1 else f"{len(judgements):,} claims"


def _configuration(
    architecture: Architecture, report: FileReport, mappings: Sequence[PlainMapping]
) -> Iterator[Finding]:
    """Take every configuration that comes with the file at its word, and see what shapes say."""
    candidates = [one for one in mappings if _may_be_configuration(one.path)]
    if not candidates:
        return
    spellings = find_family(architecture.family).spellings
    tried = 0
    for mapping in candidates:
        stated = _stated(mapping.values, spellings, architecture)
        if not stated or tried >= _MOST_TRIED:
            continue
        tried += 1
        told = _contradictions(architecture, report, stated)
        if told:
            where = f"at {mapping.path!r:.200}" if mapping.path else "at the top of the file"
            shown = ", ".join(
                f"{name} {_shown(value)}"
                for name, value in mapping.values.items()
                if spellings.get(name, ("",))[0] in stated
            )
            yield Finding(
                code=Code.CONFIGURATION_CONTRADICTED,
                severity=Severity.WARNING,
                message=f"the configuration {where} ({shown:.300}) contradicts the shapes of the "
                f"network{_at(architecture)}: {told[0]:.400}",
                where=Where(key=mapping.path[:400] or None),
                evidence=told[:_MOST_LISTED],
                help="save the configuration that the network was built from: code that builds it "
                "from this one cannot load the weights",
            )


def _may_be_configuration(path: str) -> bool:
    folded = path.casefold()
    if any(word in folded for word in _OTHERS):
        return False
    return not folded or any(word in folded for word in _CONFIGURATIONS)


def _stated(
    values: Mapping[str, FactValue],
    spellings: Mapping[str, Sequence[str]],
    architecture: Architecture,
) -> dict[str, FactValue]:
    """Return what a mapping says, as settings; not what is right in another of its meanings."""
    stated: dict[str, FactValue] = {}
    for name, value in values.items():
        facts = spellings.get(name, ())
        if not facts or not _is_size(value):
            continue
        known = (architecture.fact(other) for other in facts[1:])
        if not any(fact is not None and fact.value == value for fact in known):
            stated[facts[0]] = value
    return stated


def _is_size(value: FactValue) -> bool:
    """Whether a value is a whole number above 0, or several of them."""
    items = value if isinstance(value, tuple) else (value,)
    return bool(items) and all(
        isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in items
    )


def _contradictions(
    architecture: Architecture, report: FileReport, stated: Mapping[str, FactValue]
) -> tuple[str, ...]:
    """Return what the shapes of a network say against settings; empty for nothing."""
    manifest = report.manifest
    state_dicts = manifest.state_dicts if manifest is not None else ()
    network = next((one for one in state_dicts if one.path == architecture.state_dict), None)
    if network is None:
        return ()
    view = NetworkView(network, architecture.prefix)
    try:
        again = find_family(architecture.family).infer(view, Given(stated=dict(stated)))
    except UsageError:
        # The names mean something else there: a setting of this family has no such value.
        return ()
    return tuple(text for text in again.misfits if text not in architecture.misfits)


def _shown(value: FactValue) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _at(architecture: Architecture) -> str:
    return f" at {architecture.state_dict!r:.200}" if architecture.state_dict else ""


def _family(report: FileReport) -> Iterator[Finding]:
    """Say that no family knows a file's networks, where there are some."""
    manifest = report.manifest
    if manifest is None or report.identified:
        return
    networks = [one for one in manifest.state_dicts if one.role in (Role.NETWORK, Role.EMA)]
    if networks:
        yield Finding(
            code=Code.FAMILY_UNKNOWN,
            severity=Severity.INFO,
            message="no family knows the network of this file: what it is was not checked against "
            "any table",
            where=Where(key=networks[0].path[:400] or None),
            evidence=tuple(
                f"{one.path!r:.200}: {len(one.tensors):,} tensors, {one.elements:,} elements"
                for one in networks[:_MOST_LISTED]
            ),
        )


def _misfits(architecture: Architecture) -> Iterator[Finding]:
    """Say what of a network does not fit its family."""
    misfits = architecture.misfits
    if misfits:
        more = f", and {len(misfits) - 1:,} more" if len(misfits) > 1 else ""
        yield Finding(
            code=Code.FAMILY_MISFIT,
            severity=Severity.WARNING,
            message=f"the network{_at(architecture)} is a {architecture.title}, but for what does "
            f"not fit: {misfits[0]:.400}{more}",
            where=Where(key=architecture.state_dict[:400] or None),
            evidence=tuple(text[:400] for text in misfits[:_MOST_LISTED]),
            help="code of this family may not load it as it is: inspect --evidence tells what "
            "each fact rests on",
        )
