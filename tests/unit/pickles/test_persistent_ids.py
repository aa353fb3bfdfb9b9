"""Persistent ids of every era."""

import pytest
from builders.pickles import global_, persistent, pickled, storage
from builders.reading import root_of, trace

from ckptscope.pickles.persistent import parse_class_id, parse_storage_id, storage_uses


def pid(node):
    return root_of(pickled(node)).pid


def test_the_id_of_a_zip_names_class_key_device_and_count():
    found = parse_storage_id(pid(storage("12", 34, "HalfStorage", location="cuda:0")))
    assert (found.use.key, found.use.dtype, found.use.elements) == ("12", "float16", 34)
    assert (found.use.device, found.class_name, found.known) == (
        "cuda:0",
        "torch.HalfStorage",
        True,
    )
    assert (found.view_key, found.view_offset) == (None, 0)


def test_an_untyped_storage_counts_bytes_and_has_no_dtype():
    found = parse_storage_id(pid(storage("1", 16, "UntypedStorage", module="torch.storage")))
    assert (found.use.dtype, found.use.elements, found.known) == (None, 16, True)


def test_a_class_that_torch_does_not_have_is_not_known():
    found = parse_storage_id(pid(storage("1", 16, "Float3Storage")))
    assert (found.use.dtype, found.known, found.class_name) == (None, False, "torch.Float3Storage")


def test_the_legacy_stream_appends_none_or_a_view():
    plain = parse_storage_id(pid(storage("1", 16, legacy=True)))
    assert plain.view_key is None
    view = parse_storage_id(pid(storage("1", 16, view=("9", 4, 8))))
    assert (view.view_key, view.view_offset, view.view_elements) == ("9", 4, 8)


def test_a_key_may_be_a_whole_number():
    assert parse_storage_id(pid(storage(7, 1))).use.key == "7"


def test_a_location_that_is_no_text_is_not_told():
    assert parse_storage_id(pid(storage("7", 1, location=None))).use.device is None


CLASS = global_("torch", "FloatStorage")


@pytest.mark.parametrize(
    "odd",
    [
        "12",
        7,
        None,
        (),
        ("storage",),
        ("storage", CLASS, "0", "cpu"),
        ("module", CLASS, "0", "cpu", 1),
        ("storage", "FloatStorage", "0", "cpu", 1),
        ("storage", CLASS, None, "cpu", 1),
        ("storage", CLASS, ("0",), "cpu", 1),
        ("storage", CLASS, "0", "cpu", "1"),
        ("storage", CLASS, "0", "cpu", True),
        ("storage", CLASS, True, "cpu", 1),
        ["storage", CLASS, "0", "cpu", 1],
    ],
    ids=str,
)
def test_anything_else_is_no_storage(odd):
    assert parse_storage_id(pid(persistent(odd))) is None


def test_the_class_of_a_module_saved_with_its_source_is_found_in_both_forms():
    cls = global_("mylab.nets", "Net")
    assert parse_class_id(pid(persistent((cls, "nets.py", "class Net")))).qualified == (
        "mylab.nets.Net"
    )
    tagged = parse_class_id(pid(persistent(("module", cls, "nets.py", "class Net"))))
    assert tagged.qualified == "mylab.nets.Net"
    assert parse_class_id(pid(persistent(("a", "b", cls)))) is None
    assert parse_class_id(pid(persistent("text"))) is None


def test_of_two_mentions_of_a_storage_the_first_counts():
    graph = trace(pickled([storage("0", 5), storage("0", 9), storage("1", 2), persistent("x")]))
    uses = storage_uses(graph.persistent)
    assert {key: use.elements for key, use in uses.items()} == {"0": 5, "1": 2}
