"""What the pickle machine refuses, and by which error."""

import os
import pickle
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
    persistent,
    pickled,
    proto,
    put,
    text,
    value,
)
from builders.reading import root_of, trace

from ckptscope.errors import LimitError, PickleFormatError
from ckptscope.facts.limits import Limits
from ckptscope.pickles import trace_pickle

REFUSED = {
    "no bytes": b"",
    "only proto": proto(2),
    "no stop": asm(proto(2), integer(1)),
    "stop on an empty stack": asm("STOP"),
    "stop below an open mark": asm(integer(1), "MARK", "STOP"),
    "an unknown opcode": b"\xff.",
    "another unknown opcode": asm(integer(1), b"\x00", "STOP"),
    "a protocol of the future": asm(proto(6), "NONE", "STOP"),
    "pop on an empty stack": asm("POP", "NONE", "STOP"),
    "pop mark without mark": asm(integer(1), "POP_MARK", "STOP"),
    "dup on an empty stack": asm("DUP", "STOP"),
    "tuple without mark": asm(integer(1), "TUPLE", "STOP"),
    "tuple1 on an empty stack": asm("TUPLE1", "STOP"),
    "tuple2 of one": asm(integer(1), "TUPLE2", "STOP"),
    "tuple3 of two": asm(integer(1), integer(2), "TUPLE3", "STOP"),
    "tuple1 across a mark": asm(integer(1), "MARK", "TUPLE1", "STOP"),
    "tuple2 across a mark": asm(integer(1), "MARK", integer(2), "TUPLE2", "STOP"),
    "tuple3 across a mark": asm(integer(1), "MARK", integer(2), integer(3), "TUPLE3", "STOP"),
    "list without mark": asm(integer(1), "LIST", "STOP"),
    "dict without mark": asm(integer(1), "DICT", "STOP"),
    "dict of an odd number": asm("MARK", integer(1), "DICT", "STOP"),
    "setitems of an odd number": asm("EMPTY_DICT", "MARK", integer(1), "SETITEMS", "STOP"),
    "setitems on a list": asm("EMPTY_LIST", "MARK", integer(1), integer(2), "SETITEMS", "STOP"),
    "setitem on a number": asm(integer(0), integer(1), integer(2), "SETITEM", "STOP"),
    "setitem on nothing": asm(integer(1), integer(2), "SETITEM", "STOP"),
    "setitems with nothing below": asm("MARK", integer(1), integer(2), "SETITEMS", "STOP"),
    "append to a dict": asm("EMPTY_DICT", integer(1), "APPEND", "STOP"),
    "append to a tuple": asm("EMPTY_TUPLE", integer(1), "APPEND", "STOP"),
    "append to nothing": asm(integer(1), "APPEND", "STOP"),
    "appends to a text": asm(text("a"), "MARK", integer(1), "APPENDS", "STOP"),
    "additems to a list": asm("EMPTY_LIST", "MARK", integer(1), "ADDITEMS", "STOP"),
    "additems to a frozenset": asm("MARK", "FROZENSET", "MARK", integer(1), "ADDITEMS", "STOP"),
    "a list as key": asm("EMPTY_DICT", "EMPTY_LIST", integer(1), "SETITEM", "STOP"),
    "a dict as key": asm("EMPTY_DICT", "EMPTY_DICT", integer(1), "SETITEM", "STOP"),
    "a set as key": asm("EMPTY_DICT", "EMPTY_SET", integer(1), "SETITEM", "STOP"),
    "memo of nothing": asm(CODE["BINPUT"] + b"\0", "NONE", "STOP"),
    "long memo of nothing": asm(put(0), "NONE", "STOP"),
    "text memo of nothing": asm(b"p0\n", "NONE", "STOP"),
    "memoize nothing": asm("MEMOIZE", "NONE", "STOP"),
    "memo across a mark": asm(integer(1), "MARK", CODE["BINPUT"] + b"\0", "STOP"),
    "long memo across a mark": asm(integer(1), "MARK", put(0), "STOP"),
    "memo entry that is not there": asm(CODE["BINGET"] + b"\1", "STOP"),
    "long memo entry that is not there": asm(get(1), "STOP"),
    "text memo entry that is not there": asm(b"g1\n", "STOP"),
    "a negative memo index": asm(integer(1), b"p-1\n", "STOP"),
    "a memo index that is no number": asm(integer(1), b"px\n", "STOP"),
    "reduce with a number": asm(global_("a", "b"), integer(1), "REDUCE", "STOP"),
    "reduce of a number": asm(integer(1), "EMPTY_TUPLE", "REDUCE", "STOP"),
    "reduce of a text": asm(text("a"), "EMPTY_TUPLE", "REDUCE", "STOP"),
    "reduce with nothing below": asm("EMPTY_TUPLE", "REDUCE", "STOP"),
    "reduce across a mark": asm(global_("a", "b"), "MARK", "EMPTY_TUPLE", "REDUCE", "STOP"),
    "newobj with a text": asm(global_("a", "b"), text("c"), "NEWOBJ", "STOP"),
    "newobj of a number": asm(integer(1), "EMPTY_TUPLE", "NEWOBJ", "STOP"),
    "obj of nothing": asm("MARK", "OBJ", "STOP"),
    "obj of a number": asm("MARK", integer(1), "OBJ", "STOP"),
    "inst without mark": asm(b"ia\nb\n", "STOP"),
    "build on a number": asm(integer(1), value({"a": 1}), "BUILD", "STOP"),
    "build on a dict": asm("EMPTY_DICT", value((None, {"a": 1})), "BUILD", "STOP"),
    "items of an empty list": asm("EMPTY_LIST", integer(0), integer(2), "SETITEM", "STOP"),
    "build on nothing": asm("EMPTY_DICT", "BUILD", "STOP"),
    "persistent id of nothing": asm("BINPERSID", "STOP"),
    "stack global of numbers": asm(integer(1), integer(2), "STACK_GLOBAL", "STOP"),
    "stack global of one text": asm(text("a"), "STACK_GLOBAL", "STOP"),
    "stack global across a mark": asm(text("a"), "MARK", text("b"), "STACK_GLOBAL", "STOP"),
    "a name that is no utf-8": asm(b"c\xff\nb\n", "STOP"),
    "a global that breaks off": b"ctorch\nFloat",
    "text that is no utf-8": asm(CODE["BINUNICODE"] + b"\1\0\0\0\xff", "STOP"),
    "short text that is no utf-8": asm(CODE["SHORT_BINUNICODE"] + b"\1\xff", "STOP"),
    "text cut inside a character": asm(CODE["BINUNICODE"] + b"\1\0\0\0\xc3", "STOP"),
    "text longer than the file": asm(CODE["BINUNICODE"] + b"\xff\xff\0\0ab", "STOP"),
    "text of 2**62 bytes": asm(CODE["BINUNICODE8"] + struct.pack("<Q", 1 << 62) + b"a", "STOP"),
    "bytes of 2**62": asm(CODE["BINBYTES8"] + struct.pack("<Q", 1 << 62) + b"a", "STOP"),
    "a bytearray of 2**63": asm(CODE["BYTEARRAY8"] + struct.pack("<Q", 1 << 63), "STOP"),
    "short bytes that break off": CODE["SHORT_BINBYTES"] + b"\x05ab",
    "a frame longer than the file": asm(CODE["FRAME"] + struct.pack("<Q", 100), "NONE", "STOP"),
    "a negative string length": asm(CODE["BINSTRING"] + struct.pack("<i", -1), "STOP"),
    "a negative number length": asm(CODE["LONG4"] + struct.pack("<i", -1), "STOP"),
    "a string without quotes": asm(b"Sabc\n", "STOP"),
    "a string of one quote": asm(b"S'\n", "STOP"),
    "a string with uneven quotes": asm(b"S'a\"\n", "STOP"),
    "a string with a broken escape": asm(b"S'\\x1'\n", "STOP"),
    "unicode with a broken escape": asm(b"V\\u12\n", "STOP"),
    "unicode beyond the last character": asm(b"V\\U00110000\n", "STOP"),
    "a number that is none": asm(b"Iabc\n", "STOP"),
    "a long that is none": asm(b"L12xL\n", "STOP"),
    "a float that is none": asm(b"F1.2.3\n", "STOP"),
    "a line that never ends": b"I" + b"1" * 1000,
    "half an opcode": asm(proto(2), CODE["BININT"] + b"\1\2"),
    "a memo index cut off": asm(integer(1), CODE["LONG_BINPUT"] + b"\1"),
    "an extension cut off": CODE["EXT4"] + b"\1\2",
    "a float cut off": CODE["BINFLOAT"] + b"\1\2",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_pickle_that_breaks_the_rules_is_refused(case):
    # A length beyond the file is refused as such or, before that, as beyond the limits.
    with pytest.raises((PickleFormatError, LimitError)) as caught:
        trace(REFUSED[case], member="data.pkl")
    assert "data.pkl" in str(caught.value)
    assert caught.value.offset_bytes is not None


#: What one of CPython's two unpicklers takes, in front of a name: (opcodes, whether it is odd).
READ_OVER = {
    "a memo index with zeros in front": (b"Np010\ng10\n00", False),
    "an octal number of C": (b"I010\n0", False),
    "a number up to NUL": (b"I1\0x\n0", False),
    "a long up to NUL": (b"L1\0x\n0", False),
    "a float up to NUL": (b"F1\0x\n0", False),
    "bytes that are appended to": (b"\x96" + bytes(8) + b"(K\x01e0", False),
    "bytes that are replaced": (b"\x96\x01" + bytes(7) + b"AK\x00K\x05s0", False),
    "an item of a list that is replaced": (b"]K\x01aK\x00K\x05s0", True),
    "a state of None": (b"]Nb0", True),
    "an empty state": (b"](N}tb0", True),
    "nothing appended to a number": (b"K\x01(e0", False),
    "nothing set in a number": (b"K\x01(u0", False),
    "nothing added to a number": (b"K\x01(\x900", False),
    "arguments that a call gives": (b"cbuiltins\nlist\ncbuiltins\ntuple\n(]tRR0", True),
}


@pytest.mark.parametrize("case", READ_OVER)
def test_what_an_unpickler_reads_over_does_not_hide_what_follows(case):
    before, is_odd = READ_OVER[case]
    data = proto(4) + before + call("os", "getpid") + b"."
    # A payload of this test's own: it asks for the process's number.
    assert pickle.loads(data) == os.getpid()
    graph = trace(data)
    assert graph.imports[-1].name == "getpid"
    assert bool(graph.oddities) is is_odd


def test_a_decimal_number_that_only_some_versions_read_is_beyond_the_limits():
    with pytest.raises(LimitError):
        trace(b"I" + b"1" * 5000 + b"\n.")


def test_a_list_in_place_of_a_tuple_of_arguments_is_unpacked_as_by_pickle_in_python():
    root = root_of(asm(global_("a", "b"), value([1, 2]), "REDUCE", "STOP"))
    assert root.args == (1, 2)


@pytest.mark.parametrize("target", ["global", "persistent id"])
def test_changing_something_that_is_not_in_the_pickle_is_an_oddity(target):
    node = global_("a", "b") if target == "global" else persistent("x")
    for odd in (
        build(node, {}),
        asm(node, integer(1), "APPEND"),
        asm(node, "MARK", integer(1), integer(2), "SETITEMS"),
    ):
        graph = trace(asm(odd, "STOP"))
        assert len(graph.oddities) == 1


def test_a_call_of_the_result_of_a_call_is_kept():
    inner = call("a", "b")
    root = root_of(asm(inner, "EMPTY_TUPLE", "REDUCE", "STOP"))
    assert root.callable.callable.qualified == "a.b"


# Limits


def limited(data: bytes, **limits: int) -> LimitError:
    with pytest.raises(LimitError) as caught:
        trace(data, Limits(**limits))
    return caught.value


@pytest.mark.parametrize(
    "piece",
    [
        asm("EMPTY_LIST", "POP"),
        asm("EMPTY_DICT", "POP"),
        asm("EMPTY_SET", "POP"),
        asm("MARK", "LIST", "POP"),
        asm("MARK", "DICT", "POP"),
        asm("MARK", "TUPLE", "POP"),
        asm("MARK", "FROZENSET", "POP"),
        asm("NONE", "TUPLE1", "POP"),
        asm("NONE", "NONE", "TUPLE2", "POP"),
        asm("NONE", "NONE", "NONE", "TUPLE3", "POP"),
        asm(get(0), "EMPTY_TUPLE", "REDUCE", "POP"),
        asm(get(0), "EMPTY_TUPLE", "NEWOBJ", "POP"),
        asm("MARK", get(0), "OBJ", "POP"),
        asm("MARK", b"ia\nb\n", "POP"),
        asm("NONE", "BINPERSID", "POP"),
        asm(b"Px\n", "POP"),
        asm("NEXT_BUFFER", "POP"),
        asm("NONE", "MEMOIZE", "POP"),
        asm(b"ca\nb\n", "POP"),
    ],
    ids=lambda piece: piece[:12].hex(),
)
def test_every_opcode_that_creates_an_object_is_counted(piece, monkeypatch):
    # Memory is checked at each read of the window.
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 64)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 64)
    data = asm(global_("a", "b"), put(0), piece * 600, "STOP")
    error = limited(data, graph_bytes=10_000, graph_ratio=0)
    assert error.limit == "graph_bytes"
    assert error.allowed == 10_000


def test_the_memo_and_the_stack_count_as_memory(monkeypatch):
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 64)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 64)
    memo = asm("NONE", *(put(n) for n in range(2000)), "STOP")
    assert limited(memo, graph_bytes=10_000, graph_ratio=0).limit == "graph_bytes"
    stack = asm("MARK", b"N" * 5000, "TUPLE", "STOP")
    assert limited(stack, graph_bytes=10_000, graph_ratio=0).limit == "graph_bytes"


def test_a_long_pickle_may_take_more_memory(monkeypatch):
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 64)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 64)
    data = pickled([[] for _ in range(1000)])
    assert limited(data, graph_bytes=100, graph_ratio=1)
    assert trace(data, Limits(graph_bytes=100, graph_ratio=1000))


def test_more_globals_than_a_pickler_would_write_are_refused():
    data = asm(b"ca\nb\n0" * 50, "NONE", "STOP")
    assert limited(data, imports=49).limit == "imports"
    assert len(trace(data, Limits(imports=50)).imports) == 50


def test_more_oddities_than_the_limit_are_refused():
    data = asm(b"\x82\x07" * 5, "STOP")
    assert len(trace(data, Limits(oddities=5)).oddities) == 5
    assert limited(data, oddities=4).limit == "oddities"


def test_open_marks_are_counted_in_the_loop_and_by_the_limit():
    nested = asm(*["MARK"] * 10, *["TUPLE"] * 10, "STOP")
    assert trace(nested, Limits(nesting=10))
    error = limited(nested, nesting=9)
    assert (error.limit, error.allowed) == ("nesting", 9)


@pytest.mark.parametrize("form", ["LONG4", "LONG", "INT"])
def test_an_integer_longer_than_the_limit_is_refused(form):
    if form == "LONG4":
        data = asm(CODE["LONG4"] + struct.pack("<i", 2000) + b"\1" * 2000, "STOP")
    else:
        data = asm(CODE[form] + b"0x" + b"f" * 4000 + b"\n", "STOP")
    assert limited(data, integer_bytes=1000).limit == "integer_bytes"


def test_an_integer_within_the_limit_is_read():
    data = asm(CODE["LONG4"] + struct.pack("<i", 1000) + b"\1" * 1000, "STOP")
    assert root_of(data, Limits(integer_bytes=1000)) == int.from_bytes(b"\1" * 1000, "little")


def test_a_huge_integer_is_refused_before_its_bytes_are_read():
    data = asm(CODE["LONG4"] + struct.pack("<i", 1 << 16) + bytes(1 << 16), "STOP")
    assert limited(data).limit == "integer_bytes"


def test_an_integer_that_is_longer_than_the_file_breaks_off():
    with pytest.raises(PickleFormatError, match="breaks off"):
        trace(asm(CODE["LONG4"] + struct.pack("<i", (1 << 31) - 1), "STOP"))


def test_a_line_longer_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 16)
    assert limited(b"V" + b"a" * 100_000 + b"\n.", pickle_line_bytes=1000).limit == (
        "pickle_line_bytes"
    )


def test_a_pickle_longer_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 16)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 64)
    data = pickled(list(range(1000)))
    assert limited(data, pickle_bytes=500).limit == "pickle_bytes"


def test_long_bytes_that_are_skipped_do_not_count_as_read(monkeypatch):
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 16)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 64)
    data = pickled([b"x" * 5000, b"y" * 5000, 1])
    assert trace(data, Limits(pickle_bytes=500)).size_bytes == len(data)


class Endless:
    """A source that claims to be huge and counts what is asked of it."""

    name = None
    size = 1 << 45

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.asked = 0

    def read(self, offset: int, length: int) -> bytes:
        self.asked += length
        assert length < 1 << 28, f"{length:,} bytes read at once"
        return self.head[offset : offset + length].ljust(length, b"\0")

    peek = read


@pytest.mark.parametrize("length", [(1 << 30) + 1, 1 << 40])
def test_a_text_beyond_the_limit_is_refused_before_it_is_read(length):
    source = Endless(asm(proto(4), CODE["BINUNICODE8"] + struct.pack("<Q", length)))
    with pytest.raises(LimitError):
        trace_pickle(source, limits=Limits())
    assert source.asked < 1 << 28


def test_nesting_without_marks_is_harmless():
    deep = asm(integer(1), *["TUPLE1"] * 100_000, "STOP")
    node, depth = root_of(deep), 0
    while isinstance(node, tuple):
        node, depth = node[0], depth + 1
    assert depth == 100_000


def test_calls_nested_without_end_are_built_and_released():
    deep = asm(global_("a", "b") * 50_000, value(1), asm("TUPLE1", "REDUCE") * 50_000, "STOP")
    assert root_of(deep).callable.qualified == "a.b"
