r"""A pasted error of load_state_dict → what it lists.

Enters: text of any origin. Leaves: `LoadError`s. Defined by what `torch.nn.Module.load_state_dict`
prints, in torch's words since 0.1:

| words | since |
|---|---|
| `Error(s) in loading state_dict for NET:` | 0.4 |
| `Missing key(s) in state_dict: "a", "b". `, `Unexpected key(s) in state_dict: "c". ` | 0.4 |
| `size mismatch for K: copying a param with shape A from checkpoint, the shape in current model \
is B.` | 1.0 |
| `size mismatch for K: copying a param of B from checkpoint, where the shape is A in current \
model.` | 0.4 to 1.0; its shapes change places: B is the network's |
| `While copying the parameter named "K", whose dimensions in the model are B and whose dimensions \
in the checkpoint are A` | 0.1 |
| `unexpected key "K" in state_dict`, `missing keys in state_dict: "{'a', 'b'}"` | 0.1 to 0.3 |
| `_IncompatibleKeys(missing_keys=['a'], unexpected_keys=['b'])` | 1.1, not strict |

A is the shape in the file and B the one in the network, whatever the words say. The text is cut at
these words, and each piece is read once from its beginning: the cost grows with the length alone.
"""

import re
from typing import Final

import msgspec

from ckptscope.differences.paste import squeeze_streams
from ckptscope.facts.differences import AxisMismatch, KeyDifferences, ShapeMismatch
from ckptscope.facts.loading import LoadError

#: Words by which a piece begins, without white space.
_WORDS: Final = {
    "header": r"Error\(s\)inloadingstate_dictfor",
    "missing": r"Missingkey\(s\)instate_dict:",
    "unexpected": r"Unexpectedkey\(s\)instate_dict:",
    "mismatch": r"sizemismatchfor",
    "copying": r"While(?:copying|swapping)theparameternamed",
    "old_unexpected": r"unexpectedkey(?=[\"'])",
    "old_missing": r"missingkeysinstate_dict:",
    "loose_missing": r"missing_keys=\[",
    "loose_unexpected": r"unexpected_keys=\[",
}
_ANCHORS: Final = re.compile("|".join(f"(?P<{name}>{words})" for name, words in _WORDS.items()))
_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]{0,200}?):")
_SIZE: Final = re.compile(r"(?:torch\.Size)?\((\[?)([0-9,]{0,2000})(\]?)\)")
_QUOTES: Final = "\"'"
_DOTS: Final = ("...", "…")
_GAP: Final = re.compile(r"[\[(]?(?:\.{3}|…)[\])]?,?(?=[\"']|$)")
_MOST_DIGITS = 18
#: Characters of a key; longer ones are something else in quotation marks.
_MOST_CHARACTERS = 2000
_MOST_DIMENSIONS = 64
#: Characters within which the two sizes of a message stand.
_MESSAGE = 6000
#: Different errors of one paste that are kept; further ones are copies of these as a rule.
_MOST_ERRORS = 64


def read_errors(text: str) -> tuple[LoadError, ...]:
    """Read all errors of a paste; the same error of several processes is told once."""
    counted: dict[tuple[object, ...], list[LoadError]] = {}
    for stream in squeeze_streams(text):
        for error in _read_stream(stream):
            signature = (
                error.network,
                error.differences.missing,
                error.differences.unexpected,
                tuple((m.key, m.found, m.expected) for m in error.differences.mismatched),
            )
            counted.setdefault(signature, []).append(error)
    return tuple(
        msgspec.structs.replace(errors[0], times=len(errors))
        for errors in list(counted.values())[:_MOST_ERRORS]
    )


class _Draft:
    """An error, as far as it has been read."""

    def __init__(self, network: str = "", *, is_strict: bool = True) -> None:
        self.network = network
        self.is_strict = is_strict
        self.missing: dict[str, None] = {}
        self.unexpected: dict[str, None] = {}
        self.mismatched: dict[str, ShapeMismatch] = {}
        self.refused: dict[str, None] = {}
        self.cut_off = 0
        self.stage = 0

    @property
    def is_empty(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched or self.refused)

    def finish(self) -> LoadError:
        differences = KeyDifferences(
            missing=tuple(self.missing),
            unexpected=tuple(self.unexpected),
            mismatched=tuple(self.mismatched.values()),
        )
        return LoadError(
            network=self.network,
            differences=differences,
            refused=tuple(self.refused),
            is_strict=self.is_strict,
            cut_off=self.cut_off,
        )


#: The order in which torch lists: what comes earlier again begins another error.
_STAGES: Final = {"missing": 1, "unexpected": 2, "mismatch": 3, "copying": 3}


def _read_stream(text: str) -> list[LoadError]:
    anchors = list(_ANCHORS.finditer(text))
    draft = _Draft()
    drafts = [draft]
    for index, anchor in enumerate(anchors):
        end = anchors[index + 1].start() if index + 1 < len(anchors) else len(text)
        piece = text[anchor.end() : end]
        kind = anchor.lastgroup or ""
        following = _next_draft(draft, kind, piece)
        if following is not draft:
            drafts.append(following)
            draft = following
        _READERS[kind](draft, piece)
    kept: list[_Draft] = []
    for draft in drafts:
        if not draft.is_empty:
            kept.append(draft)
        elif kept:
            # What broke off before it said anything: it stands behind the error before.
            kept[-1].cut_off += draft.cut_off
    return [draft.finish() for draft in kept]


def _next_draft(draft: _Draft, kind: str, piece: str) -> _Draft:
    """Return the error that a piece belongs to: the one at hand, or a new one."""
    if kind == "header":
        name = _NAME.match(piece)
        # A traceback shows the line of torch that writes the words, before it shows the words.
        return _Draft(name[1]) if name is not None else draft
    if kind == "loose_missing" or (kind == "loose_unexpected" and draft.is_strict):
        return _Draft(is_strict=False)
    stage = _STAGES.get(kind, 0)
    if stage and (stage < draft.stage or (stage == draft.stage and stage < 3)):
        return _Draft()
    if stage and not draft.is_strict:
        return _Draft()
    return draft


def _read_header(draft: _Draft, piece: str) -> None:
    """Read nothing: the name was needed to begin the error."""


def _read_missing(draft: _Draft, piece: str) -> None:
    draft.stage = 1
    keys, cut_off = _quoted(piece)
    draft.missing.update(dict.fromkeys(keys))
    draft.cut_off += cut_off


def _read_unexpected(draft: _Draft, piece: str) -> None:
    draft.stage = 2
    keys, cut_off = _quoted(piece)
    draft.unexpected.update(dict.fromkeys(keys))
    draft.cut_off += cut_off


def _read_old_missing(draft: _Draft, piece: str) -> None:
    """Read a set of names as Python writes it, itself within quotation marks."""
    keys, cut_off = _quoted(piece.lstrip('"{[('))
    draft.missing.update(dict.fromkeys(keys))
    draft.cut_off += cut_off


def _read_mismatch(draft: _Draft, piece: str) -> None:
    """Read `K: copying a param with shape A from checkpoint, the shape in current model is B`."""
    draft.stage = 3
    key, words, rest = piece.partition(":copyingaparam")
    sizes = _sizes(rest)
    if not words or len(sizes) < 2 or len(key) > _MOST_CHARACTERS:
        draft.cut_off += 1
        return
    found, expected = sizes
    if rest.startswith("of"):
        # torch printed the network's shape for the file's, and the other way round.
        found, expected = expected, found
    _add_mismatch(draft, key.strip(_QUOTES), found, expected)


def _read_copying(draft: _Draft, piece: str) -> None:
    """Read `"K", whose dimensions in the model are B and ... in the checkpoint are A`."""
    draft.stage = 3
    named, words, rest = piece.partition(",")
    key, sizes = named.strip(_QUOTES), _sizes(rest)
    if not words or not 0 < len(key) <= _MOST_CHARACTERS:
        draft.cut_off += 1
    elif len(sizes) == 2 and sizes[0] != sizes[1]:
        _add_mismatch(draft, key, sizes[1], sizes[0])
    else:
        # Refused for another reason: no tensor, a dtype that does not go into the other.
        draft.refused[key] = None


_READERS: Final = {
    "header": _read_header,
    "missing": _read_missing,
    "unexpected": _read_unexpected,
    "mismatch": _read_mismatch,
    "copying": _read_copying,
    "old_unexpected": _read_unexpected,
    "old_missing": _read_old_missing,
    "loose_missing": _read_missing,
    "loose_unexpected": _read_unexpected,
}


def _add_mismatch(
    draft: _Draft, key: str, found: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    axes: tuple[AxisMismatch, ...] = ()
    if len(found) == len(expected):
        axes = tuple(
            AxisMismatch(axis=axis, found=have, expected=want)
            for axis, (have, want) in enumerate(zip(found, expected, strict=True))
            if have != want
        )
    draft.mismatched[key] = ShapeMismatch(key=key, found=found, expected=expected, axes=axes)


def _quoted(piece: str) -> tuple[list[str], int]:
    """Read names in quotation marks with commas between them, and how often the list breaks off."""
    keys: list[str] = []
    cut_off = position = 0
    while position < len(piece):
        mark = piece[position]
        if mark not in _QUOTES:
            # `"a", ..., "z"`: something was left out, and what follows is still of the list.
            gap = _GAP.match(piece, position)
            if gap is None:
                return keys, cut_off
            cut_off += 1
            position = gap.end()
            continue
        end = piece.find(mark, position + 1)
        if end < 0:
            return keys, cut_off + 1
        if end - position <= _MOST_CHARACTERS:
            keys.append(piece[position + 1 : end])
        else:
            cut_off += 1
        position = end + 1
        if position < len(piece):
            if piece[position] != ",":
                return keys, cut_off + piece.startswith(_DOTS, position)
            position += 1
    return keys, cut_off + 1


def _sizes(text: str) -> list[tuple[int, ...]]:
    """Read the first two sizes of a message."""
    found: list[tuple[int, ...]] = []
    for match in _SIZE.finditer(text[:_MESSAGE]):
        numbers = [digits for digits in match[2].split(",") if digits]
        if bool(match[1]) != bool(match[3]) or len(numbers) > _MOST_DIMENSIONS:
            continue
        if any(len(digits) > _MOST_DIGITS for digits in numbers):
            continue
        found.append(tuple(int(digits) for digits in numbers))
        if len(found) == 2:
            break
    return found
