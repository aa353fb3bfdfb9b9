"""Settings → keys → whatever happens to a file → settings, for families on ResNet trunks."""

from random import Random

import pytest
from builders.resnet_settings import posenet_settings, resnet_settings, stack_settings
from builders.state_dicts import Shape, shapes_of, state_dict_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.claims import Claim, Rule
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Configuration, Given
from ckptscope.families.probe import infer_architectures
from ckptscope.families.registry import AnyFamily, find_family

FAMILIES = {"resnet": resnet_settings, "posenet": posenet_settings, "rootnet": stack_settings}
#: Settings that no tensor depends on; and those that shapes leave open.
OPEN = {"input_size", "upsampling", "joints", "depth_bins", "undivided"}

seeds = st.integers(min_value=0, max_value=2**32)
prefixes = st.sampled_from(["", "module.", "a.b.", "_orig_mod.", "backbone.x."])
each_family = pytest.mark.parametrize("name", FAMILIES)


def made(name: str, random: Random) -> tuple[AnyFamily, Configuration, dict[str, Shape]]:
    family = find_family(name)
    configuration = family.configure(FAMILIES[name](random))
    return family, configuration, shapes_of(family.keys(configuration))


def known(family: AnyFamily, configuration: Configuration) -> dict[str, object]:
    """The settings that the file tells."""
    return {k: v for k, v in family.settings(configuration).items() if k not in OPEN}


def shuffled(tensors: dict[str, Shape], random: Random) -> dict[str, Shape]:
    keys = list(tensors)
    random.shuffle(keys)
    return {key: tensors[key] for key in keys}


@each_family
@settings(max_examples=700)
@given(seed=seeds, prefix=prefixes, shuffle=st.booleans())
def test_what_was_built_is_inferred(name: str, seed: int, prefix: str, shuffle: bool) -> None:
    random = Random(seed)
    family, configuration, tensors = made(name, random)
    if shuffle:
        tensors = shuffled(tensors, random)
    (found,) = infer_architectures(state_dict_of(tensors, prefix=prefix))
    assert (found.family, found.prefix, found.coverage) == (name, prefix, 1.0)
    assert found.misfits == ()
    assert found.differences.is_empty
    assert found.settings is not None
    inferred = family.configure(found.settings)
    assert known(family, inferred) == known(family, configuration)
    counts = family.count(configuration)
    assert found.counts is not None
    assert (found.counts.parameters, found.counts.buffers) == (counts.parameters, counts.buffers)
    for fact in found.facts:
        if fact.name in known(family, configuration) and fact.name != "classes":
            assert fact.origin in (Origin.OBSERVED, Origin.DERIVED), fact


@settings(max_examples=150)
@given(seed=seeds, prefix=prefixes)
def test_stated_settings_fill_in_what_shapes_leave_open(seed: int, prefix: str) -> None:
    family, configuration, tensors = made("posenet", Random(seed))
    stated = {
        name: value
        for name, value in family.settings(configuration).items()
        if name in OPEN and value is not None
    }
    (found,) = infer_architectures(state_dict_of(tensors, prefix=prefix), Given(stated=stated))
    assert found.misfits == ()
    assert found.settings is not None
    assert family.configure(found.settings) == configuration
    assert found.counts == family.count(configuration)


@settings(max_examples=100)
@given(seed=seeds)
def test_claims_of_the_true_division_put_it_first(seed: int) -> None:
    _, configuration, tensors = made("posenet", Random(seed))
    true = {one: getattr(configuration, one) for one in ("joints", "depth_bins")}
    claims = tuple(
        Claim(subject="row", rule=Rule(attribute=one, fact=one), value=value)
        for one, value in true.items()
    )
    (found,) = infer_architectures(state_dict_of(tensors), Given(claims=claims * 2))
    (ranking,) = found.rankings
    assert ranking.candidates[0].values == true
    fact = found.fact("joints")
    assert fact is not None
    assert fact.origin is Origin.ASSUMED


def damage(tensors: dict[str, Shape], random: Random) -> dict[str, Shape]:
    """Lose, bend, rename and add tensors, a fifth of them at most."""
    damaged = dict(tensors)
    for key in random.sample(list(tensors), k=random.randint(1, max(1, len(tensors) // 5))):
        match random.randrange(4):
            case 0:
                del damaged[key]
            case 1:
                damaged[key] = tuple(
                    random.choice((0, 1, 7, 2**62)) for _ in range(random.randint(0, 6))
                )
            case 2:
                damaged[f"{key}\x00{random.random()}"] = damaged.pop(key)
            case _:
                digit = random.choice("0123456789")
                damaged[key.replace(digit, str(random.choice((0, 9, 10**9))), 1)] = (3, 3, 3, 3)
    return damaged


def accounted(found: Architecture, tensors: dict[str, Shape], family: AnyFamily) -> None:
    """Whatever was damaged is in the differences, and the differences are in words."""
    differences = found.differences
    if not differences.is_empty:
        assert found.misfits
    for one in (*differences.mismatched,):
        assert tensors[one.key] == one.found
    for key in differences.unexpected:
        assert key in tensors
    for key in differences.missing:
        assert key not in tensors
    if found.settings is not None:
        table = family.keys(family.configure(found.settings))
        explained = sum(found.prefix + tensor.key in tensors for tensor in table)
        assert found.coverage == explained / len(tensors)


@each_family
@settings(max_examples=120)
@given(seed=seeds, prefix=prefixes)
def test_damage_is_named_and_never_raised(name: str, seed: int, prefix: str) -> None:
    random = Random(seed)
    family, _, tensors = made(name, random)
    damaged = {prefix + key: shape for key, shape in damage(tensors, random).items()}
    for found in infer_architectures(state_dict_of(shuffled(damaged, random))):
        accounted(found, damaged, find_family(found.family))
        assert 0 < found.coverage <= 1
    assert family.name == name


_PIECES = [
    "backbone",
    "head",
    "root",
    "layer1",
    "layer2",
    "layer9",
    "0",
    "1",
    "00",
    "-1",
    "999999",
    "conv1",
    "conv2",
    "conv3",
    "bn1",
    "downsample",
    "weight",
    "bias",
    "fc",
    "é",
    "deconv_layers",
    "final_layer",
    "xy_layer",
    "running_mean",
    "num_batches_tracked",
]
names = st.lists(st.sampled_from([*_PIECES, "", "\x1b"]), min_size=1, max_size=6).map(".".join)
sizes = st.integers(min_value=0, max_value=2**62) | st.integers(min_value=0, max_value=64)
odd = st.dictionaries(names, st.lists(sizes, max_size=5).map(tuple), max_size=30)


@settings(max_examples=300)
@given(odd, seeds)
def test_any_names_and_shapes_give_an_answer(tensors: dict[str, Shape], seed: int) -> None:
    random = Random(seed)
    _, _, base = made(random.choice(list(FAMILIES)), random)
    for mixture in (tensors, {**base, **tensors}):
        for found in infer_architectures(state_dict_of(mixture)):
            accounted(found, mixture, find_family(found.family))
