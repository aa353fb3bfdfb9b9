"""Numbers as they are printed, and what they may be."""

import pytest

from ckptscope.errors import UsageError
from ckptscope.specs.arithmetic.quantities import Quantity, read_quantity, read_sides
from ckptscope.specs.arithmetic.statements import read_statement
from ckptscope.specs.arithmetic.vocabulary import Meaning


@pytest.mark.parametrize(
    ("text", "number", "unit", "decimals"),
    [
        ("7.45 M", 7.45, "M", 2),
        ("7.50M", 7.5, "M", 2),
        ("50 M", 50, "M", 0),
        ("≈ 50 M params", 50, "M", 0),
        ("2.82 GMACs", 2.82, "G", 2),
        ("4.3 GFLOPS", 4.3, "G", 1),
        ("85.41 MiB", 85.41, "MiB", 2),
        ("5.2 %", 5.2, "%", 1),
        ("7,448,954", 7_448_954, "", None),
        ("7_448_954 elements", 7_448_954, "", None),
        ("3UP", 3, "", None),
    ],
)
def test_a_number_is_read_with_its_unit_and_its_decimals(text, number, unit, decimals):
    found = read_quantity(text)
    assert isinstance(found, Quantity)
    assert (found.number, found.unit, found.decimals) == (number, unit, decimals)


@pytest.mark.parametrize(
    "text", ["", "Femto-L", "12 foo", "1.2.3", "12,34", "7,4 M", "1e9", "0x10", "∞", "M", "--3"]
)
def test_what_is_no_number_is_not_guessed_at(text):
    assert read_quantity(text) is None


@pytest.mark.parametrize(
    ("text", "sides"), [("256×256", (256, 256)), ("8 x 12", (8, 12)), ("8×", None), ("8", None)]
)
def test_two_sides_are_a_pair(text, sides):
    assert read_sides(text) == sides


def statement(raw, **meaning):
    return read_statement("a", Meaning(**{"facts": ("parameters",), **meaning}), raw, (), of="S")


@pytest.mark.parametrize(
    ("raw", "meaning", "inside", "outside"),
    [
        ("7.45 M", {}, (7_445_000, 7_455_000), (7_444_999, 7_455_001)),
        (7_448_954, {}, (7_448_954,), (7_448_953, 7_448_955)),
        (7.4, {"unit": "M", "decimals": 1}, (7_350_000, 7_450_000), (7_349_000, 7_451_000)),
        (7, {"unit": "M", "decimals": 2}, (6_995_000, 7_005_000), (6_994_000,)),
        ("2.82 G", {"tolerance": 0.02}, (2_770_000_000, 2_876_000_000), (2_760_000_000,)),
        # Three of the tolerances would fit into half a unit of the last place.
        ("3 G", {"facts": ("macs",)}, (2_500_000_000, 3_500_000_000), (2_490_000_000,)),
        ({"value": "7 M", "tolerance": 0.0}, {}, (7_000_000,), (7_600_000,)),
        ({"any_of": [1, 5]}, {}, (1, 5), (2, 3, 4)),
    ],
)
def test_a_number_admits_what_rounds_to_it(raw, meaning, inside, outside):
    options = statement(raw, **meaning).options
    assert all(any(one.admits(value) for one in options) for value in inside)
    assert not any(one.admits(value) for one in options for value in outside)


def test_a_total_that_is_not_described_is_either_of_two():
    facts = ("parameters", "state_elements")
    assert statement("7.45 M", facts=facts).facts == facts


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "expected at least one item"),
        ([[1.5]], "expected whole numbers within a list of lists"),
        ({"any_of": []}, "expected a list of values"),
        ({"any_of": [1], "value": 1}, "expected any_of or value"),
        ({"value": 1, "tolerance": 2}, "expected a tolerance from 0 to below 1"),
        (float("nan"), "expected a number"),
        (10**30, "expected a number"),
        (list(range(1001)), "expected at most 1,000 items"),
    ],
)
def test_what_cannot_be_read_is_said(raw, words):
    with pytest.raises(UsageError, match=words):
        statement(raw)
