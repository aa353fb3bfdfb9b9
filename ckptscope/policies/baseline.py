"""Known findings, kept in a file: the schema `ckptscope/baseline/1`.

Enters: a report, or the file. Leaves: the file, sorted, so that two of them differ only where
findings do; or a `Baseline`. What a checkpoint says of people or machines is not repeated in it.
"""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.errors import PolicyError
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import GateReport, Ruling
from ckptscope.policies.fingerprints import PRIVATE, file_name

BASELINE_SCHEMA: Final = "ckptscope/baseline/1"
#: 100,000 entries of 600 bytes; a larger file is something else.
_MOST_BYTES: Final = 64 << 20
_MOST_CHARACTERS: Final = 300

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings of one file that cannot be told apart.

    Attributes:
        file: Name of the file, without its folder, and the members that lead to the checkpoint.
        code: Code of the finding.
        fingerprint: By which it is known again.
        message: What it said, for people.
        count: How many of them there were.
    """

    file: _Text
    code: _Text
    fingerprint: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    message: str = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a baseline's file."""

    schema: Literal["ckptscope/baseline/1"]
    entries: tuple[Entry, ...]


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Findings that are known.

    Attributes:
        name: Name of the file that they are from.
        entries: In the order of the file.
    """

    name: str
    entries: tuple[Entry, ...] = ()

    @property
    def counts(self) -> Counter[str]:
        """How often each fingerprint is known."""
        counts = Counter[str]()
        for entry in self.entries:
            counts[entry.fingerprint] += entry.count
        return counts


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """Read known findings.

    Raises:
        PolicyError: The file cannot be read, or is no baseline.
    """
    name = str(path)
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        advice = "; --write-baseline writes one" if isinstance(error, FileNotFoundError) else ""
        raise PolicyError(f"cannot be read: {reason}{advice}", path=name) from error
    if len(content) > _MOST_BYTES:
        raise PolicyError(f"expected a baseline of at most {_MOST_BYTES:,} bytes", path=name)
    try:
        found = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_File)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        place = where.strip("`").removeprefix("$").removeprefix(".")
        path = f"{name}: {place}" if place else name
        message = f"expected a baseline: {message[:1].lower()}{message[1:300]}"
        raise PolicyError(message, path=path) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        line = _line_of(str(error), content)
        message = f"expected JSON of the schema {BASELINE_SCHEMA!r}, found: {str(error)[:300]}"
        raise PolicyError(message, path=f"{name}:{line}") from error
    return Baseline(name=Path(name).name, entries=found.entries)


def write_baseline(path: str | os.PathLike[str], report: GateReport) -> Baseline:
    """Write what keeps the files of a report from passing, and what a baseline has pardoned.

    What a waiver pardons stays its own: it is to expire. Files that could not be read have none.

    Raises:
        UsageError: The path is a folder, or its folder does not exist.
    """
    from ckptscope.writers.atomic import writing_file

    counts = Counter[Entry]()
    for file in report.files:
        name = file_name(file.path, file.location)
        here = Counter(_entry(one, name) for one in file.rulings if _is_known(one))
        # A file that lies in two folders counts as once.
        counts |= here
    entries = sorted(
        (msgspec.structs.replace(entry, count=count) for entry, count in counts.items()),
        key=lambda one: (one.file, one.code, one.message, one.fingerprint),
    )
    content = _File(schema=BASELINE_SCHEMA, entries=tuple(entries))
    text = msgspec.json.format(msgspec.json.encode(content), indent=2)
    with writing_file(path) as file_out:
        file_out.write(text + b"\n")
    return Baseline(name=Path(path).name, entries=tuple(entries))


def _is_known(ruling: Ruling) -> bool:
    return ruling.is_failing or (ruling.pardon is not None and ruling.pardon.source == "baseline")


def _entry(ruling: Ruling, name: str) -> Entry:
    finding = ruling.finding
    return Entry(
        file=_clean(name) or "?",
        code=finding.code.value,
        fingerprint=ruling.fingerprint,
        message=_clean(_message(finding)),
    )


def _message(finding: Finding) -> str:
    """Return what was found, and where; what may be private in the words of the catalogue."""
    if finding.code.startswith(PRIVATE):
        entry = CATALOGUE.get(finding.code)
        said = entry.title if entry is not None else finding.code.value
    else:
        said = finding.message[:_MOST_CHARACTERS]
    where = [one for one in (finding.where.member, finding.where.key) if one]
    return f"{said} ({', '.join(f'{one:.120}' for one in where)})" if where else said


def _clean(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _line_of(message: str, content: bytes) -> int:
    """Return the line that a message of msgspec speaks of: `... (byte 12)`."""
    found = re.search(r"\(byte (\d+)\)", message)
    end = int(found[1]) if found is not None else len(content)
    return content.count(b"\n", 0, end) + 1
