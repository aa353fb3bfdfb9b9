"""Statistics of tensors as tables: every number where it belongs, and never too wide."""

import json

import msgspec
import numpy as np
import pytest
from builders.reading import build_one
from builders.weights import random_weights, training_zip, weights_zip

from ckptscope.facts.report import FileReport, InspectReport
from ckptscope.facts.values import TensorValues
from ckptscope.reports.escaping import cell_width
from ckptscope.reports.json import render_json
from ckptscope.reports.markdown import render_markdown
from ckptscope.reports.text import render_text
from ckptscope.reports.values import draw, number_text, share_of_zeros
from ckptscope.reports.wanted import Wanted
from ckptscope.tensors.scanning import scan_values


def report() -> InspectReport:
    """A network of two tensors, one of them sick, and an optimizer."""
    weight, bias = random_weights(8, 9), np.array([0, np.nan, 4, -np.inf], np.float32)
    state = {"step": np.array(1200.0), "exp_avg": random_weights(8, 9, seed=2, scale=1e-5)}
    build = build_one(training_zip({"backbone.stem.conv.weight": weight, "fc.bias": bias}, state))
    one = FileReport(path="a.pth", manifest=build.manifest, values=scan_values(build))
    return InspectReport(files=(one,))


def text(width: int, **wanted: bool) -> list[str]:
    return render_text(report(), width=width, color=False, wanted=Wanted(**wanted)).splitlines()


def row(lines: list[str], start: str) -> list[str]:
    """The cells of the row that begins like this, in the part of the report about values."""
    first = next(i for i, line in enumerate(lines) if line.startswith("values of "))
    return next(line.split() for line in lines[first:] if line.strip().startswith(start))


def test_a_row_has_the_numbers_of_its_tensor():
    lines = text(120)
    assert "values of 2 tensors of network" in lines
    cells = row(lines, "fc.bias")
    assert cells[:5] == ["fc.bias", "0", "4", "2", "2"]
    assert cells[5] == "25.0%"
    assert " ".join(cells[7:]) == "1 NaN, 1 Inf"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_the_range_is_always_there(width):
    lines = text(width)
    assert max(map(cell_width, lines)) <= width
    assert row(lines, "fc.bias")[1:3] == ["0", "4"]


def test_at_80_columns_the_drawing_is_there():
    assert any("█" in cell for cell in row(text(80), "fc.bias"))


def test_the_tensors_of_an_optimizer_are_summed_up_unless_all_are_asked_for():
    assert row(text(120), "step")[:4] == ["step", "(1)", "1200", "1200"]
    assert row(text(120, tensors=True), "state/0/step")[:2] == ["state/0/step", "1200"]


def test_a_page_of_markdown_has_a_table_of_values():
    page = render_markdown(report())
    assert "| `fc.bias`" in page
    assert "1 NaN, 1 Inf" in page


def test_the_json_has_the_statistics_of_every_tensor():
    (one,) = json.loads(render_json(report()))["files"]
    found = {tensor["key"]: tensor["values"] for tensor in one["state_dicts"][0]["tensors"]}
    assert (found["fc.bias"]["nan"], found["fc.bias"]["negative_infinite"]) == (1, 1)
    assert found["fc.bias"]["mean"] == 2
    assert sum(found["backbone.stem.conv.weight"]["histogram"]) == 72


def test_without_values_the_json_has_none():
    build = build_one(training_zip({"a.weight": random_weights(2, 2)}, {}))
    plain = InspectReport(files=(FileReport(path="a.pth", manifest=build.manifest),))
    assert b'"values"' not in render_json(plain)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (0.0, "0"),
        (1331316.0, "1331316"),
        (1e12, "1e12"),
        (0.012345, "0.0123"),
        (-1.234e-5, "-1.23e-5"),
        (3.4e38, "3.4e38"),
    ],
)
def test_a_number_is_as_short_as_three_digits_allow(value, shown):
    assert number_text(value) == shown


def test_a_drawing_is_as_high_as_its_fullest_bin_and_shows_what_is_empty():
    assert draw((0, 0, 5, 5, 100, 0)) == "▁▂█"
    assert draw(()) == ""


def test_a_share_is_never_none_for_some_and_never_all_for_less():
    shown = [share_of_zeros(count, 10_000) for count in (0, 1, 9999, 10_000)]
    assert shown == ["", "<0.1%", "99.9%", "100%"]


def test_a_tensor_that_was_not_read_says_so():
    one = report().files[0]
    unread = TensorValues(path="network", key="lost", unread="storage '7' is missing")
    made = InspectReport(files=(FileReport(path="a.pth", manifest=one.manifest, values=(unread,)),))
    lines = render_text(made, width=100, color=False).splitlines()
    assert row(lines, "lost") == ["lost", "not", "read"]


def table_of(*values: TensorValues) -> str:
    report = InspectReport(
        files=(
            FileReport(path="a.pth", manifest=build_one(weights_zip({})).manifest, values=values),
        )
    )
    return render_text(report, width=120, color=False, wanted=Wanted())


def test_a_tensor_that_is_made_of_parts_counts_as_one():
    indices = TensorValues(path="", key="w", part="0", elements=4)
    lines = table_of(indices, TensorValues(path="", key="w", part="1", elements=2))
    assert "values of 1 tensor of (top level)" in lines


def test_denormal_numbers_are_told_from_a_hundredth_on():
    few = TensorValues(path="", key="w", elements=1000, denormals=9, least=0.1, greatest=0.2)
    assert "denormal" not in table_of(few)
    assert "10 denormal" in table_of(msgspec.structs.replace(few, denormals=10))
