"""Which tensor of one file is which of the other.

Enters: tensors by their names without prefix, what the dialects of a family translate, and digests
where values may be read. Leaves: `Pairs`. Each step looks only at what the steps before it left.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Final

import msgspec

from ckptscope.differences.renaming import common_prefix_of
from ckptscope.facts.comparison import Pairing
from ckptscope.facts.tensors import TensorInfo

#: Share of the tensors left over that places among equal shapes must bring together: fewer may be
#: chance.
_LEAST_BY_SHAPE: Final = 0.8

#: Tensors by name, in the order of the file.
Tensors = Mapping[str, TensorInfo]
#: Digest of a tensor's values; None where it cannot be read.
Digest = Callable[[TensorInfo], bytes | None]


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Names that belong together.

    Attributes:
        found: Name on the left, name on the right, and how they met; in the order of the left.
        only_left: Names without counterpart.
        only_right: The same on the right.
    """

    found: tuple[tuple[str, str, Pairing], ...]
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]


def pair_tensors(
    left: Tensors,
    right: Tensors,
    *,
    translated: Mapping[str, str] | None = None,
    digests: tuple[Digest, Digest] | None = None,
) -> Pairs:
    """Bring the tensors of two files together.

    Args:
        left: Tensors of the left file.
        right: Tensors of the right file.
        translated: What names of the left are in the dialect of the right.
        digests: Of the left's and of the right's tensors; None where values are not to be read.
    """
    meeting = _Meeting(left, right)
    meeting.add(((name, name) for name in left), Pairing.NAME)
    meeting.add((translated or {}).items(), Pairing.DIALECT)
    meeting.add(_by_prefix(meeting), Pairing.NAME)
    if digests is not None:
        meeting.add(_by_values(meeting, *digests), Pairing.VALUES)
    meeting.add(_by_shape(meeting), Pairing.SHAPE)
    return meeting.pairs()


class _Meeting:
    """Names that have met, and those that still wait."""

    def __init__(self, left: Tensors, right: Tensors) -> None:
        self.left = dict(left)
        self.right = dict(right)
        self._order = {name: index for index, name in enumerate(left)}
        self._found: list[tuple[str, str, Pairing]] = []

    def add(self, pairs: Iterable[tuple[str, str]], pairing: Pairing) -> None:
        for one, other in list(pairs):
            if one in self.left and other in self.right:
                del self.left[one], self.right[other]
                self._found.append((one, other, pairing))

    def pairs(self) -> Pairs:
        return Pairs(
            found=tuple(sorted(self._found, key=lambda pair: self._order[pair[0]])),
            only_left=tuple(self.left),
            only_right=tuple(self.right),
        )


def _by_prefix(meeting: _Meeting) -> list[tuple[str, str]]:
    """Pair names that are the same behind something that all of one side begin with."""
    prefixes = common_prefix_of(tuple(meeting.right), tuple(meeting.left))
    if prefixes is None or all(prefixes):
        # Something else in place of something is another name, and no prefix.
        return []
    of_left, of_right = prefixes
    return [
        (name, other)
        for name, tensor in meeting.left.items()
        if name.startswith(of_left)
        and (other := of_right + name[len(of_left) :]) in meeting.right
        and meeting.right[other].shape == tensor.shape
    ]


def _by_values(
    meeting: _Meeting, digest_left: Digest, digest_right: Digest
) -> list[tuple[str, str]]:
    """Pair tensors of the same values; several of the same values in the order of the files."""
    shapes = {tensor.shape for tensor in meeting.right.values()}
    waiting: dict[bytes, list[str]] = {}
    for name, tensor in meeting.left.items():
        if tensor.shape in shapes and (digest := digest_left(tensor)) is not None:
            waiting.setdefault(digest, []).append(name)
    shapes = {meeting.left[name].shape for names in waiting.values() for name in names}
    pairs: list[tuple[str, str]] = []
    for name, tensor in meeting.right.items():
        if tensor.shape in shapes and (digest := digest_right(tensor)) is not None:
            names = waiting.get(digest)
            if names:
                pairs.append((names.pop(0), name))
    return pairs


def _by_shape(meeting: _Meeting) -> list[tuple[str, str]]:
    """Pair tensors of the same shape and last name, if both files have as many of each."""
    left, right = _kinds(meeting.left), _kinds(meeting.right)
    pairs = [
        pair
        for kind, names in left.items()
        if len(right.get(kind, ())) == len(names)
        for pair in zip(names, right[kind], strict=True)
    ]
    most = max(len(meeting.left), len(meeting.right))
    return pairs if pairs and len(pairs) >= _LEAST_BY_SHAPE * most else []


def _kinds(tensors: Tensors) -> dict[object, list[str]]:
    """Return names by shape and last name; by shape alone where last names differ throughout."""
    kinds: dict[object, list[str]] = {}
    for name, tensor in tensors.items():
        kinds.setdefault((tensor.shape, name.rpartition(".")[2]), []).append(name)
    return kinds


def is_reordered(pairs: Pairs, right: Tensors) -> bool:
    """Whether the tensors that both files have follow each other in another order."""
    place = {name: index for index, name in enumerate(right)}
    places = [place[other] for _, other, _ in pairs.found]
    return any(one > following for one, following in pairwise(places))
