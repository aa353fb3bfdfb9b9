"""Which tensors tell two rows of a table apart.

Enters: two rows with their settings. Leaves: a few tensors in words, one for each sort of setting
in which the rows differ.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture
from ckptscope.facts.differences import ShapeMismatch
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tables import SpecRow
from ckptscope.families.comparing import compare_keys
from ckptscope.families.registry import AnyFamily, find_family

_MOST_SHOWN: Final = 4
#: Entries of a state_dict up to which two rows are listed; the rows of a user's table may be larger
#: than any network.
_MOST_TENSORS: Final = 100_000


def separating_tensors(
    first: SpecRow, second: SpecRow, architecture: Architecture
) -> tuple[str, ...]:
    """Return tensors that only one of two rows has, or has in another shape.

    Args:
        first: A row.
        second: Another.
        architecture: The network for which it is asked; its dialect gives the names.
    """
    if not first.settings or not second.settings or first.settings == second.settings:
        return ()
    family = find_family(architecture.family)
    pair = _Pair(family, architecture.dialect, first, second)
    if pair.tensors > _MOST_TENSORS:
        return ()
    return tuple(pair.tell())[:_MOST_SHOWN]


class _Pair:
    """Two rows as networks."""

    def __init__(self, family: AnyFamily, dialect: str, *rows: SpecRow) -> None:
        self._family = family
        known = family.dialects
        self._dialects = dict.fromkeys(one for one in (dialect, *known) if one in known)
        self._rows = rows
        self._configurations = [family.configure(row.settings) for row in rows]

    @property
    def tensors(self) -> int:
        """Entries of the larger state_dict."""
        return max(self._family.count(one).tensors for one in self._configurations)

    def tell(self) -> Iterator[str]:
        """Yield the first tensor of each sort: by the settings of its axes, or of its presence.

        The last tensors come first: what a head differs in is what people look for.
        """
        first, second = self._rows
        one, other = self._tables()
        differences = compare_keys(other, {tensor.key: tensor.shape for tensor in one})
        varying = self._varying()
        told: set[str] = set()
        for mismatch in reversed(differences.mismatched):
            sort = _sort(mismatch, varying)
            if mismatch.key.endswith(".weight") and not sort <= told:
                told |= sort
                found, expected = list(mismatch.found), list(mismatch.expected)
                yield f"{mismatch.key}: {found} in {first.name}, {expected} in {second.name}"
        for row, lacking, keys, own in (
            (first, second, frozenset(differences.unexpected), one),
            (second, first, frozenset(differences.missing), other),
        ):
            for tensor in own:
                sort = {_stem(setting) for setting in tensor.presence} or {"presence"}
                if tensor.key in keys and not sort <= told:
                    told |= sort
                    yield f"{tensor.key}: {list(tensor.shape)} in {row.name}, not in {lacking.name}"

    def _tables(self) -> Sequence[tuple[ExpectedTensor, ...]]:
        """Return the keys of both rows in one dialect, the file's if its code can build both."""
        for dialect in self._dialects:
            try:
                return [self._family.keys(each, dialect) for each in self._configurations]
            except UsageError:
                continue
        return (), ()

    def _varying(self) -> frozenset[str]:
        """Return the settings in which the rows differ."""
        one, other = (self._family.settings(each) for each in self._configurations)
        return frozenset(name for name in one if one[name] != other.get(name))


def _sort(mismatch: ShapeMismatch, varying: frozenset[str]) -> set[str]:
    settings = {_stem(one) for axis in mismatch.axes for one in axis.settings}
    return settings & varying or settings or {"shape"}


def _stem(setting: str) -> str:
    return setting.partition("[")[0]
