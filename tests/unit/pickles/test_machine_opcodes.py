"""The pickle machine against CPython: every opcode, every protocol, plain values."""

import collections
import contextlib
import pickle
import pickletools
import struct

import pytest
from builders.pickles import (
    CODE,
    asm,
    build,
    call,
    get,
    global_,
    integer,
    new,
    persistent,
    pickled,
    proto,
    put,
    text,
    value,
    with_appended,
    with_items,
)
from builders.reading import root_of, trace
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from ckptscope.errors import ArtifactError, PickleFormatError
from ckptscope.facts.pickled import (
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    PersistentRef,
    SetNode,
)
from ckptscope.pickles.handlers import HANDLERS
from ckptscope.pickles.opcodes import Op
from ckptscope.pickles.views import bytes_value, mapping_pairs, sequence_items

PROTOCOLS = range(6)


def thaw(node):
    """Turn a graph of plain data back into the value."""
    if isinstance(node, DictNode):
        return {thaw(key): thaw(held) for key, held in node.pairs}
    if isinstance(node, SetNode):
        return (frozenset if node.frozen else set)(thaw(item) for item in node.items)
    if isinstance(node, list):
        return [thaw(item) for item in node]
    if isinstance(node, tuple):
        return tuple(thaw(item) for item in node)
    if isinstance(node, Instance):
        if (raw := bytes_value(node)) is not None:
            made = bytes(raw)
            return bytearray(made) if node.callable.name == "bytearray" else made
        if node.callable.name == "OrderedDict":
            return collections.OrderedDict((thaw(k), thaw(v)) for k, v in mapping_pairs(node))
        kind, items = sequence_items(node)
        assert kind == "set", node
        made = {thaw(item) for item in items}
        return frozenset(made) if node.callable.name == "frozenset" else made
    return node


def same(one, other):
    """Equal, of the same types, NaN equal to NaN, dicts in the same order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (one != one and other != other)
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


keys = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.binary(max_size=8)
)
leaves = st.one_of(keys, st.floats(), st.integers(-(1 << 700), 1 << 700), st.binary(max_size=300))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(keys, inner, max_size=5),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.dictionaries(st.text(max_size=4), inner, max_size=3).map(collections.OrderedDict),
    ),
    max_leaves=25,
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_graph_of_plain_data_equals_what_cpython_would_load(protocol):
    @given(values)
    def compare(plain):
        data = pickle.dumps(plain, protocol)
        assert same(thaw(root_of(data)), pickle.loads(data))

    compare()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_python_pickler_is_understood_as_well_as_the_c_one(protocol):
    plain = {"a": [1, -1, 1 << 40, 2.5, "é\n", b"\xff", (), (1,), (1, 2), {3}, None, True] * 2}
    data = pickle._dumps(plain, protocol)
    assert same(thaw(root_of(data)), plain)


def test_the_machine_knows_every_opcode_of_cpython():
    names = {op.name: ord(op.code) for op in pickletools.opcodes}
    assert {op.name: op.value for op in Op} == names
    in_loop = {Op.STOP, Op.TUPLE1, Op.TUPLE2, Op.TUPLE3, Op.TUPLE, Op.MARK, Op.NONE, Op.NEWTRUE}
    in_loop |= {Op.NEWFALSE, Op.EMPTY_TUPLE, Op.BININT, Op.BININT1, Op.BININT2, Op.BINPUT}
    in_loop |= {Op.LONG_BINPUT, Op.BINGET, Op.LONG_BINGET, Op.REDUCE, Op.BINUNICODE}
    assert set(Op) - set(HANDLERS) <= in_loop


def _length8(name, raw):
    return CODE[name] + struct.pack("<Q", len(raw)) + raw


#: Opcode → a pickle that exercises it, and what it must give (thawed).
PLAIN = {
    "INT": (asm(b"I-12\n", "STOP"), -12),
    "BININT": (asm(CODE["BININT"] + struct.pack("<i", -5), "STOP"), -5),
    "BININT1": (asm(CODE["BININT1"] + b"\xff", "STOP"), 255),
    "BININT2": (asm(CODE["BININT2"] + b"\x01\x02", "STOP"), 0x0201),
    "LONG": (asm(b"L-123456789012345678901234567890L\n", "STOP"), -123456789012345678901234567890),
    "LONG1": (asm(CODE["LONG1"] + b"\x02\x00\xff", "STOP"), -256),
    "LONG4": (asm(CODE["LONG4"] + struct.pack("<i", 3) + b"\x01\x00\x01", "STOP"), 65537),
    "STRING": (asm(b"S'a\\n\\x41\\''\n", "STOP"), "a\nA'"),
    "BINSTRING": (asm(CODE["BINSTRING"] + struct.pack("<i", 2) + b"ab", "STOP"), "ab"),
    "SHORT_BINSTRING": (asm(CODE["SHORT_BINSTRING"] + b"\x02ab", "STOP"), "ab"),
    "BINBYTES": (asm(CODE["BINBYTES"] + struct.pack("<I", 2) + b"\xff\0", "STOP"), b"\xff\0"),
    "SHORT_BINBYTES": (asm(CODE["SHORT_BINBYTES"] + b"\x02\xff\0", "STOP"), b"\xff\0"),
    "BINBYTES8": (asm(_length8("BINBYTES8", b"\xff"), "STOP"), b"\xff"),
    "BYTEARRAY8": (asm(_length8("BYTEARRAY8", b"\xff"), "STOP"), bytearray(b"\xff")),
    "NONE": (asm("NONE", "STOP"), None),
    "NEWTRUE": (asm("NEWTRUE", "STOP"), True),
    "NEWFALSE": (asm("NEWFALSE", "STOP"), False),
    "UNICODE": (asm(b"Va\\u00e9\\\\b\n", "STOP"), "aé\\\\b"),
    "SHORT_BINUNICODE": (asm(CODE["SHORT_BINUNICODE"] + b"\x02\xc3\xa9", "STOP"), "é"),
    "BINUNICODE": (asm(text("é"), "STOP"), "é"),
    "BINUNICODE8": (asm(_length8("BINUNICODE8", b"\xc3\xa9"), "STOP"), "é"),
    "FLOAT": (asm(b"F-1.5e3\n", "STOP"), -1500.0),
    "BINFLOAT": (asm(CODE["BINFLOAT"] + struct.pack(">d", 0.1), "STOP"), 0.1),
    "EMPTY_LIST": (asm("EMPTY_LIST", "STOP"), []),
    "APPEND": (asm("EMPTY_LIST", integer(1), "APPEND", "STOP"), [1]),
    "APPENDS": (asm(value([1, 2]), "STOP"), [1, 2]),
    "LIST": (asm("MARK", integer(1), integer(2), "LIST", "STOP"), [1, 2]),
    "EMPTY_TUPLE": (asm("EMPTY_TUPLE", "STOP"), ()),
    "TUPLE": (asm("MARK", *[integer(n) for n in range(5)], "TUPLE", "STOP"), (0, 1, 2, 3, 4)),
    "TUPLE1": (asm(integer(1), "TUPLE1", "STOP"), (1,)),
    "TUPLE2": (asm(integer(1), integer(2), "TUPLE2", "STOP"), (1, 2)),
    "TUPLE3": (asm(integer(1), integer(2), integer(3), "TUPLE3", "STOP"), (1, 2, 3)),
    "EMPTY_DICT": (asm("EMPTY_DICT", "STOP"), {}),
    "DICT": (asm("MARK", integer(1), integer(2), "DICT", "STOP"), {1: 2}),
    "SETITEM": (asm("EMPTY_DICT", integer(1), integer(2), "SETITEM", "STOP"), {1: 2}),
    "SETITEMS": (asm(value({1: 2, 3: 4}), "STOP"), {1: 2, 3: 4}),
    "EMPTY_SET": (asm("EMPTY_SET", "STOP"), set()),
    "ADDITEMS": (asm("EMPTY_SET", "MARK", integer(1), "ADDITEMS", "STOP"), {1}),
    "FROZENSET": (asm("MARK", integer(1), "FROZENSET", "STOP"), frozenset({1})),
    "POP": (asm(integer(1), integer(2), "POP", "STOP"), 1),
    "DUP": (asm(integer(1), "DUP", "TUPLE2", "STOP"), (1, 1)),
    "MARK": (asm(integer(7), "MARK", "POP", "STOP"), 7),
    "POP_MARK": (asm(integer(1), "MARK", integer(2), integer(3), "POP_MARK", "STOP"), 1),
    "GET": (asm(integer(5), b"p300\n", "POP", b"g300\n", "STOP"), 5),
    "BINGET": (asm(integer(5), CODE["BINPUT"] + b"\x07", "POP", CODE["BINGET"] + b"\x07", "STOP"), 5),
    "LONG_BINGET": (asm(integer(5), put(70000), "POP", get(70000), "STOP"), 5),
    "PUT": (asm(integer(5), b"p0\n", b"g0\n", "TUPLE2", "STOP"), (5, 5)),
    "BINPUT": (asm(integer(5), CODE["BINPUT"] + b"\xff", CODE["BINGET"] + b"\xff", "TUPLE2", "STOP"), (5, 5)),
    "LONG_BINPUT": (asm(integer(5), put(70_001), get(70_001), "TUPLE2", "STOP"), (5, 5)),
    "MEMOIZE": (asm(integer(5), "MEMOIZE", CODE["BINGET"] + b"\0", "TUPLE2", "STOP"), (5, 5)),
    "PROTO": (asm(proto(3), integer(5), "STOP"), 5),
    "STOP": (asm(integer(5), "STOP", integer(6), "STOP"), 5),
    "FRAME": (asm(proto(4), CODE["FRAME"] + struct.pack("<Q", 3), integer(5), "STOP"), 5),
}  # fmt: skip

#: Opcodes whose result is an inert node and no plain value.
INERT = {
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID",
    "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER",
}  # fmt: skip


def test_the_tables_of_this_file_cover_every_opcode():
    assert set(PLAIN) | INERT == {op.name for op in pickletools.opcodes}
    assert not set(PLAIN) & INERT


@pytest.mark.parametrize("name", PLAIN)
def test_an_opcode_gives_the_value_that_cpython_gives(name):
    data, expected = PLAIN[name]
    assert CODE[name] in data
    assert same(thaw(root_of(data)), expected)
    assert same(pickle.loads(data), expected)


def test_global_is_a_name_and_nothing_is_imported():
    graph = trace(pickled(global_("no.such.module", "Thing.inner")))
    assert type(graph.root) is GlobalRef
    assert graph.root.qualified == "no.such.module.Thing.inner"
    assert [(i.module, i.name, i.opcode) for i in graph.imports] == [
        ("no.such.module", "Thing.inner", "GLOBAL")
    ]


def test_stack_global_takes_its_two_texts_from_the_stack_or_the_memo():
    data = asm(
        proto(4), text("os"), "MEMOIZE", text("system"), "MEMOIZE", "POP", "POP",
        CODE["BINGET"] + b"\0", CODE["BINGET"] + b"\1", "STACK_GLOBAL", "STOP",
    )  # fmt: skip
    graph = trace(data)
    assert graph.root.qualified == "os.system"
    assert [i.opcode for i in graph.imports] == ["STACK_GLOBAL"]


@pytest.mark.parametrize(
    ("opcode", "data"),
    [
        ("REDUCE", pickled(call("m", "f", 1, 2))),
        ("NEWOBJ", pickled(new("m", "f", 1, 2))),
        ("INST", asm("MARK", integer(1), integer(2), b"im\nf\n", "STOP")),
        ("OBJ", asm("MARK", global_("m", "f"), integer(1), integer(2), "OBJ", "STOP")),
        ("NEWOBJ_EX", asm(global_("m", "f"), value((1, 2)), value({"k": 3}), "NEWOBJ_EX", "STOP")),
    ],
)
def test_a_call_becomes_an_instance_with_its_arguments_and_offset(opcode, data):
    root = root_of(data)
    assert type(root) is Instance
    assert (root.callable.qualified, root.args) == ("m.f", (1, 2))
    assert data[root.offset_bytes : root.offset_bytes + 1] == CODE[opcode]
    assert root.state is UNSET
    if opcode == "NEWOBJ_EX":
        assert root.kwargs.pairs == [("k", 3)]
    else:
        assert root.kwargs is None


def test_build_sets_the_state_and_a_second_build_is_kept_too():
    root = root_of(pickled(build(build(new("m", "C"), {"a": 1}), (2, 3))))
    assert root.state.pairs == [("a", 1)]
    assert root.more_states == [(2, 3)]


def test_items_and_pairs_of_an_instance_are_kept_apart():
    root = root_of(pickled(with_items(with_appended(new("m", "C"), [1, 2]), [("k", 3)])))
    assert (root.items, root.pairs) == ([1, 2], [("k", 3)])


def test_persistent_ids_of_both_forms_are_references_with_offsets():
    data = pickled((persistent(("storage", 7)), persistent("text")))
    graph = trace(data)
    assert [type(node) for node in graph.root] == [PersistentRef, PersistentRef]
    assert [ref.pid for ref in graph.persistent] == [("storage", 7), "text"]
    assert all(data[r.offset_bytes : r.offset_bytes + 1] == b"Q" for r in graph.persistent)
    assert root_of(asm(b"Pnumber 7\n", "STOP")).pid == "number 7"


@pytest.mark.parametrize(("name", "size"), [("EXT1", 1), ("EXT2", 2), ("EXT4", 4)])
def test_an_extension_number_is_an_import_and_an_oddity(name, size):
    graph = trace(asm(CODE[name] + (7).to_bytes(size, "little"), "STOP"))
    assert graph.root.qualified == "copyreg.extension 7"
    assert [i.opcode for i in graph.imports] == [name]
    assert graph.oddities
    assert graph.oddities[0][1].startswith(name)


def test_buffers_outside_the_pickle_are_references_and_an_oddity():
    graph = trace(asm(proto(5), "NEXT_BUFFER", "READONLY_BUFFER", "STOP"))
    assert type(graph.root) is PersistentRef
    assert len(graph.oddities) == 1


def test_a_dict_keeps_its_order_and_a_repeated_key():
    data = asm("EMPTY_DICT", "MARK", *map(value, ["b", 1, "a", 2, "b", 3]), "SETITEMS", "STOP")
    assert root_of(data).pairs == [("b", 1), ("a", 2), ("b", 3)]


def test_what_is_shared_in_the_pickle_is_one_object_in_the_graph():
    shared = asm(value([1]), put(0))
    root = root_of(asm("MARK", shared, get(0), "TUPLE", "STOP"))
    assert root[0] is root[1]


def test_a_list_may_hold_itself():
    root = root_of(asm("EMPTY_LIST", put(0), get(0), "APPEND", "STOP"))
    assert root[0] is root


def test_the_protocol_is_that_of_proto_and_zero_without_one():
    assert trace(pickled(1, 4)).protocol == 4
    assert trace(asm(integer(1), "STOP")).protocol == 0


def test_the_size_ends_at_stop_whatever_follows():
    data = pickled([1, 2])
    assert trace(data + b"rest").size_bytes == len(data)
    graph = trace(b"xx" + data + b"rest", offset_bytes=2)
    assert graph.size_bytes == len(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_imports_stand_at_the_positions_that_pickletools_gives(protocol):
    plain = [collections.OrderedDict(a=1), range(3), complex(1, 2), {1, 2}, b"x", Exception("e")]
    data = pickle.dumps(plain * 2, protocol)
    expected = [
        (op.name, position)
        for op, _, position in pickletools.genops(data)
        if op.name in ("GLOBAL", "STACK_GLOBAL", "INST")
    ]
    assert expected
    assert [(i.opcode, i.offset_bytes) for i in trace(data).imports] == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_offsets_count_from_the_start_of_the_source(protocol):
    data = pickle.dumps(collections.OrderedDict(a=1), protocol)
    plain, moved = trace(data), trace(b"12345" + data, offset_bytes=5)
    assert [i.offset_bytes + 5 for i in plain.imports] == [i.offset_bytes for i in moved.imports]


def test_text_with_lone_surrogates_is_read_as_cpython_reads_it():
    data = pickle.dumps("a\ud800b", 2)
    assert root_of(data) == "a\ud800b"


def test_a_python_2_string_that_is_no_utf8_stays_bytes():
    assert root_of(asm(CODE["SHORT_BINSTRING"] + b"\x02\xff\xfe", "STOP")) == b"\xff\xfe"


def test_an_invalid_escape_in_a_text_string_is_read_or_refused_without_a_warning():
    with contextlib.suppress(PickleFormatError):
        assert root_of(asm(b"S'\\d'\n", "STOP")) == "\\d"


@pytest.mark.parametrize("digits", [1, 40, 2000, 4301, 20_000])
def test_a_long_decimal_number_is_read_or_refused_by_name(digits):
    # CPython itself stops at 4300 digits.
    data = asm(b"L" + b"7" * digits + b"L\n", "STOP")
    if digits <= 2000:
        assert root_of(data) == int("7" * digits)
        return
    with pytest.raises(ArtifactError):
        root_of(data)


def test_long_bytes_stay_in_the_file_and_short_ones_do_not():
    for length, kind in ((4096, bytes), (4097, BytesRef)):
        raw = b"x" * length
        for opcode in (
            CODE["BINBYTES"] + struct.pack("<I", length),
            CODE["BINBYTES8"] + struct.pack("<Q", length),
            CODE["BYTEARRAY8"] + struct.pack("<Q", length),
            CODE["BINSTRING"] + struct.pack("<i", length),
        ):
            data = asm(integer(1), opcode + raw, "TUPLE2", "STOP")
            found = root_of(data)[1]
            node = bytes_value(found) if type(found) is Instance else found
            if kind is BytesRef:
                assert (type(node), node.size_bytes) == (BytesRef, length)
                assert data[node.offset_bytes : node.offset_bytes + length] == raw
            else:
                assert len(node) == length


def test_a_memo_index_of_any_size_costs_no_memory():
    assert root_of(asm(integer(5), put((1 << 32) - 1), get((1 << 32) - 1), "TUPLE2", "STOP")) == (
        5,
        5,
    )
