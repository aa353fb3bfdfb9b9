"""The smallest change that makes a contradicting claim consistent.

Enters: a claim that no network meets. Leaves: `Remedy`s: one change if that is enough, else two;
every one has been counted again with the change made.

What the claim says of shapes and planes may follow a changed setting if it agreed with the old one
(1,152 final channels with 64 depth bins, 576 with 32); totals must be met as they are claimed. Only
if no setting helps, a total itself is called wrong. Where no total is missed but planes or lists,
these are given as they follow, besides.
"""

import itertools
from collections.abc import Iterator
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.checked import Change, ChangeKind, Remedy, SameNumbers
from ckptscope.specs.arithmetic.background import Background, Row
from ckptscope.specs.arithmetic.edits import (
    Edit,
    Editor,
    Likelihood,
    changed_number,
    changed_reading,
)
from ckptscope.specs.arithmetic.effects import NO_CHANGE, effect_text
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.fitting import Attempt, Case, find_fit
from ckptscope.specs.arithmetic.phrases import listed
from ckptscope.specs.arithmetic.statements import Statement
from ckptscope.specs.arithmetic.tensors import is_large
from ckptscope.specs.arithmetic.vocabulary import other_readings

#: Remedies that are shown.
_MOST: Final = 3
#: Pairs of changes that are tried.
_MOST_PAIRS: Final = 400
_SINGLE: Final = (
    Likelihood.READING,
    Likelihood.ROW,
    Likelihood.USUAL,
    Likelihood.OTHER_ROW,
    Likelihood.SOLVED,
)
_PAIRED: Final = (Likelihood.READING, Likelihood.ROW, Likelihood.USUAL, Likelihood.OTHER_ROW)


class _Found(msgspec.Struct, frozen=True, eq=False):
    """An edit that helps, and the network that then meets the claim."""

    edit: Edit
    fit: Attempt
    follows: tuple[Statement, ...] = ()

    @property
    def rank(self) -> tuple[float, ...]:
        """The smaller, the better."""
        return (len(self.follows), self.edit.oddness, self.edit.distance)


def find_remedies(case: Case, closest: Attempt, background: Background) -> tuple[Remedy, ...]:
    """Return the smallest changes that help, the likeliest first.

    Args:
        case: A claim that no network meets.
        closest: The network that comes closest to it.
        background: Rows of the family's tables.
    """
    editor = Editor(case, closest, background)
    if is_large(closest.numbers):
        return _as_counted(closest)
    for likelihood in _SINGLE:
        found = _helping(editor, likelihood)
        if found:
            has_sums = any(one.is_total for one in closest.unmet)
            return _shown(case, found, closest) + (() if has_sums else _as_counted(closest))
    found = _pairs(editor)
    if found:
        return _shown(case, found, closest)
    for likelihood in (Likelihood.NUMBER, Likelihood.FAR):
        found = _helping(editor, likelihood)
        if found:
            return _shown(case, found, closest)
    return _as_counted(closest)


def _helping(editor: Editor, likelihood: Likelihood) -> list[_Found]:
    return [
        found
        for edit in editor.edits(likelihood)
        if (found := _tried(editor.case, editor.closest, edit)) is not None
    ]


def _pairs(editor: Editor) -> list[_Found]:
    """Return the first pair of changes that helps, of two settings, the likeliest first."""
    kinds = sorted(itertools.product(_PAIRED, _PAIRED), key=sum)
    tries = 0
    for first, second in kinds:
        for one in editor.edits(first):
            if one.dropped:
                continue
            changed = editor.case.with_statements(one.statements)
            for other in msgspec.structs.replace(editor, case=changed).edits(second):
                if other.dropped or other.name == one.name:
                    continue
                found = _tried(editor.case, editor.closest, _both(one, other))
                tries += 1
                if found is not None:
                    return [found]
                if tries >= _MOST_PAIRS:
                    return []
    return []


def _both(one: Edit, other: Edit) -> Edit:
    """Return two changes as one; the second was made of the claim with the first."""
    reasons = dict.fromkeys(reason for reason in (one.reason, other.reason) if reason)
    return Edit(
        other.statements,
        (*one.changes, *other.changes),
        max(one.likelihood, other.likelihood),
        ", ".join(reasons),
        one.distance + other.distance,
        one.oddness + other.oddness,
        f"{one.name}, {other.name}",
    )


def _tried(case: Case, closest: Attempt, edit: Edit) -> _Found | None:
    """Look whether an edit helps, as it is or with what follows from it."""
    changed = case.with_statements(edit.statements)
    fit = find_fit(changed)
    if fit is not None:
        return _Found(edit, fit)
    tied = _followers(changed, closest, edit)
    if not tied:
        return None
    loose = tuple(one for one in edit.statements if one not in tied)
    fit = find_fit(case.with_statements(loose))
    if fit is None:
        return None
    follows = tuple(one for one in tied if one.met_by(fit.numbers) is None)
    return _Found(edit, fit, follows)


def _followers(changed: Case, closest: Attempt, edit: Edit) -> list[Statement]:
    """Return what a claim says in other words than the setting that is changed.

    It agreed with the old value, and no sum is among it.
    """
    if any(change.kind is not ChangeKind.SETTING for change in edit.changes):
        return []
    try:
        after = changed.builder.build(changed.said(), {**closest.opened, **closest.varied})
    except UsageError:
        return []
    return [
        one
        for one in edit.statements
        if _follows_exactly(changed, one)
        and one.met_by(closest.numbers) is not None
        and one.met_by(after) is None
    ]


def _follows_exactly(case: Case, statement: Statement) -> bool:
    """Whether a statement says something that follows from settings, and is no sum."""
    facts = statement.facts
    is_setting = len(facts) == 1 and case.builder.takes(facts[0])
    return bool(facts) and not is_setting and not statement.is_total


def _shown(case: Case, found: list[_Found], closest: Attempt) -> tuple[Remedy, ...]:
    """Describe the best of what helps, each change once."""
    chosen: dict[tuple[Change, ...], _Found] = {}
    for one in sorted(found, key=lambda one: one.rank):
        chosen.setdefault(_changes(one), one)
    return tuple(
        Remedy(
            changes=changes,
            follows=tuple(changed_number(follower, one.fit.numbers) for follower in one.follows),
            reason=one.edit.reason or _reason(case, one),
            settings=dict(one.fit.numbers.settings),
            text=listed(change.text for change in changes),
            effect=_effect(case, closest, one),
        )
        for changes, one in itertools.islice(chosen.items(), _MOST)
    )


def _reason(case: Case, found: _Found) -> str:
    """Say where a number is from that is no longer the claim's."""
    row = case.builder.base.row
    is_own = row is not None and not found.fit.opened and not found.fit.varied
    return f"as in row {row.name}" if row is not None and is_own and found.edit.dropped else ""


def _effect(case: Case, closest: Attempt, found: _Found) -> str:
    """Say what the tensors become; nothing where no setting is another."""
    if all(change.kind is ChangeKind.NUMBER for change in _changes(found)):
        return ""
    effect = effect_text(case.builder.family, closest.numbers, found.fit.numbers)
    is_reading = all(change.kind is ChangeKind.READING for change in _changes(found))
    return "" if is_reading and effect == NO_CHANGE else effect


def _changes(found: _Found) -> tuple[Change, ...]:
    dropped = (changed_number(one, found.fit.numbers) for one in found.edit.dropped)
    return (*found.edit.changes, *dropped)


def _as_counted(closest: Attempt) -> tuple[Remedy, ...]:
    """Keep what the claim says to the family, and take every other number from the arithmetic.

    Nothing is returned where the claim speaks of what the network has not.
    """
    known = [one for one in closest.unmet if one.nearest(closest.numbers) is not None]
    changes = tuple(changed_number(one, closest.numbers) for one in known)
    remedy = Remedy(
        changes=changes,
        settings=dict(closest.numbers.settings),
        text=listed(change.text for change in changes),
    )
    return (remedy,) if len(known) == len(closest.unmet) else ()


def remedies_of_row(
    row: Row,
    missed: tuple[Statement, ...],
    owners: tuple[SameNumbers, ...],
    background: Background,
) -> tuple[Remedy, ...]:
    """Return what to change about a claim that agrees with itself and not with its row.

    The numbers may be about something else, or those of another row; else they are the row's own.

    Args:
        row: The row that the claim names.
        missed: What it says and the row's network does not meet.
        owners: Rows of which all that it says is true.
        background: What the facts of the family are.
    """
    found = list(_readings_of_row(row, missed, background))
    found += [
        Remedy(
            changes=(
                Change(
                    attribute="row",
                    kind=ChangeKind.ROW,
                    claimed=row.name,
                    value=owner.row,
                    read_as="row",
                    text=f"row = {owner.row}",
                ),
            ),
            settings=owner.settings,
            text=f"row = {owner.row}",
        )
        for owner in owners
        if owner.table == row.table.name
    ]
    if row.numbers is not None and missed:
        changes = tuple(_row_change(one, row.numbers) for one in missed)
        found.append(
            Remedy(
                changes=changes,
                reason=f"as in row {row.name}",
                settings=dict(row.numbers.settings),
                text=listed(change.text for change in changes),
            )
        )
    return tuple(found)


def _readings_of_row(
    row: Row, missed: tuple[Statement, ...], background: Background
) -> Iterator[Remedy]:
    """Read every number that the row does not meet as about another fact, if that is the row's."""
    numbers = row.numbers
    if numbers is None or not missed:
        return
    changes = []
    for statement in missed:
        others = (
            other
            for fact in statement.facts
            for other in other_readings(fact, background.samples)
            if not statement.of_tensor and statement.about(other).met_by(numbers) is not None
        )
        other = next(others, None)
        if other is None:
            return
        changes.append(changed_reading(statement, other))
    yield Remedy(
        changes=tuple(changes),
        reason=f"row {row.name}",
        settings=dict(numbers.settings),
        text=listed(change.text for change in changes),
    )


def _row_change(statement: Statement, numbers: Numbers) -> Change:
    """Return what the row has in place of what is claimed."""
    change = changed_number(statement, numbers)
    kind = ChangeKind.NUMBER if statement.is_total else ChangeKind.SETTING
    return msgspec.structs.replace(change, kind=kind)
