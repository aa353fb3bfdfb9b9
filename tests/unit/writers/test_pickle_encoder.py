import collections
import io
import math
import pickle
import pickletools
import subprocess
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.writers.forms import (
    Global,
    NewObject,
    PersistentId,
    Reduce,
    Unshared,
    ordered_dict,
)
from ckptscope.writers.pickle_encoder import encode_pickle

PROTOCOLS = range(6)

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(
        [s * 2**b + d for b in (7, 8, 15, 16, 31, 32, 63) for s in (1, -1) for d in (-1, 0, 1)]
    )
    | st.floats()
    | st.text()
)


def nested(atoms):
    return st.recursive(
        atoms,
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.lists(inner, max_size=5).map(tuple)
            | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
        ),
        max_leaves=30,
    )


def interned(value, known):
    """Rebuild a value so that equal texts are one object and nothing else is shared."""
    if isinstance(value, str | bytes):
        return known.setdefault(value, value)
    if isinstance(value, list | tuple):
        return type(value)([interned(item, known) for item in value])
    if isinstance(value, dict):
        return {interned(k, known): interned(v, known) for k, v in value.items()}
    return value


def opcodes(pickled):
    return [op.name for op, _, _ in pickletools.genops(pickled)]


@given(nested(ATOMS), st.sampled_from(PROTOCOLS))
def test_plain_values_are_spelled_byte_for_byte_as_cpython_spells_them(value, protocol):
    value = interned(value, {})
    assert encode_pickle(value, protocol=protocol) == pickle.dumps(value, protocol)


@given(nested(ATOMS | st.binary()), st.sampled_from((3, 4, 5)))
def test_byte_strings_are_spelled_as_cpython_spells_them_from_protocol_3_on(value, protocol):
    value = interned(value, {})
    assert encode_pickle(value, protocol=protocol) == pickle.dumps(value, protocol)


HASHABLE = st.integers() | st.text() | st.binary() | st.booleans() | st.none()


@given(nested(HASHABLE | st.sets(HASHABLE) | st.frozensets(HASHABLE)), st.sampled_from(PROTOCOLS))
def test_sets_and_byte_strings_come_back_equal_in_every_protocol(value, protocol):
    assert pickle.loads(encode_pickle(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 999, 1000, 1001, 2000, 2001])
def test_lists_and_dicts_are_cut_into_batches_as_cpython_cuts_them(protocol, size):
    for value in ([str(i) for i in range(size)], {i: str(i) for i in range(size)}):
        assert encode_pickle(value, protocol=protocol) == pickle.dumps(value, protocol)


@pytest.mark.parametrize("size", [1, 2, 1000, 1001, 2001])
def test_ordered_dicts_are_cut_into_batches_as_cpython_cuts_them(size):
    value = collections.OrderedDict((f"k{i}", i) for i in range(size))
    assert encode_pickle(value) == pickle.dumps(value, 2)
    assert encode_pickle(ordered_dict(value)) == pickle.dumps(value, 2)


@pytest.mark.parametrize("protocol", [4, 5])
def test_frames_are_cut_and_long_strings_left_outside_as_cpython_does(protocol):
    value = [
        [f"number {i}" for i in range(20_000)],
        "a" * 70_000,
        b"b" * 65_536,
        b"c" * 65_535,
        ["tail"],
    ]
    assert encode_pickle(value, protocol=protocol) == pickle.dumps(value, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_tuple_that_contains_itself_through_a_list_is_spelled_as_cpython_spells_it(
    protocol, size
):
    inner = []
    value = (inner, *range(size - 1))
    inner.append(value)
    pickled = encode_pickle(value, protocol=protocol)
    assert pickled == pickle.dumps(value, protocol)
    again = pickle.loads(pickled)
    assert again[0][0] is again


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_list_or_dict_that_contains_itself_ends(protocol):
    value = {"list": []}
    value["list"] += [value, value["list"]]
    again = pickle.loads(encode_pickle(value, protocol=protocol))
    assert again["list"][0] is again
    assert again["list"][1] is again["list"]


def test_shared_objects_stay_one_object():
    shared = ["weights"]
    one, two = pickle.loads(encode_pickle([shared, shared]))
    assert one is two
    assert opcodes(encode_pickle([shared, shared])).count("EMPTY_LIST") == 2


def test_nesting_far_beyond_the_recursion_limit_is_written():
    value = []
    for _ in range(50_000):
        value = [value]
    assert opcodes(encode_pickle(value)).count("EMPTY_LIST") == 50_001


def test_equal_texts_share_one_memo_entry_unless_they_are_marked_as_unshared():
    one, two = "cuda", "".join(["cu", "da"])
    assert opcodes(encode_pickle([one, two])).count("BINUNICODE") == 1
    assert opcodes(encode_pickle([Unshared(one), Unshared(one)])).count("BINUNICODE") == 2
    assert pickle.loads(encode_pickle([Unshared(one), one])) == ["cuda", "cuda"]


def test_sets_are_written_alike_under_every_hash_seed():
    program = (
        "from ckptscope.writers.pickle_encoder import encode_pickle;"
        "print(encode_pickle({'norm', 'stem', 3, None, *map(frozenset, ('ab', 'cd'))}).hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_calls_with_items_pairs_and_state_are_carried_out_by_a_loader(protocol):
    value = [
        Reduce(Global("collections", "deque"), ([1],), items=(2, 3)),
        ordered_dict([("a", 1)], state={"_metadata": 7}),
        NewObject(Global("types", "SimpleNamespace"), (), state={"rate": 0.5}),
        Global("math", "pi"),
    ]
    deque, ordered, namespace, pi = pickle.loads(encode_pickle(value, protocol=protocol))
    assert deque == collections.deque([1, 2, 3])
    assert (ordered, ordered._metadata) == (collections.OrderedDict(a=1), 7)
    assert namespace == types.SimpleNamespace(rate=0.5)
    assert pi == math.pi


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_persistent_ids_of_any_value_reach_the_loader(protocol):
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid):
            return ("met", pid)

    pickled = encode_pickle(
        [PersistentId(("storage", "0", 6)), PersistentId("7")], protocol=protocol
    )
    assert Unpickler(io.BytesIO(pickled)).load() == [("met", ("storage", "0", 6)), ("met", "7")]


def test_protocol_0_spells_text_ids_and_refuses_others():
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid):
            return pid

    pickled = encode_pickle(PersistentId("4314122768"), protocol=0)
    assert Unpickler(io.BytesIO(pickled)).load() == "4314122768"
    for value in (("storage",), "two\nlines", "é"):
        with pytest.raises(ValueError, match="protocol 0"):
            encode_pickle(PersistentId(value), protocol=0)


def test_names_are_written_as_spelled_and_once():
    pickled = encode_pickle([Global("torch", "FloatStorage")] * 3)
    assert pickled.count(b"ctorch\nFloatStorage\n") == 1
    assert opcodes(pickled).count("BINGET") == 2
    with pytest.raises(ValueError, match="line breaks"):
        encode_pickle(Global("os", "system\n"))


def test_an_object_of_another_type_is_rebuilt_once_and_then_shared():
    class Thing:
        pass

    asked = []

    def rebuild(value):
        asked.append(value)
        return Reduce(Global("builtins", "list"), ((1, 2),))

    thing = Thing()
    one, two = pickle.loads(encode_pickle([thing, thing], rebuild=rebuild))
    assert asked == [thing]
    assert one is two
    assert one == [1, 2]


def test_a_value_that_no_pickle_can_hold_is_refused_by_its_type():
    with pytest.raises(TypeError, match="complex"):
        encode_pickle([1j])


@pytest.mark.parametrize("protocol", [-1, 6])
def test_protocols_that_do_not_exist_are_refused(protocol):
    with pytest.raises(ValueError, match="0 to 5"):
        encode_pickle(None, protocol=protocol)
