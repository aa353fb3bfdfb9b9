"""Identities, and what came out when files were held against them → blocks.

Enters: an `IdentityReport`, a `VerifyReport` or an `ArchiveComparison`. Leaves: blocks for a
terminal. Digests are never cut; long lists of names are folded into patterns unless all are asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ckptscope.differences.patterns import fold_keys
from ckptscope.facts.identity import (
    ArchiveCheck,
    ArchiveComparison,
    Identity,
    IdentityFile,
    IdentityReport,
    Likeness,
    Sameness,
    StateDictCheck,
    StateDictIdentity,
    TensorChange,
    TensorIdentity,
    VerifiedFile,
    VerifyReport,
)
from ckptscope.reports.blocks import (
    Block,
    Heading,
    Listing,
    Name,
    Part,
    Refusal,
    Tone,
    Words,
    field,
    line,
    section,
)
from ckptscope.reports.noticed import describe_skipped
from ckptscope.reports.numerals import count_text, size_text
from ckptscope.reports.state_dicts import place

#: Patterns that a list of names is folded into.
_MOST_PATTERNS: Final = 6
#: Tensors of which it is told why they could not be read, unless all are asked for.
_MOST_UNREAD: Final = 5
_ARROW: Final = "\N{RIGHTWARDS ARROW}"
#: The order in which changes are told, and how.
_CHANGES: Final = (
    Sameness.CHANGED,
    Sameness.MISSING,
    Sameness.ADDED,
    Sameness.RENAMED,
    Sameness.UNDECIDED,
)
_SENTENCES: Final = {
    Sameness.SAME: "every tensor is as it was recorded",
    Sameness.RENAMED: "the recorded tensors, under other names",
    Sameness.CHANGED: "it is not what was recorded",
    Sameness.MISSING: "it was recorded, and is not there",
    Sameness.ADDED: "it is there, and was not recorded",
    Sameness.UNDECIDED: "what could be read is as it was recorded",
}
_TONES: Final = {Sameness.SAME: Tone.STRONG, Sameness.UNDECIDED: Tone.WARNING}


def describe_identities(report: IdentityReport, *, tensors: bool) -> Iterator[Block]:
    """Describe every checkpoint of a run.

    Args:
        report: What was found.
        tensors: Whether the digest of every tensor is listed.
    """
    for file in report.files:
        yield from _describe_file(file, tensors=tensors)
    yield from describe_skipped(report.skipped)


def _describe_file(file: IdentityFile, *, tensors: bool) -> Iterator[Block]:
    if file.identity is None:
        yield Refusal(file.path, file.failure.message if file.failure is not None else "")
        return
    yield Heading(1, (Name(file.path, Tone.STRONG),))
    size = f", {size_text(file.size_bytes)}" if file.size_bytes is not None else ""
    yield line(" > ".join(file.containers) + size)
    if file.identity.location:
        yield field("inside", Name(" > ".join(file.identity.location)))
    yield from describe_identity(file.identity, tensors=tensors)


def describe_identity(identity: Identity, *, tensors: bool) -> Iterator[Block]:
    """Describe the state_dicts of one checkpoint, those of optimizers too."""
    if not identity.state_dicts:
        yield line("no tensors")
    for one in identity.state_dicts:
        yield section(
            "identity of ",
            place(one.path),
            Words(f": {one.role}, {count_text(len(one.tensors), 'tensors', rounded=False)}"),
        )
        yield from _describe_roots(one)
        yield from _describe_unread(one.unread, everything=tensors)
        if tensors and one.tensors:
            yield Listing("", tuple(map(_tensor_line, one.tensors)))


def _describe_roots(one: StateDictIdentity) -> Iterator[Block]:
    if one.prefix:
        yield field("prefix", Name(one.prefix), Words(" (left out of all names)"))
    if one.root:
        yield field("root", one.root)
        yield field("any names", one.root_up_to_names)
    else:
        yield field("root", Words("none", Tone.WARNING), ": not every tensor could be read")


def _describe_unread(unread: Sequence[TensorIdentity], *, everything: bool) -> Iterator[Block]:
    shown = unread if everything else unread[:_MOST_UNREAD]
    for index, one in enumerate(shown):
        yield field("" if index else "not read", Name(one.key), f": {one.unread}")
    if len(shown) < len(unread):
        yield field("", f"and {len(unread) - len(shown):,} more")


def _tensor_line(one: TensorIdentity) -> str:
    """Return the digest and what it is of, as `sha256sum` lays it out."""
    shape = ",".join(map(str, one.shape))
    return f"{one.digest or '-':64}  {one.dtype}[{shape}]  {one.key}"


def describe_verification(report: VerifyReport, *, tensors: bool) -> Iterator[Block]:
    """Describe what is not as the manifest records it.

    Args:
        report: What came out.
        tensors: Whether every tensor that is not as recorded is listed, instead of patterns.
    """
    for file in report.files:
        if file.failure is not None and file.path is not None:
            yield Refusal(file.path, file.failure.message)
            continue
        yield Heading(1, (Name(_shown_name(file), Tone.STRONG),))
        yield line(*_verdict(file.outcome), " (", Name(report.manifest), ")")
        if file.location:
            yield field("inside", Name(" > ".join(file.location)))
        if file.path is not None and file.recorded not in (None, file.path):
            yield field("recorded", Name(file.recorded or ""))
        for check in file.checks:
            yield from _describe_check(check, tensors=tensors)


def _shown_name(file: VerifiedFile) -> str:
    return file.path if file.path is not None else file.recorded or ""


def _verdict(outcome: Sameness) -> tuple[Part, ...]:
    tone = _TONES.get(outcome, Tone.ERROR)
    return Words(outcome.value, tone), Words(f": {_SENTENCES[outcome]}")


def _describe_check(check: StateDictCheck, *, tensors: bool) -> Iterator[Block]:
    path = check.found if check.found is not None else check.recorded
    tone = _TONES.get(check.outcome, Tone.ERROR)
    yield _check_heading(path or "", check.role, Words(check.outcome.value, tone))
    if check.recorded is not None and check.found not in (None, check.recorded):
        yield field("recorded", place(check.recorded))
    if check.outcome in (Sameness.MISSING, Sameness.ADDED):
        yield line(_SENTENCES[check.outcome])
        return
    yield field("same", count_text(check.tensors, "tensors", rounded=False))
    for what in _CHANGES:
        changes = [one for one in check.changes if one.what is what]
        if changes and tensors:
            yield Listing("", tuple(map(_change_line, changes)))
        elif changes:
            yield field(what.value, *_patterns([one.key for one in changes]))
            if what is Sameness.RENAMED:
                found = [one.found.key for one in changes if one.found is not None]
                yield field("", f"{_ARROW} ", *_patterns(found))
    yield from _describe_doubts(check)


def _check_heading(path: str, role: str, outcome: Words) -> Heading:
    """Name a state_dict, its role where the path does not say it, and what came out."""
    shown = "" if role == path else f" ({role})"
    return section("state_dict ", place(path), Words(f"{shown}: "), outcome)


def _describe_doubts(check: StateDictCheck) -> Iterator[Block]:
    """Say why the first of those that could not be decided could not."""
    doubts = [one for one in check.changes if one.what is Sameness.UNDECIDED]
    for one in doubts[:1]:
        sides = (("in the file", one.found), ("when it was recorded", one.recorded))
        for when, side in sides:
            if side is not None and side.unread:
                yield field("", Name(one.key), f" was not read {when}: {side.unread}")


def _patterns(keys: Iterable[str]) -> list[Part]:
    parts: list[Part] = []
    for pattern, count in fold_keys(keys, most=_MOST_PATTERNS):
        parts += [Words(", ")] if parts else []
        parts.append(Name(pattern))
        parts += [Words(f" ({count:,})")] if count > 1 else []
    return parts


def _change_line(change: TensorChange) -> str:
    """Return one change as a line: what, the key, and what is not the same of it."""
    was, now = change.recorded, change.found
    said = f"{change.what.value:<11}  {change.key}"
    if was is None or now is None:
        return said
    if was.key != now.key:
        return f"{said} {_ARROW} {now.key}"
    if (was.dtype, was.shape) != (now.dtype, now.shape):
        return f"{said}  {_kind(was)} {_ARROW} {_kind(now)}"
    return said


def _kind(one: TensorIdentity) -> str:
    return f"{one.dtype}[{','.join(map(str, one.shape))}]"


def describe_archives(comparison: ArchiveComparison, *, tensors: bool) -> Iterator[Block]:
    """Describe what the directories of two archives say.

    Args:
        comparison: What came out.
        tensors: Whether every tensor that is not probably the same is listed.
    """
    names = (Name(comparison.first, Tone.STRONG), Words(", "), Name(comparison.second, Tone.STRONG))
    yield Heading(1, names)
    yield line(Words(comparison.outcome.value, _tone(comparison.outcome)), _by_what(comparison))
    if comparison.why:
        yield field("because", comparison.why)
    elif comparison.outcome is not comparison.up_to_names:
        yield field("any names", f"{comparison.up_to_names.value}, names left aside")
    for check in comparison.checks:
        yield from _describe_archive_check(check, tensors=tensors)


def _by_what(comparison: ArchiveComparison) -> str:
    if comparison.why:
        return ": compare their identities instead"
    return (
        ": by the names and shapes, and by CRC-32 and sizes that the archives record; no tensor "
        "was read, and a CRC-32 is no proof"
    )


def _tone(outcome: Likeness) -> Tone:
    tones = {Likeness.SAME: Tone.STRONG, Likeness.UNTOLD: Tone.WARNING}
    return tones.get(outcome, Tone.ERROR)


def _describe_archive_check(check: ArchiveCheck, *, tensors: bool) -> Iterator[Block]:
    path = check.first if check.first is not None else check.second
    shown = Words(check.outcome.value, _tone(check.outcome))
    yield _check_heading(path or "", check.role, shown)
    if check.first is None or check.second is None:
        yield line(f"only in the {'second' if check.first is None else 'first'}")
        return
    if check.second != check.first:
        yield field("second", place(check.second))
    yield field("same", f"probably {count_text(check.tensors, 'tensors', rounded=False)}")
    if tensors:
        lines = (f"{one.outcome.value:<11}  {one.key}  ({one.why})" for one in check.differences)
        yield Listing("", tuple(lines))
        return
    for outcome in (Likeness.DIFFERENT, Likeness.UNTOLD):
        found = [one for one in check.differences if one.outcome is outcome]
        if found:
            label = "different" if outcome is Likeness.DIFFERENT else "untold"
            yield field(label, *_patterns([one.key for one in found]))
            yield field("", f"the first: {found[0].why}")
