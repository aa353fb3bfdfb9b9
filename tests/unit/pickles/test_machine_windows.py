"""Pickles longer than the machine's buffer, with a boundary at every place."""

import pickle

import pytest
from builders.pickles import asm, call, ordered_dict, pickled, tensor, value
from builders.reading import trace

from ckptscope.errors import ContainerFormatError, PickleFormatError
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.pickled import BytesRef, DictNode, GlobalRef, Instance, PersistentRef, SetNode
from ckptscope.pickles import trace_pickle


class Counting:
    """A source that notes what is read of it."""

    name = None

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert offset + length <= len(self.data)
        self.reads.append((offset, length))
        return self.data[offset : offset + length]

    def peek(self, offset: int, length: int) -> bytes:
        return self.read(offset, min(length, len(self.data) - offset))


def shape_of(node, seen=None):
    """A comparable picture of a graph without cycles, offsets included."""
    if isinstance(node, Instance):
        return (
            "call", node.offset_bytes, shape_of(node.callable), shape_of(node.args),
            shape_of(node.pairs), shape_of(node.items),
            "none" if node.state.__class__.__name__ == "UnsetType" else shape_of(node.state),
        )  # fmt: skip
    if isinstance(node, DictNode):
        return ("dict", shape_of(node.pairs))
    if isinstance(node, SetNode):
        return ("set", sorted(map(repr, node.items)))
    if isinstance(node, GlobalRef):
        return ("global", node.qualified)
    if isinstance(node, PersistentRef):
        return ("pid", node.offset_bytes, shape_of(node.pid))
    if isinstance(node, BytesRef):
        return ("bytes", node.offset_bytes, node.size_bytes)
    if isinstance(node, list | tuple):
        return (type(node).__name__, [shape_of(item) for item in node])
    return node


def sample(protocol: int) -> bytes:
    if protocol == 2:
        tree = {
            "epoch": 70_000,
            "loss": 0.25,
            "name": "x" * 40,
            "big": 1 << 200,
            "net": ordered_dict([(f"layer.{n}.weight", tensor(str(n), (2, 3))) for n in range(6)]),
            "call": call("m", "f", (1, 2), [3], {"k": "é" * 30}),
            "long": b"y" * 5000,
        }
        return pickled(tree)
    plain = {"a": ["text" * 9, 1.5, -7, 1 << 90, b"bytes" * 9, (1, 2, 3), {4}, "é\n" * 20] * 3}
    return pickle.dumps(plain, protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_a_boundary_at_every_byte_changes_nothing(protocol, monkeypatch):
    data = sample(protocol)
    whole = trace(data)
    expected = shape_of(whole.root)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 97)
    for chunk in range(1, min(len(data), 400)):
        monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", chunk)
        graph = trace_pickle(Counting(data), limits=DEFAULT_LIMITS)
        assert shape_of(graph.root) == expected, chunk
        assert graph.imports == whole.imports
        assert graph.size_bytes == whole.size_bytes == len(data)
        assert [r.offset_bytes for r in graph.persistent] == [
            r.offset_bytes for r in whole.persistent
        ]


@pytest.mark.parametrize("offset", [1, 63, 64, 65])
def test_a_pickle_in_the_middle_of_a_source_is_windowed_too(offset, monkeypatch):
    monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", 7)
    monkeypatch.setattr("ckptscope.pickles.state._LARGEST_CHUNK", 64)
    data = sample(2)
    graph = trace_pickle(
        Counting(b"#" * offset + data + b"rest" * 50), limits=DEFAULT_LIMITS, offset_bytes=offset
    )
    assert graph.size_bytes == len(data)
    moved = [i.offset_bytes - offset for i in graph.imports]
    assert moved == [i.offset_bytes for i in trace(data).imports]


def test_a_pickle_of_known_size_is_read_in_one_go():
    source = Counting(sample(2) + b"behind" * 1000)
    trace_pickle(source, limits=DEFAULT_LIMITS, size_bytes=len(sample(2)))
    assert source.reads == [(0, len(sample(2)))]


def test_long_byte_strings_are_stepped_over_unread():
    data = pickled([b"x" * 5_000_000, "after"])
    source = Counting(data)
    graph = trace_pickle(source, limits=DEFAULT_LIMITS)
    assert graph.root[1] == "after"
    assert sum(length for _, length in source.reads) < 1_000_000


def test_reads_grow_so_that_a_long_pickle_takes_few_of_them():
    source = Counting(pickled(list(range(300, 700_000))))
    trace_pickle(source, limits=DEFAULT_LIMITS)
    assert len(source.reads) < 12


def test_a_declared_size_beyond_the_source_is_an_error():
    with pytest.raises(ContainerFormatError):
        trace_pickle(Shrunk(pickled(1)), limits=DEFAULT_LIMITS, size_bytes=500)


class Shrunk(Counting):
    def read(self, offset: int, length: int) -> bytes:
        if offset + length > len(self.data):
            raise ContainerFormatError("expected more")
        return super().read(offset, length)


def test_a_prefix_of_any_length_is_refused_with_any_chunk(monkeypatch):
    data = asm(value({"a": [1, "text", 2.5, 1 << 80], "b": call("m", "f", "x")}), "STOP")
    for chunk in (1, 5, 16, 17, 1000):
        monkeypatch.setattr("ckptscope.pickles.state._FIRST_CHUNK", chunk)
        for cut in range(len(data)):
            with pytest.raises(PickleFormatError):
                trace(data[:cut])
