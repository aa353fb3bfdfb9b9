"""Which family is believed where several know the same tensors, and which networks are told apart."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.errors import UsageError
from ckptscope.facts.tensors import Origin
from ckptscope.families import probe
from ckptscope.families.base import Given
from ckptscope.families.probe import infer_architectures
from ckptscope.families.registry import find_family

Shapes = dict[str, tuple[int, ...]]


def resnet(prefix: str = "", **settings) -> Shapes:
    family = find_family("resnet")
    small = {"block": "BasicBlock", "depths": (1, 1), "dims": (4, 8), "classes": 2, **settings}
    table = shapes_of(family.keys(family.configure(small)))
    return {prefix + key: shape for key, shape in table.items()}


def posenet(prefix: str = "") -> Shapes:
    family = find_family("posenet")
    small = {"block": "BasicBlock", "depths": (1, 1), "dims": (4, 8), "joints": 2, "depth_bins": 4}
    table = shapes_of(family.keys(family.configure(small)))
    return {prefix + key: shape for key, shape in table.items()}


def test_nothing_is_known_of_nothing() -> None:
    assert infer_architectures(state_dict_of({})) == ()
    assert infer_architectures(state_dict_of({"weight": (1,)})) == ()


def test_the_family_that_explains_more_wins_and_names_its_rival() -> None:
    tensors = {**posenet(), "step": ()}
    (found,) = infer_architectures(state_dict_of(tensors))
    assert found.family == "posenet"
    trunk = sum(key.startswith("backbone.") for key in tensors)
    assert found.rivals == (("resnet", trunk / len(tensors)),)


def test_the_larger_network_comes_first_whatever_its_place_in_the_file() -> None:
    small, large = resnet("a.", classes=0), resnet("b.", depths=(3, 2))
    for tensors in ({**small, **large}, {**large, **small}):
        found = infer_architectures(state_dict_of(tensors))
        assert [one.prefix for one in found] == ["b.", "a."]
        assert all(one.rivals == () for one in found)
        assert sum(one.coverage for one in found) == 1.0


def test_of_many_copies_sixteen_are_told_apart() -> None:
    copies: Shapes = {}
    for number in range(40):
        copies |= resnet(f"copy{number}.")
    found = infer_architectures(state_dict_of(copies))
    assert len(found) == 16
    assert {one.family for one in found} == {"resnet"}


def test_a_copy_within_another_is_a_network_of_its_own() -> None:
    tensors = {**resnet(), **resnet("ema.", dims=(4, 6))}
    found = {one.prefix: one for one in infer_architectures(state_dict_of(tensors))}
    outer, inner = found[""], found["ema."]
    assert len(outer.differences.unexpected) == len(resnet())
    assert inner.settings is not None
    assert inner.settings["dims"] == (4, 6)


def test_what_is_given_may_depend_on_the_family() -> None:
    asked: list[str] = []

    def given(family: str) -> Given:
        asked.append(family)
        return Given(stated={"joints": 4} if family == "posenet" else {})

    tensors = {**posenet("pose."), **resnet("net.")}
    found = infer_architectures(state_dict_of(tensors), given)
    assert sorted(asked) == ["posenet", "resnet"]
    fact = next(one for one in found if one.family == "posenet").fact("joints")
    assert fact is not None
    assert (fact.value, fact.origin) == (4, Origin.STATED)


def test_a_setting_that_a_found_family_does_not_have_is_an_error() -> None:
    with pytest.raises(UsageError, match="resnet has no setting 'joints'"):
        infer_architectures(state_dict_of(resnet()), Given(stated={"joints": 4}))


def test_offers_are_looked_for_only_where_a_tensor_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    offered = probe.offered_families

    def look():
        looked.append(1)
        return offered()

    monkeypatch.setattr(probe, "offered_families", look)
    infer_architectures(state_dict_of(resnet()))
    assert looked == []
    infer_architectures(state_dict_of({**resnet(), "step": ()}))
    assert looked == [1]
