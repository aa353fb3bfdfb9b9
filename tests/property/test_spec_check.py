"""True claims hold; claims with one thing changed do not, and what is proposed makes them true again.

Every number is recounted here from the settings, by the rules of rounding and nothing else.
"""

import random
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from builders.claims import check_one, network_of, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ckptscope.facts.checked import ChangeKind, ClaimVerdict, Remedy
from ckptscope.families.registry import find_family
from ckptscope.specs.loading import tables_for

FAMILY = find_family("convnextpose")
Settings = dict[str, object]
#: Attributes of claims, the facts that they may be about, and the unit that they are printed in.
TOTALS = {
    "parameters": (("parameters",), 6, "M"),
    "elements": (("state_elements",), 6, "M"),
    "total": (("parameters", "state_elements"), 6, "M"),
    "head_parameters": (("head_parameters",), 6, "M"),
    "backbone_parameters": (("backbone_parameters",), 6, "M"),
    "macs": (("macs",), 9, "G"),
}
#: Multiply-accumulates are counted by rules that differ.
TOLERANCE = {"macs": Decimal("0.02")}
OPEN = ("joints", "depth_bins")
SIZES = ("dims", "depths", "head_out_channels", "joints", "depth_bins", "kernel_size", "expansion")
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@st.composite
def configurations(draw: st.DrawFn) -> Settings:
    stages = draw(st.integers(2, 4))
    layers = draw(st.integers(1, 4))
    sizes = st.sampled_from((16, 24, 40, 48, 64, 96, 128, 200, 320))

    def several(items: st.SearchStrategy, count: int) -> tuple[object, ...]:
        return tuple(draw(st.lists(items, min_size=count, max_size=count)))

    return {
        "dims": several(sizes, stages),
        "depths": several(st.integers(1, 12), stages),
        "head_out_channels": several(sizes, layers),
        "joints": draw(st.integers(1, 60)),
        "depth_bins": draw(st.sampled_from((1, 8, 16, 32, 64, 128))),
        "upsampling": several(st.booleans(), layers),
        "kernel_size": draw(st.sampled_from((3, 5, 7))),
        "expansion": draw(st.sampled_from((2, 4))),
    }


def facts_of(values: Mapping[str, object]) -> dict[str, object]:
    return FAMILY.attributes(FAMILY.configure(values))


def printed(attribute: str, facts: Mapping[str, object], *, decimals: int = 2) -> str:
    """A total as a source would print it."""
    names, power, unit = TOTALS[attribute]
    value = Decimal(facts[names[-1]]).scaleb(-power)
    return f"{value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)} {unit}"


def is_met(attribute: str, text: str, facts: Mapping[str, object]) -> bool:
    """Whether facts round to what is printed."""
    names, power, _ = TOTALS[attribute]
    claimed = Decimal(text.split(maxsplit=1)[0])
    slack = Decimal(5).scaleb(claimed.as_tuple().exponent - 1)
    slack = max(slack, claimed * TOLERANCE.get(attribute, Decimal(0)))
    return any(abs(Decimal(facts[name]).scaleb(-power) - claimed) <= slack for name in names)


def perturbed(values: Settings, pick: random.Random) -> tuple[str, Settings]:
    """Change one number of one setting."""
    name = pick.choice(SIZES)
    value = values[name]
    if not isinstance(value, tuple):
        return name, {**values, name: another(value, pick)}
    index = pick.randrange(len(value))
    changed = (*value[:index], another(value[index], pick), *value[index + 1 :])
    return name, {**values, name: changed}


def another(number: int, pick: random.Random) -> int:
    others = {number * 2, number // 2, number + 1, number - 1, number + pick.randint(2, 9)}
    return pick.choice(sorted(one for one in others if one > 0 and one != number))


def assert_made_true(remedy: Remedy, said: Mapping[str, str]) -> None:
    """Count a remedy again: all that it does not change must be met by its settings."""
    facts = facts_of(remedy.settings)
    changed = {change.attribute for change in (*remedy.changes, *remedy.follows)}
    read_as = {
        change.attribute: change.read_as
        for change in remedy.changes
        if change.kind is ChangeKind.READING
    }
    for attribute, text in said.items():
        names = TOTALS[attribute][0]
        if changed & set(names) and not read_as:
            continue
        if set(names) & set(read_as):
            others = [read_as[name] for name in names if name in read_as]
            facts_read = {name: facts.get(others[0], 0) for name in names}
            if others[0] == "flops":
                facts_read = {name: facts["macs"] * 2 for name in names}
            assert is_met(attribute, text, facts_read), (remedy, attribute, text)
        else:
            assert is_met(attribute, text, facts), (remedy, attribute, text)


@quick
@given(
    values=configurations(),
    names=st.sets(st.sampled_from(sorted(TOTALS)), min_size=1),
    data=st.data(),
)
def test_what_is_true_of_any_network_holds(tmp_path, values, names, data):
    facts = facts_of(values)
    decimals = data.draw(st.integers(0, 4))
    said = {name: printed(name, facts, decimals=decimals) for name in sorted(names)}
    claim = check_one(tmp_path, network_of(**values, **said))
    assert claim.verdict is ClaimVerdict.HOLDS, told(claim)


@quick
@given(
    values=configurations(),
    names=st.sets(st.sampled_from(sorted(TOTALS)), min_size=1),
    unsaid=st.sets(st.sampled_from((*OPEN, "upsampling")), min_size=1),
)
def test_a_true_claim_that_leaves_settings_open_is_never_called_a_contradiction(
    tmp_path, values, names, unsaid
):
    said = {name: printed(name, facts_of(values)) for name in sorted(names)}
    kept = {name: value for name, value in values.items() if name not in unsaid}
    claim = check_one(tmp_path, network_of(**kept, **said))
    assert claim.verdict in {ClaimVerdict.HOLDS, ClaimVerdict.NOT_DECIDABLE}, told(claim)


@pytest.mark.parametrize("seed", range(40))
def test_a_claim_with_one_setting_changed_contradicts_itself_and_is_made_true_again(tmp_path, seed):
    pick = random.Random(seed)
    values = {
        "dims": tuple(pick.choice((32, 40, 48, 64)) * 2**i for i in range(4)),
        "depths": tuple(pick.randint(1, 9) for _ in range(4)),
        "head_out_channels": (pick.choice((128, 256)), pick.choice((128, 256, 384)), 256),
        "joints": pick.choice((16, 17, 18, 19, 21, 25)),
        "depth_bins": pick.choice((16, 32, 64)),
        "upsampling": (True, True, pick.random() < 0.5),
        "kernel_size": 7,
        "expansion": 4,
    }
    names = pick.sample(sorted(TOTALS), pick.randint(1, 3))
    said = {name: printed(name, facts_of(values)) for name in names}
    changed = values
    while all(is_met(name, text, facts_of(changed)) for name, text in said.items()):
        _, changed = perturbed(values, pick)
    claim = check_one(tmp_path, network_of(**changed, **said))
    assert claim.verdict is ClaimVerdict.CONTRADICTS_ITSELF, (values, changed, said)
    remedies = claim.parts[0].remedies
    assert len(remedies[0].changes) == 1
    for remedy in remedies:
        assert_made_true(remedy, said)


@quick
@given(
    values=configurations(),
    names=st.sets(st.sampled_from(sorted(TOTALS)), min_size=1),
    seed=st.integers(),
)
def test_no_change_of_a_setting_is_overlooked_and_none_is_invented(tmp_path, values, names, seed):
    said = {name: printed(name, facts_of(values)) for name in sorted(names)}
    _, changed = perturbed(values, random.Random(seed))
    is_true = all(is_met(name, text, facts_of(changed)) for name, text in said.items())
    claim = check_one(tmp_path, network_of(**changed, **said))
    wanted = ClaimVerdict.HOLDS if is_true else ClaimVerdict.CONTRADICTS_ITSELF
    assert claim.verdict is wanted, (changed, said, told(claim))
    for remedy in claim.parts[0].remedies:
        assert_made_true(remedy, said)


@pytest.mark.parametrize("row", ["XS", "S", "M", "L"])
@pytest.mark.parametrize("seed", range(8))
def test_a_claim_about_a_row_with_one_setting_changed_names_the_rows_own(tmp_path, row, seed):
    pick = random.Random(seed)
    settings_of = {one.name: dict(one.settings) for one in tables_for("convnextpose")[0].rows}
    values = FAMILY.settings(FAMILY.configure(settings_of[row]))
    said = {"parameters": printed("parameters", facts_of(values), decimals=3)}
    own = {key: values[key] for key in SIZES}
    name, changed = perturbed(own, pick)
    while is_met("parameters", said["parameters"], facts_of({**values, **changed})):
        name, changed = perturbed(own, pick)
    claim = check_one(tmp_path, network_of(row=row, **{name: changed[name]}, **said))
    assert claim.verdict is not ClaimVerdict.HOLDS
    assert_made_true(claim.parts[0].remedies[0], said)
