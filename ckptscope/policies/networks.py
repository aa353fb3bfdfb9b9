"""What a policy asks of the network: its family, its variant, its settings, its table.

Enters: one checkpoint and a policy. Leaves: what came out for each demand. *Not met* is said on
observed and derived facts alone; what is assumed leaves a demand undecided.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from ckptscope.facts.architecture import Architecture, Fact, FactValue
from ckptscope.facts.findings import Code
from ckptscope.facts.paper import PaperFile
from ckptscope.facts.standing import RowFit, Standing
from ckptscope.facts.tensors import Origin
from ckptscope.policies.demands import Judged, met, missed, undecided
from ckptscope.policies.policy import FROM_NAME

if TYPE_CHECKING:
    from ckptscope.policies.requirements import Subject

_SURE: Final = frozenset({Origin.OBSERVED, Origin.DERIVED})
_UNKNOWN: Final = "no family knows its network"


def _family(subject: "Subject") -> Iterator[Judged]:
    wanted = subject.policy.family
    if wanted is None:
        return
    text = f"family {wanted}"
    own = _network(subject)
    if own is not None and own.family == wanted:
        yield met("family", text, f"{own.coverage:.1%} of the tensors are those of {own.title}")
        return
    if own is None and subject.manifest.state_dicts:
        yield undecided(
            "family",
            text,
            _UNKNOWN,
            message=f"nobody can tell whether the network is of the family {wanted!r}: no family "
            "knows it",
            evidence=_keys(subject),
            help="look at it with inspect --tensors; a family of your own can be added",
        )
        return
    found = "no network" if own is None else f"{own.title} ({own.coverage:.1%} of the tensors)"
    family = "no network at all" if own is None else f"a network of {own.family!r}"
    yield missed(
        "family",
        text,
        found,
        code=Code.FAMILY_REQUIRED,
        message=f"expected a network of the family {wanted!r}, found {family}",
        evidence=() if own is None else (f"found: {found}", *own.reasons[:3]),
        help="publish another file, or ask for this family in the policy",
    )


def _network(subject: "Subject") -> Architecture | None:
    """Return the network that is meant: the first of the family that is asked for, else the first.

    A checkpoint may hold several networks, and more than one family may know one.
    """
    known = [one.architecture for one in subject.identified]
    of_it = [one for one in known if one.family == subject.policy.family]
    return next(iter((*of_it, *known)), None)


def _keys(subject: "Subject") -> tuple[str, ...]:
    first = subject.manifest.state_dicts[0]
    names = ", ".join(f"{tensor.key!r:.80}" for tensor in first.tensors[:3])
    return (f"it holds {len(first.tensors):,} tensors: {names}, ...",) if names else ()


def _variant(subject: "Subject") -> Iterator[Judged]:
    wanted, held = subject.policy.variant, subject.held
    if wanted is None:
        return
    text = "variant of the file's name" if wanted == FROM_NAME else f"variant {wanted}"
    if held is None or not held.family:
        why = _UNKNOWN if held is None or not held.remark else held.remark
        yield _undecided_variant(text, why)
    elif wanted != FROM_NAME:
        yield _judge_wanted(text, wanted, subject, held)
    elif held.label is None:
        said = held.label_remark or "the name says no row"
        yield _undecided_variant(
            text, said, help="name the file after its row, or the row in the policy"
        )
    elif held.standing is None or held.label.table != held.standing.spec:
        yield _other_table(text, held)
    else:
        yield _judge_row(f"{text}, {held.label.row}", held.label.row, held.standing)


def _judge_wanted(text: str, wanted: str, subject: "Subject", held: PaperFile) -> Judged:
    """Judge a variant that the policy names, by the table that the network stands in."""
    from ckptscope.specs.labels import row_meant
    from ckptscope.specs.loading import all_tables

    standing = held.standing
    name = standing.spec if standing is not None else None
    rows = ((one, row_meant(wanted, one)) for one in all_tables(subject.tables))
    having = [(one, row) for one, row in rows if row is not None]
    own = next((row for one, row in having if one.name == name), None)
    if own is None and having and all(one.family != held.family for one, _ in having):
        return missed(
            "variant",
            text,
            f"a network of {held.family}",
            code=Code.VARIANT_REQUIRED,
            message=f"expected the variant {wanted!r:.60}, a row of {having[0][0].name!r:.60}, "
            f"found a network of {held.family!r:.60}",
            help="publish another file, or ask for another variant in the policy",
        )
    return _judge_row(text, own or wanted, standing)


def _other_table(text: str, held: PaperFile) -> Judged:
    """Judge a label that speaks of another family's table."""
    table = held.label.table if held.label is not None else ""
    return missed(
        "variant",
        text,
        f"a network of {held.family}",
        code=Code.VARIANT_REQUIRED,
        message=f"the name speaks of a row of {table!r:.60}, and the network is of "
        f"{held.family!r:.60}",
        evidence=tuple(one.explanation for one in held.judgements if one.explanation),
    )


def _judge_row(text: str, row: str, standing: Standing | None) -> Judged:
    """Judge whether a network is a row of the table that it stands in."""
    fit = _fit(standing, row)
    if standing is None or fit is None:
        return _undecided_variant(text, "the table that it was held against has no such row")
    is_it = standing.variant == fit.row
    if is_it:
        return met(
            "variant", text, f"{fit.matches} claims of {standing.spec} match, none is contradicted"
        )
    if not fit.contradicts:
        return _undecided_variant(
            text,
            standing.remark or f"nothing contradicts it, and {standing.variant} fits better",
            evidence=standing.separating[:3],
        )
    found = standing.variant or f"no row; {standing.ranking[0].row} comes nearest"
    return missed(
        "variant",
        text,
        found,
        code=Code.VARIANT_REQUIRED,
        message=f"expected the variant {fit.row!r:.60}, found {found}",
        evidence=(*fit.contradictions[:5], *standing.separating[:2]),
        help="publish the file that belongs to this name, or rename this one",
    )


def _fit(standing: Standing | None, row: str) -> RowFit | None:
    ranking = standing.ranking if standing is not None else ()
    return next((one for one in ranking if one.row.casefold() == row.casefold()), None)


def _undecided_variant(
    text: str, why: str, *, evidence: tuple[str, ...] = (), help: str = ""
) -> Judged:
    return undecided(
        "variant",
        text,
        why,
        message=f"nobody can tell whether it is the {text}: {why}",
        evidence=evidence,
        help=help,
    )


def _settings(subject: "Subject") -> Iterator[Judged]:
    own = _network(subject)
    for name, wanted in subject.policy.config.items():
        yield _judge_setting(name, wanted, own)


def _judge_setting(name: str, wanted: FactValue, own: Architecture | None) -> Judged:
    from ckptscope.specs.wording import value_text

    key, text = f"config.{name}", f"{name} {value_text(wanted)}"
    fact = own.fact(name) if own is not None else None
    if fact is None or fact.value is None or fact.origin not in _SURE:
        why = _UNKNOWN if own is None else _why_open(fact, wanted)
        return undecided(
            key,
            text,
            why,
            message=f"nobody can tell whether the setting {name!r:.60} is {value_text(wanted)}: "
            f"{why}",
            evidence=fact.assumptions[:3] if fact is not None else (),
            help=f"what decides: {fact.decided_by}" if fact is not None and fact.decided_by else "",
        )
    found = f"{value_text(fact.value)} ({fact.origin})"
    if is_same(fact.value, wanted):
        return met(key, text, found)
    return missed(
        key,
        text,
        found,
        code=Code.SETTING_REQUIRED,
        message=f"expected {value_text(wanted)} for the setting {name!r:.60}, found {found}",
        evidence=tuple(one.text for one in fact.evidence[:3]),
    )


def _why_open(fact: Fact | None, wanted: FactValue) -> str:
    from ckptscope.specs.wording import value_text

    if fact is None:
        return "the file says nothing of it"
    if fact.value is None:
        return "nothing in the file determines it"
    agrees = "which agrees" if is_same(fact.value, wanted) else "which does not agree"
    return f"{value_text(fact.value)} is {fact.origin}, {agrees}"


def is_same(found: FactValue, wanted: FactValue) -> bool:
    """Whether two values are the same; true is not 1."""
    if isinstance(found, tuple) and isinstance(wanted, tuple):
        return len(found) == len(wanted) and all(map(is_same, found, wanted))
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _spec(subject: "Subject") -> Iterator[Judged]:
    if not subject.policy.specs:
        return
    text = f"a row of {', '.join(table.name for table in subject.tables)}"
    own = _network(subject)
    if own is None:
        yield _undecided_spec(text, _UNKNOWN)
        return
    standings = _standings(subject, own)
    if not standings:
        families = ", ".join(repr(table.family) for table in subject.tables)
        yield missed(
            "spec",
            text,
            f"a network of {own.family}",
            code=Code.SPEC_REQUIRED,
            message=f"the policy's tables are about {families}, and the network is of "
            f"{own.family!r}",
            help="name a table of this family in the policy",
        )
        return
    fitting = next((one for one in standings if one.variant is not None), None)
    if fitting is not None:
        yield met("spec", text, f"{fitting.variant} of {fitting.spec}")
        return
    remarks = "; ".join(one.remark for one in standings)
    if all(one.ranking[0].contradicts for one in standings):
        yield missed(
            "spec",
            text,
            remarks,
            code=Code.SPEC_REQUIRED,
            message=f"expected {_named(standings)}, found {remarks}",
            evidence=standings[0].ranking[0].contradictions[:5],
            help="add the row to the table, or publish another file",
        )
    else:
        yield _undecided_spec(text, remarks)


def _undecided_spec(text: str, why: str) -> Judged:
    return undecided("spec", text, why, message=f"nobody can tell whether it is {text}: {why}")


def _named(standings: tuple[Standing, ...]) -> str:
    return f"a row of {' or '.join(repr(one.spec) for one in standings)}"


def _standings(subject: "Subject", own: Architecture) -> tuple[Standing, ...]:
    """Return where the network stands in the policy's own tables, of its family."""
    from ckptscope.specs.compare import stand

    tables = [table for table in subject.tables if table.family == own.family and table.rows]
    return tuple(stand(own, table) for table in tables)


#: In the order of the policy's keys.
NETWORK_CHECKS: Final[tuple[Callable[["Subject"], Iterator[Judged]], ...]] = (
    _family,
    _variant,
    _settings,
    _spec,
)
