"""The page of measurements belongs to the benchmarks as they are."""

from pathlib import Path

import pytest

from benchmarks.case import Case, Judgement
from benchmarks.cases import CASES
from benchmarks.measure import Program, Sample, Series, run_once
from benchmarks.table import render_tables, write_tables

ROOT = Path(__file__).parents[2]


def series(name: str, *seconds: float) -> Series:
    samples = tuple(Sample(one, 10 << 20) for one in seconds)
    return Series(Program(name=name, arguments=()), samples)


def case(bound: float) -> Case:
    ratio = Judgement(
        what="a over b", value=lambda found: found["a"].seconds / found["b"].seconds, bound=bound
    )
    return Case(name="x", title="", programs=lambda _: (), judgements=(ratio,), runs=3)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_the_page_has_a_row_for_every_judgement_with_its_budget(one: Case) -> None:
    rows = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8").splitlines()
    for judgement in one.judgements:
        found = [row for row in rows if row.startswith(f"| {one.name} | {judgement.what} |")]
        assert len(found) == 1
        budget = "" if judgement.bound is None else f"{judgement.relation} {judgement.bound:g}"
        assert found[0].split("|")[4].strip() == budget


def test_a_ratio_within_its_budget_is_met_and_one_beyond_it_missed() -> None:
    results = {"a": series("a", 3.0, 1.0, 2.0), "b": series("b", 1.0, 1.0, 1.0)}
    assert "| x | a over b | 2.00 | ≤ 2 | met |" in render_tables([(case(2), results)], "")
    assert "| x | a over b | 2.00 | ≤ 1.9 | **missed** |" in render_tables(
        [(case(1.9), results)], ""
    )


def test_tables_replace_what_stood_between_the_markers_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- measured: start -->\nold\n<!-- measured: end -->\nz\n")
    write_tables("new", page)
    assert page.read_text() == ("a\n<!-- measured: start -->\nnew\n<!-- measured: end -->\nz\n")


def test_a_page_without_markers_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n")
    with pytest.raises(SystemExit):
        write_tables("new", page)
    assert page.read_text() == "a\n"


def test_a_program_that_fails_is_not_measured() -> None:
    with pytest.raises(SystemExit, match="broken: exit code 1"):
        run_once(Program(name="broken", arguments=("false",)))


def test_a_program_that_times_itself_is_taken_at_its_word() -> None:
    program = Program(name="told", arguments=("echo", "42.5"), self_timed=True)
    assert run_once(program).seconds == 42.5
