"""Names out of the stack of a pickle that broke off."""

import pytest
from builders.pickles import (
    asm,
    build,
    call,
    global_,
    module,
    ordered_dict,
    parameter,
    pickled,
    proto,
    tensor,
    value,
)

from ckptscope.containers.salvage_names import Observed
from ckptscope.containers.salvage_parts import read_said
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.sources import MemorySource

W, B = tensor("0", (2, 3)), tensor("1", (3,))


def observed(*opcodes: bytes | str, limits: Limits = DEFAULT_LIMITS) -> dict[str, Observed]:
    """What is named by opcodes behind which the pickle breaks off."""
    return read_said(MemorySource(proto(2) + asm(*opcodes)), limits, member=None).observed


def paths(*opcodes: bytes | str) -> dict[str, str]:
    """Paths by storage; three dots stand for a front that is not known."""
    return {
        key: one.name if one.is_path_whole else f"...{one.name}"
        for key, one in observed(*opcodes).items()
    }


def test_items_between_mark_and_setitems_are_named_by_their_keys():
    made = observed("EMPTY_DICT", "MARK", value("w"), W, value("b"), B)
    assert made == {
        "0": Observed(name="w", shape=(2, 3), dtype="float32"),
        "1": Observed(name="b", shape=(3,), dtype="float32"),
    }


def test_a_single_entry_stands_without_a_mark():
    assert paths("EMPTY_DICT", value("network"), "EMPTY_DICT", "MARK", value("w"), W) == {
        "0": "network/w"
    }


def test_containers_inside_containers_give_paths():
    assert paths(
        "EMPTY_DICT", "MARK", value("epoch"), value(3), value("network"),
        call("collections", "OrderedDict"), "MARK", value("w"), W, value("b"), B,
    ) == {"0": "network/w", "1": "network/b"}  # fmt: skip


def test_a_key_without_a_value_names_nothing():
    assert paths("EMPTY_DICT", "MARK", value("w"), W, value("b")) == {"0": "w"}


def test_what_was_set_before_the_damage_is_named_as_well():
    first = value({"w": W, "epoch": 1})
    assert paths("EMPTY_DICT", "MARK", value("first"), first, value("second")) == {"0": "first/w"}


def test_behind_an_empty_mapping_the_front_of_the_path_is_left_open():
    # Either {"a": {}, "b": w} or {"a": {"b": w}}: the next opcode would tell.
    assert paths("EMPTY_DICT", "MARK", value("a"), "EMPTY_DICT", value("b"), W) == {"0": "...b"}


def test_entries_behind_an_empty_mapping_are_its_neighbours_if_more_follow():
    opcodes = ["EMPTY_DICT", "MARK", value("a"), "EMPTY_DICT", value("b"), W, value("c"), B]
    assert paths(*opcodes) == {"0": "b", "1": "c"}


def test_items_of_a_list_that_is_still_open_have_no_index():
    opcodes = ["EMPTY_LIST", "MARK", value({"w": W, "n": 1}), B]
    assert paths(*opcodes) == {"0": "...w"}


def test_the_groups_of_an_optimizer_are_items_of_a_list_of_one():
    opcodes = [
        "EMPTY_DICT", "MARK", value("param_groups"), "EMPTY_LIST", "EMPTY_DICT", "MARK",
        value("lr"), W,
    ]  # fmt: skip
    assert paths(*opcodes) == {"0": "param_groups/0/lr"}


def test_a_state_that_waits_for_build_holds_attributes():
    opcodes = [
        "EMPTY_DICT", "MARK", value("net"), global_("m", "Net"), "EMPTY_TUPLE", "NEWOBJ",
        "EMPTY_DICT", "MARK", value("training"), value(True),
        value("_parameters"), ordered_dict([("w", parameter(W))]),
        value("_modules"), call("collections", "OrderedDict"), "MARK",
        value("bn"), module(("m", "BN"), parameters={"weight": parameter(B)}),
    ]  # fmt: skip
    assert paths(*opcodes) == {"0": "net/w", "1": "net/bn.weight"}


def test_arguments_of_a_call_that_did_not_come_about_are_no_names():
    assert paths("EMPTY_DICT", "MARK", value("k"), global_("m", "f"), "MARK", value("w"), W) == {}


def test_the_first_name_of_a_shared_storage_counts():
    whole = pickled({"a": W, "b": tensor("0", (6,))})
    made = read_said(MemorySource(whole), DEFAULT_LIMITS, member=None).observed
    assert [one.name for one in made.values()] == ["a"]


def test_a_container_that_contains_itself_ends():
    opcodes = ["EMPTY_DICT", b"q\x00", "MARK", value("w"), W, value("self"), b"h\x00"]
    assert paths(*opcodes) == {"0": "w"}


def test_opcodes_without_an_object_name_nothing():
    assert paths() == {}
    assert paths("MARK", "MARK") == {}
    assert paths(global_("os", "system")) == {}


def test_a_graph_that_unfolds_without_end_is_walked_in_bounded_steps():
    parts = [asm("EMPTY_LIST", b"q\x00")]
    for index in range(1, 40):
        held = asm(b"h", bytes([index - 1]))
        parts.append(asm("EMPTY_LIST", b"q", bytes([index]), "MARK", held, held, "APPENDS"))
    data = proto(2) + asm("MARK", *parts, "TUPLE", "STOP")
    assert read_said(MemorySource(data), DEFAULT_LIMITS, member=None).observed == {}


@pytest.mark.parametrize("limits", [Limits(key_characters=3), Limits(walk_steps=1)])
def test_bounds_on_names_and_steps_hold(limits):
    tree = {"long": W, "b": {"c": B}}
    made = read_said(MemorySource(pickled(tree)), limits, member=None).observed
    assert "0" not in made


def test_a_whole_pickle_is_named_as_a_broken_one():
    tree = {"network": build(ordered_dict([("w", W)]), {"_metadata": {"x": B}})}
    made = read_said(MemorySource(pickled(tree)), DEFAULT_LIMITS, member=None)
    assert [one.name for one in made.observed.values()] == ["network/w", "network/_metadata/x"]
    assert made.error is None
