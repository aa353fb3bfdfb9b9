"""Ways to look at a node: mappings, sequences, attributes, bytes, text."""

import argparse
import collections
import pickle

import pytest
from builders.pickles import (
    Raw,
    asm,
    build,
    call,
    global_,
    new,
    ordered_dict,
    persistent,
    pickled,
    value,
    with_appended,
    with_items,
)
from builders.reading import root_of

from ckptscope.pickles.views import (
    attribute_map,
    attributes,
    bytes_value,
    class_name_of,
    class_of,
    key_text,
    mapping_pairs,
    plain_text,
    sequence_items,
)

PROTOCOLS = range(6)


def node(made):
    return root_of(pickled(made))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "made",
    [
        {"a": 1, "b": 2},
        collections.OrderedDict(a=1, b=2),
        collections.defaultdict(list, a=1, b=2),
        collections.Counter(a=1, b=2),
    ],
    ids=lambda made: type(made).__name__,
)
def test_every_kind_of_mapping_gives_its_pairs(made, protocol):
    assert mapping_pairs(root_of(pickle.dumps(made, protocol))) == [("a", 1), ("b", 2)]


def test_an_ordered_dict_of_python_2_has_its_pairs_in_a_list():
    made = call("collections", "OrderedDict", [["a", 1], ("b", 2)])
    assert mapping_pairs(node(made)) == [("a", 1), ("b", 2)]


def test_a_dict_subclass_is_a_mapping_and_an_object_without_pairs_is_none():
    assert mapping_pairs(node(with_items(new("m", "C"), [("a", 1)]))) == [("a", 1)]
    assert mapping_pairs(node(new("m", "C"))) is None
    assert mapping_pairs(5) is None
    assert mapping_pairs([1]) is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("made", "kind"),
    [([1, 2], "list"), ((1, 2), "tuple"), ({1, 2}, "set"), (frozenset({1, 2}), "set")],
)
def test_every_kind_of_sequence_gives_its_items(made, kind, protocol):
    found = sequence_items(root_of(pickle.dumps(made, protocol)))
    assert (found[0], sorted(found[1])) == (kind, [1, 2])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_deque_is_a_list(protocol):
    found = sequence_items(root_of(pickle.dumps(collections.deque([1, 2], 5), protocol)))
    assert found == ("list", [1, 2])


def test_a_torch_size_is_a_tuple_and_a_list_subclass_a_list():
    assert sequence_items(node(call("torch", "Size", (1, 2)))) == ("tuple", [1, 2])
    assert sequence_items(node(with_appended(new("m", "C"), [1]))) == ("list", [1])
    assert sequence_items(node(new("m", "C"))) is None
    assert sequence_items("text") is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_attributes_are_those_that_build_would_set(protocol):
    made = root_of(pickle.dumps(argparse.Namespace(lr=0.1, name="x"), protocol))
    assert attribute_map(made) == {"lr": 0.1, "name": "x"}
    assert class_name_of(made) == "argparse.Namespace"


def test_slots_and_several_builds_are_attributes_too():
    made = build(build(new("m", "C"), ({"a": 1}, {"b": 2})), {"a": 3})
    assert attributes(node(made)) == [("a", 1), ("b", 2), ("a", 3)]
    assert attribute_map(node(made)) == {"a": 3, "b": 2}
    assert attributes(node(build(new("m", "C"), (None, {"b": 2})))) == [("b", 2)]
    assert attributes(node(new("m", "C"))) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("made", [b"", b"abc", b"\xff\0", b"x" * 300])
def test_bytes_are_found_however_the_protocol_spells_them(made, protocol):
    assert bytes_value(root_of(pickle.dumps(made, protocol))) == made
    assert bytes_value(root_of(pickle.dumps(bytearray(made), protocol))) == made


def test_what_is_no_byte_string_has_no_bytes():
    assert bytes_value("text") is None
    assert bytes_value(node(call("_codecs", "encode", "\u20ac", "latin1"))) is None
    assert bytes_value(node(call("_codecs", "encode", "a", "rot13"))) is None
    assert bytes_value(node(call("_codecs", "encode", 5, "latin1"))) is None
    assert bytes_value(node(call("os", "system", "a"))) is None


def test_the_class_of_an_object_is_found_behind_reconstructors():
    for module in ("copyreg", "copy_reg"):
        made = node(
            call(module, "_reconstructor", global_("m", "C"), global_("builtins", "object"), None)
        )
        assert class_of(made).qualified == "m.C"
    assert class_of(node(new("m", "C"))).qualified == "m.C"
    from_source = Raw(
        asm(persistent((global_("m", "C"), "file", "source")), "EMPTY_TUPLE", "NEWOBJ")
    )
    assert class_name_of(node(from_source)) == "m.C"
    nested = Raw(asm(call("m", "make"), "EMPTY_TUPLE", "REDUCE"))
    assert class_name_of(node(nested)) == "a call of a call"
    assert class_of(node(nested)) is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a.b", "a.b"),
        (3, "3"),
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ((1, "a"), "(1, 'a')"),
        ((1,), "(1,)"),
        (b"ab", "b'ab'"),
        ((), "()"),
    ],
)
def test_keys_read_as_python_would_show_them(key, text):
    assert key_text(key) == text


def test_keys_of_other_kinds_read_as_what_they_are():
    assert key_text(node(global_("torch", "float32"))) == "torch.float32"
    assert key_text(node(new("m", "C"))) == "<m.C>"
    assert key_text((1, (2, 3))) == "<tuple>"
    assert key_text(tuple(range(100))) == "<tuple>"


def test_long_values_are_cut_and_long_numbers_described():
    assert len(plain_text("x" * 5000)) < 200
    assert len(plain_text(b"x" * 5000)) < 300
    assert plain_text(1 << 100_000) == "<integer of 100,001 bits>"
    assert plain_text(10**50) == str(10**50)


DEEP = 5000


def nested_calls(module: str, name: str, inner: object) -> Raw:
    return Raw(global_(module, name) * DEEP + value(inner) + asm("TUPLE1", "REDUCE") * DEEP)


@pytest.mark.parametrize("name", ["bytes", "bytearray"])
def test_bytes_of_bytes_without_end_do_not_overflow(name):
    assert bytes_value(node(nested_calls("builtins", name, b"x"))) in (None, b"x")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("collections", "deque"),
        ("torch", "Size"),
    ],
)
def test_sequences_of_sequences_without_end_do_not_overflow(module, name):
    sequence_items(node(nested_calls(module, name, [1])))


def test_a_mapping_of_a_mapping_without_end_does_not_overflow():
    mapping_pairs(node(nested_calls("collections", "OrderedDict", {"a": 1})))


def test_an_ordered_dict_with_state_still_gives_pairs():
    made = node(ordered_dict([("a", 1)], state={"_metadata": {}}))
    assert mapping_pairs(made) == [("a", 1)]
