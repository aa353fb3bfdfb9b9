"""A pasted error → what is behind it.

Enters: a `LoadError`, families with networks that are known. Leaves: an `Explanation`. If a family
knows the keys, the settings of both networks are solved for, and causes are found as if both were
at hand; else, and for what is left, sizes and names that recur are told.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ckptscope.differences.attribution import Bucket, attribute
from ckptscope.differences.causes import lost_cause
from ckptscope.differences.diagnosing import part_spellings
from ckptscope.differences.factoring import factor_lines, without
from ckptscope.differences.factors import Guess
from ckptscope.differences.grounds import Grounds, Spelling, Table, table_of, values_of, variation
from ckptscope.differences.recognising import Catalogue, Recognised, recognise
from ckptscope.differences.renaming import matching_keys
from ckptscope.differences.solving import Reference, Solution, solve
from ckptscope.differences.templates import Template
from ckptscope.differences.values import split_name
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.differences import (
    Cause,
    CauseKind,
    Diagnosis,
    KeyDifferences,
    ShapeMismatch,
)
from ckptscope.facts.loading import Explanation, LoadError
from ckptscope.facts.tensors import Origin
from ckptscope.families.comparing import mismatch

#: Families that know as many keys as the first and are tried, too.
_MOST_FAMILIES = 4
_MOST_ALTERNATIVES = 3
#: Rows that are named as fitting; of more, none tells anything.
_MOST_ROWS = 2


def explain_error(error: LoadError, catalogues: Sequence[Catalogue]) -> Explanation:
    """Explain one error.

    Args:
        error: As it was pasted.
        catalogues: Families, and networks of theirs that are known.
    """
    recognised = recognise(error, catalogues)
    best: Explanation | None = None
    for one in recognised[:_MOST_FAMILIES]:
        if one.share < recognised[0].share:
            break
        explained = _Known(error, one).explain()
        if explained is not None and (best is None or _rank(explained) < _rank(best)):
            best = explained
    if best is None:
        return _unknown(error)
    return _with_others(best, recognised)


def _with_others(best: Explanation, recognised: Sequence[Recognised]) -> Explanation:
    """Name the families that know the keys as well, unless the class bears the first one's name."""
    first = next(one for one in recognised if one.catalogue.family.name == best.family)
    others = tuple(
        one.catalogue.family
        for one in recognised
        if one is not first and one.share == first.share and one.is_named == first.is_named
    )
    if not others:
        return best
    named = " and of ".join(family.title for family in others)
    return msgspec.structs.replace(
        best,
        reasons=(*best.reasons, f"and they are names of {named}, too"),
        rivals=tuple(family.name for family in others),
        found_row="",
        expected_row="",
        table="",
    )


def _rank(explained: Explanation) -> tuple[bool, int]:
    return explained.is_reproduced is False, explained.diagnosis.unexplained.count


def _unknown(error: LoadError) -> Explanation:
    diagnosis = factor_lines(error.differences)
    return Explanation(
        error=error,
        diagnosis=diagnosis,
        reasons=("no family that is known has these keys",),
        undecided=tuple(_open_questions(error, diagnosis)),
    )


class _Known:
    """An error whose keys a family knows."""

    def __init__(self, error: LoadError, recognised: Recognised) -> None:
        self._error = error
        self._recognised = recognised
        self._family = recognised.catalogue.family
        self._references = recognised.catalogue.references
        self._dialect = recognised.expected.dialect
        self._spelling = self._read_spelling()

    def explain(self) -> Explanation | None:
        """Return the explanation, or None if there is no network to begin with."""
        met, rest = part_spellings(self._error.differences, self._spelling)
        solution = None
        found: Diagnosis = Diagnosis(differences=rest)
        if rest.count:
            solution = solve(self._family, self._bare(rest), self._references, self._dialect)
            if solution is None:
                return None
            found = self._diagnose(rest, solution)
        left = factor_lines(found.unexplained)
        lost = self._lost(left.unexplained, solution)
        diagnosis = Diagnosis(
            differences=self._error.differences,
            causes=(*met, *found.causes, *left.causes, *lost),
            unexplained=without(left.unexplained, lost),
        )
        rows = self._rows(solution)
        wrong = solution.wrong if solution is not None else None
        return Explanation(
            error=self._error,
            family=self._family.name,
            title=self._family.title,
            dialect=self._dialect,
            reasons=(self._reason(),),
            found_row=rows[0],
            expected_row=rows[1],
            table=self._references[0].table if any(rows) else "",
            diagnosis=diagnosis,
            is_reproduced=None if wrong is None else wrong.lacking == 0,
            beyond=wrong.beyond if wrong is not None else 0,
            undecided=tuple(_open_questions(self._error, diagnosis)),
        )

    def _reason(self) -> str:
        share = self._recognised.share
        how_many = "all" if share == 1 else f"{share:.0%} of the"
        return f"{how_many} keys are names of {self._family.title}"

    def _read_spelling(self) -> Spelling:
        found, expected = self._recognised.found, self._recognised.expected
        names: dict[str, str] = {}
        if found.dialect != expected.dialect:
            for reference in self._references:
                configuration = self._family.configure(reference.settings)
                pairs = matching_keys(self._family, configuration, found.dialect, expected.dialect)
                names.update((key, name) for key, name in pairs.items() if key != name)
        return Spelling(
            found_prefix=found.prefix,
            expected_prefix=expected.prefix,
            names=names,
            found_dialect=found.dialect,
            expected_dialect=expected.dialect,
        )

    def _bare(self, lines: KeyDifferences) -> KeyDifferences:
        """Return lines under the names that the family gives."""
        spelling = self._spelling
        return KeyDifferences(
            missing=tuple(map(spelling.bare_expected, lines.missing)),
            unexpected=tuple(map(spelling.bare_found, lines.unexpected)),
            mismatched=tuple(
                msgspec.structs.replace(line, key=spelling.bare_expected(line.key))
                for line in lines.mismatched
            ),
        )

    def _diagnose(self, lines: KeyDifferences, solution: Solution) -> Diagnosis:
        """Find causes as if both networks were at hand."""
        family, dialect = self._family, self._dialect
        wanted = table_of(family, solution.expected, dialect) or {}
        own = table_of(family, solution.found, dialect)
        guessed = {name: guesses for guesses in solution.guesses for name in guesses[0].names}
        grounds = Grounds(
            found=values_of(family, solution.found),
            expected=values_of(family, solution.expected),
            wanted=wanted,
            own=own,
            spelling=self._spelling,
            settings=tuple(solution.expected),
            place="the network",
            family=family.title,
            origins=dict.fromkeys(guessed, Origin.ASSUMED),
            assumptions={
                name: (family.usual[name][1],) for name in guessed if name in family.usual
            },
            vary=variation(family, solution.expected, solution.found, dialect),
            is_solved=True,
        )
        with_settings = msgspec.structs.replace(
            lines, mismatched=tuple(self._with_settings(lines.mismatched, wanted, own or {}))
        )
        found = attribute(with_settings, grounds)
        return msgspec.structs.replace(
            found, causes=tuple(_with_guesses(cause, guessed) for cause in found.causes)
        )

    def _lost(self, lines: KeyDifferences, solution: Solution | None) -> tuple[Cause, ...]:
        """Say that the file lacks tensors which networks with such settings have."""
        if solution is None:
            return ()
        wanted = table_of(self._family, solution.expected, self._dialect) or {}
        missing = [key for key in lines.missing if self._spelling.bare_expected(key) in wanted]
        if not missing:
            return ()
        grounds = Grounds(found={}, expected={}, wanted=wanted, spelling=self._spelling)
        return (lost_cause(Bucket(missing=missing), grounds),)

    def _with_settings(
        self, lines: Sequence[ShapeMismatch], wanted: Table, own: Table
    ) -> Iterator[ShapeMismatch]:
        """Name the settings on the axes that differ."""
        templates = [Template(wanted, {}), Template(own, {})]
        for line in lines:
            bare = self._spelling.bare_expected(line.key)
            tensor = next(filter(None, (one.find(bare) for one in templates)), None)
            if tensor is None:
                yield line
                continue
            as_pasted = msgspec.structs.replace(tensor, shape=line.expected)
            fits = len(tensor.terms) == len(line.expected)
            yield mismatch(line.key, line.found, as_pasted) if fits else line

    def _rows(self, solution: Solution | None) -> tuple[str, str]:
        """Return the rows of the table that fit what the lines tell of either side."""
        if solution is None or solution.wrong.lacking:
            return "", ""
        told = {split_name(name)[0] for name in solution.told}
        told.update(name for guesses in solution.guesses for name in guesses[0].names)
        return self._row(solution.found, told), self._row(solution.expected, told)

    def _row(self, settings: Mapping[str, FactValue], told: set[str]) -> str:
        wanted = values_of(self._family, settings)
        rows = [
            reference
            for reference in self._references
            if _agree(values_of(self._family, reference.settings), wanted, told)
        ]
        whole = [one for one in rows if dict(one.settings) == dict(settings)]
        fitting = whole if len(whole) == 1 and _is_told(told, self._references) else rows
        return " or ".join(one.row for one in fitting) if len(fitting) <= _MOST_ROWS else ""


def _agree(row: Mapping[str, FactValue], wanted: Mapping[str, FactValue], told: set[str]) -> bool:
    return all(row.get(name) == wanted.get(name) for name in told)


def _is_told(told: set[str], references: Sequence[Reference]) -> bool:
    """Whether the lines tell everything in which the rows of the table differ."""
    first = references[0].settings
    differing = {
        name for one in references for name in one.settings if one.settings[name] != first.get(name)
    }
    return differing <= told


def _with_guesses(cause: Cause, guessed: Mapping[str, tuple[Guess, ...]]) -> Cause:
    """Say what else the factors of a product could be."""
    for name in cause.setting.split(", "):
        guesses = guessed.get(name)
        if guesses is not None:
            others = tuple(map(_guess_text, guesses[1 : 1 + _MOST_ALTERNATIVES]))
            return msgspec.structs.replace(cause, alternatives=others)
    return cause


def _guess_text(guess: Guess) -> str:
    """Write factors of both sides: `joints 72 against 68 with depth_bins 16`."""
    sides = list(zip(guess.names, guess.found, guess.expected, strict=True))
    differing = [f"{name} {one} against {other}" for name, one, other in sides if one != other]
    common = [f"{name} {one}" for name, one, other in sides if one == other]
    said = " and ".join(differing)
    return f"{said} with {' and '.join(common)}" if common else said


def _open_questions(error: LoadError, diagnosis: Diagnosis) -> Iterator[str]:
    """Say what the paste does not decide."""
    kinds = {cause.kind for cause in diagnosis.causes}
    hidden = kinds & {CauseKind.PREFIX, CauseKind.NAMES}
    if hidden and not error.differences.mismatched:
        what = "prefix is off" if CauseKind.PREFIX in hidden else "keys are renamed"
        yield (
            f"whether the shapes agree: torch compares them only where keys meet; load again once "
            f"the {what}"
        )
    if error.cut_off:
        yield (
            f"what is behind the {error.cut_off:,} places where the paste breaks off; the lines "
            "that are there are explained"
        )
    if error.refused:
        yield (
            f"why torch could not copy {', '.join(map(repr, error.refused[:3]))}: the shapes are "
            "the same, or the value is no tensor"
        )
