"""Tables: they fit, numbers are whole, cells stay in their columns."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.reports.escaping import cell_width
from ckptscope.reports.tables import Column, Table, fit_table, github_table, name, number

LONG = "backbone.stages.2.8.pwconv1.weight"


def table(*rows: tuple[str, ...], **changes: object) -> Table:
    columns = (name("key"), number("elements"), Column(title="shape", drop=2))
    return msgspec.structs.replace(Table(columns=columns, rows=rows), **changes)


@given(
    st.lists(st.tuples(st.text(max_size=60), st.integers(0, 10**9).map(str), st.text(max_size=30))),
    st.integers(10, 120),
)
def test_no_line_is_wider_than_the_room(rows: list[tuple[str, ...]], width: int) -> None:
    fitted = fit_table(table(*rows), width)
    for line in [fitted.header or "", *fitted.rows, *fitted.closing]:
        assert cell_width(line) <= width
        assert line == line.rstrip()


@pytest.mark.parametrize("width", range(20, 60))
def test_numbers_are_never_cut(width: int) -> None:
    fitted = fit_table(table((LONG, "147,456", "768×192"), ("a", "1", "1")), width)
    assert all(
        f"{count:>8}" in line for count, line in zip(["147,456", "1"], fitted.rows, strict=True)
    )


def test_numbers_stand_below_each_other_at_the_right() -> None:
    fitted = fit_table(table(("a", "147,456", ""), ("b", "1", "")), 60)
    assert fitted.rows == ["a     147,456", "b           1"]


def test_a_column_that_may_be_missing_goes_before_names_are_cut_short() -> None:
    row = (LONG, "147,456", "768×192×1×1")
    assert "768×192×1×1" in fit_table(table(row), 60).rows[0]
    narrow = fit_table(table(row), 40)
    assert narrow.header == "key" + " " * 27 + "  elements"
    assert "768" not in narrow.rows[0]


@pytest.mark.parametrize(("drop", "cut"), [(1, False), (2, True)])
def test_a_luxury_goes_before_a_name_is_cut_and_other_columns_when_it_gets_short(
    drop: int, cut: bool
) -> None:
    columns = (name("key"), number("elements"), Column(title="more", drop=drop))
    fitted = fit_table(Table(columns=columns, rows=[(LONG, "147,456", "something")]), 48)
    assert ("…" in fitted.rows[0]) is cut
    assert ("something" in fitted.rows[0]) is cut


def test_a_long_name_loses_its_middle() -> None:
    fitted = fit_table(table((LONG, "147,456", "")), 30)
    assert fitted.rows == ["backbone.…nv1.weight   147,456"]


def test_an_empty_column_is_left_out() -> None:
    assert fit_table(table(("a", "1", "")), 60).header == "key  elements"


def test_columns_move_together_where_that_saves_a_name() -> None:
    row = (LONG, "147,456", "768×192")
    loose = fit_table(table(row, may_tighten=True), 100)
    tight = fit_table(table(row, may_tighten=True), len(LONG) + 8 + 7 + 2)
    assert loose.rows == [f"{LONG}   147,456  768×192"]
    assert tight.rows == [f"{LONG}  147,456 768×192"]


def test_closing_rows_stand_in_the_same_columns() -> None:
    fitted = fit_table(table(("a", "1", "2×2"), closing=(("total", "1", ""),)), 60)
    assert fitted.rows[0].index("1") == fitted.closing[0].index("1")


def test_markdown_marks_columns_of_numbers_and_keeps_digits_as_they_are() -> None:
    lines = github_table(table(("a", "0123", "1e5"))).splitlines()
    assert lines[1].split("|")[2].endswith(":")
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["`a`", "0123", "1e5"]


def test_markdown_leaves_drawings_out() -> None:
    drawn = Table(columns=(name("key"), Column(pictorial=True)), rows=[("a", "━━")])
    assert "━" not in github_table(drawn)
    assert "━" in fit_table(drawn, 40).rows[0]


def test_a_table_without_rows_is_still_a_table() -> None:
    assert fit_table(table(), 40).rows == []
    assert isinstance(github_table(table()), str)
