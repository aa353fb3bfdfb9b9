"""Random damage to the names and shapes of known networks.

Enters: the number of a case. Leaves: a state_dict of a known family that lost, gained, renamed or
reshaped tensors, or holds a second network.
"""

import functools
import random

from ckptscope.facts.tensors import StateDict
from ckptscope.families.registry import known_families
from ckptscope.specs.loading import tables_for
from tests.builders.state_dicts import state_dict_of

Pairs = list[tuple[str, tuple[int, ...]]]

_SIZES = (0, 1, 2, 3, 7, 48, 1_000_003, 2**31, 2**62)
_NAMES = ("", ".", "weight", "stages.9999999.0.dwconv.weight", "a" * 500, "\x1b[31m", "é.\ud800")


@functools.cache
def whole_networks() -> tuple[Pairs, ...]:
    """One row of each table of each family, in every dialect that can name it."""
    networks = []
    for family in known_families():
        for table in tables_for(family.name):
            row = table.rows[0]
            configuration = family.configure(row.settings)
            for dialect in family.dialects:
                table_of_keys = family.keys(configuration, dialect)
                networks.append([(tensor.key, tensor.shape) for tensor in table_of_keys])
    return tuple(networks)


def make_network(number: int) -> StateDict:
    """Return case `number`."""
    chance = random.Random(number)
    pairs = list(chance.choice(whole_networks()))
    prefix = chance.choice(("", "module.", "a.b.", "_orig_mod.module."))
    if chance.random() < 0.2:
        pairs += [("second." + key, shape) for key, shape in chance.choice(whole_networks())]
    for _ in range(chance.choice((0, 1, 3, 10, 40))):
        if pairs:
            _damage(pairs, chance)
    if chance.random() < 0.3:
        chance.shuffle(pairs)
    return state_dict_of(dict(pairs).items(), prefix=prefix)


def _damage(pairs: Pairs, chance: random.Random) -> None:
    at = chance.randrange(len(pairs))
    key, shape = pairs[at]
    act = chance.randrange(6)
    if act == 0:
        del pairs[at : at + chance.choice((1, 5, 100))]
    elif act == 1 and shape:
        axis = chance.randrange(len(shape))
        pairs[at] = (key, (*shape[:axis], chance.choice(_SIZES), *shape[axis + 1 :]))
    elif act == 2:
        ndim = chance.choice((0, 1, 2, 5, 40))
        pairs[at] = (key, tuple(chance.choice(_SIZES) for _ in range(ndim)))
    elif act == 3:
        pieces = key.split(".")
        pieces[chance.randrange(len(pieces))] = chance.choice((*_NAMES, str(chance.choice(_SIZES))))
        pairs[at] = (".".join(pieces), shape)
    elif act == 4:
        pairs.insert(at, (chance.choice(_NAMES) + key, shape))
    else:
        other = chance.randrange(len(pairs))
        pairs[at], pairs[other] = (key, pairs[other][1]), (pairs[other][0], shape)
