"""Names that a pickle fetches, computes or changes: what the machine records of them."""

import pickle

import pytest
from builders.adversarial_pickles import CONCAT, GETATTR, OS, pickle2, pickle4, reduce, stack_global
from builders.pickles import CODE, Raw, asm, call, get, global_, new, put, value
from builders.reading import root_of, trace

from ckptscope.errors import LimitError, PickleFormatError
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import DictNode, GlobalRef, Import, Instance, Naming

INNER = call("builtins", "getattr", global_("mylab", "Outer"), "Inner")


def names(data: bytes, limits: Limits | None = None) -> list[tuple[str, Naming]]:
    imports = trace(data, *([limits] if limits else [])).imports
    return [(f"{one.module}.{one.name}", one.naming) for one in imports]


def only(data: bytes, name: str) -> Import:
    (found,) = [one for one in trace(data).imports if f"{one.module}.{one.name}" == name]
    return found


def test_an_attribute_that_is_fetched_is_an_import_at_the_opcode_that_fetches_it() -> None:
    data = pickle2(INNER)
    fetched = only(data, "mylab.Outer.Inner")
    assert fetched.naming is Naming.LOOKED_UP
    assert fetched.opcode == "REDUCE"
    assert data[fetched.offset_bytes : fetched.offset_bytes + 1] == CODE["REDUCE"]


def test_what_is_fetched_stands_in_the_graph_as_the_class_that_it_is() -> None:
    root = root_of(pickle2(INNER, "EMPTY_TUPLE", "NEWOBJ"))
    assert isinstance(root, Instance)
    assert isinstance(root.callable, GlobalRef)
    assert root.callable.qualified == "mylab.Outer.Inner"


def test_a_function_that_fetches_is_followed_if_each_use_of_it_is() -> None:
    again = Raw(asm(get(0), value((global_("mylab", "C"), "D")), "REDUCE"))
    both = asm("MARK", GETATTR, put(0), value((global_("mylab", "A"), "B")), "REDUCE", again)
    assert only(pickle2(both, "LIST"), "builtins.getattr").followed
    assert not only(pickle2(both, get(0), "LIST"), "builtins.getattr").followed


def test_a_use_is_counted_whichever_way_the_function_comes_onto_the_stack() -> None:
    arguments = value((global_("mylab", "A"), "B"))
    called = Raw(asm(GETATTR, put(0), arguments, "REDUCE"))
    for escape in (
        asm(called, CODE["BINGET"] + b"\x00", "TUPLE2"),
        asm(called, CODE["GET"] + b"0\n", "TUPLE2"),
        asm(called, get(0), "TUPLE2"),
        asm(GETATTR, "DUP", arguments, "REDUCE", "TUPLE2"),
        asm(called, GETATTR, "TUPLE2"),
    ):
        assert not only_first(pickle2(escape), "builtins.getattr").followed


def only_first(data: bytes, name: str) -> Import:
    return next(one for one in trace(data).imports if f"{one.module}.{one.name}" == name)


def test_the_memo_keeps_its_entries_when_the_first_function_that_fetches_turns_up() -> None:
    data = pickle2("MARK", value("kept"), put(3), INNER, put(5), get(3), get(5), "LIST")
    kept, inner, kept_again, inner_again = root_of(data)  # type: ignore[misc]
    assert kept == kept_again == "kept"
    assert inner is inner_again


def test_a_fetch_by_a_hidden_name_is_not_followed_and_stays_a_call() -> None:
    data = pickle2(reduce(GETATTR, global_("mylab", "A"), call("mylab", "decode")))
    assert not only(data, "builtins.getattr").followed
    root = root_of(data)
    assert isinstance(root, Instance)
    assert isinstance(root.callable, GlobalRef)
    assert root.callable.qualified == "builtins.getattr"


def test_a_fetch_from_an_object_is_recorded_below_its_class() -> None:
    data = pickle2(reduce(GETATTR, new("mylab", "Trainer"), "fit"))
    assert ("mylab.Trainer.fit", Naming.LOOKED_UP) in names(data)
    assert isinstance(root_of(data), Instance)


@pytest.mark.parametrize("function", ["getattr", "print"])
def test_a_name_that_is_only_a_value_is_a_global_of_the_graph(function: str) -> None:
    root = root_of(pickle2(value({"f": global_("builtins", function)})))
    assert isinstance(root, DictNode)
    held = root.pairs[0][1]
    assert isinstance(held, GlobalRef)
    assert held.qualified == f"builtins.{function}"


def test_a_computed_name_is_told_as_computed_and_another_as_hidden() -> None:
    assert ("os.getpid", Naming.COMPUTED) in names(
        pickle4(stack_global(reduce(CONCAT, "o", "s"), "getpid"))
    )
    hidden = pickle4(stack_global(call("mylab", "decode"), "getpid"))
    assert names(hidden)[-1] == ("?.getpid", Naming.HIDDEN)


def test_reading_goes_on_behind_a_hidden_name() -> None:
    hidden = stack_global(call("mylab", "decode"), "getpid")
    data = pickle4(hidden, "POP", global_("os", "system"))
    assert names(data)[-1] == ("os.system", Naming.SPELLED)


@pytest.mark.parametrize("operand", [None, 42, 1.5, True, [], {}, (), b"os"])
def test_an_operand_that_can_be_no_text_ends_the_pickle_as_it_ends_the_unpickler(operand) -> None:
    data = pickle4(value(operand), value("x"), "STACK_GLOBAL")
    with pytest.raises(PickleFormatError, match="expected two strings for STACK_GLOBAL"):
        trace(data)


def test_a_number_of_a_registry_is_hidden() -> None:
    assert names(pickle2(Raw(CODE["EXT1"] + b"\x07"))) == [("copyreg.extension 7", Naming.HIDDEN)]


@pytest.mark.parametrize("number", [b"\x82\x00", b"\x83\0\0", b"\x84\0\0\0\0", b"\x84\0\0\0\x80"])
def test_a_number_that_no_registry_has_ends_the_pickle_as_it_ends_the_unpickler(number) -> None:
    data = pickle2(Raw(number))
    with pytest.raises(PickleFormatError, match="expected a number from 1"):
        trace(data)
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)


@pytest.mark.parametrize(
    ("opcodes", "opcode"),
    [
        (asm(value({"x": 1}), "BUILD"), "BUILD"),
        (asm(value("k"), value(1), "SETITEM"), "SETITEMS"),
        (asm("MARK", value(1), "APPENDS"), "APPENDS"),
    ],
)
def test_a_change_of_a_global_is_recorded_with_its_opcode(opcodes: bytes, opcode: str) -> None:
    *_, changed = trace(pickle2(global_("mylab", "TABLE"), opcodes)).imports
    assert (changed.name, changed.naming, changed.opcode) == ("TABLE", Naming.CHANGED, opcode)


def test_calls_that_unpickle_byte_strings_are_handed_on() -> None:
    call_ = call("torch.storage", "_load_from_bytes", b"inner")
    graph = trace(pickle2(call_))
    assert [one.args for one in graph.payloads] == [(b"inner",)]
    assert graph.imports[0].followed
    (payload,) = trace(pickle2(call("pickle", "loads", b"inner"))).payloads
    assert payload.args == (b"inner",)
    assert not trace(pickle2(call("pickle", "loads", b"inner"))).imports[0].followed


def test_a_byte_string_that_does_not_stand_in_the_file_is_not_followed() -> None:
    data = pickle2(call("torch.storage", "_load_from_bytes", call("mylab", "decode")))
    assert not only(data, "torch.storage._load_from_bytes").followed


# Bounds


def test_a_path_longer_than_any_name_is_not_followed() -> None:
    part = "a" * 100
    node = global_("mylab", "A")
    for _ in range(30):
        node = reduce(GETATTR, node, part)
    imports = trace(pickle2(node)).imports
    assert max(len(one.name) for one in imports) <= 1_000
    assert not imports[0].followed


def test_functions_bound_in_functions_without_end_are_not_opened_without_end() -> None:
    node = Raw(global_("os", "getpid"))
    for _ in range(3_000):
        node = Raw(asm(global_("functools", "partial"), node, "TUPLE1", "REDUCE"))
    assert names(pickle2(node, "EMPTY_TUPLE", "REDUCE"))[-1] == ("?.?", Naming.HIDDEN)


def test_calls_of_calls_without_end_cost_no_more_than_they_are() -> None:
    data = pickle2(call("mylab", "f"), *[asm("EMPTY_TUPLE", "REDUCE")] * 20_000)
    assert len(trace(data).imports) == 20_001


def test_nested_additions_are_worked_out_up_to_a_depth() -> None:
    def added(depth: int) -> Raw:
        return "s" if not depth else reduce(CONCAT, added(depth - 1), "s")  # type: ignore[return-value]

    assert ("os" + "s" * 10, Naming.COMPUTED) in [
        (one.module, one.naming)
        for one in trace(pickle4(stack_global(reduce(CONCAT, "o", added(10)), "x"))).imports
    ]
    assert names(pickle4(stack_global(added(200), "x")))[-1] == ("?.x", Naming.HIDDEN)


@pytest.mark.parametrize(
    "grown",
    [
        reduce(global_("_operator", "mul"), "a", 1 << 60),
        reduce(stack_global("builtins", "str.replace"), "a" * 500, "a", "b" * 500),
        reduce(stack_global("builtins", "str.join"), "a" * 500, ["b"] * 500),
        reduce(global_("builtins", "bytes"), 1 << 60),
        reduce(stack_global("builtins", "str.zfill"), "a", 1 << 60),
    ],
)
def test_a_text_that_grows_beyond_any_name_is_not_worked_out(grown: Raw) -> None:
    assert names(pickle4(stack_global(grown, "x")))[-1] == ("?.x", Naming.HIDDEN)


def test_working_names_out_ends_for_a_pickle_after_a_number_of_steps() -> None:
    # Each name is computed of texts that no other is; what they cost together is bounded.
    computed = [asm(stack_global(reduce(CONCAT, f"a{n}", "b"), "x"), "POP") for n in range(3_000)]
    found = [
        one.naming
        for one in trace(pickle4(*computed, "NONE")).imports
        if one.opcode == "STACK_GLOBAL" and one.name == "x"
    ]
    assert found[0] is Naming.COMPUTED
    assert found[-1] is Naming.HIDDEN


def test_names_that_are_fetched_count_against_the_limit_of_imports() -> None:
    data = pickle2(*[asm(INNER, "POP")] * 20, "NONE")
    with pytest.raises(LimitError, match="imports"):
        trace(data, Limits(imports=30))


def test_an_object_whose_class_is_fetched_may_hold_itself() -> None:
    node = asm(INNER, "EMPTY_TUPLE", "NEWOBJ", put(9), value({"me": get(9)}), "BUILD")
    root = root_of(pickle2(node))
    assert isinstance(root, Instance)
    data = pickle2(node, "POP", GETATTR, value((get(9), "x")), "REDUCE")
    assert ("mylab.Outer.Inner.x", Naming.LOOKED_UP) in names(data)


def test_a_module_that_is_imported_by_a_call_names_what_is_fetched_from_it() -> None:
    assert ("os.getpid", Naming.LOOKED_UP) in names(pickle2(reduce(GETATTR, OS, "getpid")))
    below = reduce(global_("builtins", "__import__"), "os.path")
    assert ("os.path", Naming.LOOKED_UP) in names(pickle2(reduce(GETATTR, below, "path")))
