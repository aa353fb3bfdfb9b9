"""Coordinates, classes, statistics."""

import math

import pytest

torch = pytest.importorskip("torch")

from builders import torch_references as references  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ckptscope.forward.reading import best_classes, coordinate_rows, soft_argmax  # noqa: E402
from ckptscope.forward.trace import summarize  # noqa: E402

pytestmark = pytest.mark.torch


def test_soft_argmax_computes_what_the_authors_code_does_bit_for_bit() -> None:
    logits = 5 * torch.randn((2, 6, 8, 4), generator=torch.Generator().manual_seed(2))
    assert torch.equal(soft_argmax(logits, 3, 2), references.soft_argmax(logits, 3, 2))


@pytest.mark.parametrize(("x", "y", "z"), [(0, 0, 0), (3, 7, 1), (2, 5, 0)])
def test_a_single_peak_is_found_where_it_is(x, y, z) -> None:
    logits = torch.zeros((1, 2, 8, 4))
    logits[0, z, y, x] = 1000.0
    assert soft_argmax(logits, 1, 2).tolist() == [[[x, y, z]]]


def test_an_even_volume_has_its_joint_in_the_middle() -> None:
    assert soft_argmax(torch.zeros((1, 4, 3, 5)), 2, 2).tolist() == [[[2.0, 1.0, 0.5]] * 2]


@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 10**6),
    st.floats(0, 1e6),
)
def test_finite_logits_give_joints_inside_the_volume(joints, bins, height, width, seed, scale):
    source = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn((1, joints * bins, height, width), generator=source)
    places = soft_argmax(logits, joints, bins)
    rows = tuple(coordinate_rows(places, (bins, height, width)))
    assert len(rows) == joints
    assert all(row.is_inside for row in rows)


def test_a_volume_with_nan_has_no_joint() -> None:
    logits = torch.zeros((1, 4, 3, 5))
    logits[0, 0, 0, 0] = float("nan")
    first, second = coordinate_rows(soft_argmax(logits, 2, 2), (2, 3, 5))
    assert (first.x, first.y, first.z, first.is_inside) == (None, None, None, False)
    assert second.is_inside


def test_a_place_beyond_the_volume_is_told() -> None:
    (row,) = coordinate_rows(torch.tensor([[[4.5, 1.0, 0.0]]]), (2, 3, 5))
    assert not row.is_inside


def test_classes_come_by_probability() -> None:
    rows = tuple(best_classes(torch.tensor([[0.0, 3.0, 1.0]])))
    assert [row.index for row in rows] == [1, 2, 0]
    assert math.isclose(sum(row.probability for row in rows), 1.0, rel_tol=1e-6)
    assert rows[0].logit == 3.0


def test_logits_of_nan_have_no_best_class() -> None:
    assert tuple(best_classes(torch.full((1, 3), float("nan")))) == ()


def test_statistics_are_those_of_the_finite_elements_and_the_others_are_counted() -> None:
    found = summarize(torch.tensor([1.0, float("nan"), 3.0, float("inf"), -2.0]))
    assert found is not None
    assert (found.least, found.greatest, found.not_finite) == (-2.0, 3.0, 2)
    assert found.mean == pytest.approx(2 / 3)
    assert not found.is_finite


def test_nothing_finite_has_no_statistics() -> None:
    found = summarize(torch.full((2, 3), float("nan")))
    assert found is not None
    assert (found.least, found.mean, found.greatest, found.not_finite) == (None, None, None, 6)


def test_a_mean_of_narrow_floats_does_not_overflow() -> None:
    found = summarize(torch.full((4096,), 60_000.0, dtype=torch.float16))
    assert found is not None
    assert found.mean == 60_000.0


def test_shapes_alone_have_no_statistics() -> None:
    assert summarize(torch.empty((2, 3), device="meta")) is None
