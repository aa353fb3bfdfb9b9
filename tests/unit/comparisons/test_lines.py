"""Several files in a line by distance."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ckptscope.comparisons.lines import find_line, group_same


def distances(places):
    return {(i, j): abs(places[i] - places[j]) for i, j in combinations(range(len(places)), 2)}


@given(st.lists(st.integers(0, 1000), min_size=3, max_size=9, unique=True))
def test_points_of_a_line_are_found_in_their_order(places):
    line = find_line(group_same(len(places), ()), distances(places))
    assert line is not None
    found = [places[i] for i in line.order]
    assert found in (sorted(places), sorted(places, reverse=True))
    assert line.is_line


def test_the_corners_of_a_square_are_no_line():
    apart = {(0, 1): 1.0, (1, 2): 1.0, (2, 3): 1.0, (0, 3): 1.0, (0, 2): 1.4, (1, 3): 1.4}
    line = find_line(group_same(4, ()), apart)
    assert line is not None
    assert not line.is_line
    assert "no line" in line.sentence


def test_files_of_the_same_weights_stand_for_each_other():
    groups = group_same(5, [(0, 3), (0, 4), (3, 4)])
    assert groups == ((0, 3, 4), (1,), (2,))
    line = find_line(groups, {(0, 1): 1.0, (0, 2): 2.0, (1, 2): 1.0})
    assert line is not None
    assert (line.order, line.groups) == ((0, 1, 2), ((0, 3, 4),))
    assert "3 different sets" in line.sentence


def test_files_that_are_all_the_same_are_said_to_be():
    line = find_line(group_same(3, [(0, 1), (0, 2), (1, 2)]), {})
    assert line is not None
    assert line.sentence == "all files hold the same weights"


def test_what_two_files_are_the_same_as_does_not_make_them_the_same():
    """A third may be what both are casts of."""
    assert group_same(3, [(0, 1), (1, 2)]) == ((0, 1), (2,))


def test_an_unknown_distance_gives_no_line():
    assert find_line(group_same(3, ()), {(0, 1): 1.0}) is None


def test_files_that_have_nothing_in_common_are_no_line():
    """Each two of three independent vectors are √2 apart, give or take."""
    line = find_line(group_same(3, ()), {(0, 1): 1.40, (0, 2): 1.42, (1, 2): 1.39})
    assert line is not None
    assert not line.is_line


def test_steps_in_directions_of_their_own_are_a_line():
    """As training takes them: squares of distances add up."""
    line = find_line(group_same(3, ()), {(0, 1): 1.0, (0, 2): 2**0.5, (1, 2): 1.0})
    assert line is not None
    assert line.is_line
