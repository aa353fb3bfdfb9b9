"""Which network it is → blocks: a few lines near the top of a report, each with its origin.

Enters: the identified networks of a file. Leaves: blocks. What each line rests on is told in
`architecture_evidence`, on request.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ckptscope.facts.architecture import Architecture, Candidate, Fact, Ranking
from ckptscope.facts.report import FileReport
from ckptscope.facts.standing import Identified, RowFit, Standing
from ckptscope.facts.tensors import Manifest, Origin, Role
from ckptscope.reports.architecture_phrases import absence, macs_text, phrase, words_of
from ckptscope.reports.blocks import Block, Heading, Name, Part, Tone, Words, field, line
from ckptscope.reports.numerals import count_text, share_text
from ckptscope.reports.tables import Column, Table, name

#: Networks that are described in full; the others stand in a table, then in a count.
_MOST_DESCRIBED: Final = 8
_MOST_LISTED: Final = 20
_MOST_MISFITS: Final = 5
_MOST_ASSUMPTIONS: Final = 4
_MOST_FURTHER: Final = 16
_MOST_RIVALS: Final = 2
_MOST_COPIES: Final = 4
_MOST_NAMES: Final = 6

TONES: Final = {
    Origin.OBSERVED: Tone.FAINT,
    Origin.DERIVED: Tone.FAINT,
    Origin.ASSUMED: Tone.WARNING,
    Origin.STATED: Tone.INFO,
    Origin.UNDETERMINED: Tone.WARNING,
}

#: Lines, and the facts that stand on each, with what joins them where both are known. A line is
#: there if its first fact is; a fact stands on the first line that has it.
_LINES: Final = (
    ("backbone", (("backbone", ""), ("version", ", "), ("dims", ": "), ("depths", "; "))),
    (
        "blocks",
        (
            ("kernel_size", ""),
            ("norm", ", "),
            ("layer_scale", ", "),
            ("grn", ", "),
            ("stem", "; "),
            ("expansion", ", "),
        ),
    ),
    (
        "head",
        (
            ("head_layers", ""),
            ("head_in_channels", ": "),
            ("head_out_channels", ", "),
            ("head_kernels", "; "),
        ),
    ),
    ("output", (("final_channels", ""), ("joints", " = "), ("depth_bins", " × "))),
    ("output", (("classes", ""),)),
    ("upsampling", (("upsampling", ""), ("heatmap", ": "), ("input_size", " of "))),
    ("takes", (("input_size", ""), ("input_channels", " of "))),
    ("non-zero", (("head_nonzero", ""),)),
)
#: Facts that other lines say already, in sum.
_SAID: Final = frozenset(
    {
        "dialect",
        "prefix",
        "parameters",
        "buffers",
        "state_elements",
        "backbone_parameters",
        "backbone_elements",
        "head_parameters",
        "head_elements",
        "macs",
        "tensors",
        "head_width",
        "head_input",
        "upsamplings",
        "stem_kernel",
        "input_channels",
        "classifier_parameters",
    }
)
#: Facts that follow from the settings beside them.
_FOLLOWING: Final = _SAID | {"heatmap"}
#: What joins a fact to the one before it.
_JOINTS: Final = {fact: joint for _, facts in _LINES for fact, joint in facts}


def describe_architectures(report: FileReport) -> Iterator[Block]:
    """Describe every network that a family knows; one line where none does."""
    manifest = report.manifest
    if manifest is None:
        return
    if not report.identified:
        if any(one.role is Role.NETWORK for one in manifest.state_dicts):
            yield Heading(2, (Words("architecture", Tone.STRONG), Words(": no known family")))
        return
    for one in report.identified[:_MOST_DESCRIBED]:
        yield from _describe(one)
    yield from _list_others(report.identified[_MOST_DESCRIBED:])
    yield from _unknown(manifest, report.identified)


def heading(one: Identified, *more: Part) -> Heading:
    """Return the heading of a network: where it stands, what it is."""
    found, standing = one.architecture, one.standing
    variant = standing.variant if standing is not None else None
    title = f"{found.title} {variant}" if variant is not None else found.title
    return Heading(
        2, (Words("architecture", Tone.STRONG), *_where(found), *more, Words(f": {title}"))
    )


def origin_part(origin: Origin) -> Words:
    """Return what a statement rests on, in brackets behind it."""
    return Words(f" ({origin})", TONES[origin])


def _where(found: Architecture) -> list[Part]:
    return [Words(" of "), Name(found.state_dict)] if found.state_dict else []


def _describe(one: Identified) -> Iterator[Block]:
    found = one.architecture
    facts = {fact.name: fact for fact in found.facts}
    yield heading(one)
    if one.standing is not None:
        yield from _standing(one.standing)
    yield from _lines(found, facts)
    yield from _open_questions(found)
    yield from _counts(found, facts)
    yield from _keys(one)
    yield from _limits(one)


def _lines(found: Architecture, facts: dict[str, Fact]) -> Iterator[Block]:
    """Say what it is built from, and below each line what else it could be."""
    left = {name: fact for name, fact in facts.items() if _has_answer(fact)}
    rankings = list(found.rankings)
    for label, names in _LINES:
        if names[0][0] not in left:
            continue
        told = [(left.pop(name), joint) for name, joint in names if name in left]
        yield field(label, *_told(told, label))
        on_line = {fact.name for fact, _ in told}
        yield from _others([one for one in rankings if on_line & {*one.settings}], facts)
        rankings = [one for one in rankings if not on_line & {*one.settings}]
    yield from _further([fact for name, fact in left.items() if name not in _SAID])
    yield from _others(rankings, facts)


def _has_answer(fact: Fact) -> bool:
    """Whether something is said: a value, that it has none, or that nobody can know."""
    is_open = fact.origin is Origin.UNDETERMINED
    return fact.value is not None or is_open or absence(fact.name) is not None


def _told(facts: Sequence[tuple[Fact, str]], label: str = "") -> list[Part]:
    """Join facts to a sentence; an origin stands behind the last of those that share it."""
    parts: list[Part] = []
    last: Fact | None = None
    for fact, joint in facts:
        if last is not None:
            breaks = last.origin is not fact.origin
            if breaks:
                parts += _tag(last)
            is_open = Origin.UNDETERMINED in (last.origin, fact.origin)
            parts.append(Words(", " if is_open else joint))
        parts.append(Words(_said(fact).removeprefix(f"{label} ")))
        last = fact
    return parts + (_tag(last) if last is not None else [])


def _said(fact: Fact) -> str:
    missing = absence(fact.name) if fact.origin is not Origin.UNDETERMINED else None
    return missing if fact.value is None and missing else phrase(fact.name, fact.value)


def _tag(fact: Fact) -> list[Part]:
    return [] if fact.origin is Origin.UNDETERMINED else [origin_part(fact.origin)]


def _further(facts: Iterable[Fact]) -> Iterator[Block]:
    """Say what no line above has room for; what is not there is not told."""
    others = [fact for fact in facts if fact.value is not False]
    if not others:
        return
    more = len(others) - _MOST_FURTHER
    parts = _told([(fact, ", ") for fact in others[:_MOST_FURTHER]])
    yield field("further", *parts, *([f"; and {more:,} more"] if more > 0 else []))


def _standing(standing: Standing) -> Iterator[Block]:
    fits = {fit.row: fit for fit in standing.ranking}
    if standing.variant is not None:
        best = fits.get(standing.variant)
        said = f": {_fit(best)}" if best is not None else ""
        yield field("variant", Words(standing.variant, Tone.STRONG), said)
    else:
        yield field("variant", f"none: {standing.remark}" if standing.remark else "none")
    if standing.variant is not None and standing.runner_up is not None:
        second = fits.get(standing.runner_up)
        yield field("runner-up", f"{standing.runner_up}{_against(second)}")


def _fit(fit: RowFit) -> str:
    decided = fit.matches + fit.contradicts
    claims = count_text(decided, "claims", rounded=False)
    undecided = f", {fit.undecided:,} not decidable" if fit.undecided else ""
    return f"{fit.matches:,} of {claims} met{undecided}"


def _against(fit: RowFit | None) -> str:
    if fit is None or not fit.contradictions:
        return ""
    more = len(fit.contradictions) - 1
    return f"; against it: {fit.contradictions[0]}" + (f"; and {more:,} more" if more else "")


def _others(rankings: Iterable[Ranking], facts: Mapping[str, Fact]) -> Iterator[Block]:
    """Say what else it could be; or what it could be, where nothing is said above."""
    for ranking in rankings:
        told = [facts[name] for name in ranking.settings if name in facts]
        is_open = any(fact.origin is Origin.UNDETERMINED for fact in told)
        others = ranking.candidates[0 if is_open else 1 :]
        if others:
            left = max(len(others) - _MOST_RIVALS, 0) + ranking.left_out
            shown = "; ".join(_candidate(ranking, one) for one in others[:_MOST_RIVALS])
            more = f"; and {left:,} more" if left > 0 else ""
            yield field("could be" if is_open else "or", shown, more)


def _open_questions(found: Architecture) -> Iterator[Block]:
    """Say what is assumed, and what could decide."""
    assumptions = dict.fromkeys(text for fact in found.facts for text in fact.assumptions)
    for index, text in enumerate([*assumptions][:_MOST_ASSUMPTIONS]):
        yield field("" if index else "assuming", text)
    more = len(assumptions) - _MOST_ASSUMPTIONS
    if more > 0:
        yield field("", f"and {more:,} more")
    for index, (text, names) in enumerate(_deciders(found).items()):
        yield field("" if index else "decided by", f"{_listed(names)}: {text}")


def _candidate(ranking: Ranking, one: Candidate) -> str:
    shown = ""
    for setting in ranking.settings:
        if setting in one.values:
            joint = _JOINTS.get(setting, ", ") if shown else ""
            shown += f"{joint}{phrase(setting, one.values[setting])}"
    return shown


def _deciders(found: Architecture) -> dict[str, list[str]]:
    """Return what could decide, each with the names of the settings that it could.

    What merely follows from settings is decided with them, and not told.
    """
    deciders: dict[str, list[str]] = {}
    for fact in found.facts:
        is_open = fact.origin in (Origin.ASSUMED, Origin.UNDETERMINED)
        if fact.decided_by and is_open and fact.name not in _FOLLOWING:
            deciders.setdefault(fact.decided_by, []).append(words_of(fact.name))
    return deciders


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _counts(found: Architecture, facts: dict[str, Fact]) -> Iterator[Block]:
    parameters, elements = facts.get("parameters"), facts.get("state_elements")
    if parameters is not None and isinstance(parameters.value, int):
        text = count_text(parameters.value, "parameters")
        if elements is not None and isinstance(elements.value, int):
            buffers = elements.value - parameters.value
            if buffers > 0:
                text += f" + {count_text(buffers, 'buffers')}"
                text += f" = {count_text(elements.value, 'elements')}"
        yield field("counts", text, origin_part(parameters.origin))
        yield from _parts(found, parameters.value)
    macs = facts.get("macs")
    if macs is not None and isinstance(macs.value, int):
        yield field("MACs", f"{macs.value:,} ({macs_text(macs.value)})", origin_part(macs.origin))


def _parts(found: Architecture, parameters: int) -> Iterator[Block]:
    """Say what each part has, where that adds up to the whole."""
    counts = found.counts
    if counts is None or counts.parameters != parameters or len(counts.parts) < 2:
        return
    shown = " + ".join(f"{part.part} {part.parameters:,}" for part in counts.parts)
    yield field("", f"{shown} parameters")


def _keys(one: Identified) -> Iterator[Block]:
    """Say how the keys are named, and whether all of them belong to this network."""
    found = one.architecture
    parts: list[Part] = [Words(f"dialect {found.dialect}")] if found.dialect else []
    if found.prefix:
        parts += [Words(", behind the prefix " if parts else "prefix "), Name(found.prefix)]
    if parts:
        yield field("keys", *parts, origin_part(Origin.OBSERVED))
    if not found.misfits and found.differences.is_empty and found.coverage == 1:
        tensors = "" if found.counts is None else f"all {found.counts.tensors:,} "
        yield field("fits", f"{tensors}names and shapes are those of this network, and no others")
    else:
        share = "all" if found.coverage == 1 else share_text(found.coverage)
        yield field("fits", f"{share} of the tensors belong to this network")
    if one.copies:
        parts = []
        for path in one.copies[:_MOST_COPIES]:
            parts += [Words(", ") if parts else Words(""), Name(path)]
        more = len(one.copies) - _MOST_COPIES
        yield field(
            "also", *parts, f" and {more:,} more" if more > 0 else "", ": the same names and shapes"
        )


def _limits(one: Identified) -> Iterator[Block]:
    found = one.architecture
    for index, text in enumerate(found.misfits[:_MOST_MISFITS]):
        yield field("" if index else "misfits", text)
    if len(found.misfits) > _MOST_MISFITS:
        yield field("", f"and {len(found.misfits) - _MOST_MISFITS:,} more")
    if one.unread:
        yield field("not read", one.unread)
    for index, text in enumerate(found.blind_spots):
        # What stands behind a colon is the reason, which the evidence tells.
        yield field("" if index else "blind to", text.partition(": ")[0])


def _list_others(others: Sequence[Identified]) -> Iterator[Block]:
    if not others:
        return
    listed, rest = others[:_MOST_LISTED], others[_MOST_LISTED:]
    yield Heading(2, (Words(f"{len(others):,} more networks", Tone.STRONG),))
    yield Table(
        columns=(name("state_dict"), name("prefix", drop=1), Column(title="architecture")),
        rows=[
            (
                one.architecture.state_dict,
                one.architecture.prefix,
                f"{one.architecture.title} {(one.standing and one.standing.variant) or ''}".strip(),
            )
            for one in listed
        ],
        closing=((f"{len(rest):,} more", "", ""),) if rest else (),
    )


def _unknown(manifest: Manifest, identified: Iterable[Identified]) -> Iterator[Block]:
    """Name the networks that no family knows, where it knows others."""
    known = {path for one in identified for path in (one.architecture.state_dict, *one.copies)}
    paths = [
        one.path
        for one in manifest.state_dicts
        if one.role is Role.NETWORK and one.path not in known
    ]
    if not paths:
        return
    parts: list[Part] = []
    for path in paths[:_MOST_COPIES]:
        parts += [Words(", ") if parts else Words(""), Name(path) if path else Words("top level")]
    more = len(paths) - _MOST_COPIES
    tail = f" and {more:,} more" if more > 0 else ""
    yield line("of no known family: ", *parts, tail)
