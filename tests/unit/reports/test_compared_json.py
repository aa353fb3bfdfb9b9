"""Checkpoints compared, as JSON."""

import json
import math
import subprocess
import sys

import jsonschema
import msgspec
import pytest
from builders.comparisons import (
    comparison,
    conclusion,
    difference,
    fine_tuned,
    hostile,
    pair,
    rearranged,
    report,
    reports,
    same_weights,
    several,
    structure_only,
)
from hypothesis import given

from ckptscope.facts.comparison import DiffReport, MetadataRow, Relation
from ckptscope.reports.compared_json import diff_json_schema, render_compared_json

SCHEMA = json.loads(diff_json_schema())


def made(one: DiffReport) -> dict:
    return json.loads(render_compared_json(one))


@given(reports)
def test_any_comparison_fits_the_schema(one):
    jsonschema.validate(made(one), SCHEMA)


@pytest.mark.parametrize(
    "one",
    [
        same_weights(),
        fine_tuned(),
        structure_only(),
        rearranged(),
        several(),
        several(failed=True),
        hostile(),
    ],
)
def test_every_kind_of_comparison_fits_the_schema_and_is_one_object(one):
    found = made(one)
    jsonschema.validate(found, SCHEMA)
    assert (found["schema"], found["mode"]) == ("ckptscope/diff/1", "compare")
    assert found["same"] is one.is_same
    assert len(found["sides"]) == len(one.sides)
    assert len(found["comparisons"]) == len(one.comparisons)


def test_the_schema_is_printed_by_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ckptscope", "schema", "diff"], capture_output=True, check=True
    )
    assert json.loads(done.stdout) == SCHEMA
    assert SCHEMA["$id"] == "ckptscope/diff/1"


def test_nothing_is_folded():
    (one,) = made(fine_tuned())["comparisons"]
    assert [pair["left"]["key"] for pair in one["pairs"]] == [
        pair.left.key for pair in fine_tuned().comparisons[0].pairs
    ]
    assert len(one["structure"]["only_left"]) == 9
    assert one["structure"]["reshaped"][0]["right"]["shape"] == [1152]
    assert one["structure"]["same"] is False
    assert [row["same"] for row in one["metadata"]] == [False, False, True]


def test_counts_stand_beside_what_follows_from_them():
    (one,) = made(fine_tuned())["comparisons"]
    found = one["pairs"][3]["difference"]
    assert (found["elements"], found["equal_bits"], found["changed"]) == (1000, 998, 2)
    assert math.isclose(found["relative_l2"], 0.02)
    assert one["pairs"][8]["unread"] == "the storage is cut off"
    assert one["pairs"][8]["difference"] is None


def test_measures_that_are_not_finite_are_null_and_recorded_ones_are_text():
    infinite = difference(4, 4, squares_apart=math.inf, squares_left=math.inf, largest=math.inf)
    one = comparison(
        conclusion(Relation.UNDECIDED),
        pairs=(pair("w", 4, difference=infinite),),
        metadata=(MetadataRow(name="loss", left=math.nan, right=(math.inf, 1)),),
        relative_l2=math.nan,
    )
    whole = render_compared_json(report(one))
    found = json.loads(whole, parse_constant=pytest.fail)["comparisons"][0]
    assert found["relative_l2"] is None
    assert found["pairs"][0]["difference"]["largest"] is None
    assert (found["metadata"][0]["left"], found["metadata"][0]["right"]) == ("nan", ["inf", 1])


def test_names_that_no_utf_8_can_hold_are_escaped():
    found = made(hostile())
    assert found["comparisons"][0]["pairs"][0]["left"]["key"].endswith("\ud800")
    assert b"\\ud800" in render_compared_json(hostile())


def test_the_line_is_told_by_indices():
    found = made(several())["line"]
    assert (found["order"], found["groups"]) == ([0, 1, 2], [[0, 3]])
    assert made(msgspec.structs.replace(several(), line=None))["line"] is None
