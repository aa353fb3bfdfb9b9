"""What networks are said to be to each other.

Enters: two networks of a claim. Leaves: a `CheckedPart`: does a file of the one load into the
other, do they compute the same, are they of one architecture, have they a fact in common? All of it
follows from their settings and their tables of keys.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.checked import (
    Change,
    ChangeKind,
    CheckedPart,
    ClaimVerdict,
    PartKind,
    Remedy,
)
from ckptscope.facts.claims import Rule
from ckptscope.facts.differences import KeyDifferences
from ckptscope.families.comparing import compare_keys
from ckptscope.specs.arithmetic.effects import signed
from ckptscope.specs.arithmetic.evaluation import Numbers
from ckptscope.specs.arithmetic.kinds import is_amount, is_whole
from ckptscope.specs.arithmetic.networks import Checked
from ckptscope.specs.arithmetic.phrases import PLANES, assignment_text, listed, plain_text
from ckptscope.specs.arithmetic.tensors import tables_of
from ckptscope.specs.wording import in_unit, noun_of, value_text

_MOST_KEYS: Final = 2
_MOST_FACTS: Final = 8
#: Settings of which a change is proposed; more are another network.
_MOST_CHANGES: Final = 2
_GIGA: Final = Rule(attribute="macs", fact="macs", unit="G", scale=1e9, decimals=2)
#: Facts that say how a network computes; counts are told apart from them.
_COUNTS: Final = ("state_elements", "parameters", "macs")


def check_relation(relation: str, networks: Sequence[Checked]) -> CheckedPart:
    """Check a relation of each network with the next.

    Args:
        relation: `loads`, `equivalent` or `same_architecture`.
        networks: The networks of the claim, at least two.
    """
    judge = _RELATIONS[relation]
    return _judged(relation, networks, judge)


def check_same(facts: Sequence[str], networks: Sequence[Checked]) -> CheckedPart:
    """Check whether networks have facts in common."""

    def judge(one: Checked, other: Checked) -> tuple[bool, list[str]]:
        pairs = [(fact, _value(one, fact), _value(other, fact)) for fact in facts]
        differing = [pair for pair in pairs if pair[1] != pair[2]]
        return not differing, [_fact_text(*pair) for pair in differing or pairs]

    return _judged(f"same {listed(facts)}", networks, judge)


_Judge = Callable[[Checked, Checked], tuple[bool, list[str]]]


def _judged(relation: str, networks: Sequence[Checked], judge: _Judge) -> CheckedPart:
    unknown = [one.part.subject for one in networks if one.attempt is None]
    if unknown:
        reason = f"not enough is said of {listed(unknown)} to build it"
        return CheckedPart(
            kind=PartKind.RELATION,
            subject=relation,
            verdict=ClaimVerdict.NOT_DECIDABLE,
            reason=reason,
        )
    evidence: list[str] = []
    reasons: list[str] = []
    verdict = ClaimVerdict.HOLDS
    for one, other in itertools.pairwise(networks):
        is_true, sentences = judge(one, other)
        names = f"{one.part.subject} and {other.part.subject}: "
        evidence += [f"{names}{sentence}" for sentence in sentences]
        if not is_true:
            reasons += [f"{names if len(networks) > 2 else ''}{text}" for text in sentences[:1]]
            verdict = max(verdict, _failure(one, other), key=tuple(ClaimVerdict).index)
    return CheckedPart(
        kind=PartKind.RELATION,
        subject=relation,
        verdict=verdict,
        reason="; ".join(dict.fromkeys(reasons)) or evidence[0].partition(": ")[2],
        evidence=tuple(dict.fromkeys(evidence)),
        assumptions=_assumptions(networks),
        remedies=_remedies(networks) if verdict is ClaimVerdict.CONTRADICTS_ITSELF else (),
    )


def _remedies(networks: Sequence[Checked]) -> tuple[Remedy, ...]:
    """Return what to change about the later of two networks, where the claim says it."""
    if len(networks) != 2:
        return ()
    one, other = networks
    mine, theirs = _numbers(one).settings, _numbers(other).settings
    names = [name for name in mine if mine[name] != theirs.get(name)]
    if not 0 < len(names) <= _MOST_CHANGES:
        return ()
    changes = tuple(
        Change(
            attribute=name,
            kind=ChangeKind.SETTING,
            claimed=theirs.get(name),
            value=mine[name],
            read_as=name,
            text=f"{assignment_text(name, mine[name])} in {other.part.subject}",
        )
        for name in names
    )
    return (
        Remedy(
            changes=changes,
            reason=f"as in {one.part.subject}",
            settings=dict(mine),
            text=listed(change.text for change in changes),
        ),
    )


def _assumptions(networks: Sequence[Checked]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for one in networks for text in one.part.assumptions))


def _failure(one: Checked, other: Checked) -> ClaimVerdict:
    """Say whom a wrong relation contradicts: the claim's own settings, or the rows of a table."""
    is_of_table = all(
        network.case.builder.base.row is not None and not network.case.statements
        for network in (one, other)
    )
    return ClaimVerdict.CONTRADICTS_TABLE if is_of_table else ClaimVerdict.CONTRADICTS_ITSELF


def _loads(one: Checked, other: Checked) -> tuple[bool, list[str]]:
    """Whether a file of the one has the keys and shapes of the other."""
    differences = _key_differences(one, other)
    if differences is None:
        return True, ["too many tensors to compare"]
    if differences.is_empty:
        tensors = value_text(_value(other, "tensors"))
        weightless = _weightless_text(one, other)
        return True, [f"all {tensors} tensors have the same names and shapes{weightless}"]
    counts = [
        f"{len(keys):,} {word}{'s' if len(keys) > 1 else ''}"
        for keys, word in (
            (differences.missing, "missing key"),
            (differences.unexpected, "unexpected key"),
            (differences.mismatched, "mismatched shape"),
        )
        if keys
    ]
    sentences = [f"load_state_dict would report {listed(counts)}"]
    sentences += [
        f"{one.key}: {list(one.found)} in the file, {list(one.expected)} in the network"
        for one in differences.mismatched[:_MOST_KEYS]
    ]
    return False, [*sentences, *_setting_differences(one, other)]


def _weightless_text(one: Checked, other: Checked) -> str:
    weightless = one.case.builder.family.weightless
    names = [name for name in weightless if _setting(one, name) != _setting(other, name)]
    return f"; {listed(names)} has no weights" if names else ""


def _key_differences(one: Checked, other: Checked) -> KeyDifferences | None:
    family = one.case.builder.family
    tables = tables_of(family, _numbers(one), _numbers(other))
    if tables is None:
        return None
    file, network = tables
    return compare_keys(network.values(), {key: tensor.shape for key, tensor in file.items()})


def _equivalent(one: Checked, other: Checked) -> tuple[bool, list[str]]:
    """Whether two networks have the same tensors and compute the same with them."""
    settings = _setting_differences(one, other)
    if not settings:
        return True, ["all settings are the same"]
    facts = _fact_differences(one, other)
    return False, [*facts, *settings, *_volume_text(one), *_volume_text(other)]


def _same_architecture(one: Checked, other: Checked) -> tuple[bool, list[str]]:
    settings = _setting_differences(one, other)
    if not settings:
        return True, ["all settings are the same"]
    return False, [*settings, *_fact_differences(one, other)]


def _setting_differences(one: Checked, other: Checked) -> list[str]:
    """Say which settings differ, and how many elements each is worth by itself."""
    mine, theirs = _numbers(one).settings, _numbers(other).settings
    names = [name for name in dict.fromkeys((*mine, *theirs)) if mine.get(name) != theirs.get(name)]
    return [
        f"{_fact_text(name, mine.get(name), theirs.get(name))}{_worth(one, name, theirs.get(name))}"
        for name in names
    ]


def _worth(one: Checked, name: str, value: FactValue) -> str:
    """Return what a setting alone changes: `, 148,032 elements`; empty if it cannot stand alone."""
    family = one.case.builder.family
    if name in family.weightless:
        return " (no weights)"
    before = _numbers(one)
    try:
        counts = family.count(family.configure({**before.settings, name: value}))
    except UsageError:
        return ""
    elements = before.facts.get("state_elements")
    if not is_whole(elements):
        return ""
    difference = counts.elements - elements
    return f" ({signed(difference)} elements)"


def _fact_differences(one: Checked, other: Checked) -> list[str]:
    """Say which facts differ that are no settings: counts, multiply-accumulates, planes."""
    mine, theirs = _numbers(one), _numbers(other)
    names = [*_COUNTS, *(name for name in mine.facts if _is_plane_of_output(name, mine))]
    found = [
        _fact_text(name, mine.facts.get(name), theirs.facts.get(name))
        for name in dict.fromkeys(names)
        if mine.facts.get(name) != theirs.facts.get(name)
    ]
    return found[:_MOST_FACTS]


def _is_plane_of_output(name: str, numbers: Numbers) -> bool:
    value = numbers.facts[name]
    return name not in numbers.settings and name in PLANES and value is not None


def _volume_text(network: Checked) -> list[str]:
    """Say where the volume of a heatmap is no cube; papers of volumes make it one."""
    numbers = _numbers(network)
    plane, bins = numbers.facts.get("heatmap"), numbers.facts.get("depth_bins")
    if not isinstance(plane, tuple) or not isinstance(bins, int) or set(plane) == {bins}:
        return []
    sides = plain_text("heatmap", plane)
    return [f"{sides} under {bins} depth bins is no cube ({network.part.subject})"]


def _fact_text(name: str, mine: FactValue, theirs: FactValue) -> str:
    if name == "macs" and is_amount(mine) and is_amount(theirs):
        return f"{in_unit(mine, _GIGA)}MACs and {in_unit(theirs, _GIGA)}MACs"
    if is_whole(mine) and is_whole(theirs) and name in _COUNTS:
        difference = signed(theirs - mine)
        return f"{value_text(mine)} and {value_text(theirs)} {noun_of(name)} ({difference})"
    if mine == theirs:
        return f"both {assignment_text(name, mine)}"
    return f"{name} {plain_text(name, mine)} and {plain_text(name, theirs)}"


def _numbers(one: Checked) -> Numbers:
    assert one.attempt is not None  # noqa: S101 - `_judged` has looked
    return one.attempt.numbers


def _value(one: Checked, fact: str) -> FactValue:
    return _numbers(one).value(fact)


def _setting(one: Checked, name: str) -> FactValue:
    return _numbers(one).settings.get(name)


_RELATIONS: Final[dict[str, _Judge]] = {
    "loads": _loads,
    "equivalent": _equivalent,
    "same_architecture": _same_architecture,
}
