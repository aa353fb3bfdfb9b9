"""Keys that only one side has → tensors that may be the same under other names.

Enters: missing and unexpected keys of a network that no family knows. Leaves: pairs. Two keys go
together if they end alike and nothing else ends so; then, if as many are left on both sides and
their last names agree all along, in the order of the lists, which is that of both networks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

#: Components at the end of keys that are compared, from more to fewer.
_MOST_COMPONENTS = 6
_LEAST_COMPONENTS = 2
#: Fewer pairs may be chance, or a layer that was replaced.
_LEAST_PAIRS = 3


def pair_names(missing: Sequence[str], unexpected: Sequence[str]) -> dict[str, str]:
    """Return the network's name of keys of the file, where the two may be the same tensor."""
    pairs: dict[str, str] = {}
    for count in range(_MOST_COMPONENTS, _LEAST_COMPONENTS - 1, -1):
        taken = set(pairs.values())
        wanted = _by_ending((key for key in missing if key not in taken), count)
        found = _by_ending((key for key in unexpected if key not in pairs), count)
        pairs.update({found[end]: wanted[end] for end in found if end in wanted})
    taken = set(pairs.values())
    rest = [key for key in missing if key not in taken]
    left = [key for key in unexpected if key not in pairs]
    if len(rest) == len(left) and all(map(_end_alike, left, rest)):
        pairs.update(zip(left, rest, strict=True))
    return pairs if len(pairs) >= _LEAST_PAIRS else {}


def _by_ending(keys: Iterable[str], count: int) -> dict[str, str]:
    """Return the keys by their last components, where no other key ends so."""
    endings = {key: ".".join(key.rsplit(".", count)[-count:]) for key in keys}
    repeated = Counter(endings.values())
    return {end: key for key, end in endings.items() if repeated[end] == 1}


def _end_alike(one: str, other: str) -> bool:
    return one.rpartition(".")[2] == other.rpartition(".")[2]
