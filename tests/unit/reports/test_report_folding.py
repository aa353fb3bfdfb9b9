"""Folding: what stands in the summary is exactly what stands in the file."""

import itertools
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import network, norm, state_dict, tensor

from ckptscope.facts.tensors import Kind, StateDict
from ckptscope.reports.folding import (
    FoldedModule,
    Remainder,
    Summary,
    fold_modules,
    fold_numbers,
    tensor_bytes,
)

segments = st.sampled_from(["0", "1", "2", "3", "10", "01", "a", "b", "layer", "", "{0..2}"])
shapes = st.sampled_from([(2,), (2, 3), ()])
keys = st.lists(
    st.tuples(st.lists(segments, min_size=1, max_size=5).map(".".join), shapes), max_size=60
)


def keys_of(summary: Summary) -> Counter[str]:
    return Counter(itertools.chain.from_iterable(one.keys() for one in summary.modules))


def paths(*found: str, shape: tuple[int, ...] = (2,)) -> list[str]:
    made = state_dict(*(tensor(key, *shape) for key in found))
    return [one.path for one in fold_modules(made).modules]


@given(keys)
def test_rows_spell_out_exactly_the_keys_of_the_file(
    named: list[tuple[str, tuple[int, ...]]],
) -> None:
    made = state_dict(*(tensor(key, *shape) for key, shape in named))
    summary = fold_modules(made, most_rows=1000)
    assert summary.remainder is None
    assert keys_of(summary) == Counter(key for key, _ in named)


@given(keys, st.integers(1, 12))
def test_rows_and_remainder_add_up_to_the_state_dict(
    named: list[tuple[str, tuple[int, ...]]], most_rows: int
) -> None:
    made = state_dict(*(tensor(key, *shape) for key, shape in named))
    summary = fold_modules(made, most_rows=most_rows)
    parts: list[FoldedModule | Remainder] = list(summary.modules)
    parts += [summary.remainder] if summary.remainder is not None else []
    assert len(parts) <= most_rows
    assert sum(one.tensors for one in parts) == len(made.tensors)
    assert sum(one.parameters for one in parts) == made.parameters
    assert sum(one.buffers for one in parts) == made.buffers
    assert sum(one.size_bytes for one in parts) == sum(map(tensor_bytes, made.tensors))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_folded_numbers_can_be_read_back(numbers: set[int]) -> None:
    text = fold_numbers([str(number) for number in numbers])
    found: list[int] = []
    for part in text.strip("{}").split(","):
        first, _, last = part.partition("..")
        found += range(int(first), int(last or first) + 1)
    assert sorted(found) == sorted(numbers)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (["5"], "5"),
        (["0", "1"], "{0,1}"),
        (["0", "1", "2"], "{0..2}"),
        (["0", "2", "4"], "{0,2,4}"),
        (["10", "9", "8", "0"], "{0,8..10}"),
    ],
)
def test_numbers_stand_as_ranges_where_they_follow_each_other(
    numbers: list[str], text: str
) -> None:
    assert fold_numbers(numbers) == text


def test_equal_blocks_fold_inside_stages_that_differ() -> None:
    rows = {one.path: one for one in fold_modules(network()).modules}
    assert "backbone.stages.{0,1}.{0..8}" not in rows
    inside = [path for path in rows if path.startswith("backbone.stages.1.{0..8}")]
    assert inside
    assert sum(rows[path].tensors for path in inside) == 9 * 7


def test_blocks_fold_inside_folded_stages() -> None:
    found = paths(*(f"s.{stage}.{block}.weight" for stage in range(4) for block in range(6)))
    assert found == ["s.{0..3}.{0..5}"]


def test_blocks_of_different_shapes_do_not_fold() -> None:
    made = state_dict(tensor("s.0.weight", 2), tensor("s.1.weight", 3), tensor("s.2.weight", 2))
    assert [one.path for one in fold_modules(made).modules] == ["s.{0,2}", "s.1"]


@pytest.mark.parametrize(
    "change",
    [{"dtype": "float16"}, {"kind": Kind.BUFFER}, {"alias_of": "s.0.weight"}],
    ids=str,
)
def test_blocks_that_differ_in_what_is_summed_do_not_fold(change: dict[str, object]) -> None:
    made = state_dict(tensor("s.0.weight", 2), tensor("s.1.weight", 2, **change))
    assert len(fold_modules(made).modules) == 2


@pytest.mark.parametrize("numbers", ["0 01", "0 x", "0 -1", "0 1_0", "0 \u0661", "0 "])
def test_only_numbers_in_their_usual_spelling_fold(numbers: str) -> None:
    first, _, second = numbers.partition(" ")
    assert paths(f"s.{first}.weight", f"s.{second}.weight") == [f"s.{first}", f"s.{second}"]


def test_the_prefix_of_a_wrapper_is_left_out() -> None:
    assert not any(one.path.startswith("module") for one in fold_modules(network()).modules)


def test_a_name_may_be_both_a_tensor_and_a_module() -> None:
    summary = fold_modules(state_dict(tensor("a", 2), tensor("a.b", 3), tensor("a.b.c", 4)))
    assert keys_of(summary) == Counter({"a": 1, "a.b": 1, "a.b.c": 1})


def folded_block(*inside: str) -> FoldedModule:
    """The row of 30 equal blocks, in a summary that has no room to open them."""
    blocks = [tensor(f"s.{block}.{key}", 5, 5) for block in range(30) for key in inside]
    others = [tensor(f"t.{number}.weight", number + 1) for number in range(30)]
    rows = {one.path: one for one in fold_modules(state_dict(*blocks, *others)).modules}
    return rows["s.{0..29}"]


def test_the_main_tensor_of_a_folded_block_is_named_below_the_block() -> None:
    main = folded_block("proj.weight").main
    assert main is not None
    assert main[0] == "proj.weight"


def test_a_parameter_is_main_even_beside_a_buffer_that_comes_first() -> None:
    main = folded_block("norm.running_mean", "norm.weight").main
    assert main is not None
    assert main[0] == "norm.weight"


def test_another_name_of_a_tensor_takes_no_bytes() -> None:
    made = state_dict(tensor("a.w", 5), tensor("b.w", 5, alias_of="a.w"))
    assert [one.size_bytes for one in fold_modules(made).modules] == [20, 0]


def test_small_networks_show_the_insides_of_their_blocks() -> None:
    made = state_dict(*(one for block in range(12) for one in norm(f"layer.{block}.norm", 4)))
    assert [one.path for one in fold_modules(made).modules] == ["layer.{0..11}.norm"]


def test_a_module_of_too_many_parts_shows_its_largest_and_counts_the_others() -> None:
    made = state_dict(*(tensor(f"m.{number}.w", number + 1) for number in range(100)))
    summary = fold_modules(made, most_rows=10)
    assert [one.path for one in summary.modules] == [f"m.{number}" for number in range(91, 100)]
    assert summary.remainder is not None
    assert summary.remainder.rows == 91


def hostile(count: int) -> StateDict:
    """Different modules side by side, deep chains, and dots alone."""
    chain = ".".join(["a"] * 80)
    return state_dict(
        *(tensor(f"m.{number}.w", number % 97 + 1) for number in range(count)),
        *(tensor(f"n{number}.w", 2) for number in range(count)),
        *(tensor(f"{chain}.{number}.w", 2) for number in range(count)),
    )


def test_the_time_grows_with_the_number_of_keys_and_not_with_its_square() -> None:
    def seconds(made: StateDict) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            fold_modules(made)
            best = min(best, time.perf_counter() - start)
        return best

    # Ten times the keys; quadratic growth would take a hundred times as long.
    assert seconds(hostile(10_000)) < 40 * seconds(hostile(1_000))


def test_a_key_of_dots_alone_costs_no_depth() -> None:
    made = state_dict(tensor("." * 200_000, 2), tensor("a" * 100_000 + "." * 100_000, 2))
    assert keys_of(fold_modules(made)) == Counter(one.key for one in made.tensors)
