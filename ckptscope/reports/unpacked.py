"""What `unpack` has written, kept and left.

Enters: an `UnpackReport`. Leaves: blocks for a terminal, or UTF-8 bytes of one JSON object,
`ckptscope/unpack/1`, in which nothing is left out or cut.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from ckptscope.facts.unpacking import Dropped, Tie, UnpackedFile, UnpackReport
from ckptscope.reports.blocks import Block, Heading, Name, Tone, Words, field, line, section
from ckptscope.reports.json import encode
from ckptscope.reports.key_patterns import fold_keys
from ckptscope.reports.numerals import count_text, size_text

UNPACK_SCHEMA: Literal["ckptscope/unpack/1"] = "ckptscope/unpack/1"
#: Lines of a list for people; the JSON has them all.
_SHOWN: Final = 12


class UnpackOut(UnpackReport, frozen=True, kw_only=True):
    """The whole object: see `facts.unpacking.UnpackReport`."""

    schema: Literal["ckptscope/unpack/1"] = UNPACK_SCHEMA


def render_unpack_json(report: UnpackReport) -> bytes:
    """Return what was written as JSON with a newline at its end."""
    fields = {name: getattr(report, name) for name in UnpackReport.__struct_fields__}
    return encode(UnpackOut(**fields)) + b"\n"


def unpack_json_schema() -> bytes:
    """Return the JSON schema of the output, indented."""
    schema = msgspec.json.schema(UnpackOut)
    schema["$id"] = UNPACK_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def describe_unpacked(report: UnpackReport) -> Iterator[Block]:
    """Describe every file, then what is in none."""
    source = " > ".join((report.source, *report.location))
    chain = " > ".join(kind.value for kind in report.containers)
    for file in report.files:
        yield Heading(1, (Name(file.path, Tone.STRONG),))
        yield line(f"{file.kind.value}, {size_text(file.size_bytes)} ({file.size_bytes:,} bytes)")
        yield field("from", Name(source), f", {chain}")
        yield from _describe_file(file)
    for gone in report.dropped:
        yield field("dropped", *_dropped(gone, report))
    yield from _describe_values(report)


def _describe_file(file: UnpackedFile) -> Iterator[Block]:
    if file.entry:
        yield field("entry", Name(file.entry), f" ({file.role})")
    else:
        yield field("entry", f"the top ({file.role})")
    elements = sum(_elements(one.shape) for one in file.tensors)
    count = count_text(len(file.tensors), "tensors", rounded=False)
    yield field("kept", f"{count}, {count_text(elements, 'elements')}")
    yield from _describe_changes(file)
    kept = [tie for tie in file.ties if tie.is_kept]
    if kept:
        yield field("ties", f"{_ties(kept)}: kept")
    broken = [tie for tie in file.ties if not tie.is_kept]
    if broken:
        yield field("ties", f"{_ties(broken)}: each name has bytes of its own now")
    checked = "the tensor hashes" if len(file.tensors) == 1 else f"all {count} hash"
    cast = any(one.dtype != one.source_dtype for one in file.tensors)
    yield field("verified", f"read back, {checked} as in the source{' or its cast' * cast}")
    yield field("root", file.root)


def _describe_changes(file: UnpackedFile) -> Iterator[Block]:
    if file.prefix:
        yield field("prefix", Name(file.prefix), " taken off")
    if file.dialect:
        renamed = sum(one.key != one.source_key for one in file.tensors)
        yield field(
            "keys",
            f"dialect {file.dialect}, {file.source_dialect} in the source; "
            f"{count_text(renamed, 'keys', rounded=False)} renamed",
        )
    casts: dict[tuple[str, str], int] = {}
    for one in file.tensors:
        if one.dtype != one.source_dtype:
            pair = (one.source_dtype, one.dtype)
            casts[pair] = casts.get(pair, 0) + 1
    for (before, after), count in casts.items():
        number = count_text(count, "tensors", rounded=False)
        yield field("cast", f"{number} of {before} to {after}")


def _ties(ties: Sequence[Tie]) -> str:
    shown = "; ".join(" = ".join(f"{key!r:.100}" for key in tie.keys[:4]) for tie in ties[:3])
    names = sum(len(tie.keys) for tie in ties)
    more = "; ..." if len(ties) > 3 else ""
    return f"{names:,} names share {count_text(len(ties), 'places', rounded=False)} ({shown}{more})"


def _dropped(gone: Dropped, report: UnpackReport) -> Iterator[Name | Words]:
    count = count_text(gone.tensors, "tensors", rounded=False)
    yield Name(gone.entry) if gone.entry else Words("the top")
    yield Words(f" ({gone.role}): {count}, {count_text(gone.elements, 'elements')}: {gone.why}")
    if gone.keys:
        kept = [one for file in report.files if file.entry == gone.entry for one in file.tensors]
        patterns = fold_keys(gone.keys, (one.source_key for one in kept))
        yield Words(": ")
        yield Name(", ".join(one.text for one in patterns if one.text))


def _describe_values(report: UnpackReport) -> Iterator[Block]:
    if not report.values:
        return
    where = f"in {report.metadata}" if report.metadata else "not written"
    yield section("what is no tensor", Words(f": {where}"))
    for value in report.values[:_SHOWN]:
        yield line(Name(value.path or "the top"), Words("  "), Name(value.text, Tone.FAINT))
    more = len(report.values) - _SHOWN + report.more_values
    if more > 0:
        yield line(f"and {count_text(more, 'further values', rounded=False)}")
    for text in report.unwritten[:_SHOWN]:
        yield line(Words("not even there: ", Tone.WARNING), Name(text))
    if not report.metadata:
        yield line(Words("--metadata FILE.json writes them", Tone.FAINT))


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
