"""Differences → diagnosis, where keys may bear prefixes or the names of another dialect.

Enters: `KeyDifferences`, and what is known of both networks. Leaves: a `Diagnosis`. A prefix comes
first: it hides all else. Then names of another dialect, entries that are no tensors, and at last
everything that names the same tensor on both sides.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from ckptscope.differences.attribution import attribute
from ckptscope.differences.grounds import Grounds, Spelling
from ckptscope.differences.patterns import patterns_text
from ckptscope.differences.renaming import prefix_advice, prefix_origin, renaming_rules
from ckptscope.facts.differences import Cause, CauseKind, Diagnosis, KeyDifferences
from ckptscope.facts.tensors import Origin

_MOST_RULES = 6
#: BatchNorm's counter, which torch fills in where no version is recorded.
COUNTER: Final = "num_batches_tracked"


def diagnose(differences: KeyDifferences, grounds: Grounds) -> Diagnosis:
    """Find the causes of differences."""
    met, rest = part_spellings(differences, grounds.spelling)
    found = attribute(rest, grounds)
    return msgspec.structs.replace(found, differences=differences, causes=(*met, *found.causes))


def part_spellings(
    differences: KeyDifferences, spelling: Spelling
) -> tuple[tuple[Cause, ...], KeyDifferences]:
    """Take out the keys that meet once prefixes and dialects are seen through.

    Returns:
        The causes of those, and the differences that are left.
    """
    absent = (*differences.missing, *differences.tolerated)
    missing = {spelling.bare_expected(key): key for key in absent}
    met = _Met()
    odd: list[str] = []
    counters: list[str] = []
    for key in differences.unexpected:
        if key in spelling.no_tensors:
            odd.append(key)
            continue
        wanted = missing.pop(spelling.bare_found(key), None)
        if wanted is not None:
            met.add(key, wanted, spelling)
        elif key.endswith(COUNTER):
            counters.append(key)
    met.add_counters(counters)
    taken = {key for key, _ in (*met.prefixed, *met.renamed)} | set(odd)
    given = {wanted for _, wanted in (*met.prefixed, *met.renamed)}
    # Counters that torch fills in are not missing; that the file has them under another name shows.
    tolerated = {*differences.tolerated, ""}
    causes = (
        *_prefix_cause(met.prefixed, spelling, tolerated),
        *_names_cause(met.renamed, spelling, tolerated),
        *_no_tensors_cause(odd),
    )
    rest = msgspec.structs.replace(
        differences,
        missing=tuple(key for key in differences.missing if key not in given),
        unexpected=tuple(key for key in differences.unexpected if key not in taken),
    )
    return causes, rest


class _Met:
    """Keys of the file with the keys of the network that they are, once seen through."""

    def __init__(self) -> None:
        self.prefixed: list[tuple[str, str]] = []
        self.renamed: list[tuple[str, str]] = []
        self._modules: dict[str, list[tuple[str, str]]] = {}

    def add(self, key: str, wanted: str, spelling: Spelling) -> None:
        """Add a pair to those that a prefix hides, or to those that names hide."""
        has_prefix = key.startswith(spelling.found_prefix)
        same = has_prefix and spelling.found_prefix == spelling.expected_prefix
        pairs = self.renamed if same else self.prefixed
        pairs.append((key, wanted))
        self._modules[key.rpartition(".")[0]] = pairs

    def add_counters(self, keys: Sequence[str]) -> None:
        """Add counters that stand beside keys of a pair.

        Under other names the file's versions are not found, and torch fills counters in: then they
        are unexpected, and none is missing.
        """
        for key in keys:
            pairs = self._modules.get(key.rpartition(".")[0])
            if pairs is not None:
                pairs.append((key, ""))


def _prefix_cause(
    pairs: Sequence[tuple[str, str]], spelling: Spelling, tolerated: Collection[str]
) -> list[Cause]:
    """Say that the keys of one side alone begin with a prefix."""
    if not pairs:
        return []
    found, expected = spelling.found_prefix, spelling.expected_prefix
    if found and expected:
        text = f"keys begin with {found!r} in the file, with {expected!r} in the network"
        advice = (
            f"load {{key.replace({found!r}, {expected!r}, 1): value for key, value in "
            "state_dict.items()}"
        )
    elif found:
        text = f"keys begin with {found!r} in the file, and do not in the network"
        advice = prefix_advice(found)
    else:
        text = f"keys begin with {expected!r} in the network, and do not in the file"
        advice = (
            f"load into the network inside the wrapper, or put {expected!r} before every key: "
            f"{{{expected!r} + key: value for key, value in state_dict.items()}}"
        )
    who = prefix_origin(found or expected)
    return [
        Cause(
            text=text,
            kind=CauseKind.PREFIX,
            found=found,
            expected=expected,
            missing=tuple(wanted for _, wanted in pairs if wanted not in tolerated),
            unexpected=tuple(key for key, _ in pairs),
            evidence=(f"that prefix is put there by {who}",) if who else (),
            origin=Origin.OBSERVED,
            advice=advice,
        )
    ]


def _names_cause(
    pairs: Sequence[tuple[str, str]], spelling: Spelling, tolerated: Collection[str]
) -> list[Cause]:
    """Say that the same layers bear other names."""
    if not pairs:
        return []
    rules = renaming_rules([(one, other) for one, other in pairs if other])
    shown = [f"{one!r} in the file is {other!r} in the network" for one, other in rules]
    more = len(shown) - _MOST_RULES
    if more > 0:
        shown = [*shown[:_MOST_RULES], f"and {more:,} more"]
    ours, theirs = spelling.found_dialect, spelling.expected_dialect
    if ours and theirs and ours != theirs:
        text = f"the file names its layers in the dialect {ours!r}, the network in {theirs!r}"
    else:
        text = f"{len(pairs):,} tensors have other names in the file than in the network"
    return [
        Cause(
            text=text,
            kind=CauseKind.NAMES,
            found=ours,
            expected=theirs,
            missing=tuple(wanted for _, wanted in pairs if wanted not in tolerated),
            unexpected=tuple(key for key, _ in pairs),
            evidence=tuple(shown),
            advice="rename the keys before loading, by these rules",
        )
    ]


def _no_tensors_cause(keys: Sequence[str]) -> list[Cause]:
    """Say that entries of the mapping are no tensors."""
    if not keys:
        return []
    count = f"{len(keys):,} {'entry' if len(keys) == 1 else 'entries'}"
    return [
        Cause(
            text=f"{count} beside the tensors {'is' if len(keys) == 1 else 'are'} no tensor",
            kind=CauseKind.NO_TENSORS,
            unexpected=tuple(keys),
            evidence=(patterns_text(keys),),
            origin=Origin.OBSERVED,
            advice="leave them out before loading",
        )
    ]
