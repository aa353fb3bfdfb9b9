"""Numbers as people read them."""

import pytest

from ckptscope.reports.numerals import (
    count_text,
    rounded_count,
    shape_text,
    share_text,
    size_text,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (9_978, ""),
        (99_999, ""),
        (100_000, "0.10 M"),
        (7_438_976, "7.44 M"),
        (7_448_954, "7.45 M"),
        (999_999_999, "1.00 B"),
        (6_738_415_616, "6.74 B"),
        (2 * 10**12, "2.00 T"),
    ],
)
def test_large_counts_are_rounded_to_two_decimals(count: int, text: str) -> None:
    assert rounded_count(count) == text


def test_a_count_is_exact_and_rounded_and_knows_its_plural() -> None:
    assert count_text(7_438_976, "parameters") == "7,438,976 parameters (7.44 M)"
    assert count_text(1, "tensors") == "1 tensor"
    assert count_text(0, "tensors") == "0 tensors"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (33, "33 bytes"),
        (1024, "1.00 KiB"),
        (89_560_373, "85.41 MiB"),
        (6 * 1024**3, "6.00 GiB"),
    ],
)
def test_sizes_stand_in_the_largest_unit_that_they_fill(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0.0 %"), (0.00001, "<0.1 %"), (0.3327, "33.3 %"), (1.0, "100.0 %")]
)
def test_something_is_never_shown_as_nothing(share: float, text: str) -> None:
    assert share_text(share) == text


def test_shapes_are_short_whatever_their_length() -> None:
    assert shape_text(()) == "scalar"
    assert shape_text((192, 48, 1, 1)) == "192×48×1×1"
    assert shape_text((1,) * 64) == "1×1×1×1×1×1×1×1×… 56 more"
