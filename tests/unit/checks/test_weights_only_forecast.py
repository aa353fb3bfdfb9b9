"""What torch.load(weights_only=True) says of a file, by version: each rule of its unpickler."""

import struct

import pytest
from builders.headers import entry, safetensors
from builders.pickles import (
    CODE,
    Raw,
    asm,
    build,
    call,
    get,
    global_,
    integer,
    new,
    ordered_dict,
    persistent,
    pickled,
    proto,
    put,
    storage,
    tensor,
    text,
    value,
    with_appended,
    with_items,
)
from builders.reading import outcomes
from builders.streams import legacy_stream
from builders.tars import legacy_tar, storage_entry, tensor_entry, tensor_id
from builders.zips import Member, torch_members, torch_zip, zip_bytes

from ckptscope.checks.weights_only import findings_of, forecast_weights_only
from ckptscope.checks.weights_only.rules import load_rules
from ckptscope.facts.findings import Code, Severity
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.weights_only import Because, WeightsOnly
from ckptscope.tensors import build_manifest

HELD = {"0": struct.pack("<2f", 1, 2)}
WEIGHT = tensor("0", (2,))
ALL = f"2.4 to {load_rules().versions[-1]}"
NEWEST = load_rules().versions[-1]


def since(version: str) -> str:
    return f"{version} to {NEWEST}"


def forecast(data: bytes) -> WeightsOnly | None:
    (contents,) = outcomes(data)
    return forecast_weights_only(contents, build_manifest(contents, DEFAULT_LIMITS).manifest)


def of_tree(tree: object) -> WeightsOnly:
    answer = forecast(torch_zip(tree, HELD))
    assert answer is not None
    return answer


def quickly(tree: object) -> WeightsOnly | None:
    (contents,) = outcomes(torch_zip(tree, HELD))
    made = build_manifest(contents, DEFAULT_LIMITS).manifest
    return forecast_weights_only(contents, made, quick=True)


def of_pickle(*parts: bytes | str, version: int = 2) -> WeightsOnly:
    whole = asm(proto(version), *parts, "STOP")
    answer = forecast(torch_zip(None, HELD, pickle=whole))
    assert answer is not None
    return answer


def bytestring(raw: bytes) -> Raw:
    return Raw(CODE["SHORT_BINSTRING"] + bytes([len(raw)]) + raw)


def test_tensors_numbers_and_text_are_accepted_by_every_version():
    tree = ordered_dict(
        [("w", WEIGHT), ("epoch", 3), ("lr", 0.1), ("best", None), ("names", ["a", ("b", True)])],
        {"_metadata": ordered_dict([("", {"version": 1})])},
    )
    answer = of_tree(tree)
    assert answer.accepted_by == ALL
    assert answer.refused_by == ""
    assert answer.obstacle is None
    assert findings_of(answer) == ()


def test_a_class_that_is_on_no_list_is_named_with_its_place_and_what_to_save_instead():
    made = build(new("argparse", "Namespace"), {"lr": 0.1})
    whole = pickled({"w": WEIGHT, "args": made})
    answer = of_tree({"w": WEIGHT, "args": made})
    stop = answer.obstacle
    assert stop is not None
    assert (stop.because, stop.subject, stop.opcode) == (
        Because.NAME,
        "argparse.Namespace",
        "GLOBAL",
    )
    assert stop.member == "archive/data.pkl"
    assert whole[stop.offset_bytes :].startswith(global_("argparse", "Namespace"))
    assert answer.refused_by == ALL
    assert "vars(args)" in answer.advice
    assert "add_safe_globals([argparse.Namespace])" in answer.advice


def test_every_unlisted_name_is_told_though_torch_stops_at_the_first():
    answer = of_tree([new("lab.a", "One"), new("lab.b", "Two"), new("lab.a", "One")])
    assert answer.obstacle is not None
    assert answer.obstacle.subject == "lab.a.One"
    assert answer.unlisted == ("lab.a.One", "lab.b.Two")
    (finding,) = findings_of(answer)
    assert any("'lab.b.Two'" in line for line in finding.evidence)


@pytest.mark.parametrize(
    ("made", "accepted"),
    [
        (call("_codecs", "encode", "ab", "latin1"), since("2.5")),
        (call("__builtin__", "bytearray", "ab", "latin1"), since("2.5")),
        (call("__builtin__", "set", [1, 2]), since("2.6")),
        (call("__builtin__", "complex", 1.0, 2.0), since("2.6")),
        (call("__builtin__", "frozenset", [1]), ""),
        (call("torch", "Size", (1, 2)), ALL),
        (call("torch", "device", "cpu"), ALL),
        (call("collections", "Counter", {"a": 1}), ALL),
        (global_("torch", "float16"), ALL),
        (global_("torch", "uint16"), since("2.6")),
        (global_("torch", "int4"), since("2.7")),
        (global_("torch.storage", "_UntypedStorage"), ""),
        (call("torch._utils", "_rebuild_nested_tensor", WEIGHT), "2.4 to 2.14"),
    ],
    ids=lambda given: None if isinstance(given, bytes) else given or "none",
)
def test_each_version_has_a_list_of_its_own(made, accepted):
    assert of_tree({"w": WEIGHT, "x": made}).accepted_by == accepted


def test_names_of_python_2_are_translated_for_other_protocols_since_2_6_only():
    a_set = call("__builtin__", "set", [1])
    bare = call("builtins", "set", [1])
    assert of_pickle(a_set, version=3).accepted_by == since("2.6")
    assert of_pickle(bare, version=3).accepted_by == since("2.6")
    old = call("__builtin__", "bytearray", "ab", "latin1")
    assert of_pickle(old, version=3).accepted_by == since("2.6")
    assert of_pickle(old, version=2).accepted_by == since("2.5")


def test_modules_that_cannot_be_added_to_the_list_are_told_apart():
    answer = of_tree([global_("os", "getcwd")])
    reasons = {one.versions: one.obstacle and one.obstacle.because for one in answer.verdicts}
    assert reasons == {"2.4": Because.NAME, since("2.5"): Because.BLOCKED}
    assert "add_safe_globals" not in answer.advice


def test_a_function_is_not_recommended_for_the_list():
    assert "add_safe_globals" not in of_tree([call("lab.make", "build")]).advice


def test_a_class_of_distributed_tensors_needs_an_import_first():
    answer = of_tree([global_("torch.distributed.tensor", "DTensor")])
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.UNIMPORTED
    assert "import torch.distributed.tensor" in answer.advice


@pytest.mark.parametrize("version", [3, 4, 5])
def test_another_protocol_is_no_reason_by_itself(version):
    assert of_pickle(value({"w": WEIGHT}), version=version).accepted_by == ALL


@pytest.mark.parametrize(
    ("parts", "opcode"),
    [
        ([CODE["SHORT_BINUNICODE"] + b"\x01a"], "SHORT_BINUNICODE"),
        (["EMPTY_LIST", "MEMOIZE"], "MEMOIZE"),
        ([CODE["FRAME"] + struct.pack("<Q", 2), "NONE"], "FRAME"),
        ([value(b"ab")], "BINBYTES"),
        ([CODE["INT"] + b"5\n"], "INT"),
        ([integer(1 << 3000)], "LONG4"),
        (["NONE", "NONE", "POP"], "POP"),
        (["EMPTY_SET", "MARK", "NONE", "ADDITEMS"], "ADDITEMS"),
        ([CODE["BINSTRING"] + struct.pack("<i", 1) + b"a"], "BINSTRING"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_an_opcode_that_it_does_not_know_stops_it(parts, opcode):
    answer = of_pickle(*parts)
    stop = answer.obstacle
    assert stop is not None
    assert (stop.because, stop.subject, stop.opcode) == (Because.OPCODE, opcode, opcode)
    assert answer.refused_by == ALL
    assert "pickle_protocol" in answer.advice


def test_what_is_popped_again_counts_too():
    answer = of_pickle(global_("lab", "Hidden"), put(0), "EMPTY_TUPLE", "REDUCE", "NONE", "TUPLE2")
    assert answer.obstacle is not None
    assert answer.obstacle.subject == "lab.Hidden"


def test_values_are_not_called():
    answer = of_pickle(global_("torch", "float32"), "EMPTY_TUPLE", "REDUCE")
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.CALL


def test_what_a_call_gave_is_not_called():
    answer = of_pickle(call("collections", "OrderedDict"), "EMPTY_TUPLE", "REDUCE", version=2)
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.CALL


def test_objects_of_listed_classes_are_made_since_2_6_and_parameters_always():
    counter = of_tree([new("collections", "Counter")])
    assert counter.accepted_by == since("2.6")
    parameter = of_tree([new("torch.nn.parameter", "Parameter", WEIGHT)])
    assert parameter.accepted_by == ALL
    dtype = of_pickle(global_("torch", "float32"), "EMPTY_TUPLE", "NEWOBJ")
    assert dtype.obstacle is not None
    assert dtype.obstacle.because is Because.OBJECT


def test_attributes_of_listed_classes_are_set_since_2_6_and_of_ordered_dicts_always():
    counter = of_tree([build(call("collections", "Counter"), {"a": 1})])
    assert counter.accepted_by == since("2.6")
    layout = build(call("torch.serialization", "_get_layout", "torch.strided"), {"a": 1})
    answer = of_tree([layout])
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.STATE


def test_items_are_appended_to_lists_only():
    answer = of_tree([with_appended(call("collections", "OrderedDict"), [1])])
    assert answer.refused_by == ALL
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.ITEMS


def test_items_of_other_things_than_dicts_are_set_before_2_10():
    answer = of_tree([with_items(WEIGHT, [(0, 1.0)])])
    assert answer.accepted_by == "2.4 to 2.9"
    assert of_tree([with_items(call("collections", "Counter"), [("a", 1)])]).accepted_by == ALL


@pytest.mark.parametrize(
    "pid",
    ["7", 7, ("module", global_("torch", "Size")), ("storage", global_("torch", "FloatStorage"))],
    ids=repr,
)
def test_only_references_to_storages_are_followed(pid):
    answer = of_tree([persistent(pid)])
    assert answer.refused_by == ALL
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.REFERENCE


def test_byte_strings_of_python_2_are_read_if_they_are_utf_8():
    assert of_pickle(bytestring(b"caf\xc3\xa9")).accepted_by == ALL
    answer = of_pickle(bytestring(b"\xff\xfe"))
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.TEXT
    assert "latin1" in answer.advice


def test_a_storage_is_known_again_through_the_memo_and_by_its_bytes():
    word = Raw(asm(text("storage"), put(9)))
    first = persistent((word, global_("torch", "FloatStorage"), "0", "cpu", 2))
    again = persistent((get(9), global_("torch", "FloatStorage"), "0", "cpu", 2))
    old = persistent((bytestring(b"storage"), global_("torch", "FloatStorage"), "0", "cpu", 2))
    assert of_tree([first, again, old, global_("torch", "uint64")]).accepted_by == since("2.6")


def test_a_module_saved_whole_is_told_to_save_its_state_dict():
    made = build(new("lab.nets", "Net"), {"_parameters": ordered_dict([("w", WEIGHT)])})
    state = {"_modules": ordered_dict(), "_buffers": ordered_dict(), "training": True}
    answer = of_tree(build(made, state))
    assert "instead of 'lab.nets.Net'" in answer.advice or "state_dict()" in answer.advice


def test_a_legacy_stream_is_read_pickle_by_pickle():
    held = [("0", 2, HELD["0"])]
    tree = {"w": tensor("0", (2,), legacy=True)}
    answer = forecast(legacy_stream(tree, held))
    assert answer is not None
    assert answer.accepted_by == ALL
    framed = forecast(legacy_stream(tree, held, protocol=4, framed=True))
    assert framed is not None
    assert framed.obstacle is not None
    assert (framed.obstacle.subject, framed.obstacle.offset_bytes) == ("FRAME", 2)


def test_a_stream_cannot_tell_what_an_untyped_storage_holds():
    made = tensor("0", (8,), "UntypedStorage", legacy=True)
    bytewise = Raw(made.replace(b"torch\nUntyped", b"torch.storage\nUntyped"))
    answer = forecast(legacy_stream([bytewise], [("0", 8, HELD["0"])]))
    assert answer is not None
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.REFERENCE


def test_in_a_stream_the_offset_counts_from_the_start_of_the_file():
    data = legacy_stream([new("lab", "Net")], [])
    answer = forecast(data)
    assert answer is not None
    assert answer.obstacle is not None
    assert data[answer.obstacle.offset_bytes :].startswith(b"clab\nNet\n")


def a_legacy_tar(tensors: list[bytes] | None) -> bytes:
    return legacy_tar({"w": tensor_id("10")}, tensors, [storage_entry("20", HELD["0"])])


def test_a_legacy_tar_is_read_by_2_4_and_2_5_only():
    answer = forecast(a_legacy_tar([tensor_entry("10", "20", (2,), (1,))]))
    assert answer is not None
    assert answer.accepted_by == "2.4 to 2.5"
    assert answer.obstacle is not None
    assert answer.obstacle.because is Because.CONTAINER
    (finding,) = findings_of(answer)
    assert (finding.code, finding.severity) == (Code.WEIGHTS_ONLY_REFUSED, Severity.WARNING)


def test_a_legacy_tar_without_its_tensors_is_read_by_no_version():
    answer = forecast(a_legacy_tar(None))
    assert answer is not None
    assert answer.refused_by == ALL


def test_a_script_archive_is_refused_since_2_6_which_is_no_fault_of_its():
    members = [*torch_members(None, {}), Member(name="archive/constants.pkl", data=pickled(()))]
    answer = forecast(zip_bytes(members))
    assert answer is not None
    assert answer.accepted_by == "2.4 to 2.5"
    assert "torch.jit.load" in answer.advice
    (finding,) = findings_of(answer)
    assert (finding.code, finding.severity) == (Code.WEIGHTS_ONLY_REFUSED, Severity.INFO)


def test_a_bare_pickle_is_none_of_torch_load():
    answer = forecast(pickled({"w": 1, "b": [2.0]}))
    assert answer is not None
    assert answer.refused_by == ALL
    assert "torch.save" in answer.advice


def test_bytes_before_an_archive_keep_it_from_being_one():
    data = zip_bytes(torch_members({"w": WEIGHT}, HELD), prefix=b"#!/bin/sh\n" * 4)
    answer = forecast(data)
    assert answer is not None
    assert answer.refused_by == ALL


def test_a_file_for_another_loader_is_not_judged():
    assert forecast(safetensors({"w": entry([2], 0, 8)}, HELD["0"])) is None


def test_what_only_older_versions_refuse_is_information():
    (finding,) = findings_of(of_tree([call("__builtin__", "set", [1])]))
    assert (finding.code, finding.severity) == (Code.WEIGHTS_ONLY_DEPENDS, Severity.INFO)
    assert "2.4 to 2.5" in finding.message
    assert "torch 2.6 or newer" in finding.help


def test_what_the_newest_version_refuses_is_a_warning_with_everything_an_author_needs():
    (finding,) = findings_of(of_tree([new("pathlib", "PosixPath", "a")]))
    assert (finding.code, finding.severity) == (Code.WEIGHTS_ONLY_REFUSED, Severity.WARNING)
    assert "'pathlib.PosixPath' is not on its list" in finding.message
    assert finding.where.offset_bytes is not None
    assert "default since torch 2.6" in finding.evidence[-1]
    assert "str(path)" in finding.help


def test_a_long_pickle_is_read_piece_by_piece_to_the_same_end():
    long = ["x" * 300_000, storage("0", 2), "y" * 300_000, new("lab", "Net")]
    answer = of_tree(long)
    assert answer.obstacle is not None
    assert pickled(long)[answer.obstacle.offset_bytes :].startswith(b"clab\nNet\n")


def test_a_compressed_pickle_is_judged_like_another():
    members = [
        Member(name=one.name, data=one.data, deflate=True)
        for one in torch_members([new("lab", "Net")], HELD)
    ]
    answer = forecast(zip_bytes(members))
    assert answer is not None
    assert answer.unlisted == ("lab.Net",)


@pytest.mark.parametrize(
    "tree",
    [
        {"w": WEIGHT, "epoch": 3, "meta": ordered_dict([("a", 1)], {"b": 2})},
        {"w": WEIGHT, "args": build(new("argparse", "Namespace"), {"lr": 0.1})},
        {"w": WEIGHT, "names": call("__builtin__", "set", [1])},
        {"w": WEIGHT, "long": integer(1 << 3000)},
        {"w": WEIGHT, "raw": bytestring(b"\xff")},
        {"w": WEIGHT, "count": new("collections", "Counter")},
        {"w": WEIGHT, "elsewhere": persistent("7")},
    ],
    ids=["plain", "class", "set", "opcode", "text", "object", "reference"],
)
def test_the_quick_way_gives_the_same_answer_as_playing_through(tree):
    assert quickly(tree) == of_tree(tree)


def test_the_quick_way_opens_no_pickle_of_the_usual_kind():
    (contents,) = outcomes(torch_zip({"w": WEIGHT}, HELD))
    made = build_manifest(contents, DEFAULT_LIMITS).manifest

    def refuse() -> None:
        raise AssertionError

    contents.open_pickle = refuse
    answer = forecast_weights_only(contents, made, quick=True)
    assert answer is not None
    assert answer.accepted_by == ALL
