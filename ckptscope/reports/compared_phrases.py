"""What every report of a comparison says in the same words.

Enters: sides, comparisons, numbers. Leaves: letters and short names of files, verdicts as phrases,
shares and distances as text, none of it escaped.
"""

import math
import string
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Final

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.comparison import Comparison, Relation, Side, Way

NOTHING: Final = "\N{EN DASH}"
#: Changes up to this number say more than their share.
_FEW: Final = 1000
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
#: Cosines above this are shown as 1 by six decimals.
_NEARLY_ONE: Final = 1 - 5e-7
_PHRASES: Final = {
    Relation.IDENTICAL: "identical",
    Relation.SAME_WEIGHTS: "same weights",
    Relation.RENAMED: "same weights, renamed",
    Relation.SAME_NUMBERS: "equal as numbers, not bit for bit",
    Relation.WITHIN_TOLERANCE: "equal within the tolerance",
    Relation.TRANSPOSED: "transposed",
    Relation.PERMUTED: "permuted",
    Relation.PART_OF: "the same in what both have",
    Relation.EDITED: "edited",
    Relation.PRUNED: "pruned",
    Relation.QUANTIZED: "quantized",
    Relation.AVERAGED: "averaged",
    Relation.FINE_TUNED: "fine-tuned",
    Relation.HEAD_RESET: "head re-initialised",
    Relation.UNRELATED: "unrelated",
    Relation.SAME_STRUCTURE: "same structure",
    Relation.OTHER_STRUCTURE: "other structure",
    Relation.UNDECIDED: "not decided",
}
#: What fits a cell of a matrix of six files in 80 columns.
_WORDS: Final = {
    Relation.IDENTICAL: "identical",
    Relation.SAME_WEIGHTS: "same",
    Relation.RENAMED: "renamed",
    Relation.SAME_NUMBERS: "numbers",
    Relation.WITHIN_TOLERANCE: "tolerance",
    Relation.TRANSPOSED: "transposed",
    Relation.PERMUTED: "permuted",
    Relation.PART_OF: "part",
    Relation.EDITED: "edited",
    Relation.PRUNED: "pruned",
    Relation.QUANTIZED: "quantized",
    Relation.AVERAGED: "averaged",
    Relation.FINE_TUNED: "fine-tuned",
    Relation.HEAD_RESET: "new head",
    Relation.UNRELATED: "unrelated",
    Relation.SAME_STRUCTURE: "same",
    Relation.OTHER_STRUCTURE: "other",
    Relation.UNDECIDED: "undecided",
}
_UNREAD_VALUES: Final = "values were not compared"


def letter(index: int) -> str:
    """Return what a file is called: A to Z, then AA, AB, ..."""
    letters = ""
    index += 1
    while index:
        index, place = divmod(index - 1, len(string.ascii_uppercase))
        letters = string.ascii_uppercase[place] + letters
    return letters


def whole_name(side: Side) -> str:
    """Return a file's path with the members that lead to the checkpoint."""
    return " > ".join((side.path, *side.location))


def short_names(sides: Sequence[Side]) -> tuple[str, ...]:
    """Return the last parts of paths, as many as tell the files apart; else the whole paths."""
    paths = [PurePath(side.path).parts for side in sides]
    if len(set(paths)) < len(paths):
        return tuple(whole_name(side) for side in sides)
    for count in range(1, max(map(len, paths), default=0) + 1):
        tails = [str(PurePath(*parts[-count:])) for parts in paths]
        if len(set(tails)) == len(tails):
            return tuple(tails)
    return tuple(whole_name(side) for side in sides)


#: Two names for what looks the same; all others are told side by side.
_EITHER = {Relation.FINE_TUNED, Relation.AVERAGED}


def verdict_text(comparison: Comparison) -> str:
    """Return all verdicts on two files in one line: `same weights, in another container`."""
    relations = list(dict.fromkeys(one.relation for one in comparison.conclusions))
    told = _phrase(relations[0], comparison)
    for before, relation in pairwise(relations):
        joined = "or" if {before, relation} == _EITHER else "and"
        told += f" {joined} {_phrase(relation, comparison)}"
    if comparison.ways:
        told += f", in another {_listed([way.value for way in Way if way in comparison.ways])}"
    return told if comparison.values_compared else f"{told}; {_UNREAD_VALUES}"


def verdict_word(comparison: Comparison) -> str:
    """Return the first verdict in one or two words; a mark says that there are others."""
    word = _WORDS[comparison.conclusions[0].relation]
    relations = {one.relation for one in comparison.conclusions}
    others = len(relations) - 1 - (relations >= _EITHER)
    return f"{word} +" if others else word


def relation_text(relation: Relation) -> str:
    """Return a relation as it is told beside its evidence."""
    return _PHRASES[relation]


def _phrase(relation: Relation, comparison: Comparison) -> str:
    """Return a verdict; of a part, of which file it is one where nothing else differs."""
    found = comparison.structure
    is_all = len(comparison.conclusions) == 1 and not found.reshaped
    if relation is Relation.PART_OF and is_all and bool(found.only_left) != bool(found.only_right):
        left, right = letter(comparison.left), letter(comparison.right)
        return f"{right} is part of {left}" if found.only_left else f"{left} is part of {right}"
    return _PHRASES[relation]


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def share_changed(changed: int, elements: int) -> str:
    """Return a share in percent: never 0 % for some, never 100 % for less than all."""
    if not elements:
        return NOTHING
    if changed in (0, elements):
        return "0 %" if not changed else "100 %"
    percent = 100 * (changed / elements)
    if percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if percent < 99.95 else ">99.9 %"


def changed_text(changed: int, elements: int) -> str:
    """Return how many elements changed where they can be counted on a page, else their share."""
    if 0 < changed <= _FEW and changed != elements:
        return f"{changed:,} of {elements:,}"
    return share_changed(changed, elements)


def distance_text(value: float | None) -> str:
    """Return a relative distance with three digits: `0`, `0.0123`, `1.23e-6`."""
    if value is None or math.isnan(value):
        return NOTHING
    if value == 0:
        return "0"
    mantissa, mark, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa


def cosine_text(value: float | None) -> str:
    """Return a cosine with six decimals; what is not quite 1 is not shown as 1."""
    if value is None or math.isnan(value):
        return NOTHING
    if _NEARLY_ONE < value < 1:
        return ">0.999999"
    return f"{value:.6f}"


def value_text(value: FactValue) -> str:
    """Return a recorded value; sizes of a list are parted by commas."""
    if value is None:
        return NOTHING
    if isinstance(value, tuple):
        return ", ".join(
            _TIMES.join(map(str, item)) if isinstance(item, tuple) else value_text(item)
            for item in value
        )
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def count_of(count: int, word: str) -> str:
    """Return `1 tensor`, `2 tensors`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
