"""Claims → verdicts.

Enters: a `Document`. Leaves: `CheckedClaim`s, in its order: each network, relation and inference by
itself, and what concerns all networks of a claim together.
"""

import functools
from collections.abc import Sequence

from ckptscope.facts.checked import (
    Change,
    ChangeKind,
    CheckedClaim,
    CheckedFile,
    CheckedPart,
    ClaimVerdict,
    gravest,
)
from ckptscope.specs.arithmetic.document import Claimed, Document
from ckptscope.specs.arithmetic.edits import Editor, Likelihood
from ckptscope.specs.arithmetic.evaluation import TIMES
from ckptscope.specs.arithmetic.fitting import find_fit
from ckptscope.specs.arithmetic.inferences import check_inference
from ckptscope.specs.arithmetic.networks import Checked, Subject, check_network
from ckptscope.specs.arithmetic.phrases import listed
from ckptscope.specs.arithmetic.reasons import fit_text
from ckptscope.specs.arithmetic.relations import check_relation, check_same
from ckptscope.specs.arithmetic.solving import solve_open
from ckptscope.specs.arithmetic.statements import unmet


def check_document(document: Document) -> CheckedFile:
    """Check every claim of a file."""
    background = document.background
    used = {
        subject.row.table.title
        for claim in document.claims
        for subject in claim.subjects
        if subject.row is not None
    }
    return CheckedFile(
        path=document.path,
        title=document.title,
        family=background.family.name,
        tables=tuple(table.title for table in background.tables if table.title in used),
        claims=tuple(check_claim(claim) for claim in document.claims),
    )


def check_claim(claim: Claimed) -> CheckedClaim:
    """Check one claim."""
    is_definition = bool(claim.relations or claim.same or claim.inference)
    networks = [check_network(subject, is_definition=is_definition) for subject in claim.subjects]
    parts = [one.part for one in networks]
    if is_definition:
        parts = [one for one in parts if one.verdict is ClaimVerdict.CONTRADICTS_ITSELF]
    parts += [check_relation(relation, networks) for relation in claim.relations]
    if claim.same:
        parts.append(check_same(claim.same, networks))
    if claim.inference is not None:
        parts += [
            check_inference(claim.inference, network, subject)
            for network, subject in zip(networks, claim.subjects, strict=True)
        ]
    verdict = gravest(tuple(one.verdict for one in parts))
    return CheckedClaim(
        id=claim.id,
        text=claim.text,
        source=claim.source,
        line=claim.line,
        verdict=verdict,
        reason=_reason(parts, verdict),
        evidence=(*_together(networks), *_common_remedy(claim, networks)),
        parts=tuple(parts),
    )


def _reason(parts: Sequence[CheckedPart], verdict: ClaimVerdict) -> str:
    """Return the reason of the part that decides; of several networks, with its name."""
    deciding = [one for one in parts if one.verdict is verdict and one.reason]
    if not deciding:
        return ""
    first = deciding[0]
    names = listed(one.subject for one in deciding if one.reason == first.reason)
    return f"{names}: {first.reason}" if len(parts) > 1 else first.reason


def _together(networks: Sequence[Checked]) -> tuple[str, ...]:
    """Say whether one choice of open values fits all networks that a claim names together.

    It is asked where one of them fits none of the usual values.
    """
    if len(networks) < 2 or not any(one.ranges is not None for one in networks):
        return ()
    ranges = [one.ranges or solve_open(one.case) for one in networks]
    known = [one for one in ranges if one is not None and not one.is_empty]
    if len(known) < len(networks) or len({(one.solved, one.others) for one in known}) > 1:
        return ()
    shared = functools.reduce(lambda one, other: one.shared_with(other), known)
    if not shared.is_empty:
        return ()
    names = listed(one.part.subject for one in networks)
    product = TIMES.join((shared.solved, *shared.others))
    return (f"no {product} fits {names} together ({shared.bounds})",)


def _common_remedy(claim: Claimed, networks: Sequence[Checked]) -> tuple[str, ...]:
    """Say whether the remedy of one network, made to all of them, makes all of them consistent."""
    if len(networks) < 2:
        return ()
    for network in networks:
        for remedy in network.part.remedies:
            change = remedy.changes[0]
            if len(remedy.changes) > 1 or change.kind is not ChangeKind.SETTING:
                continue
            fits = [_with_change(one, subject, change) for one, subject in _pairs(claim, networks)]
            if all(fits):
                return (f"with {change.text} all of it holds: {'; '.join(fits)}",)
    return ()


def _pairs(claim: Claimed, networks: Sequence[Checked]) -> list[tuple[Checked, Subject]]:
    return list(zip(networks, claim.subjects, strict=True))


def _with_change(network: Checked, subject: Subject, change: Change) -> str:
    """Return with what a network holds if a setting is changed; empty if it does not hold."""
    if network.attempt is None:
        return ""
    editor = Editor(network.case, network.attempt, subject.background)
    if change.attribute not in editor.settings():
        return ""
    edit = editor.replace(change.attribute, change.value, Likelihood.ROW)
    case = network.case.with_statements(edit.statements)
    fit = find_fit(case)
    row = subject.row
    if fit is None or (row and row.numbers and unmet(case.statements, row.numbers)):
        return ""
    return f"{subject.name}: {fit_text(case, fit)}"
