"""Patterns of keys: exact where they say so, few, and in the order of the file."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.reports.key_patterns import KeyPattern, fold_keys

_names = st.sampled_from(["0", "1", "2", "10", "01", "a", "b2", "b3", "layer", "weight", ""])
_keys = st.lists(_names, min_size=1, max_size=4).map(".".join)
_sets = st.lists(_keys, unique=True, max_size=40)


def texts(keys, among=(), **options) -> list[str]:
    return [one.text for one in fold_keys(keys, among, **options)]


def fits(pattern: str, key: str) -> bool:
    """Whether a key is one that a pattern spells; read independently of how it was made."""
    pieces = []
    for piece in re.split(r"(\{[^}]*\}|\*)", pattern):
        if piece == "*":
            pieces.append(".*")
        elif piece.startswith("{"):
            choices = []
            for one in piece[1:-1].split(","):
                ends = re.fullmatch(r"(\d+)\.\.(\d+)", one)
                choices += map(str, range(int(ends[1]), int(ends[2]) + 1)) if ends else [one]
            pieces.append(f"({'|'.join(map(re.escape, choices))})")
        else:
            pieces.append(re.escape(piece))
    return re.fullmatch("".join(pieces), key, re.DOTALL) is not None


@given(_sets, st.data())
def test_an_exact_pattern_fits_what_is_meant_and_nothing_else(keys, data):
    chosen = [key for key in keys if data.draw(st.booleans())]
    others = [key for key in keys if key not in chosen]
    found = fold_keys(chosen, others, most=1000)
    assert all(one.is_exact for one in found)
    for one in found:
        assert sum(fits(one.text, key) for key in chosen) >= one.count
        assert not any(fits(one.text, key) for key in others)
    assert all(any(fits(one.text, key) for one in found) for key in chosen)


@given(_sets, _sets, st.integers(1, 6))
def test_there_are_no_more_patterns_than_asked_for_and_they_add_up(keys, among, most):
    found = fold_keys(keys, [key for key in among if key not in keys], most=most)
    assert len(found) <= most
    assert sum(one.count for one in found) == len(keys)


def test_numbered_modules_that_are_all_meant_are_one_pattern():
    stages = [f"backbone.stages.2.{i}.{name}" for i in range(9) for name in ("weight", "bias")]
    assert texts(stages[12:], stages[:12]) == ["backbone.stages.2.{6..8}.*"]


def test_the_same_tensor_of_many_modules_is_one_pattern():
    keys = [f"stages.{i}.{j}.gamma" for i in range(4) for j in range(3)]
    others = [f"stages.{i}.{j}.weight" for i in range(4) for j in range(3)]
    assert texts(keys, others) == ["stages.{0..3}.{0..2}.gamma"]


def test_a_number_at_the_end_of_a_name_counts():
    assert texts([f"head.conv_{i}.w" for i in (1, 2, 3, 7)], ["head.norm"]) == [
        "head.conv_{1..3,7}.w"
    ]


def test_names_of_one_module_stand_side_by_side():
    assert texts(["fc.weight", "fc.bias"], ["fc.scale"]) == ["fc.{weight,bias}"]


def test_a_module_of_one_tensor_is_told_by_its_key():
    assert texts(["norm.weight"], ["fc.weight"]) == ["norm.weight"]


def test_more_patterns_than_there_is_room_for_say_less_and_say_so():
    keys = [f"a.{name}.{x}" for name in "pqrstuvwxyz" for x in ("one", f"only_in_{name}")]
    others = [f"a.{name}.other" for name in "pqrstuvwxyz"]
    assert fold_keys(keys, others, most=3) == (KeyPattern(text="a.*", count=22, is_exact=False),)


def test_names_without_anything_in_common_are_counted_beyond_the_largest():
    keys = [f"{a}{b}x" for a, b in itertools.product("abcde", "fghij")]
    *shown, rest = fold_keys([*keys, "big.a", "big.b"], most=4)
    assert "big.*" in [one.text for one in shown]
    assert (rest.text, rest.count) == ("", 27 - sum(one.count for one in shown))


def test_nothing_is_nothing():
    assert fold_keys([], ["a.b"]) == ()


@pytest.mark.parametrize("key", ["." * 5000, "a." * 3000, "9" * 5000, "x" * 100_000, "٣.٣"])
def test_odd_keys_are_one_pattern_each(key):
    (found,) = fold_keys([key], ["other"])
    assert found.count == 1
    assert found.text == key
