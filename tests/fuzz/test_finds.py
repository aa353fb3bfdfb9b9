"""What random damage once got past the error tree, kept as it was found."""

import pytest

from tests.fuzz.harness import run_kind


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        # A description whose sizes and strides do not belong together.
        ("TorchScript of 2019", 10_000_007),
        # A shape whose comma was overwritten.
        ("numpy", 100_496),
    ],
)
def test_a_find_stays_inside_the_error_tree(kind, case):
    assert run_kind(kind, case, 1).escapes == []
