"""Walks over graphs that share, contain themselves, go deep or double."""

import contextlib
import struct

import pytest
from builders.pickles import (
    Raw,
    asm,
    build,
    call,
    get,
    global_,
    module,
    new,
    ordered_dict,
    persistent,
    pickled,
    put,
    storage,
    tensor,
    value,
)
from builders.reading import builds, codes, manifest, outcomes, tensors
from builders.streams import legacy_stream
from builders.tars import legacy_tar, storage_entry, tensor_entry
from builders.zips import torch_zip

from ckptscope.containers.contents import Contents
from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.pickled import DictNode, GlobalRef, Instance, PickleGraph
from ckptscope.pipeline import inspect
from ckptscope.reports import json as json_report
from ckptscope.sources import MemorySource
from ckptscope.tensors import build_manifest
from ckptscope.tensors.values import read_values

HUGE = 1 << (8 * 20_000)
#: Deep enough to break a recursive repr, shallow enough to be built quickly.
DEEP = Raw(asm(value(1), *["TUPLE1"] * 3000))


def doubling(levels: int) -> Raw:
    """Lists that each hold the one before twice."""
    parts = asm("EMPTY_LIST", put(0), "POP")
    for level in range(levels):
        parts += asm("EMPTY_LIST", put(level + 1), "MARK", get(level), get(level), "APPENDS", "POP")
    return Raw(asm(value(0), parts, "POP", get(levels)))


def test_a_list_that_holds_itself_is_an_alias():
    made = manifest(pickled({"a": Raw(asm("EMPTY_LIST", put(0), get(0), "APPEND"))}))
    assert made.tree.children[0].children[0].kind == "alias"


def test_a_dict_that_holds_itself_is_an_alias():
    made = manifest(asm("EMPTY_DICT", put(0), value("me"), get(0), "SETITEM", "STOP"))
    assert made.tree.children[0].kind == "alias"


def test_lists_that_double_at_every_level_end_in_a_limit():
    data = pickled({"a": doubling(100)})
    with pytest.raises(LimitError) as caught:
        manifest(data)
    assert caught.value.limit in ("walk_steps", "walk_revisits")


@pytest.mark.parametrize("limits", [Limits(walk_steps=500), Limits(walk_revisits=10)])
def test_the_limits_of_a_walk_are_those_that_were_given(limits):
    with pytest.raises(LimitError) as caught:
        manifest(pickled({"a": doubling(30)}), limits)
    assert caught.value.limit in ("walk_steps", "walk_revisits")


def nest(levels: int, around) -> Raw:
    made = value(1)
    for _ in range(levels):
        made = around(made)
    return made


AROUND = {
    "lists": lambda inner: Raw(asm("EMPTY_LIST", inner, "APPEND")),
    "tuples": lambda inner: Raw(asm(inner, "TUPLE1")),
    "dicts": lambda inner: Raw(asm("EMPTY_DICT", value("x"), inner, "SETITEM")),
    "ordered dicts": lambda inner: Raw(asm(call("collections", "OrderedDict"), value("x"), inner, "SETITEM")),
    "objects": lambda inner: build(new("m", "C"), {"x": inner}),
    "arguments": lambda inner: call("m", "f", inner),
    "keyword arguments": lambda inner: Raw(asm(global_("m", "C"), "EMPTY_TUPLE", value({"x": inner}), "NEWOBJ_EX")),
    "sets": lambda inner: Raw(asm("MARK", inner, "FROZENSET")),
    "set calls": lambda inner: call("builtins", "set", [inner]),
    "sets of sets": lambda inner: call("builtins", "set", inner),
    "bytes of bytes": lambda inner: call("builtins", "bytes", inner),
    "deques": lambda inner: call("collections", "deque", inner),
    "sizes": lambda inner: call("torch", "Size", inner),
    "defaultdicts": lambda inner: Raw(asm(call("collections", "defaultdict", global_("builtins", "list")), value("x"), inner, "SETITEM")),
    "reconstructed": lambda inner: build(call("copy_reg", "_reconstructor", global_("m", "C"), global_("builtins", "object"), None), {"x": inner}),
    "modules": lambda inner: module(("m", "C"), modules={"x": inner}),
    "module attributes": lambda inner: module(("m", "C"), extra=inner),
    "script modules": lambda inner: build(new("__torch__.m", "C"), {"x": inner}),
    "parameters": lambda inner: call("torch._utils", "_rebuild_parameter", inner, True, ordered_dict()),
    "persistent ids": persistent,
    "states": lambda inner: build(new("m", "C"), inner),
    "optimizers": lambda inner: Raw(value({"state": {0: {"x": inner}}, "param_groups": [{"params": [0]}]})),
}  # fmt: skip


@pytest.mark.parametrize("what", AROUND)
@pytest.mark.parametrize("levels", [100, 149, 151, 320])
def test_nesting_of_any_kind_is_walked_or_noted(what, levels):
    limits = Limits(nesting=10_000)
    try:
        made = manifest(pickled({"a": nest(levels, AROUND[what])}), limits)
    except ArtifactError:
        return
    assert made.tree.children or made.optimizers or made.findings


@pytest.mark.parametrize("what", AROUND)
def test_nesting_far_beyond_any_use_is_bounded(what):
    parts = AROUND[what](Raw(b"\x00#"))
    head, _, tail = parts.partition(b"\x00#")
    data = pickled({"a": Raw(head * 4000 + value(1) + tail * 4000)})
    with contextlib.suppress(ArtifactError):
        manifest(data, Limits(nesting=100_000))


ODD = {
    "a storage count in a stream": lambda: legacy_stream({"a": storage("0", HUGE)}, [("0", 1, b"1234")]),
    "a truncated stream": lambda: legacy_stream({"a": tensor("0", elements=HUGE, legacy=True)}, [("0", 1, b"")]),
    "a storage count in a zip": lambda: torch_zip({"a": storage("0", HUGE)}, {"0": b"1234"}),
    "a tensor's storage count": lambda: torch_zip({"a": tensor("0", elements=HUGE)}, {"0": b"1234"}),
    "a storage key": lambda: torch_zip({"a": tensor(HUGE)}, {"0": b"1234"}),
    "a system fact": lambda: legacy_stream({"a": 1}, [], system={"x": HUGE}),
    "a stream version": lambda: legacy_stream({"a": 1}, [], version=HUGE),
    "a deep stream version": lambda: legacy_stream({"a": 1}, [], version=DEEP),
    "a tensor count": lambda: legacy_tar({"a": 1}, [], [], tensor_count=HUGE),
    "a deep tensor count": lambda: legacy_tar({"a": 1}, [], [], tensor_count=DEEP),
    "a count of tar storages": lambda: legacy_tar({"a": 1}, [], [], storage_count=HUGE),
    "a deep count of tar storages": lambda: legacy_tar({"a": 1}, [], [], storage_count=DEEP),
    "a deep tensor key": lambda: legacy_tar({"a": 1}, [tensor_entry(DEEP, "0", (1,), (1,))], []),
    "a huge tensor key": lambda: legacy_tar({"a": 1}, [tensor_entry(HUGE, "0", (1,), (1,))], []),
    "a deep storage of a tensor": lambda: legacy_tar({"a": 1}, [tensor_entry("0", DEEP, (1,), (1,))], []),
    "a deep storage key": lambda: legacy_tar({"a": 1}, [], [storage_entry(DEEP, b"1234")]),
    "a deep view of a tar": lambda: legacy_tar({"a": 1}, [], [storage_entry("0", b"1234")], views=[(DEEP, "0", 0, 1)]),
    "a deep root of a view": lambda: legacy_tar({"a": 1}, [], [storage_entry("0", b"1234")], views=[("v", DEEP, 0, 1)]),
    "a huge view": lambda: legacy_tar({"a": 1}, [], [storage_entry("0", b"1234")], views=[("v", "0", HUGE, HUGE)]),
    "a deep key of a stream's view": lambda: legacy_stream({"a": tensor("0", view=(DEEP, 0, 1))}, [("0", 1, b"1234")]),
    "a huge key of a stream's view": lambda: legacy_stream({"a": tensor("0", view=(HUGE, HUGE, HUGE))}, [("0", 1, b"1234")]),
    "a deep key in a wrapper's state": lambda: pickled({"a": build(call("torch._utils", "_rebuild_wrapper_subclass", global_("a", "b"), global_("torch", "float32"), (1,), (1,), 0, global_("torch", "strided"), "cpu", False), {DEEP: 1, HUGE: 2})}),
    "a deep key of a dict": lambda: pickled({DEEP: 1}),
    "a huge key of a dict": lambda: pickled({HUGE: 1}),
    "a huge value": lambda: pickled({"epoch": HUGE, "list": [HUGE], "obj": build(new("m", "C"), {"a": HUGE})}),
    "a deep persistent id": lambda: pickled({"a": persistent(DEEP), "b": persistent((DEEP, HUGE))}),
    "a huge size of an array": lambda: pickled({"a": build(call("numpy.core.multiarray", "_reconstruct"), (1, (HUGE,), None, False, b""))}),
    "a huge device index": lambda: pickled({"a": call("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", tensor(), global_("torch", "float32"), call("torch", "device", "cuda", HUGE), False)}),
    "a huge setting of an optimizer": lambda: pickled({"state": {HUGE: {"step": HUGE}}, "param_groups": [{"lr": HUGE, "betas": (HUGE, DEEP), "params": [HUGE]}]}),
    "a huge step that is a float's overflow": lambda: pickled({"state": {0: {"step": HUGE}, 1: {"step": 1.5}}, "param_groups": [{"params": [0]}]}),
    "a huge module version": lambda: pickled(build(ordered_dict([("w", tensor())]), {"_metadata": {"": {"version": HUGE}}})),
    "a deep metadata": lambda: pickled(build(ordered_dict([("w", tensor())]), {"_metadata": DEEP})),
    "a huge setting of a module": lambda: pickled(module(("m", "C"), size=HUGE, sizes=(HUGE, HUGE))),
    "huge quantizer parameters": lambda: pickled({"a": call("torch._utils", "_rebuild_qtensor", storage("0", HUGE), 0, (1,), (1,), (HUGE, DEEP), False, ordered_dict())}),
    "a NaN step": lambda: pickled({"state": {n: {"step": float("nan")} for n in range(20)}, "param_groups": [{"params": [0]}]}),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_absurd_values_where_a_format_expects_small_ones_are_bounded(case, tmp_path):
    data = ODD[case]()
    with contextlib.suppress(ArtifactError):
        builds(data)
    path = tmp_path / "odd.pt"
    path.write_bytes(data)
    assert inspect(path).files or inspect(path).skipped


@pytest.mark.parametrize("case", ODD)
def test_absurd_values_can_still_be_reported_as_json(case, tmp_path):
    path = tmp_path / "odd.pt"
    path.write_bytes(ODD[case]())
    render = getattr(json_report, "render_inspect", None) or json_report.render_json
    assert render(inspect(path))


# Sharing that multiplies work without multiplying steps


class CountedList(list):
    """A list that counts how often it is gone through."""

    turns = 0

    def __iter__(self):
        CountedList.turns += len(self)
        return super().__iter__()


@pytest.mark.parametrize("what", ["metadata", "shape"])
def test_a_long_part_that_many_places_share_is_not_gone_through_for_each(what):
    length = 2000
    CountedList.turns = 0
    if what == "metadata":
        long = DictNode(CountedList((f"m{n}", DictNode([("version", 1)])) for n in range(length)))
        shared = Instance(
            GlobalRef("collections", "OrderedDict"), (), 0, state=DictNode([("_metadata", long)])
        )
    else:
        shape = CountedList([1] * length)
        shared = Instance(
            GlobalRef("numpy.core.multiarray", "_reconstruct"),
            (),
            0,
            state=(1, shape, None, False, b""),
        )
    root: object = [shared] * length
    graph = PickleGraph(root=root, member=None, protocol=2, imports=(), persistent=(), size_bytes=9)
    contents = Contents(
        source=MemorySource(b"x" * 100),
        containers=(ContainerKind.PICKLE,),
        graph=graph,
        read_storage=lambda s: MemorySource(b""),
    )
    with contextlib.suppress(LimitError):
        build_manifest(contents, DEFAULT_LIMITS)
    assert CountedList.turns < 100 * length


# Spending


def test_spending_adds_up_for_every_kind_of_use():
    trees = {
        "plain": {"a.weight": tensor("0", (4,))},
        "part of a storage": {"a.weight": tensor("0", (2,), elements=4)},
        "overlapping views": {"a.weight": tensor("0", (3,), elements=4), "b.weight": tensor("0", (3,), elements=4, offset=1)},
        "a hole between views": {"a.weight": tensor("0", (1,), elements=4), "b.weight": tensor("0", (1,), elements=4, offset=3)},
        "unused storages": {"epoch": 1},
        "two groups on one storage": {"x": {"a.weight": tensor("0", (4,))}, "y": {"a.weight": tensor("0", (4,))}},
        "a bare storage": {"s": storage("0", 4)},
    }  # fmt: skip
    for name, tree in trees.items():
        data = torch_zip(tree, {"0": bytes(16), "1": bytes(32)})
        made = manifest(data)
        assert sum(s.size_bytes for s in made.spending) == len(data), name
        assert all(s.size_bytes > 0 for s in made.spending), name
        assert abs(sum(s.share for s in made.spending) - 1) < 1e-9


def test_unused_parts_of_storages_are_told():
    made = manifest(
        torch_zip({"a.weight": tensor("0", (2,), elements=4)}, {"0": bytes(16), "1": bytes(32)})
    )
    spent = {s.what: s.size_bytes for s in made.spending}
    assert (spent["network"], spent["unused"]) == (8, 8 + 32)


def test_arrays_are_part_of_the_pickle_and_shown_apart():
    array = build(
        call("numpy.core.multiarray", "_reconstruct", global_("numpy", "ndarray"), (0,), b"b"),
        (1, (5000,), call("numpy", "dtype", "u1"), False, b"x" * 5000),
    )
    data = pickled({"a": array})
    made = manifest(data)
    assert {s.what: s.size_bytes for s in made.spending} == {
        "arrays": 5000,
        "pickle": len(data) - 5000,
    }
    assert made.arrays[0].path == "a"


def test_values_of_tensors_can_be_read_back():
    build_ = builds(
        torch_zip(
            {"w": tensor("0", (2, 2), stride=(1, 2), elements=5, offset=1)},
            {"0": struct.pack("<5f", *range(5))},
        )
    )[0]
    (found,) = tensors(build_.manifest).values()
    assert read_values(build_, found).tolist() == [[1, 3], [2, 4]]


def test_no_finding_names_a_sound_file():
    assert codes(manifest(torch_zip({"w": tensor("0", (2,))}, {"0": bytes(8)}))) == []
    assert outcomes(pickled(1))
