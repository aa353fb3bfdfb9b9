"""Tensors that speak of one size, and runs of numbers in words."""

import pytest
from builders.state_dicts import tensor_of

from ckptscope.families.ballots import Ballot, number_ranges, numbered


def ballot(*votes: tuple[int, str]) -> Ballot[int]:
    made = Ballot[int]("dims[2]")
    for value, key in votes:
        made.add(value, tensor_of(key, (value, 3)), 0)
    return made


def test_most_decide_and_of_equals_the_first() -> None:
    assert ballot((8, "a"), (9, "b"), (9, "c")).value == 9
    assert ballot((8, "a"), (9, "b")).value == 8
    assert ballot().value is None


def test_evidence_is_the_first_tensor_that_says_so_and_counts_the_others() -> None:
    (one,) = ballot((8, "a"), (9, "b"), (9, "c")).evidence()
    assert (one.key, one.axis, one.shape) == ("b", 0, (9, 3))
    assert one.text == "dims[2] = 9, as 2 tensors say, 1 says otherwise"
    assert ballot((8, "a")).evidence()[0].text == "dims[2] = 8"
    assert ballot().evidence() == ()


def test_dissent_names_those_who_say_otherwise() -> None:
    votes = [(9, "z")] * 5 + [(8, "a"), (8, "b"), (8, "c"), (8, "d")]
    assert ballot(*votes).dissent() == "dims[2] is 9 by 5 tensors, 8 by 4 ('a', 'b', 'c', ...)"
    assert ballot((9, "z"), (9, "y")).dissent() is None
    assert ballot().dissent() is None


def test_a_majority_is_an_assumption_only_if_somebody_disagrees() -> None:
    assert ballot((9, "z"), (9, "y")).assumptions() == ()
    assert ballot((9, "z"), (8, "y")).assumptions() == ("dims[2] is what most of its tensors say",)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([4], "4"),
        ([6, 4, 5], "4 to 6"),
        ([1, 2, 9], "1 to 2, 9"),
        (range(0, 20, 2), "0, 2, 4, 6, 8, 10, ..."),
    ],
)
def test_numbers_are_told_in_runs(numbers: list[int], text: str) -> None:
    assert number_ranges(numbers) == text


def test_a_noun_is_as_plural_as_its_numbers() -> None:
    assert numbered("block", [4]) == "block 4"
    assert numbered("block", [4, 5]) == "blocks 4 to 5"
