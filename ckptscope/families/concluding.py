"""Facts of a network → its `Architecture`.

Enters: a view, the facts that a family inferred, the table of keys that they give. Leaves: an
`Architecture` with the differences between file and table, and what does not fit in words.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ckptscope.facts.architecture import Architecture, Evidence, Fact, FactValue, Ranking
from ckptscope.facts.differences import KeyDifferences
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Family, misfit_text
from ckptscope.families.comparing import compare_keys
from ckptscope.families.view import NetworkView

_COUNTER = "num_batches_tracked"
#: Why a file may lack every counter of its BatchNorms.
_NO_COUNTERS = "PyTorch before 0.4.1 wrote none, nor does FrozenBatchNorm2d"


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """What a family infers of a network.

    Attributes:
        facts: In the order in which they are told.
        settings: What the network would be built from; None if one is not known.
        counts: What the settings add up to; None without settings.
        table: Keys that the network has, as far as the settings are known.
        dialect: How its keys are named.
        reasons: Why this family.
        contradicted: Stated settings that the file contradicts, in words.
        rankings: Questions that the shapes leave open.
    """

    facts: Sequence[Fact]
    settings: dict[str, FactValue] | None
    counts: Counts | None
    table: Sequence[ExpectedTensor]
    dialect: str
    reasons: tuple[str, ...]
    contradicted: Sequence[str] = ()
    rankings: tuple[Ranking, ...] = ()


def conclude(family: Family[Any], view: NetworkView, conclusion: Conclusion) -> Architecture:
    """Hold the file against the table, and write down what was inferred."""
    differences = compare_view(view, conclusion.table)
    explained = sum(tensor.key in view for tensor in conclusion.table)
    return Architecture(
        family=family.name,
        title=family.title,
        state_dict=view.state_dict.path,
        prefix=view.prefix,
        reasons=conclusion.reasons,
        coverage=explained / max(1, len(view.state_dict.tensors)),
        facts=tuple(conclusion.facts),
        settings=conclusion.settings,
        dialect=conclusion.dialect,
        counts=conclusion.counts,
        rankings=conclusion.rankings,
        differences=differences,
        misfits=(*conclusion.contradicted, *misfits_of(view, differences)),
        blind_spots=family.blind_spots,
    )


def compare_view(view: NetworkView, table: Iterable[ExpectedTensor]) -> KeyDifferences:
    """Hold the state_dict of a view against a table, as load_state_dict(strict=True) does."""
    found = {tensor.key: tensor.shape for tensor in view.state_dict.tensors}
    return compare_keys(table, found, prefix=view.prefix, versions=view.state_dict.versions)


def misfits_of(view: NetworkView, differences: KeyDifferences) -> tuple[str, ...]:
    """Say in words what does not fit, the gravest first."""
    prefix = view.prefix
    mismatched = [
        f"{one.key} {list(one.found)}, expected {list(one.expected)}"
        for one in differences.mismatched
    ]
    within = [key for key in differences.unexpected if key.startswith(prefix)]
    outside = [key for key in differences.unexpected if not key.startswith(prefix)]
    kinds: tuple[tuple[Sequence[str], str, str], ...] = (
        (mismatched, "tensor does not fit the others", "tensors do not fit the others"),
        (
            differences.missing,
            "tensor of the network is missing",
            "tensors of the network are missing",
        ),
        (
            within,
            "tensor does not belong to the network",
            "tensors do not belong to the network",
        ),
        (
            outside,
            f"tensor stands outside the network's prefix {prefix!r}",
            f"tensors stand outside the network's prefix {prefix!r}",
        ),
    )
    misfits = [
        misfit_text(len(keys), one if len(keys) == 1 else many, keys)
        for keys, one, many in kinds
        if keys
    ]
    if differences.tolerated:
        count = len(differences.tolerated)
        has_others = any(key.endswith(_COUNTER) for key in view)
        why = "others are" if has_others else _NO_COUNTERS
        misfits.append(
            f"{count:,} counters {_COUNTER} are not in the file ({why}); load_state_dict fills "
            f"them in"
        )
    return tuple(misfits)


def is_half_there(view: NetworkView, table: Iterable[ExpectedTensor]) -> bool:
    """Whether a view holds at least half of the tensors of a network; counters do not count."""
    there, count = _presence(view, table)
    return 2 * there >= count


def presence_text(view: NetworkView, table: Iterable[ExpectedTensor]) -> str:
    """Say how many tensors of a network a view holds."""
    there, count = _presence(view, table)
    return f"{there:,} of {count:,} tensors of such a network are there, counters left out"


def _presence(view: NetworkView, table: Iterable[ExpectedTensor]) -> tuple[int, int]:
    weights = [tensor.key for tensor in table if not tensor.is_counter]
    return sum(key in view for key in weights), len(weights)


def name_facts(view: NetworkView, dialect: str, text: str) -> tuple[Fact, Fact]:
    """Return the facts of dialect and prefix.

    Args:
        view: The network.
        dialect: How its keys are named.
        text: By which keys that shows.
    """
    evidence = (Evidence(text=text),)
    prefix = f"stands before {len(view):,} of {len(view.state_dict.tensors):,} keys"
    return (
        Fact(name="dialect", value=dialect, origin=Origin.OBSERVED, evidence=evidence),
        Fact(
            name="prefix",
            value=view.prefix,
            origin=Origin.OBSERVED,
            evidence=(Evidence(text=prefix),),
        ),
    )
