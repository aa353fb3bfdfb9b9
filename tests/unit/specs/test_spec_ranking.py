"""Several files against all rows: assignment, wrong labels, circles, what is missing."""

import random

import msgspec
import pytest
from paper_networks import PAPER, variant

from ckptscope.facts.paper import Mislabelled
from ckptscope.facts.standing import RowFit, Standing
from ckptscope.facts.tables import SpecRow
from ckptscope.specs.compare import stand
from ckptscope.specs.ranking import assign_rows, build_matrix, find_circles

STANDINGS = {row: stand(variant(row), PAPER) for row in ("XS", "S", "M", "L")}


def matrix(*pairs):
    """The matrix of files, each given as (what it holds, what it is labelled)."""
    standings = {index: STANDINGS[holds] for index, (holds, _) in enumerate(pairs)}
    labels = {index: label for index, (_, label) in enumerate(pairs) if label}
    return build_matrix(PAPER, standings, labels)


def fits(**matches: int) -> Standing:
    """A standing by hand: matches by row, negative for contradictions."""
    ranking = [
        RowFit(row=row, matches=max(count, 0), contradicts=max(-count, 0), undecided=0)
        for row, count in matches.items()
    ]
    ranking.sort(key=lambda fit: (fit.contradicts, -fit.matches))
    return Standing(spec="mine", source="", variant=None, runner_up=None, ranking=tuple(ranking))


def given(made):
    return {one.row: one.file for one in made.assignment}


def test_a_right_set_has_every_row_and_nothing_to_say():
    made = matrix(("XS", "XS"), ("S", "S"), ("M", "M"), ("L", "L"))
    assert given(made) == {"XS": 0, "S": 1, "M": 2, "L": 3}
    assert (made.mislabelled, made.swapped, made.missing, made.spare) == ((), (), (), ())


def test_two_swapped_files_are_a_circle_and_go_to_the_rows_that_they_hold():
    made = matrix(("XS", "S"), ("S", "XS"), ("M", "M"), ("L", "L"))
    assert given(made) == {"XS": 0, "S": 1, "M": 2, "L": 3}
    assert made.swapped == ((0, 1),)
    assert made.mislabelled == (
        Mislabelled(file=0, label="S", holds="XS"),
        Mislabelled(file=1, label="XS", holds="S"),
    )


def test_a_circle_may_have_any_length():
    made = matrix(("S", "XS"), ("M", "S"), ("L", "M"), ("XS", "L"))
    assert made.swapped == ((0, 1, 2, 3),)
    assert given(made) == {"S": 0, "M": 1, "L": 2, "XS": 3}


def test_a_wrong_label_alone_is_no_circle():
    made = matrix(("S", "XS"), ("M", None))
    assert made.swapped == ()
    assert [(one.label, one.holds) for one in made.mislabelled] == [("XS", "S")]
    assert made.missing == ("XS", "L")


def test_of_two_files_that_hold_one_row_the_second_is_spare():
    made = matrix(("L", "L"), ("L", None))
    assert given(made) == {"XS": None, "S": None, "M": None, "L": 0}
    assert (made.spare, made.missing) == ((1,), ("XS", "S", "M"))


def test_the_file_with_the_label_of_a_row_gets_it_before_one_without():
    made = matrix(("L", None), ("L", "L"))
    assert made.spare == (0,)
    assert given(made)["L"] == 1


def test_files_without_a_fitting_row_are_spare_and_no_row_is_given_to_them():
    odd = stand(variant("S", joints=17), PAPER)
    made = build_matrix(PAPER, {0: odd}, {0: "S"})
    assert (made.spare, made.mislabelled) == ((0,), ())
    assert set(given(made).values()) == {None}


def test_as_many_files_as_possible_get_a_row_though_others_must_move():
    standings = {
        0: fits(a=3, b=2, c=1),
        1: fits(a=3, b=-1, c=-1),
        2: fits(a=3, b=2, c=-1),
    }
    assert assign_rows(standings, {}) == {1: "a", 2: "b", 0: "c"}


def test_rows_of_which_nothing_is_met_are_not_given():
    assert assign_rows({0: fits(a=0, b=-2)}, {}) == {}


def test_where_the_content_leaves_it_open_the_label_decides_who_gets_which_row():
    same = fits(a=2, b=2)
    assert assign_rows({0: same, 1: same}, {0: "b", 1: "a"}) == {0: "b", 1: "a"}
    made = build_matrix(msgspec.structs.replace(PAPER, rows=rows("a", "b")), {0: same}, {0: "b"})
    assert made.mislabelled == ()


def rows(*names: str) -> tuple[SpecRow, ...]:
    return tuple(SpecRow(name=name, labels=(name,), claims={"mpjpe": 1}) for name in names)


def test_the_assignment_is_as_large_as_any_by_hand():
    """Against the definition: the largest set of files with distinct rows, found by trying all."""
    chance = random.Random(4)
    for _ in range(200):
        open_ = [
            {row for row in "abcd" if chance.random() < 0.4} for _ in range(chance.randint(1, 6))
        ]
        standings = {
            index: fits(**{row: 1 if row in some else -1 for row in "abcd"})
            for index, some in enumerate(open_)
        }
        assigned = assign_rows(standings, {})
        assert len(set(assigned.values())) == len(assigned)
        assert all(row in open_[file] for file, row in assigned.items())
        assert len(assigned) == largest(open_, frozenset("abcd"))


def largest(open_: list[set[str]], free: frozenset[str]) -> int:
    """How many files can have a row of their own, by trying every row for every file, and none."""
    if not open_:
        return 0
    first, *others = open_
    given = (1 + largest(others, free - {row}) for row in first & free)
    return max((largest(others, free), *given))


def test_many_files_are_assigned_in_no_time_that_grows_with_their_square():
    standings = {index: STANDINGS["S"] for index in range(5000)}
    assert len(assign_rows(standings, dict.fromkeys(standings, "S"))) == 1


@pytest.mark.parametrize(
    ("pairs", "circles"),
    [
        ([], ()),
        ([("a", "b")], ()),
        ([("a", "b"), ("b", "a")], ((0, 1),)),
        ([("a", "b"), ("b", "a"), ("b", "c")], ()),
        ([("a", "b"), ("b", "c"), ("c", "b")], ((1, 2),)),
        ([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")], ((0, 1), (2, 3))),
    ],
)
def test_circles_are_found_where_it_is_plain_who_holds_whose_row(pairs, circles):
    made = [
        Mislabelled(file=index, label=label, holds=holds)
        for index, (label, holds) in enumerate(pairs)
    ]
    assert find_circles(made) == circles
