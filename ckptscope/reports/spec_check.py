"""Verdicts on claims → blocks, in the order in which a person asks.

Enters: a `SpecCheckReport`. Leaves: for each file a table of all claims, then each claim with the
arithmetic behind its verdict; what was assumed stands once, at the end.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from ckptscope.facts.checked import (
    FAILING,
    GRAVITY,
    CheckedClaim,
    CheckedFile,
    CheckedPart,
    ClaimVerdict,
    PartKind,
    Remedy,
    SameNumbers,
    SpecCheckReport,
    UnreadClaims,
)
from ckptscope.reports.blocks import (
    Block,
    Field,
    Heading,
    Name,
    Part,
    Refusal,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.tables import Column, Table

#: Columns of a label, the space behind it not counted.
_LABEL = 10
_TONES = {
    ClaimVerdict.HOLDS: Tone.PLAIN,
    ClaimVerdict.NOT_DECIDABLE: Tone.INFO,
    ClaimVerdict.DOES_NOT_FOLLOW: Tone.WARNING,
    ClaimVerdict.CONTRADICTS_TABLE: Tone.ERROR,
    ClaimVerdict.CONTRADICTS_ITSELF: Tone.ERROR,
}
#: Verdicts as verbs of one claim and of several.
_VERBS = {
    ClaimVerdict.HOLDS: ("holds", "hold"),
    ClaimVerdict.NOT_DECIDABLE: ("is not decidable", "are not decidable"),
    ClaimVerdict.DOES_NOT_FOLLOW: ("does not follow", "do not follow"),
    ClaimVerdict.CONTRADICTS_TABLE: ("contradicts the table", "contradict the table"),
    ClaimVerdict.CONTRADICTS_ITSELF: ("contradicts itself", "contradict themselves"),
}


def describe_spec_check(report: SpecCheckReport) -> Iterator[Block]:
    """Describe all files of a run."""
    for one in report.files:
        yield from _describe_file(one)
    for failure in report.failures:
        yield _refusal(failure)


def _refusal(failure: UnreadClaims) -> Refusal:
    return Refusal(failure.path, failure.message)


def _describe_file(file: CheckedFile) -> Iterator[Block]:
    yield Heading(1, (Name(file.path, Tone.STRONG),))
    if file.title:
        yield line(Name(file.title))
    yield line(f"{_count_text(len(file.claims))} about {file.family}: {_verdicts_text(file)}")
    yield _summary(file)
    for claim in file.claims:
        yield from _describe_claim(claim)
    yield from _assumptions(file)


def _count_text(count: int) -> str:
    return "1 claim" if count == 1 else f"{count:,} claims"


def _verdicts_text(file: CheckedFile) -> str:
    """Return `9 contradict themselves, 1 holds`, the gravest first."""
    counts = Counter(claim.verdict for claim in file.claims)
    return ", ".join(
        f"{counts[verdict]:,} {_VERBS[verdict][counts[verdict] > 1]}"
        for verdict in reversed(GRAVITY)
        if counts[verdict]
    )


def _summary(file: CheckedFile) -> Table:
    """Return one row for each claim."""
    return Table(
        columns=(
            Column(title="claim", from_file=True, flexible=True, least=6),
            Column(title="verdict"),
            Column(title="because", from_file=False, flexible=True, least=24, wraps=True),
            Column(title="holds with", from_file=False, flexible=True, least=20, wraps=True),
        ),
        rows=[
            (claim.id, claim.verdict.value, claim.reason, _short_remedies(claim))
            for claim in file.claims
        ],
    )


def _short_remedies(claim: CheckedClaim) -> str:
    """Return the smallest change of each network that needs one."""
    texts: dict[str, list[str]] = {}
    for part in claim.parts:
        if part.remedies:
            texts.setdefault(part.remedies[0].text, []).append(part.subject)
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{', '.join(subjects)}: {text}" for text, subjects in texts.items())


def _describe_claim(claim: CheckedClaim) -> Iterator[Block]:
    verdict = claim.verdict
    yield section("claim ", Name(claim.id, Tone.STRONG), Words(": "), _tone(verdict))
    said: list[Part] = [Name(claim.text)] if claim.text else []
    if claim.source:
        said += [Words(" (" if said else ""), Name(claim.source), Words(")" if claim.text else "")]
    if said:
        yield field("says", *said)
    for parts in _grouped(claim.parts):
        yield from _describe_parts(parts, alone=len(claim.parts) == 1)
    for sentence in claim.evidence:
        yield field("together", sentence)


def _tone(verdict: ClaimVerdict) -> Words:
    return Words(verdict.value, _TONES[verdict])


def _grouped(parts: Sequence[CheckedPart]) -> list[list[CheckedPart]]:
    """Put networks together of which the same is said."""
    groups: dict[object, list[CheckedPart]] = {}
    for part in parts:
        told = (
            part.kind,
            part.verdict,
            part.evidence,
            tuple(remedy.text for remedy in part.remedies),
            tuple((owner.table, owner.row) for owner in part.same_numbers),
        )
        groups.setdefault(told, []).append(part)
    return list(groups.values())


def _describe_parts(parts: Sequence[CheckedPart], *, alone: bool) -> Iterator[Block]:
    first = parts[0]
    names = ", ".join(part.subject for part in parts)
    label = names if first.kind is PartKind.NETWORK and len(names) <= _LABEL else first.kind.value
    start: list[Part] = [] if label == names else [Name(names), Words(": ")]
    if not alone or first.verdict is ClaimVerdict.HOLDS:
        start += [_tone(first.verdict), Words(": ")] if first.evidence else [_tone(first.verdict)]
    sentences = first.evidence or ((first.reason,) if first.reason else ())
    yield field(label, *start, *([_sentence(sentences[0])] if sentences else []))
    for sentence in sentences[1:]:
        yield field("", _sentence(sentence))
    for index, remedy in enumerate(first.remedies):
        yield from _describe_remedy(remedy, is_first=index == 0)
    for owner in first.same_numbers:
        yield field("numbers of", *_owner_text(owner))


def _sentence(text: str) -> Words:
    return Words(text)


def _describe_remedy(remedy: Remedy, *, is_first: bool) -> Iterator[Field]:
    parts: list[Part] = [Words(remedy.text, Tone.STRONG)]
    if remedy.reason:
        parts.append(Words(f" ({remedy.reason})"))
    if remedy.follows:
        following = ", ".join(change.text for change in remedy.follows)
        parts.append(Words(f", and hence {following}"))
    yield field("holds with" if is_first else "or", *parts)
    if remedy.effect:
        yield field("", remedy.effect)


def _owner_text(owner: SameNumbers) -> list[Part]:
    return [
        Words("row "),
        Name(owner.row),
        Words(" of "),
        Name(owner.title),
        Words(f": {', '.join(owner.values)}"),
    ]


def _assumptions(file: CheckedFile) -> Iterator[Block]:
    """Name every convention once, with the claims that rest on it."""
    resting: dict[str, dict[str, None]] = {}
    for claim in file.claims:
        for part in claim.parts:
            for assumption in part.assumptions:
                resting.setdefault(assumption, {})[claim.id] = None
    if not resting:
        return
    yield section("assumptions")
    for assumption, claims in resting.items():
        names = "all claims" if len(claims) == len(file.claims) else f"claims {', '.join(claims)}"
        if len(claims) == 1 and len(file.claims) > 1:
            names = f"claim {next(iter(claims))}"
        yield line(f"{assumption} ({names})")


def has_failing(report: SpecCheckReport) -> bool:
    """Whether a claim contradicts something, or does not follow."""
    return any(claim.verdict in FAILING for file in report.files for claim in file.claims)
