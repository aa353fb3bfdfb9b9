"""What `unpack --carve` has written → blocks for people, and the schema of its record.

Enters: a `CarvedFile`. Leaves: blocks; JSON, `ckptscope/carved/1`, which is the record beside the
file.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.carving.assumptions import table_title
from ckptscope.facts.carved_file import CARVED_SCHEMA, SIDECAR_SUFFIX, CarvedFile, RecordedTensor
from ckptscope.facts.carving import Found
from ckptscope.reports.blocks import Block, Field, Heading, Name, Part, Tone, Words, field, line
from ckptscope.reports.json import encode
from ckptscope.reports.key_patterns import fold_keys
from ckptscope.reports.numerals import count_text, size_text

_MOST_REASONS: Final = 6


def render_carved_json(record: CarvedFile) -> bytes:
    """Return what was written as JSON with a newline at its end."""
    return encode(record) + b"\n"


def carved_json_schema() -> bytes:
    """Return the JSON schema of the record, indented."""
    schema = msgspec.json.schema(CarvedFile)
    schema["$id"] = CARVED_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def describe_carved_file(record: CarvedFile) -> Iterator[Block]:
    """Say what is in the new file, what is not, and what it rests on."""
    yield Heading(1, (Name(record.target, Tone.STRONG),))
    yield line(record.verdict)
    yield field("size", f"{size_text(record.size_bytes)} ({record.size_bytes:,} bytes)")
    yield field("from", Name(record.source), f": {record.damage}")
    table = "" if record.table is None else f" of {table_title(record.table)}"
    yield field("entry", f"{record.entry}{table}")
    taken = [one for one in record.tensors if one.is_written]
    for found, how in (
        (Found.OBSERVED, "as the pickle named them"),
        (Found.CARVED, "names assumed from the table"),
    ):
        some = [one for one in taken if one.found is found]
        if some:
            yield field(found.value, f"{_count(some)}, {how}")
    yield from _describe_missing(record)
    yield field("verified", "read back, all tensors hash as what was to be written")
    yield field("root", record.root)
    yield from _listed("assumed", record.assumed)
    yield from _listed("unknown", record.undetermined)
    yield field("record", Name(f"{record.target}{SIDECAR_SUFFIX}"), " says it of each tensor")


def _describe_missing(record: CarvedFile) -> Iterator[Block]:
    filled = [one for one in record.tensors if one.initial]
    if filled:
        made = Words(f"{_count(filled)} with initial values, which are none of the checkpoint's: ")
        yield field("filled", made, *_patterns(filled, record))
        yield from _listed("", record.initialisation)
    left = [one for one in record.tensors if one.found is Found.MISSING and not one.is_written]
    for slot in dict.fromkeys(one.slot for one in left):
        some = [one for one in left if one.slot is slot]
        yield field("missing", f"{_count(some)} of {slot.value}: ", *_patterns(some, record))
    reasons = [one for one in record.tensors if one.why]
    for one in reasons[:_MOST_REASONS]:
        yield field("not used", Name(one.key), f": {one.why}")
    if len(reasons) > _MOST_REASONS:
        yield field("", f"and {len(reasons) - _MOST_REASONS:,} more")


def _patterns(some: Sequence[RecordedTensor], record: CarvedFile) -> Iterator[Part]:
    chosen = {id(one) for one in some}
    slots = {one.slot for one in some}
    others = (one.key for one in record.tensors if one.slot in slots and id(one) not in chosen)
    for index, pattern in enumerate(fold_keys((one.key for one in some), others)):
        yield Words(", " if index else "")
        yield Name(pattern.text) if pattern.text else Words(f"and {pattern.count:,} more")


def _count(some: Sequence[RecordedTensor]) -> str:
    return count_text(len(some), "tensors", rounded=False)


def _listed(label: str, texts: Sequence[str]) -> Iterator[Field]:
    for index, text in enumerate(texts):
        yield field("" if index else label, text)
