"""Which row of a table a file's name claims.

Enters: names as people give them. Leaves: rows whose labels are words of a name. `ConvNeXtPose_L
(1).tar` says L, `convnextpose-xs-final.pth` says XS; `snapshot_83.pth.tar` and `model's.pth` say
nothing.

A name is split at everything that is neither letter nor digit, and behind the family's name. Labels
of two letters and more, or of several words, count in any case. A capital letter counts by itself;
a small one, and a number, only right behind the family's name, where they can be nothing else, and
a letter also as the whole name.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.facts.claims import Claim
from ckptscope.facts.tables import SpecTable
from ckptscope.specs.loading import claims_of

_WORD: Final = re.compile(r"[^\W_]+")
#: Characters of a name that are looked at; systems allow 255 bytes.
_MOST_CHARACTERS: Final = 1000
_APOSTROPHES: Final = "'`\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}"
#: Endings of file names, which are no words.
_ENDINGS: Final = frozenset(
    {"bin", "bz2", "ckpt", "gz", "index", "json", "pickle", "pkl", "pt", "pth", "safetensors"}
    | {"tar", "tbz2", "tgz", "txz", "xz", "zip"}
)
#: Pieces into which a family's name may be cut: `ConvNeXt-Pose`.
_MOST_PIECES: Final = 4


class _Word(msgspec.Struct, frozen=True):
    """One word of a name.

    Attributes:
        text: As it stands there.
        is_family: Whether it names the table or its family.
        is_glued: Whether it stands behind the family's name without a gap: `ConvNeXtPoseS`.
        is_tied: Whether an apostrophe ties it to a neighbour.
    """

    text: str
    is_family: bool = False
    is_glued: bool = False
    is_tied: bool = False


def rows_named(name: str, table: SpecTable) -> tuple[str, ...]:
    """Return the rows that a name claims, in the order of the table: one, none, or too many."""
    words = _split(name, table)
    found = [
        (start, end, row.name)
        for row in table.rows
        for label in row.labels
        for start, end in _spans(words, label)
    ]
    # What lies within a longer label does not count: `Femto-L` is not `Femto`.
    kept = {
        row
        for start, end, row in found
        if not any(a <= start and end <= b and b - a > end - start for a, b, _ in found)
    }
    return tuple(row.name for row in table.rows if row.name in kept)


def first_claim(names: Sequence[str], table: SpecTable) -> tuple[str, tuple[str, ...]]:
    """Return the first name that claims a row, and its rows; nothing if none does.

    Args:
        names: In order of weight.
        table: Rows to look for.
    """
    for name in names:
        rows = rows_named(name, table)
        if rows:
            return name, rows
    return "", ()


def claims_named(name: str, tables: Iterable[SpecTable]) -> tuple[Claim, ...]:
    """Return what the row claims that a name means; nothing if it means none, or several.

    Args:
        name: Of a file or a member.
        tables: The first with a row of that name counts.
    """
    for table in tables:
        rows = rows_named(name, table)
        if rows:
            return row_claims(table, rows[0], "the name of the file") if len(rows) == 1 else ()
    return ()


def row_claims(table: SpecTable, row: str, said_by: str) -> tuple[Claim, ...]:
    """Return the claims of a row that somebody says a file is.

    Args:
        table: Where the row stands.
        row: Its name.
        said_by: Who says it, in words.
    """
    return tuple(
        msgspec.structs.replace(claim, source=f"{claim.source}; row {row}, said by {said_by}")
        for claim in claims_of(table, row)
    )


def family_named(name: str, table: SpecTable) -> int:
    """Return how many letters of a name say that it is about this table; 0 for none."""
    return max((len(word.text) for word in _split(name, table) if word.is_family), default=0)


def row_meant(text: str, table: SpecTable) -> str | None:
    """Return the row that a user means by its name or a label, in any case; None for no such."""
    if table.row(text) is not None:
        return text
    for row in table.rows:
        if text.casefold() in {row.name.casefold(), *(label.casefold() for label in row.labels)}:
            return row.name
    return None


def _split(name: str, table: SpecTable) -> list[_Word]:
    """Split a name into words, those of the family's name put together."""
    name = name[:_MOST_CHARACTERS]
    found = list(_WORD.finditer(name))
    while len(found) > 1 and found[-1][0].casefold() in _ENDINGS:
        found.pop()
    families = sorted(
        {"".join(_folded(known)) for known in (table.name, table.family)}, key=len, reverse=True
    )
    labels = {"".join(_folded(label)) for row in table.rows for label in row.labels}
    words: list[_Word] = []
    while found:
        taken = _family_at([match[0].casefold() for match in found[:_MOST_PIECES]], families)
        if taken:
            words.append(_Word("".join(match[0] for match in found[:taken]), is_family=True))
            del found[:taken]
            continue
        match = found.pop(0)
        cut = _family_before(match[0], families, labels)
        if cut:
            words.append(_Word(match[0][:cut], is_family=True))
        around = name[max(match.start() - 1, 0) : match.start()] + name[match.end() :][:1]
        tied = any(character in _APOSTROPHES for character in around)
        words.append(_Word(match[0][cut:], is_glued=cut > 0, is_tied=tied))
    return words


def _folded(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _family_at(words: Sequence[str], families: Sequence[str]) -> int:
    """Return how many words at the start are a family's name, in one piece or in several."""
    for family in families:
        for count in range(1, _MOST_PIECES + 1):
            if family and "".join(words[:count]) == family:
                return min(count, len(words))
    return 0


def _family_before(word: str, families: Sequence[str], labels: set[str]) -> int:
    """Return how many characters of a word are a family's name with a label behind it."""
    for family in families:
        start, rest = word[: len(family)].casefold(), word[len(family) :].casefold()
        if family and start == family and rest in labels:
            return len(family)
    return 0


def _spans(words: Sequence[_Word], label: str) -> Iterator[tuple[int, int]]:
    """Yield where a label stands: its first word, and the one behind its last."""
    wanted = _folded(label)
    folded = [word.text.casefold() for word in words]
    for start, word in enumerate(words):
        if word.is_family:
            continue
        if len(wanted) > 1:
            if folded[start : start + len(wanted)] == wanted:
                yield start, start + len(wanted)
            elif folded[start] == "".join(wanted):
                yield start, start + 1
        elif folded[start] == wanted[0] and _counts(words, start, label):
            yield start, start + 1


def _counts(words: Sequence[_Word], index: int, label: str) -> bool:
    """Whether one word is a label, and not a letter or a number of something else."""
    word = words[index]
    if word.is_tied:
        return False
    is_letter = len(word.text) == 1 and not word.text.isdecimal()
    if word.is_glued:
        return not is_letter or word.text in label
    if index and words[index - 1].is_family:
        return True
    if word.text.isdecimal():
        return False
    is_capital = word.text.isupper() and word.text in label
    return not is_letter or is_capital or len(words) == 1
